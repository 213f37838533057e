package observability

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	_ "embed" // the default templates

	"go.yaml.in/yaml/v3"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
)

//go:embed container_logs.yaml.tmpl
var containerLogsTemplate string

// ContainerLogs is the input of generate_and_validate_config_activity.
type ContainerLogs struct {
	TemplatePath string `json:"template_path,omitempty" jsonschema:"file with a Go template of collector configuration; values: template_path, log_paths, service_name, loki_endpoint, storage; functions: yaml; default: a file_log receiver that remembers its place"`
	LogPaths     any    `json:"log_paths,omitempty" jsonschema:"absolute globs of the files to read, as a list or one string; default: the log files of Docker's containers"`
	ServiceName  string `json:"service_name,omitempty" jsonschema:"the label service.name of the lines, and the name of this piece of configuration; default: the service of the task queue"`
	LokiEndpoint string `json:"loki_endpoint,omitempty" jsonschema:"address of Loki; default: where the collector's logs go"`
}

// generateConfig is generate_and_validate_config_activity.
func (g *group) generateConfig(ctx context.Context, in ContainerLogs) (string, error) {
	c := g.current()
	name := cmp.Or(in.ServiceName, sdk.GetInfo(ctx).Service, "default")
	if err := checkIngestName(name); err != nil {
		return "", err
	}
	paths := joined(in.LogPaths)
	if one, ok := in.LogPaths.(string); ok && one != "" {
		paths = []string{one}
	}
	if len(paths) == 0 {
		paths = []string{"/var/lib/docker/containers/*/*-json.log"}
	}
	loki, err := c.lokiEndpoint(in.LokiEndpoint)
	if err != nil {
		return "", err
	}
	text, err := render(in.TemplatePath, containerLogsTemplate, map[string]any{
		"template_path": in.TemplatePath, "log_paths": paths, "service_name": name, "loki_endpoint": loki, "storage": "file_storage",
		"docker": slices.ContainsFunc(paths, func(p string) bool { return strings.Contains(p, "/docker/containers/") }),
	})
	if err != nil {
		return "", err
	}
	return g.validated(ctx, c, name, text)
}

// OTLPApps is the input of enable_otlp_receiver_activity.
type OTLPApps struct {
	TemplatePath string `json:"template_path,omitempty" jsonschema:"file with a Go template of collector configuration; values: template_path, service_name, otlp_endpoint; functions: yaml; default: nothing beside the receivers that are always on"`
	ServiceName  string `json:"service_name,omitempty" jsonschema:"name of this piece of configuration; default: the service of the task queue"`
	OTLPEndpoint string `json:"otlp_endpoint,omitempty" jsonschema:"where the applications send: a port of the collector on this machine; default http://localhost:4318 unless collector.http_port or bind is set"`
}

// enableOTLP is enable_otlp_receiver_activity; its result is the path of the configuration.
func (g *group) enableOTLP(ctx context.Context, in OTLPApps) (string, error) {
	c := g.current()
	name := cmp.Or(in.ServiceName, sdk.GetInfo(ctx).Service, "default")
	if err := checkIngestName(name); err != nil {
		return "", err
	}
	endpoint := cmp.Or(in.OTLPEndpoint, c.otlp())
	if err := c.checkOTLP(endpoint); err != nil {
		return "", err
	}
	text, err := render(in.TemplatePath, "", map[string]any{"template_path": in.TemplatePath, "service_name": name, "otlp_endpoint": endpoint})
	if err != nil {
		return "", err
	}
	if text, err = g.validated(ctx, c, name, text); err != nil {
		return "", err
	}
	file := filepath.Join(otlpFolder(sdk.StateDir(ctx)), name+".yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", fmt.Errorf("keep the configuration: %w", err)
	}
	return file, replaceFile(file, []byte(text))
}

// otlpFolder is where the configurations that enable_otlp_receiver_activity gave are.
func otlpFolder(state string) string { return filepath.Join(state, "collector-otlp") }

// readOTLPConfig reads one of them, and no other file of this machine.
func readOTLPConfig(state, path string) ([]byte, error) {
	if dir := otlpFolder(state); filepath.Dir(filepath.Clean(path)) != dir || filepath.Ext(path) != ".yaml" {
		return nil, fmt.Errorf("%q is not a file of %s", path, dir)
	}
	folder, err := os.OpenRoot(otlpFolder(state)) // a link does not lead out of it either
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	return folder.ReadFile(filepath.Base(path))
}

