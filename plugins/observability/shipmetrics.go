package observability

import (
	"cmp"
	"log/slog"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/orch-host/orch/plugins/observability/shipper"
	"github.com/orch-host/orch/sdk/metrics"
)

// laggards is how many files of a shipment have metrics of their own: those
// that are farthest behind.
const laggards = 20

// shipMetrics reads the metrics off the shipments when they are asked for. A
// shipment on standby is another process's to tell about.
type shipMetrics struct{ keeper *keeper }

var _ prometheus.Collector = shipMetrics{}

func shipDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("orch_ship_"+name, help, append([]string{"shipment"}, labels...), nil)
}

var (
	descRecords     = shipDesc("records_total", "Records read from files.")
	descLines       = shipDesc("lines_acknowledged_total", "Records that the receiver took or that were set aside, in order.")
	descBytes       = shipDesc("bytes_acknowledged_total", "Bytes of the files that they came from.")
	descBatches     = shipDesc("batches_total", "Requests that were accepted.")
	descWire        = shipDesc("wire_bytes_total", "Their size as sent.")
	descRetries     = shipDesc("retries_total", "Requests that were tried again, by reason.", "reason")
	descRefused     = shipDesc("refused_total", "Records in the dead-letter file, by reason.", "reason")
	descRotations   = shipDesc("rotations_total", "Files that were rotated away or truncated.")
	descLost        = shipDesc("lost_bytes_total", "Bytes known to have been deleted or truncated before they could be read.")
	descCheckpoints = shipDesc("checkpoint_failures_total", "Checkpoints that could not be written.")
	descDuplicates  = shipDesc("duplicates_bound", "Records that would be sent again if the process were killed now, at most.")
	descFiles       = shipDesc("files", "Paths that are tailed.")
	descLagBytes    = shipDesc("lag_bytes", "Bytes that are there and not acknowledged.")
	descLagSeconds  = shipDesc("lag_seconds", "Age of the oldest of them.")
	descFileBytes   = shipDesc("file_lag_bytes", "The same, of the files that are farthest behind.", "file")
	descFileSeconds = shipDesc("file_lag_seconds", "The same, of the files that are farthest behind.", "file")
)

// Describe implements prometheus.Collector.
func (m shipMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRecords, descLines, descBytes, descBatches, descWire, descRetries, descRefused, descRotations, descLost,
		descCheckpoints, descDuplicates, descFiles, descLagBytes, descLagSeconds, descFileBytes, descFileSeconds} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m shipMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, l := range m.keeper.list() {
		if l.Status.State != shipper.Running && l.Status.State != shipper.Stopping {
			continue
		}
		v := l.Status.Metrics
		counter := func(d *prometheus.Desc, n uint64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{l.Name}, labels...)...)
		}
		gauge := func(d *prometheus.Desc, n float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, n, append([]string{l.Name}, labels...)...)
		}
		counter(descRecords, v.Records)
		counter(descLines, v.LinesAcked)
		counter(descBytes, v.BytesAcked)
		counter(descBatches, v.Batches)
		counter(descWire, v.WireBytes)
		counter(descRotations, v.Rotations+v.Truncations)
		counter(descLost, v.LostBytes)
		counter(descCheckpoints, v.CheckpointFails)
		gauge(descDuplicates, float64(v.DuplicatesBound))
		gauge(descFiles, float64(v.Files))
		gauge(descLagBytes, float64(v.LagBytes))
		gauge(descLagSeconds, v.LagSeconds)
		for reason, n := range v.Retries {
			counter(descRetries, n, reason)
		}
		for reason, n := range v.Refusals {
			counter(descRefused, n, reason)
		}
		files := l.Status.Files
		slices.SortFunc(files, func(a, b shipper.FileStatus) int { return cmp.Compare(b.LagBytes, a.LagBytes) })
		for _, f := range files[:min(len(files), laggards)] {
			gauge(descFileBytes, float64(f.LagBytes), f.Path)
			gauge(descFileSeconds, f.LagSeconds, f.Path)
		}
	}
}

// noMetrics as ship.metrics_endpoint turns the metrics off.
const noMetrics = "none"

// metricsEndpoint is where the shipments' metrics go: the stack's collector, unless another one is named.
func (c Config) metricsEndpoint() string {
	return cmp.Or(c.Ship.MetricsEndpoint, c.otlp())
}

// pushMetrics makes the pusher follow the configuration. When it cannot, the one before goes on.
func (g *group) pushMetrics(c Config) error {
	g.pushing.Lock()
	defer g.pushing.Unlock()
	endpoint := c.metricsEndpoint()
	if endpoint == g.pushedTo {
		return nil
	}
	if endpoint == noMetrics {
		g.stopPushing()
		return nil
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(shipMetrics{&g.keeper}); err != nil {
		return err
	}
	host, _ := os.Hostname() // without a name the metrics are told apart by shipment
	pusher, err := metrics.Push(metrics.Options{Endpoint: endpoint, Service: "orch-shipper", Host: host, Gatherer: registry, Logger: slog.Default()})
	if err != nil {
		return err
	}
	g.stopPushing()
	g.pusher, g.pushedTo = pusher, endpoint
	return nil
}

// stopPushing pushes a last time; pushing is held.
func (g *group) stopPushing() {
	if g.pusher != nil {
		g.pusher.Stop()
	}
	g.pusher, g.pushedTo = nil, ""
}
