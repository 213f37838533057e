package observability

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/orch-host/orch/plugins/observability/shipper"
	"github.com/orch-host/orch/sdk"
)

// Ingest says which logs are wanted and how they are shipped.
type Ingest struct {
	ServiceName          string            `json:"service_name,omitempty" jsonschema:"the label service.name of logs that have no better one"`
	Roots                []string          `json:"roots,omitempty" jsonschema:"absolute folders to look in"`
	Include              []string          `json:"include,omitempty" jsonschema:"globs with **; relative ones are below each root; default **/*.log when there are roots"`
	Exclude              []string          `json:"exclude,omitempty" jsonschema:"globs of files and folders to leave out"`
	Labels               map[string]string `json:"labels,omitempty"`
	Endpoint             string            `json:"endpoint,omitempty" jsonschema:"OTLP/HTTP receiver; default the stack's collector, http://localhost:4318 unless collector.http_port or bind is set"`
	BatchSize            int               `json:"batch_size,omitempty" jsonschema:"records per request at most; default 1000"`
	FlushIntervalSeconds float64           `json:"flush_interval_seconds,omitempty" jsonschema:"an incomplete batch is sent after this; default 0.5"`
	Format               string            `json:"format,omitempty" jsonschema:"auto, plain, rfc3339, syslog, json, docker or docker-local; default auto"`
	Multiline            *Multiline        `json:"multiline,omitempty" jsonschema:"joins lines to one record"`
	Docker               *bool             `json:"docker,omitempty" jsonschema:"ship the logs of running containers too; default true"`
	Containers           []string          `json:"containers,omitempty" jsonschema:"globs of container names; default all but those of this product"`
}

// Multiline joins lines to one record.
type Multiline struct {
	Start          string  `json:"start" jsonschema:"regular expression; a line that matches begins a record"`
	MaxLines       int     `json:"max_lines,omitempty" jsonschema:"default 500"`
	TimeoutSeconds float64 `json:"timeout_seconds,omitempty" jsonschema:"a record is complete when nothing was added for this long; default 1"`
}

func (m *Multiline) forShipper() *shipper.Multiline {
	if m == nil {
		return nil
	}
	return &shipper.Multiline{Start: m.Start, MaxLines: m.MaxLines, Timeout: seconds(m.TimeoutSeconds)}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// clone shares nothing with in: params are decoded over the defaults, in place.
func (in Ingest) clone() Ingest {
	in.Roots, in.Include, in.Exclude, in.Containers = slices.Clone(in.Roots), slices.Clone(in.Include), slices.Clone(in.Exclude), slices.Clone(in.Containers)
	in.Labels = maps.Clone(in.Labels)
	if in.Multiline != nil {
		in.Multiline = new(*in.Multiline)
	}
	if in.Docker != nil {
		in.Docker = new(*in.Docker)
	}
	return in
}

type keyProblem struct{ key, text string }

// problems names every key that cannot work.
func (in *Ingest) problems() (all []keyProblem) {
	bad := func(key, format string, args ...any) {
		all = append(all, keyProblem{key, fmt.Sprintf(format, args...)})
	}
	for _, r := range in.Roots {
		if !filepath.IsAbs(r) {
			bad("roots", "%q is not an absolute path", r)
		}
	}
	for key, globs := range map[string][]string{"include": in.Include, "exclude": in.Exclude, "containers": in.Containers} {
		for _, p := range globs {
			if err := checkGlob(p); err != nil {
				bad(key, "%q is not a glob such as **/*.log", p)
			}
		}
	}
	if in.Endpoint != "" && !isURL(in.Endpoint) {
		bad("endpoint", "%q is not a URL such as http://localhost:4318", in.Endpoint)
	}
	if in.BatchSize < 0 || in.BatchSize > 100_000 {
		bad("batch_size", "%d is not a number from 1 to 100000", in.BatchSize)
	}
	if f := in.FlushIntervalSeconds; f != 0 && (f < 0.001 || f > 3600) {
		bad("flush_interval_seconds", "%v is not between 0.001 and 3600", f)
	}
	f := shipper.File{Path: "/", Format: shipper.Format(in.Format), Multiline: in.Multiline.forShipper()}
	if err := shipper.Check(f); err != nil {
		bad("format", "or multiline: %v", err)
	}
	return all
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func checkURL(path, text string) error {
	if text != "" && !isURL(text) {
		return sdk.ConfigProblem(path, "%q is not a URL such as http://localhost:3000", text)
	}
	return nil
}

// configureIngest lays the workflow's params over the configured defaults. The params may be a service's name.
func (g *group) configureIngest(_ context.Context, params any) (Ingest, error) {
	c := g.current()
	in := c.Ingest
	switch p := params.(type) {
	case nil:
	case string:
		in.ServiceName = p
	case map[string]any:
		if inner, ok := p["service_name"].(map[string]any); ok { // {service_name: {service_name: ...}}
			p["service_name"] = inner["service_name"]
		}
		if err := overlay(p, &in); err != nil {
			return in, &sdk.Error{Type: sdk.TypeInvalidInput, NonRetryable: true, Message: fmt.Sprintf("configure log ingest: %v", err)}
		}
	default:
		return in, &sdk.Error{Type: sdk.TypeInvalidInput, NonRetryable: true, Message: fmt.Sprintf("configure log ingest: params are %T: want an object or a service's name", params)}
	}
	if problems := in.problems(); len(problems) > 0 {
		var text bytes.Buffer
		for _, p := range problems {
			fmt.Fprintf(&text, "; %s: %s", p.key, p.text)
		}
		return in, &sdk.Error{Type: "InvalidIngest", NonRetryable: true, Message: "configure log ingest: " + text.String()[2:] +
			"; mend the service's params or [" + settings + ".ingest]"}
	}
	in.Endpoint = cmp.Or(in.Endpoint, c.otlp())
	in.BatchSize = cmp.Or(in.BatchSize, 1000)
	in.FlushIntervalSeconds = cmp.Or(in.FlushIntervalSeconds, 0.5)
	if len(in.Roots) > 0 && len(in.Include) == 0 {
		in.Include = []string{"**/*.log"}
	}
	return in, nil
}

func overlay(from map[string]any, in *Ingest) error {
	b, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, in)
}
