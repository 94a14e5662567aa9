package main

import "testing"

func TestCollectorPercent(t *testing.T) {
	const mib = 1 << 20
	for use, want := range map[memoryUse]int{
		{}: 300, {heap: 10 * mib}: 300, {heap: 10 * mib, rest: 6 * mib}: 300, {heap: 48 * mib}: 100, {heap: 60 * mib, rest: 10 * mib}: 80,
		{heap: 60 * mib, rest: 90 * mib}: 40, {heap: 60 * mib, rest: 900 * mib}: 30, {heap: 1000 * mib}: 100,
	} {
		if got := collectorPercent(use); got != want {
			t.Errorf("%d MiB live and %d MiB of stacks: %d %%, want %d %%", use.heap/mib, use.rest/mib, got, want)
		}
	}
}
