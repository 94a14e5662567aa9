package server

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

const (
	surveyEvery   = 15 * time.Second
	surveyTimeout = 5 * time.Second
)

// survey counts what stands in the store when metrics are asked for, but not more often than every
// few seconds.
type survey struct {
	server   *Server
	degraded *prometheus.Desc
	broken   *prometheus.Desc
	budgets  *prometheus.Desc
	queue    *prometheus.Desc

	mu     sync.Mutex
	at     time.Time
	counts []count
}

type count struct {
	desc  *prometheus.Desc
	label string
	n     int
}

func newSurvey(s *Server) *survey {
	return &survey{server: s,
		degraded: prometheus.NewDesc("openleash_policies_degraded", "Owners with policy files that cannot be used.", nil, nil),
		broken:   prometheus.NewDesc("openleash_policy_files_broken", "Policy files and folders that cannot be used.", nil, nil),
		budgets:  prometheus.NewDesc("openleash_budgets", "Budgets of active agents, by state: near (80 % spent) or full.", []string{"state"}, nil),
		queue:    prometheus.NewDesc("openleash_queue_length", "What waits, by queue: approvals, drafts, agents, webhooks, dead_webhooks.", []string{"queue"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (v *survey) Describe(ch chan<- *prometheus.Desc) {
	ch <- v.degraded
	ch <- v.broken
	ch <- v.budgets
	ch <- v.queue
}

// Collect implements prometheus.Collector.
func (v *survey) Collect(ch chan<- prometheus.Metric) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := v.server.cfg.Clock(); v.counts == nil || now.Sub(v.at).Abs() >= surveyEvery {
		ctx, cancel := context.WithTimeout(context.Background(), surveyTimeout)
		defer cancel()
		counts, err := v.take(ctx)
		if err != nil {
			v.server.cfg.Log.Error("counting for metrics", "err", err)
		}
		v.at, v.counts = now, counts
	}
	for _, c := range v.counts {
		var labels []string
		if c.label != "" {
			labels = []string{c.label}
		}
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(c.n), labels...)
	}
}

// take counts over all owners.
func (v *survey) take(ctx context.Context) ([]count, error) {
	health, err := v.server.svc.PolicyHealth(ctx)
	if err != nil {
		return nil, err
	}
	var sum tally
	for owner := range health.Revisions {
		if err := sum.add(ctx, v.server.svc, leash.Caller{OwnerID: owner, Admin: true}); err != nil {
			return nil, err
		}
	}
	return []count{{v.degraded, "", len(health.Errors)}, {v.broken, "", brokenFiles(health)}, {v.budgets, "near", sum.near}, {v.budgets, "full", sum.full},
		{v.queue, "approvals", sum.waiting.Approvals}, {v.queue, "drafts", sum.waiting.Drafts}, {v.queue, "agents", sum.waiting.Agents},
		{v.queue, "webhooks", sum.calls}, {v.queue, "dead_webhooks", sum.dead}}, nil
}

// brokenFiles counts the policy files and folders that cannot be used.
func brokenFiles(h leash.Health) int {
	files := map[string]bool{}
	for _, problems := range h.Errors {
		for _, p := range problems {
			files[p.File] = true
		}
	}
	return len(files)
}

// tally adds up what stands of each owner.
type tally struct {
	near, full, calls, dead int
	waiting                 leash.Waiting
}

func (t *tally) add(ctx context.Context, svc *leash.Service, owner leash.Caller) error {
	budgets, err := svc.Budgets(ctx, owner, "")
	if err != nil {
		return err
	}
	for _, b := range budgets {
		switch {
		case b.Spent >= b.Limit:
			t.full++
		case b.Spent >= b.Limit-b.Limit/5:
			t.near++
		}
	}
	waiting, err := svc.Waiting(ctx, owner)
	if err != nil {
		return err
	}
	t.waiting.Approvals += waiting.Approvals
	t.waiting.Drafts += waiting.Drafts
	t.waiting.Agents += waiting.Agents
	deliveries, err := svc.Deliveries(ctx, owner)
	for _, d := range deliveries {
		if d.Status == store.Dead {
			t.dead++
		} else {
			t.calls++
		}
	}
	return err
}
