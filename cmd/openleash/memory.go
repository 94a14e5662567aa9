package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// What a request leaves behind is much and what lives is little, so that collecting less often than Go
// would saves a tenth of the CPU. Where much lives, that would take too much memory. GOGC overrides it.
const (
	garbage    = 48 << 20 // bytes that may lie between two collections
	minPercent = 30
	maxPercent = 300
)

// tuneCollector fits the collector to what lives, now and from time to time until ctx ends.
func tuneCollector(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		return nil
	}
	debug.FreeOSMemory() // what the start left behind
	again := time.NewTicker(time.Minute)
	defer again.Stop()
	for {
		debug.SetGCPercent(collectorPercent(liveHeap()))
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}

// collectorPercent is how far the heap may grow beyond what lives, in percent of it.
func collectorPercent(live uint64) int {
	return int(min(max(garbage*100/max(live, 1), minPercent), maxPercent))
}

// liveHeap is what the last collection found alive, in bytes.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return garbage
	}
	return sample[0].Value.Uint64()
}
