package bridge

import (
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/temporal"
)

// Metrics are what a bridge counts.
type Metrics struct {
	attempts *prometheus.HistogramVec
	seats    *prometheus.HistogramVec
}

// NewMetrics makes them and registers them with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "orch_activity_attempt_seconds", Help: "How long attempts ran in their plugin, by how they ended: ok, failed, canceled, crashed (the plugin went away), interrupted (by a swap, the end of the host, or Temporal being away for too long).",
			Buckets: []float64{.005, .02, .1, .5, 2, 10, 60, 300, 1800},
		}, []string{"service", "activity", "plugin", "outcome"}),
		seats: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "orch_activity_wait_seconds", Help: "How long attempts waited for a plugin that was away or full.",
			Buckets: []float64{.005, .1, 1, 10, 60},
		}, []string{"service", "activity"}),
	}
	r.MustRegister(m.attempts, m.seats)
	return m
}

func (m *Metrics) ran(a *attempt, err error) {
	if m == nil {
		return
	}
	m.attempts.WithLabelValues(a.service, a.info.ActivityType.Name, a.instance.Manifest.GetName(), outcome(err)).Observe(time.Since(a.started).Seconds())
}

func (m *Metrics) waited(service, activity string, since time.Time) {
	if m == nil {
		return
	}
	m.seats.WithLabelValues(service, activity).Observe(time.Since(since).Seconds())
}

// outcome puts what Temporal is told in one word.
func outcome(err error) string {
	var application *temporal.ApplicationError
	switch {
	case err == nil:
		return "ok"
	case temporal.IsCanceledError(err):
		return "canceled"
	case errors.As(err, &application) && application.Type() == typeCrashed:
		return "crashed"
	case errors.As(err, &application) && slices.Contains([]string{typeDrained, typeWorkerStop, typeLost}, application.Type()):
		return "interrupted"
	}
	return "failed"
}
