package service

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/store"
)

// metrics are what a process counts of its own work. What the database knows is read when
// the metrics are scraped, and is the same from every process. No metric names a person.
type metrics struct {
	service  *Service
	registry *prometheus.Registry
	steps    *prometheus.CounterVec
	jobs     *prometheus.HistogramVec
	waits    *prometheus.HistogramVec
	refused  *prometheus.CounterVec
}

// Metrics returns what Prometheus reads.
func (s *Service) Metrics() http.Handler {
	return promhttp.HandlerFor(s.lazyMetrics().registry, promhttp.HandlerOpts{})
}

// lazyMetrics returns the metrics, which are made when first asked for.
func (s *Service) lazyMetrics() *metrics {
	s.measuring.Do(func() {
		buckets := []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800}
		m := &metrics{service: s, registry: prometheus.NewRegistry(),
			steps:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "behov_steps_total", Help: "Steps that ended here, by target and outcome."}, []string{"target", "outcome"}),
			jobs:    prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "behov_job_seconds", Help: "How long jobs took, by kind and whether they are to be done again.", Buckets: buckets}, []string{"job", "result"}),
			waits:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "behov_job_wait_seconds", Help: "How long after they were due jobs were taken up.", Buckets: buckets}, []string{"job"}),
			refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "behov_refused_tokens_total", Help: "SCIM requests without a valid token, by why it was refused."}, []string{"reason"}),
		}
		m.registry.MustRegister(m.steps, m.jobs, m.waits, m.refused, &figures{service: s, db: s.DB}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		s.metrics = m
	})
	return s.metrics
}

// TokenRefused counts a SCIM request whose token is refused.
func (s *Service) TokenRefused(reason string) {
	s.lazyMetrics().refused.WithLabelValues(reason).Inc()
}

// count counts the outcomes of a run's steps.
func (m *metrics) count(r *execute.Result) {
	for target, outcomes := range r.OutcomesByTarget {
		for outcome, n := range outcomes {
			m.steps.WithLabelValues(target, outcome).Add(float64(n))
		}
	}
}

// observe measures a job.
func (m *metrics) observe(job queue.Ended) {
	result := "done"
	if job.Err != nil {
		result = "again"
	}
	m.waits.WithLabelValues(job.Kind).Observe(job.Waited.Seconds())
	m.jobs.WithLabelValues(job.Kind, result).Observe(job.Took.Seconds())
}

// figures is what the database knows, as Prometheus wants it.
type figures struct {
	service *Service
	db      figuresReader
}

// figuresReader reads what the database knows of all processes' work.
type figuresReader interface {
	Stats(ctx context.Context) (store.Stats, error)
	Pauses(ctx context.Context) (map[string]store.Decision, error)
	EvaluatorDifferences(ctx context.Context, rulesDigest string, of store.PersonSet) ([]store.EvaluatorDifference, error)
	Tokens(ctx context.Context) ([]store.Token, error)
	OutboundCursors(ctx context.Context) (cursors map[string]store.OutboundCursor, head int64, err error)
	OldestUndelivered(ctx context.Context, index int64) (time.Time, error)
}

func description(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("behov_"+name, help, labels, nil)
}

var (
	oldestStep    = description("oldest_unfinished_step_seconds", "Age of the oldest step that was intended and has not ended; 0 without one.", "target")
	failingSteps  = description("failing_steps", "Steps that failed and are tried again.", "target")
	parkedSteps   = description("parked_steps", "Steps that failed so often that they wait for a person.", "target")
	targetUp      = description("target_up", "Whether the target answered this process when it last asked.", "target")
	holds         = description("holds", "What is held, by the target or HR source.", "subject")
	hrSilence     = description("hr_seconds_since_import", "How long ago something new came from an HR source.", "source")
	auditRecords  = description("audit_records", "The number of the audit trail's last record.")
	configRefused = description("configuration_refused", "Whether the configuration's newest version is refused and the one before in use.")
	paused        = description("paused", "Whether the target is paused.", "target")
	different     = description("evaluator_differences", "Entitlements of people on which the fast evaluator and Casbin do not agree, with the rules in use.")
	tokenExpiry   = description("token_expiry_timestamp_seconds", "When a SCIM token that is not revoked stops working, in Unix time; 0 for one that never does.", "source", "token_id")
	eventsBehind  = description("event_stream_behind_records", "Records of the audit trail that a stream of events has yet to deliver or to pass over.", "stream")
	eventsAge     = description("event_stream_behind_seconds", "Age of the oldest of these records; 0 without one.", "stream")
	unreadable    = description("database_unreadable", "Whether the database could not be asked for the figures.")
)

