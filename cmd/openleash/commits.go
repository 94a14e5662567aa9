package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// commits are the metrics of the log: what each of its fsyncs took, and how many entries shared it.
type commits struct {
	took    prometheus.Histogram
	entries prometheus.Histogram
	failed  prometheus.Counter
}

func newCommits() *commits {
	return &commits{
		took: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "openleash_log_commit_duration_seconds",
			Help: "Time to write entries to the log and have the disk keep them.", Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, .5, 2}}),
		entries: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "openleash_log_commit_entries",
			Help: "Entries that one fsync of the log was for.", Buckets: prometheus.ExponentialBuckets(1, 2, 10)}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "openleash_log_commit_failures_total",
			Help: "Writes of the log that failed: a full disk, a folder that cannot be written."}),
	}
}

func (c *commits) collectors() []prometheus.Collector {
	return []prometheus.Collector{c.took, c.entries, c.failed}
}

func (c *commits) observe(entries int, took time.Duration, err error) {
	if err != nil {
		c.failed.Inc()
		return
	}
	c.took.Observe(took.Seconds())
	c.entries.Observe(float64(entries))
}
