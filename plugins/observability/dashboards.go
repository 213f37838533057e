package observability

import "fmt"

const dashboardFolder = "Orch"

// Dashboard is one of those that we bring, independent of a Grafana's ids.
type Dashboard struct {
	UID, Title string
	Variables  []Variable
	Rows       []Row
}

// Variable is a choice at the top of a dashboard: the values of a label.
type Variable struct {
	Name, Label string
	Datasource  string // type
	Query       string // for Prometheus: label_values(...); for Loki: the label
}

// Row is a line of panels that share its width.
type Row []Panel

// Panel shows queries.
type Panel struct {
	Title   string
	Kind    string // timeseries, stat, table or logs
	Unit    string // Grafana's unit id: short, ops, Bps, ms, ...
	Source  string // datasource type
	Queries []Query
	Help    string
	Stack   bool // areas above each other
}

// Query is LogQL or PromQL with the legend of its series.
type Query struct{ Expr, Legend string }

// Dashboards are what an operator looks at first: the logs, this product, the
// collector, the requests of the applications, and the shipping of log files. Counters of the collector
// are asked for with and without _total: its versions differ.
func Dashboards() []Dashboard {
	return []Dashboard{logsDashboard(), hostDashboard(), collectorDashboard(), requestsDashboard(), shippingDashboard()}
}

func loki(title, kind, unit string, q ...Query) Panel {
	return Panel{Title: title, Kind: kind, Unit: unit, Source: "loki", Queries: q}
}

func prom(title, kind, unit string, q ...Query) Panel {
	return Panel{Title: title, Kind: kind, Unit: unit, Source: "prometheus", Queries: q}
}

func (p Panel) stacked() Panel          { p.Stack = true; return p }
func (p Panel) about(text string) Panel { p.Help = text; return p }

func logsDashboard() Dashboard {
	const lines = `{service_name=~"$service"}`
	const bad = lines + ` | detected_level=~"error|fatal|critical"`
	return Dashboard{
		UID: "orch-logs", Title: "Logs overview",
		Variables: []Variable{{Name: "service", Label: "Service", Datasource: "loki", Query: "service_name"}},
		Rows: []Row{
			{
				loki("Lines per second", "stat", "short", Query{`sum(rate(` + lines + `[$__auto]))`, ""}),
				loki("Errors in the last hour", "stat", "short", Query{`sum(count_over_time(` + bad + ` [1h])) or vector(0)`, ""}).about("Lines whose level is error, fatal or critical."),
				loki("Services that log", "stat", "short", Query{`count(sum by (service_name) (count_over_time(` + lines + `[1h])))`, ""}),
				loki("Volume per second", "stat", "Bps", Query{`sum(bytes_rate(` + lines + `[$__auto]))`, ""}),
			},
			{
				loki("Lines by service", "timeseries", "short", Query{`sum by (service_name) (count_over_time(` + lines + `[$__auto]))`, "{{service_name}}"}).stacked(),
				loki("Lines by level", "timeseries", "short", Query{`sum by (detected_level) (count_over_time(` + lines + ` | detected_level!="" [$__auto]))`, "{{detected_level}}"}).stacked(),
			},
			{loki("Loudest services", "table", "bytes", Query{`topk(10, sum by (service_name) (bytes_over_time(` + lines + `[1h])))`, "{{service_name}}"}).about("Bytes of the last hour: what retention has to hold.")},
			{loki("Lines", "logs", "", Query{lines, ""})},
		},
	}
}

func hostDashboard() Dashboard {
	return Dashboard{
		UID: "orch-host", Title: "Orch: host and plugins",
		Rows: []Row{
			{
				prom("Plugins that serve", "stat", "short", Query{`sum(orch_plugin_ready)`, ""}),
				prom("Plugins that do not", "stat", "short", Query{`count(orch_plugin_ready == 0) or vector(0)`, ""}),
				prom("Attempts in flight", "stat", "short", Query{`sum(orch_plugin_attempts_in_flight)`, ""}),
				prom("Queues that are polled", "stat", "short", Query{`sum(orch_queue_ready)`, ""}),
			},
			{
				prom("Attempts in flight by plugin", "timeseries", "short", Query{`sum by (plugin, version) (orch_plugin_attempts_in_flight)`, "{{plugin}} {{version}}"}).stacked(),
				prom("Restarts", "timeseries", "short", Query{`sum by (plugin) (increase(orch_plugin_restarts_total[$__rate_interval]))`, "{{plugin}}"}).about("After a crash or failed health; 0 is normal."),
			},
			{
				prom("Swaps to another version", "timeseries", "short", Query{`sum by (plugin) (increase(orch_plugin_swaps_total[$__rate_interval]))`, "{{plugin}}"}),
				prom("Plugins", "table", "short", Query{`sum by (plugin, version) (orch_plugin_ready)`, ""}),
			},
		},
	}
}

