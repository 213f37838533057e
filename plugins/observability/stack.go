package observability

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/sdk"
)

// defaultStack is the name that the components share. Services do not have
// their own: the logs, metrics and tracing pipelines meet in one Grafana.
const defaultStack = "observability"

var stackRE = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// uid is the user of the components' processes, by number because an image
// need not know its name. Their data folders belong to it.
const uid = 10001

// Names of the components in their network, which are their DNS names too.
const (
	collectorName  = "collector"
	lokiName       = "loki"
	prometheusName = "prometheus"
	jaegerName     = "jaeger"
	grafanaName    = "grafana"
	promtailName   = "promtail"
)

// Common is what every component's table has.
type Common struct {
	Image  string  `json:"image,omitempty" jsonschema:"default: the official image, at the version that this release was made for"`
	Memory string  `json:"memory,omitempty" jsonschema:"memory limit of the container such as 2g; default none"`
	CPUs   float64 `json:"cpus,omitempty" jsonschema:"CPU limit of the container such as 1.5; default none"`
}

func (c Common) check(table string) error {
	problems := []error{container.CheckMemory(table+".memory", c.Memory)}
	if c.CPUs < 0 {
		problems = append(problems, sdk.ConfigProblem(table+".cpus", "cannot be negative"))
	}
	return errors.Join(problems...)
}

// part describes one component; component makes the container of it. A further
// component is a file with a config table and a part.
type part struct {
	name   string // in the network
	table  string // its configuration table, such as "loki"
	common Common
	image  string // default

	cmd     []string
	env     map[string]string
	uid     int      // of its process; default uid
	root    bool     // its process is root, with no capability but caps
	caps    []string // capabilities of a root process
	ports   []port
	data    string // where the volume "data" is mounted; the user's folder in it is data + "/data"
	files   []container.File
	binds   []container.Bind
	hosts   []string // further names, as name:address
	verify  *container.Command
	reload  func(context.Context, container.Running) error
	ready   func(context.Context, container.Endpoints) error
	urls    []container.URL
	secrets string // file of the generated password
}

// port is a port of a component.
type port struct {
	container int
	host      int    // 0: a free one, on the loopback address
	setting   string // key of host in the component's table
}

// component makes start, stop and delete of a part; describe is called with the configuration in force.
func (g *group) component(name, title string, describe func(context.Context, Config) (part, error)) container.Component {
	return container.Component{
		Group: &g.docker, Name: name, Title: title,
		Shared: func() string { return g.current().stack() },
		Plan: func(ctx context.Context, stack string) (container.Plan, error) {
			c := g.current()
			p, err := describe(ctx, c)
			if err != nil {
				return container.Plan{}, err
			}
			return p.plan(c, stack)
		},
	}
}

// named gives the component's activities their names.
func named(c container.Component, start, stop, remove string) container.Component {
	c.StartName, c.StopName, c.DeleteName = start, stop, remove
	return c
}

func (p part) plan(c Config, stack string) (container.Plan, error) {
	memory, err := container.ParseMemory(p.common.Memory)
	if err != nil {
		return container.Plan{}, err
	}
	p.uid = cmp.Or(p.uid, uid)
	if p.root {
		p.uid = 0
	}
	spec := container.Spec{
		Image: cmp.Or(p.common.Image, p.image), ImageSetting: settings + "." + p.table + ".image",
		Cmd: p.cmd, Env: p.env, User: fmt.Sprintf("%d:%d", p.uid, p.uid), Files: p.files, Binds: p.binds, ExtraHosts: p.hosts,
		Networks: []container.Network{{Name: container.ServiceNetwork(stack), Aliases: []string{p.name}}},
		Tmpfs:    []string{"/tmp"},
		Limits:   container.Limits{Memory: memory, CPUs: p.common.CPUs},
		CapDrop:  []string{"ALL"}, CapAdd: p.caps,
		StopTimeout: 30 * time.Second,
		Verify:      p.verify, Reload: p.reload, Ready: p.ready, ReadyTimeout: 2 * time.Minute,
	}
	for _, port := range p.ports {
		published := container.Port{Container: port.container, Host: port.host}
		if port.setting != "" {
			published.HostIP, published.Setting = c.Bind, settings+"."+p.table+"."+port.setting
		}
		spec.Ports = append(spec.Ports, published)
	}
	if p.data != "" {
		spec.Volumes = []container.Volume{{Name: "data", Path: p.data}}
		spec.Files = append(spec.Files, container.Dir(p.data+"/data", p.uid, p.uid))
	}
	return container.Plan{Spec: spec, URLs: p.urls, CredentialsFile: p.secrets}, nil
}

func (c Config) stack() string { return cmp.Or(c.Stack, defaultStack) }

// local is the URL of a published port of the stack, as it is reached from this machine.
func (c Config) local(port int) string {
	host := "localhost"
	if ip := net.ParseIP(c.Bind); ip != nil && !ip.IsUnspecified() && c.Bind != "127.0.0.1" { // bound to this one alone
		host = c.Bind
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// otlp is where the stack's collector takes OTLP over HTTP, as it is reached from this machine.
func (c Config) otlp() string { return c.local(cmp.Or(c.Collector.HTTPPort, otlpHTTP)) }

// object is a YAML or JSON object.
type object = map[string]any

// configFile writes a component's configuration as YAML, under a line that says where it comes from.
func configFile(path string, content any) (container.File, error) {
	text, err := yaml.Marshal(content)
	if err != nil {
		return container.File{}, fmt.Errorf("write %s: %w", path, err)
	}
	head := "# Generated from [" + settings + "]; changes here are lost.\n"
	return container.File{Path: path, Content: append([]byte(head), text...)}, nil
}

// checkDuration refuses what is no length of time in the notation that Prometheus and Loki share; "" is the default.
func checkDuration(path, text string) error {
	units := strings.TrimLeft(text, "0123456789")
	if text == "" || len(units) < len(text) && text[0] != '0' && (units == "h" || units == "d" || units == "w") {
		return nil
	}
	return sdk.ConfigProblem(path, "%q is not a length of time such as 72h, 30d or 4w", text)
}