// checkOTLP refuses an endpoint that the collector does not listen on.
func (c Config) checkOTLP(endpoint string) error {
	host := endpoint
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		host = u.Host
	}
	_, port, err := net.SplitHostPort(host)
	http, grpc := fmt.Sprint(cmp.Or(c.Collector.HTTPPort, otlpHTTP)), fmt.Sprint(cmp.Or(c.Collector.GRPCPort, otlpGRPC))
	if err != nil || port != http && port != grpc {
		return sdk.NonRetryable(fmt.Errorf("otlp_endpoint %q is not where the collector takes OTLP, http://localhost:%s or localhost:%s for gRPC: use one of these, or set %s.collector.http_port or grpc_port", endpoint, http, grpc, settings))
	}
	return nil
}

// validated gives a piece of configuration its name and has the collector check it, with all the others.
func (g *group) validated(ctx context.Context, c Config, name, text string) (string, error) {
	text = ingestHead + name + "\n" + text
	in, err := parseIngestion(text)
	if err != nil {
		return "", err
	}
	all, err := loadIngests(sdk.StateDir(ctx))
	if err != nil {
		return "", err
	}
	p, err := collectorWith(c, with(all, in))
	if err != nil {
		return "", err
	}
	plan, err := p.plan(c, c.stack())
	if err != nil {
		return "", err
	}
	return text, g.collector().Verify(ctx, plan)
}

// ConfigText is the input of push_and_reload_activity.
type ConfigText struct {
	Config string `json:"config_str" jsonschema:"what generate_and_validate_config_activity gave"`
}

// Pushed is the collector that runs with a pushed configuration.
type Pushed struct {
	Service string           `json:"service"`
	Action  container.Action `json:"action" jsonschema:"unchanged, reloaded, or replaced when it has to see other folders"`
	Changed bool             `json:"changed"`
	Probe   string           `json:"probe,omitempty" jsonschema:"the record that was sent and has arrived in Loki"`
}

// pushConfig is push_and_reload_activity.
func (g *group) pushConfig(ctx context.Context, in ConfigText) (Pushed, error) {
	done, _, err := g.push(ctx, in.Config)
	return done, err
}

// push makes the collector run with the piece of configuration, or puts the one before back.
func (g *group) push(ctx context.Context, text string) (Pushed, container.StartOutput, error) {
	in, err := parseIngestion(text)
	if err != nil {
		return Pushed{}, container.StartOutput{}, err
	}
	g.ingests.Lock()
	defer g.ingests.Unlock()
	end, err := in.keep(sdk.StateDir(ctx))
	if err != nil {
		return Pushed{}, container.StartOutput{}, err
	}
	out, err := g.collector().Start(ctx, container.StartInput{})
	if err = errors.Join(err, end(err == nil)); err != nil {
		return Pushed{}, out, err
	}
	return Pushed{Service: in.name, Action: out.Action, Changed: out.Changed}, out, nil
}

// OTLPConfig is the input of collect_and_route_otlp_activity.
type OTLPConfig struct {
	ConfigPath string `json:"config_path" jsonschema:"what enable_otlp_receiver_activity gave"`
}

// routeOTLP is collect_and_route_otlp_activity: it sends a record as an application would, and sees it arrive.
func (g *group) routeOTLP(ctx context.Context, in OTLPConfig) (Pushed, error) {
	text, err := readOTLPConfig(sdk.StateDir(ctx), in.ConfigPath)
	if err != nil {
		return Pushed{}, sdk.NonRetryable(fmt.Errorf("config_path: %w; give what enable_otlp_receiver_activity gave", err))
	}
	done, out, err := g.push(ctx, string(text))
	if err != nil {
		return done, err
	}
	c := g.current()
	done.Probe = "orch probe " + rand.Text()
	if err := sendProbe(ctx, out.Endpoints["otlp_http"], done.Service, done.Probe); err != nil {
		return done, err
	}
	loki := strings.TrimSuffix(outsideStack(c)["loki"], "/")
	query := url.Values{"query": {fmt.Sprintf(`{service_name=%q} |= %q`, done.Service, done.Probe)}, "since": {"10m"}}
	err = ready.Poll(ctx, ready.HTTP(loki+"/loki/api/v1/query_range?"+query.Encode(), ready.HTTPOptions{Contains: done.Probe + `"]`}),
		ready.PollOptions{Every: 200 * time.Millisecond, Timeout: 30 * time.Second, What: "the probe in Loki"})
	if err != nil {
		return done, fmt.Errorf("the collector has taken a probe, and Loki at %s does not show it: %w; bring Loki up (LogsPipelineWorkflow), or set %s.loki.url to where it is", loki, err, settings)
	}
	return done, nil
}