func collectorDashboard() Dashboard {
	rate := func(name string) string {
		return `sum(rate({__name__=~"otelcol_` + name + `(_total)?"}[$__rate_interval]))`
	}
	by := func(label, name string) string {
		return `sum by (` + label + `) (rate({__name__=~"otelcol_` + name + `(_total)?"}[$__rate_interval]))`
	}
	const full = `max by (exporter) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)`
	return Dashboard{
		UID: "orch-collector", Title: "Collector health",
		Rows: []Row{
			{
				prom("Up", "stat", "short", Query{`max(up{job="collector"})`, ""}),
				prom("Log records in per second", "stat", "short", Query{rate("receiver_accepted_log_records"), ""}),
				prom("Log records out per second", "stat", "short", Query{rate("exporter_sent_log_records"), ""}),
				prom("Fullest queue", "stat", "percentunit", Query{`max(` + full + `)`, ""}).about("At 1 senders wait, and nothing is lost."),
			},
			{
				prom("Accepted", "timeseries", "short",
					Query{by("receiver", "receiver_accepted_log_records"), "logs {{receiver}}"},
					Query{by("receiver", "receiver_accepted_spans"), "spans {{receiver}}"},
					Query{by("receiver", "receiver_accepted_metric_points"), "metric points {{receiver}}"}),
				prom("Sent", "timeseries", "short",
					Query{by("exporter", "exporter_sent_log_records"), "logs {{exporter}}"},
					Query{by("exporter", "exporter_sent_spans"), "spans {{exporter}}"},
					Query{by("exporter", "exporter_sent_metric_points"), "metric points {{exporter}}"}),
			},
			{
				prom("Queues", "timeseries", "percentunit", Query{full, "{{exporter}}"}).about("Share of each exporter's queue on disk that is in use."),
				prom("Memory", "timeseries", "bytes", Query{`max({__name__=~"otelcol_process_memory_rss(_bytes)?"})`, "resident"}),
			},
			{prom("Refused and failed", "timeseries", "short",
				Query{rate("receiver_refused_log_records") + ` or vector(0)`, "logs refused"},
				Query{rate("exporter_send_failed_log_records") + ` or vector(0)`, "logs failed for good"},
				Query{rate("exporter_send_failed_spans") + ` or vector(0)`, "spans failed for good"})},
		},
	}
}

func requestsDashboard() Dashboard {
	const served = `{service_name=~"$service", span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"}`
	const failed = `{service_name=~"$service", span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER", status_code="STATUS_CODE_ERROR"}`
	quantile := func(q string) string {
		return `histogram_quantile(` + q + `, sum by (le) (rate(traces_span_metrics_duration_milliseconds_bucket` + served + `[$__rate_interval])))`
	}
	return Dashboard{
		UID: "orch-requests", Title: "Requests: rate, errors, duration",
		Variables: []Variable{{Name: "service", Label: "Service", Datasource: "prometheus", Query: "label_values(traces_span_metrics_calls_total, service_name)"}},
		Rows: []Row{
			{
				prom("Requests per second", "stat", "reqps", Query{`sum(rate(traces_span_metrics_calls_total` + served + `[$__rate_interval]))`, ""}),
				prom("Errors", "stat", "percentunit", Query{`(sum(rate(traces_span_metrics_calls_total` + failed + `[$__rate_interval])) or vector(0)) / sum(rate(traces_span_metrics_calls_total` + served + `[$__rate_interval]))`, ""}),
				prom("95th percentile", "stat", "ms", Query{quantile("0.95"), ""}),
			},
			{
				prom("Rate", "timeseries", "reqps", Query{`sum by (service_name) (rate(traces_span_metrics_calls_total` + served + `[$__rate_interval]))`, "{{service_name}}"}),
				prom("Errors per second", "timeseries", "reqps", Query{`sum by (service_name) (rate(traces_span_metrics_calls_total` + failed + `[$__rate_interval])) or vector(0)`, "{{service_name}}"}),
			},
			{prom("Duration", "timeseries", "ms", Query{quantile("0.5"), "half"}, Query{quantile("0.95"), "95 %"}, Query{quantile("0.99"), "99 %"})},
			{prom("By operation", "table", "reqps", Query{`topk(20, sum by (service_name, span_name) (rate(traces_span_metrics_calls_total` + served + `[$__rate_interval])))`, ""})},
		},
	}
}

