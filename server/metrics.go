package server

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

// maxPolicyLabels is how many policies are counted by name.
const maxPolicyLabels = 200

var latencyBuckets = []float64{.0005, .001, .002, .005, .01, .025, .05, .1, .25, 1, 5}

// metrics are what GET /metrics tells. Labels are bounded: routes, not paths; policies up to a number.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
	decisions *prometheus.CounterVec
	deciding  prometheus.Histogram
	reloads   *prometheus.CounterVec
	reloading prometheus.Histogram
	webhooks  *prometheus.CounterVec

	mu       sync.RWMutex
	policies map[string]bool // named in labels
}

func newMetrics(s *Server) (*metrics, error) {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "openleash_http_request_duration_seconds",
			Help: "Time to answer HTTP requests.", Buckets: latencyBuckets}, []string{"method", "route", "status"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "openleash_decisions_total",
			Help: "Decisions, by result and the policy that decided."}, []string{"result", "policy"}),
		deciding: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "openleash_decision_duration_seconds",
			Help: "Time from the parsed request to the recorded and proved decision.", Buckets: latencyBuckets}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "openleash_policy_reloads_total",
			Help: "Changes of the policy files on disk, by outcome: ok, refused (a file cannot be used), error."}, []string{"outcome"}),
		reloading: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "openleash_policy_reload_duration_seconds",
			Help: "Time to make changed policy files active.", Buckets: latencyBuckets}),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "openleash_webhook_attempts_total",
			Help: "Webhook calls, by outcome: ok or failed."}, []string{"outcome"}),
		policies: map[string]bool{},
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "openleash_build_info",
		Help: "1, with the version of the program and of Go."}, []string{"version", "goversion"})
	build.WithLabelValues(s.cfg.Version, runtime.Version()).Set(1)
	m.begin()
	all := []prometheus.Collector{build, m.requests, m.decisions, m.deciding, m.reloads, m.reloading, m.webhooks, newSurvey(s),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "openleash_held_answers",
			Help: "Long polls and streams that are open."}, func() float64 { return float64(s.svc.Held()) })}
	for _, c := range append(all, s.cfg.Collectors...) {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// begin makes the counters exist from the start, so that the first event shows as an increase.
func (m *metrics) begin() {
	for _, result := range []store.Result{store.Allow, store.Deny, store.RequireApproval, store.RequireStepUp, store.RequireDeposit} {
		m.decisions.WithLabelValues(string(result), "")
	}
	for _, outcome := range []string{"ok", "refused", "error"} {
		m.reloads.WithLabelValues(outcome)
	}
	for _, outcome := range []string{"ok", "failed"} {
		m.webhooks.WithLabelValues(outcome)
	}
}

func (m *metrics) serve(c *call) error {
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(c.Response(), c.Request())
	return nil
}

// request counts one request. A method that is none of HTTP's is not repeated.
func (m *metrics) request(method, route string, status int, took time.Duration) {
	switch method {
	case "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH":
	default:
		method = "other"
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

func (m *metrics) decision(a *leash.Answer, took time.Duration) {
	policy := ""
	if a.MatchedPolicyID != nil {
		policy = m.label(*a.MatchedPolicyID)
	}
	m.decisions.WithLabelValues(string(a.Result), policy).Inc()
	m.deciding.Observe(took.Seconds())
}

// label is the name of a policy, or "other" once there are too many.
func (m *metrics) label(policy string) string {
	m.mu.RLock()
	known, full := m.policies[policy], len(m.policies) >= maxPolicyLabels
	m.mu.RUnlock()
	switch {
	case known:
		return policy
	case full:
		return "other"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.policies[policy] = true
	return policy
}

func (m *metrics) webhook(failure error) {
	outcome := "ok"
	if failure != nil {
		outcome = "failed"
	}
	m.webhooks.WithLabelValues(outcome).Inc()
}

// SyncPolicies makes the policy files on disk active, and counts what that did. Call it when the files may have
// changed.
func (s *Server) SyncPolicies(ctx context.Context) error {
	began := s.cfg.Clock()
	report, err := s.svc.SyncPolicies(ctx)
	outcome := "ok"
	switch {
	case err != nil:
		outcome = "error"
	case len(report.Refused) > 0:
		outcome = "refused"
	case len(report.Changed) == 0:
		return nil // a look that found nothing new
	}
	s.metrics.reloads.WithLabelValues(outcome).Inc()
	s.metrics.reloading.Observe(s.cfg.Clock().Sub(began).Seconds())
	return err
}
