package sandbox

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// self is this program, even if its file was replaced since it started.
const self = "/proc/self/exe"

func program() string {
	if _, err := os.Stat(self); err == nil {
		return self
	}
	return os.Args[0]
}

// limit bounds this process. What it hits ends the process.
func limit() error {
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(Memory * 3 / 4) // collect harder when little is left
	for what, most := range map[int]uint64{
		unix.RLIMIT_CPU:   uint64(Processor / time.Second),
		unix.RLIMIT_DATA:  Memory,
		unix.RLIMIT_CORE:  0,
		unix.RLIMIT_FSIZE: 0,
	} {
		if err := unix.Prlimit(0, what, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
			return fmt.Errorf("its limits cannot be set: %w", err)
		}
	}
	return nil
}
