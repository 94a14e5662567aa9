package main

import "testing"

func TestCollectorPercent(t *testing.T) {
	const mib = 1 << 20
	for live, want := range map[uint64]int{0: 300, 10 * mib: 300, 48 * mib: 100, 96 * mib: 50, 1000 * mib: 30} {
		if got := collectorPercent(live); got != want {
			t.Errorf("%d MiB live: %d %%, want %d %%", live/mib, got, want)
		}
	}
}
