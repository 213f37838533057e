package workflows

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"
)

// configurationFailed is the result of an ingest whose configuration step came back empty.
const configurationFailed = "configuration failed"

// briefly is the timeout of ingest steps that only hand work over.
const briefly = 30 * time.Second

// Where logs go and in which sizes, unless the configuration step says otherwise.
const (
	defaultEndpoint      = "http://localhost:4318"
	defaultBatchSize     = 100
	defaultFlushInterval = 5  // seconds
	shipTimeout          = 10 // seconds
)

func stdoutIngest() spec {
	return spec{
		name:    "ApplicationStdoutIngestWorkflow",
		summary: "find log files and container logs, label them and ship them",
		retry:   plainRetry(), timeout: 5 * time.Minute,
		activities: []string{
			"logs_configure_activity",
			"add_loki_datasource_activity",
			"discover_log_files_activity",
			"discover_docker_logs_activity",
			"label_enrichment_activity",
			"tail_and_ship_logs_activity",
		},
	}
}

// ApplicationStdoutIngestWorkflow finds the logs of applications, labels them and ships them over OTLP.
func ApplicationStdoutIngestWorkflow(ctx workflow.Context, params Arg) (string, error) {
	f := begin(ctx, stdoutIngest())
	conf := f.step("logs_configure_activity", params)
	f.require(conf, configurationFailed)
	f.stepWithin(briefly, "add_loki_datasource_activity", params)
	f.sleep(5*time.Second, "Grafana takes the datasource in")
	files := f.step("discover_log_files_activity", conf).list()
	files = append(files, f.step("discover_docker_logs_activity", conf).list()...)
	files = unique(files)
	enriched := f.step("label_enrichment_activity", enrichment(conf.fields(), files)).list()
	shipped := f.stepWithin(briefly, "tail_and_ship_logs_activity", shipment(conf.fields(), enriched))
	return f.done(fmt.Sprintf("ingest started: discovered=%d enriched=%d status=%s",
		len(files), len(enriched), status(shipped)))
}

// unique drops duplicates and sorts by path.
func unique(files []json.RawMessage) []json.RawMessage {
	slices.SortStableFunc(files, func(a, b json.RawMessage) int { return cmp.Compare(pathOf(a), pathOf(b)) })
	return slices.CompactFunc(files, func(a, b json.RawMessage) bool { return pathOf(a) == pathOf(b) })
}

// pathOf is the path of a discovered log: the string itself, or the object's path. Anything else stands for itself.
func pathOf(file json.RawMessage) string {
	if s, ok := textOf(file); ok {
		return s
	}
	if o, ok := objectOf(file); ok && o.text("path") != "" {
		return o.text("path")
	}
	return string(bytes.TrimSpace(file))
}

// labelsOf are the labels an object holds, {} when it holds none.
func labelsOf(o object) json.RawMessage {
	if labels := o["labels"]; !falsy(labels) {
		return labels
	}
	return json.RawMessage("{}")
}

func enrichment(conf object, files []json.RawMessage) object {
	if files == nil {
		files = []json.RawMessage{}
	}
	return object{}.with("files", files).with("labels", labelsOf(conf))
}

func shipment(conf object, enriched []json.RawMessage) object {
	paths := make([]string, 0, len(enriched))
	for _, e := range enriched {
		paths = append(paths, pathOf(e))
	}
	labels := labelsOf(conf)
	if len(enriched) > 0 {
		if first, _ := objectOf(enriched[0]); !falsy(first["labels"]) {
			labels = first["labels"]
		}
	}
	ship := object{}.
		with("files", paths).
		with("labels", labels).
		with("protocol", "otlp").
		with("timeout_seconds", shipTimeout)
	for _, key := range []string{"endpoint", "batch_size", "flush_interval_seconds"} {
		if v, ok := conf[key]; ok {
			ship[key] = v
		}
	}
	return ship.
		withDefault("endpoint", defaultEndpoint).
		withDefault("batch_size", defaultBatchSize).
		withDefault("flush_interval_seconds", defaultFlushInterval)
}

// status is what the shipper said about itself.
func status(shipped value) string {
	if s, ok := textOf(shipped.json()); ok {
		return s
	}
	return cmp.Or(shipped.fields().text("status"), "unknown")
}