// sendProbe sends one log record over OTLP/HTTP.
func sendProbe(ctx context.Context, collector, service, text string) error {
	body, err := json.Marshal(object{"resourceLogs": []object{{
		"resource": object{"attributes": []object{{"key": "service.name", "value": object{"stringValue": service}}}},
		"scopeLogs": []object{{"logRecords": []object{{
			"timeUnixNano": fmt.Sprint(time.Now().UnixNano()), "severityNumber": 9, "severityText": "INFO", "body": object{"stringValue": text},
		}}}},
	}}})
	if err != nil {
		return err
	}
	return ready.HTTP(collector+"/v1/logs", ready.HTTPOptions{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/json"}}, Body: string(body)})(ctx)
}

// ServiceIngest names a service's piece of configuration.
type ServiceIngest struct {
	ServiceName string `json:"service_name,omitempty" jsonschema:"default: the service of the task queue"`
}

// removeIngest is remove_collector_ingest_activity.
func (g *group) removeIngest(ctx context.Context, in ServiceIngest) (Pushed, error) {
	name := cmp.Or(in.ServiceName, sdk.GetInfo(ctx).Service, "default")
	if err := checkIngestName(name); err != nil {
		return Pushed{}, err
	}
	g.ingests.Lock()
	defer g.ingests.Unlock()
	file := (ingestion{name: name}).file(sdk.StateDir(ctx))
	leaving := file + ".leaving" // until the collector runs without it: an attempt that fails is gone on with
	err := os.Rename(file, leaving)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(leaving)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Pushed{Service: name, Action: container.Unchanged}, nil
	}
	if err != nil {
		return Pushed{}, fmt.Errorf("remove what the collector ingests: %w", err)
	}
	out, err := g.collector().Start(ctx, container.StartInput{})
	if err != nil {
		return Pushed{}, err
	}
	if err := os.Remove(leaving); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Pushed{}, fmt.Errorf("remove what the collector ingests: %w", err)
	}
	return Pushed{Service: name, Action: out.Action, Changed: out.Changed}, nil
}

// lokiEndpoint turns an address of Loki into the OTLP endpoint as the
// collector's container reaches it. "" is where the collector's logs go anyway.
func (c Config) lokiEndpoint(given string) (string, error) {
	if given == "" {
		return "", nil
	}
	u, err := url.Parse(given)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", sdk.NonRetryable(fmt.Errorf("loki_endpoint %q is not a URL such as http://localhost:3100", given))
	}
	switch port := cmp.Or(u.Port(), "80"); {
	case u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1":
	case port == fmt.Sprint(cmp.Or(c.Loki.Port, lokiPort)): // the stack's own, by the name that it has in there
		u.Host = fmt.Sprintf("%s:%d", lokiName, lokiPort)
	default:
		u.Host = "host.docker.internal:" + port
	}
	if p := strings.TrimSuffix(u.Path, "/"); p == "" || p == "/loki/api/v1/push" {
		u.Path = "/otlp"
	}
	return u.String(), nil
}

// render fills in the template in the file at path, or the standard one. The
// values can be written {{ .name }} and {{ name }}.
func render(path, standard string, values map[string]any) (string, error) {
	name := "template"
	if path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", sdk.NonRetryable(fmt.Errorf("template_path: %w", err))
		}
		name, standard = path, string(text)
	}
	functions := template.FuncMap{"yaml": func(v any) (string, error) {
		text, err := yaml.Marshal(v)
		return strings.TrimSpace(string(text)), err
	}, "json": func(v any) (string, error) {
		text, err := json.Marshal(v)
		return string(text), err
	}}
	for k, v := range values {
		functions[k] = func() any { return v }
	}
	t, err := template.New(name).Option("missingkey=error").Funcs(functions).Parse(standard)
	var out bytes.Buffer
	if err == nil {
		err = t.Execute(&out, values)
	}
	if err != nil {
		return "", sdk.NonRetryable(fmt.Errorf("template_path: %w", err)) // it names file and line
	}
	if _, err := unmarshalObject(out.Bytes()); err != nil {
		return "", sdk.NonRetryable(fmt.Errorf("%s, filled in, does not give YAML: %w", name, err))
	}
	return out.String(), nil
}
