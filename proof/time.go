package proof

import (
	"strings"
	"time"
)

// timeFormat is RFC 3339 in UTC with milliseconds.
const timeFormat = "2006-01-02T15:04:05.000Z"

// FormatTime writes a time as it stands on the wire.
func FormatTime(t time.Time) string { return t.UTC().Format(timeFormat) }

// ParseTime reads an RFC 3339 time with any offset and any fraction of a second, and returns it in UTC.
func ParseTime(s string) (time.Time, error) {
	if strings.IndexByte(s, ',') >= 0 {
		return time.Time{}, &time.ParseError{Layout: time.RFC3339, Value: s, Message: ": a comma"}
	}
	t, err := time.Parse(time.RFC3339, s)
	return t.UTC(), err
}