func shippingDashboard() Dashboard {
	rate := func(name string) string {
		return `sum by (shipment) (rate(orch_ship_` + name + `[$__rate_interval]))`
	}
	return Dashboard{
		UID: "orch-shipping", Title: "Log shipping",
		Rows: []Row{
			{
				prom("Behind", "stat", "bytes", Query{`sum(orch_ship_lag_bytes)`, ""}).about("Bytes that are in files and not acknowledged by the receiver."),
				prom("Oldest of them", "stat", "s", Query{`max(orch_ship_lag_seconds)`, ""}),
				prom("Files", "stat", "short", Query{`sum(orch_ship_files)`, ""}),
				prom("Set aside", "stat", "short", Query{`sum(orch_ship_refused_total) or vector(0)`, ""}).about("Records that the receiver refused for good: they are in the dead-letter files, with the reason."),
				prom("Lost", "stat", "bytes", Query{`sum(orch_ship_lost_bytes_total)`, ""}).about("Deleted or truncated before it could be read."),
			},
			{
				prom("Lines acknowledged per second", "timeseries", "short", Query{rate("lines_acknowledged_total"), "{{shipment}}"}),
				prom("Bytes per second", "timeseries", "Bps", Query{rate("bytes_acknowledged_total"), "read {{shipment}}"}, Query{rate("wire_bytes_total"), "sent {{shipment}}"}),
			},
			{
				prom("Behind, by shipment", "timeseries", "bytes", Query{`sum by (shipment) (orch_ship_lag_bytes)`, "{{shipment}}"}),
				prom("Requests tried again", "timeseries", "short", Query{`sum by (reason) (rate(orch_ship_retries_total[$__rate_interval])) or vector(0)`, "{{reason}}"}),
			},
			{
				prom("Files that are farthest behind", "table", "bytes", Query{`topk(20, sum by (shipment, file) (orch_ship_file_lag_bytes))`, ""}),
				prom("Would be sent twice after a crash now", "timeseries", "short", Query{`sum by (shipment) (orch_ship_duplicates_bound)`, "{{shipment}}"}).about("Records since the last checkpoint."),
			},
		},
	}
}

// Model is the dashboard as Grafana stores it, over datasources with these ids.
func (d Dashboard) Model(id uids) map[string]any {
	ref := func(kind string) object { return object{"type": kind, "uid": id[kind]} }
	var panels []object
	y := 0
	for _, row := range d.Rows {
		height, width := 8, 24/len(row)
		switch row[0].Kind {
		case "stat":
			height = 4
		case "logs":
			height = 14
		}
		for i, p := range row {
			var targets []object
			for j, q := range p.Queries {
				t := object{"refId": string(rune('A' + j)), "expr": q.Expr, "datasource": ref(p.Source)}
				if q.Legend != "" {
					t["legendFormat"] = q.Legend
				}
				if p.Kind == "table" {
					t["instant"], t["format"] = true, "table"
				}
				targets = append(targets, t)
			}
			panel := object{
				"id": len(panels) + 1, "type": p.Kind, "title": p.Title, "datasource": ref(p.Source), "targets": targets,
				"gridPos": object{"h": height, "w": width, "x": i * width, "y": y},
			}
			if p.Help != "" {
				panel["description"] = p.Help
			}
			if p.Kind != "logs" {
				defaults := object{"unit": p.Unit}
				if p.Stack {
					defaults["custom"] = object{"stacking": object{"mode": "normal"}, "fillOpacity": 30}
				}
				panel["fieldConfig"] = object{"defaults": defaults, "overrides": []any{}}
			}
			panels = append(panels, panel)
		}
		y += height
	}
	var variables []object
	for _, v := range d.Variables {
		variable := object{
			"name": v.Name, "label": v.Label, "type": "query", "datasource": ref(v.Datasource), "refresh": 2, "sort": 1,
			"multi": true, "includeAll": true, "allValue": ".+", "current": object{"text": "All", "value": "$__all"},
		}
		if v.Datasource == "loki" {
			variable["query"] = object{"type": 1, "label": v.Query, "refId": "labels"}
		} else {
			variable["query"] = v.Query
		}
		variables = append(variables, variable)
	}
	return object{
		"uid": d.UID, "title": d.Title, "tags": []string{"orch"}, "schemaVersion": 39, "editable": true, "refresh": "30s",
		"time": object{"from": "now-1h", "to": "now"}, "timezone": "browser",
		"panels": panels, "templating": object{"list": variables},
		"description": fmt.Sprintf("%s. Made by orch; changes are replaced.", d.Title),
	}
}
