package hostcore

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/orch-host/orch/hostcore/supervisor"
)

// collector reads the metrics off the parts when they are asked for.
type collector struct{ h *Host }

var _ prometheus.Collector = (*collector)(nil)

var (
	pluginLabels = []string{"plugin", "version"}
	descUp       = prometheus.NewDesc("orch_plugin_ready", "1 while the plugin serves.", pluginLabels, nil)
	descRestarts = prometheus.NewDesc("orch_plugin_restarts_total", "Restarts after a crash or failed health.", pluginLabels, nil)
	descSwaps    = prometheus.NewDesc("orch_plugin_swaps_total", "Changes to another version.", pluginLabels, nil)
	descInFlight = prometheus.NewDesc("orch_plugin_attempts_in_flight", "Activity attempts that run.", pluginLabels, nil)
	descQueue    = prometheus.NewDesc("orch_queue_ready", "1 while the service's activities are polled.", []string{"service", "task_queue"}, nil)
)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descRestarts, descSwaps, descInFlight, descQueue} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, p := range c.h.supervisor.List() {
		if p.Name == "" { // a file that is no plugin, or not yet: two of them would have the same labels
			continue
		}
		up := 0.0
		if p.State == supervisor.Ready || p.State == supervisor.Degraded {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(descUp, prometheus.GaugeValue, up, p.Name, p.Version)
		ch <- prometheus.MustNewConstMetric(descRestarts, prometheus.CounterValue, float64(p.Restarts), p.Name, p.Version)
		ch <- prometheus.MustNewConstMetric(descSwaps, prometheus.CounterValue, float64(p.Swaps), p.Name, p.Version)
		ch <- prometheus.MustNewConstMetric(descInFlight, prometheus.GaugeValue, float64(p.InFlight), p.Name, p.Version)
	}
	for _, q := range c.h.queueStates() {
		ready := 0.0
		if q.Ready {
			ready = 1
		}
		ch <- prometheus.MustNewConstMetric(descQueue, prometheus.GaugeValue, ready, q.Service, q.TaskQueue)
	}
}
