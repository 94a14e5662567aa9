package file

import (
	"fmt"
	"path/filepath"
)

// seal renames the active segment to its number. The goroutine that writes calls it; begin follows,
// at once or when there is room again.
func (l *auditLog) seal() error {
	if l.file != nil {
		if err := l.file.Close(); err != nil {
			return fmt.Errorf("sealing the log: %w", err)
		}
		l.file = nil
	}
	g := l.active()
	path := filepath.Join(l.dir, sealedLog(g.number))
	if err := l.disk.Rename(filepath.Join(l.dir, activeLog), path); err != nil {
		return fmt.Errorf("sealing the log: %w", err)
	}
	g.mu.Lock()
	g.path = path
	g.mu.Unlock()
	return nil
}

// begin starts the segment after a sealed one.
func (l *auditLog) begin() error {
	last := l.active()
	g, err := l.openSegment(filepath.Join(l.dir, activeLog), last.number+1, last.first+uint64(last.count()))
	if err != nil {
		return err
	}
	if err := g.index.Truncate(0); err != nil {
		return fmt.Errorf("beginning an index: %w", err)
	}
	l.segmentsMu.Lock()
	defer l.segmentsMu.Unlock()
	l.segments = append(l.segments, g)
	l.size = 0
	return nil
}

func (g *segment) sealed() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return filepath.Base(g.path) != activeLog
}
