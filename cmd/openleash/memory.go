package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// What a request leaves behind is much and what lives is little, so that collecting less often than Go
// would saves a tenth of the CPU. Where much lives, or many stacks of clients that wait, that would take
// too much memory. GOGC overrides it.
const (
	garbage    = 48 << 20 // bytes that may lie between two collections; as much as the heap that lives, if that is more
	minPercent = 30
	maxPercent = 300

	tuneEvery = time.Second
	idleLimit = 32 << 20 // bytes that the heap may keep unused
)

// tuneCollector fits the collector to what lives, now and from time to time until ctx ends.
func tuneCollector(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	debug.FreeOSMemory() // what the start left behind
	again := time.NewTicker(tuneEvery)
	defer again.Stop()
	percent, quiet := 0, 0
	for {
		use := readMemory()
		if p := collectorPercent(use); p != percent {
			percent = p
			debug.SetGCPercent(p)
		}
		// After a rush, what it took is given back soon, and not over minutes.
		if quiet++; use.idle < idleLimit {
			quiet = 0
		} else if quiet >= 10 {
			debug.FreeOSMemory()
			quiet = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}

// collectorPercent is how far the heap may grow beyond what lives, in percent of it, in tens.
func collectorPercent(use memoryUse) int {
	wanted := max(garbage, use.heap)
	return int(min(max(wanted*100/max(use.heap+use.rest, 1), minPercent), maxPercent)) / 10 * 10
}

// memoryUse is what the process needs, and what it keeps beyond.
type memoryUse struct {
	heap uint64 // found alive by the last collection
	rest uint64 // stacks and globals, of which the collector takes its percentage, too
	idle uint64 // neither used nor given back
}

func readMemory() memoryUse {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}}
	metrics.Read(samples)
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0
		}
		return samples[i].Value.Uint64()
	}
	return memoryUse{heap: value(0), rest: value(1) + value(2), idle: value(3)}
}
