package main

import (
	"io"
	"log/slog"
)

// logger is the program's own log, about itself; what agents do is in the audit log. It says nothing
// below least, whatever the settings are. Its level may be changed while it is used.
func (s *settings) logger(w io.Writer, least slog.Level) (*slog.Logger, *slog.LevelVar, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return nil, nil, misuse("log_level is %q: want debug, info, warn or error", s.logLevel)
	}
	current := new(slog.LevelVar)
	current.Set(max(level, least))
	options := &slog.HandlerOptions{Level: current}
	switch s.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), current, nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), current, nil
	}
	return nil, nil, misuse("log_format is %q: want text or json", s.logFormat)
}