// Describe implements prometheus.Collector.
func (f *figures) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{oldestStep, failingSteps, parkedSteps, targetUp, holds, hrSilence, auditRecords, configRefused, paused, different, tokenExpiry, eventsBehind, eventsAge, unreadable} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (f *figures) Collect(all chan<- prometheus.Metric) {
	s := f.service
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		all <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	g := s.current.Load()
	if g == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	gauge(configRefused, boolMetric(s.Refused() != nil))
	now, err := f.db.Stats(ctx)
	pauses, pausesErr := f.db.Pauses(ctx)
	found, foundErr := f.db.EvaluatorDifferences(ctx, g.config.Rules.Digest, store.Everyone())
	tokens, tokensErr := f.db.Tokens(ctx)
	behind, behindErr := f.eventStreams(ctx, g.config)
	if err != nil || pausesErr != nil || foundErr != nil || tokensErr != nil || behindErr != nil {
		gauge(unreadable, 1)
		return
	}
	for name, b := range behind {
		gauge(eventsBehind, float64(b.records), name)
		gauge(eventsAge, b.age.Seconds(), name)
	}
	gauge(unreadable, 0)
	gauge(different, float64(len(found)))
	for _, t := range g.config.Targets {
		age := 0.0
		if at := now.Oldest[t.Name]; !at.IsZero() {
			age = s.Now().Sub(at).Seconds()
		}
		gauge(oldestStep, age, t.Name)
		gauge(failingSteps, float64(now.Failing[t.Name]), t.Name)
		gauge(parkedSteps, float64(now.Parked[t.Name]), t.Name)
		gauge(holds, float64(now.Holds[t.Name]), t.Name)
		gauge(targetUp, boolMetric(s.health.unavailableUntil(t.Name, s.Now()).IsZero()), t.Name)
		_, this := pauses[t.Name]
		_, every := pauses[store.EveryTarget]
		gauge(paused, boolMetric(this || every), t.Name)
	}
	for _, t := range tokens {
		if t.RevokedUS == 0 {
			gauge(tokenExpiry, float64(t.ExpiresUS)/1e6, t.Source, t.ID)
		}
	}
	for name := range g.config.Sources {
		gauge(holds, float64(now.Holds[name]), name)
		if at := now.Heard[name]; !at.IsZero() {
			gauge(hrSilence, s.Now().Sub(at).Seconds(), name)
		}
	}
	gauge(auditRecords, float64(now.Heads.Audit))
}

// streamBehind is how far a stream of events is behind the audit trail.
type streamBehind struct {
	records int64
	age     time.Duration
}

// eventStreams returns how far each stream of events is behind.
func (f *figures) eventStreams(ctx context.Context, c *config.Config) (map[string]streamBehind, error) {
	names := outbound.StreamNames(c)
	if len(names) == 0 {
		return nil, nil
	}
	cursors, head, err := f.db.OutboundCursors(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]streamBehind{}
	for _, name := range names {
		cursor, begun := cursors[name]
		if !begun || cursor.Index >= head {
			all[name] = streamBehind{}
			continue
		}
		oldest, err := f.db.OldestUndelivered(ctx, cursor.Index)
		if err != nil {
			return nil, err
		}
		all[name] = streamBehind{records: head - cursor.Index, age: max(0, f.service.Now().Sub(oldest))}
	}
	return all, nil
}

func boolMetric(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
