//go:build !linux

package sandbox

import (
	"os"
	"runtime/debug"
)

func program() string {
	if path, err := os.Executable(); err == nil {
		return path
	}
	return os.Args[0]
}

// limit makes running out of stack end this process early. Its parent bounds its time.
func limit() error {
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(Memory)
	return nil
}
