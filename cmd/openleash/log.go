package main

import (
	"io"
	"log/slog"
)

// logger is the program's own log, about itself; what agents do is in the audit log. It says nothing
// below least, whatever the settings are.
func (s *settings) logger(w io.Writer, least slog.Level) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return nil, misuse("log_level is %q: want debug, info, warn or error", s.logLevel)
	}
	options := &slog.HandlerOptions{Level: max(level, least)}
	switch s.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return nil, misuse("log_format is %q: want text or json", s.logFormat)
}
