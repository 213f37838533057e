package observability

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
)

const (
	prometheusPort       = 9090
	prometheusConfigPath = "/etc/prometheus/orch.yml"
	prometheusData       = "/var/lib/prometheus"
)

// PrometheusConfig is the table [plugins.observability.config.prometheus].
type PrometheusConfig struct {
	Common
	Port           int               `json:"port,omitempty" jsonschema:"port of the HTTP API on the host; default 9090"`
	URL            string            `json:"url,omitempty" jsonschema:"its address as a Grafana that is not the stack's own reaches it; default http://localhost:9090, or the address in bind"`
	Retention      string            `json:"retention,omitempty" jsonschema:"age at which metrics are deleted, such as 15d; default 15d"`
	ScrapeInterval string            `json:"scrape_interval,omitempty" jsonschema:"time between two looks at a target, such as 15s or 1m30s; default 15s"`
	Targets        map[string]string `json:"targets,omitempty" jsonschema:"further targets, host:port by job name; host.docker.internal is this machine"`
}

// scrapeInterval is Prometheus' notation of a length of time
// (prometheus/common, model.ParseDuration), as far as fits into its range.
var scrapeInterval = regexp.MustCompile(`^(\d{1,2}y)?(\d{1,3}w)?(\d{1,4}d)?(\d{1,5}h)?(\d{1,7}m)?(\d{1,9}s)?(\d{1,12}ms)?$`)

func (c PrometheusConfig) check() error {
	problems := []error{
		c.Common.check("prometheus"), container.CheckPort("prometheus.port", c.Port), checkURL("prometheus.url", c.URL),
		checkDuration("prometheus.retention", c.Retention),
	}
	if i := c.ScrapeInterval; i != "" && (!scrapeInterval.MatchString(i) || strings.Trim(i, "0ywdhms") == "") {
		problems = append(problems, sdk.ConfigProblem("prometheus.scrape_interval", "%q is not a length of time such as 15s, 500ms or 1m30s", i))
	}
	own := PrometheusConfig{}.jobs()
	for job, target := range c.Targets {
		if job == "" || slices.ContainsFunc(own, func(o object) bool { return o["job_name"] == job }) {
			problems = append(problems, sdk.ConfigProblem("prometheus.targets."+job, "%q is the name of a job of the stack itself, or none: give it another one", job))
		}
		if _, _, err := net.SplitHostPort(target); err != nil {
			problems = append(problems, sdk.ConfigProblem("prometheus.targets."+job, "%q is not host:port", target))
		}
	}
	return errors.Join(problems...)
}

func (g *group) prometheus() container.Component {
	return g.component(prometheusName, "Prometheus", prometheusPart)
}

func prometheusPart(_ context.Context, c Config) (part, error) {
	file, err := configFile(prometheusConfigPath, c.Prometheus.generate())
	if err != nil {
		return part{}, err
	}
	file.Live = true
	return part{
		name: prometheusName, table: "prometheus", common: c.Prometheus.Common,
		image: "prom/prometheus:v3.16.0",
		cmd: []string{
			"--config.file=" + prometheusConfigPath, "--storage.tsdb.path=" + prometheusData + "/data",
			"--storage.tsdb.retention.time=" + cmp.Or(c.Prometheus.Retention, "15d"), "--web.enable-lifecycle", "--web.enable-otlp-receiver",
		},
		files: []container.File{file}, data: prometheusData,
		ports:  []port{{container: prometheusPort, host: cmp.Or(c.Prometheus.Port, prometheusPort), setting: "port"}},
		verify: &container.Command{Entrypoint: []string{"/bin/promtool"}, Cmd: []string{"check", "config", prometheusConfigPath}},
		ready: func(ctx context.Context, at container.Endpoints) error {
			return ready.HTTP("http://"+at.Addr(prometheusPort)+"/-/ready", ready.HTTPOptions{})(ctx)
		},
		reload: func(ctx context.Context, r container.Running) error {
			return ready.HTTP("http://"+r.At.Addr(prometheusPort)+"/-/reload", ready.HTTPOptions{Method: "POST"})(ctx)
		},
		urls: []container.URL{{Name: "http", Scheme: "http", Port: prometheusPort}},
	}, nil
}

func (c PrometheusConfig) generate() object {
	return object{
		"global":         object{"scrape_interval": cmp.Or(c.ScrapeInterval, "15s")},
		"otlp":           object{"promote_resource_attributes": []string{"service.name", "service.namespace", "service.instance.id", "host.name"}},
		"scrape_configs": c.jobs(),
	}
}

// jobs scrape every component of the stack, whether it runs or not, so
// that one which is down shows; the metrics that applications send to the
// collector keep their own labels.
func (c PrometheusConfig) jobs() []object {
	job := func(name, target string) object {
		return object{"job_name": name, "static_configs": []object{{"targets": []string{target}}}}
	}
	at := func(name string, port int) string { return fmt.Sprintf("%s:%d", name, port) }
	applications := job("applications", at(collectorName, collectorMetrics))
	applications["honor_labels"] = true
	jobs := []object{
		applications,
		job(collectorName, at(collectorName, collectorTelemetry)),
		job(lokiName, at(lokiName, lokiPort)),
		job(prometheusName, fmt.Sprintf("localhost:%d", prometheusPort)),
		job(jaegerName, at(jaegerName, jaegerAdmin)),
		job(grafanaName, at(grafanaName, grafanaPort)),
	}
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		jobs = append(jobs, job(name, c.Targets[name]))
	}
	return jobs
}
