package chat

import (
	"cmp"
	"errors"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/neo4j"
	"github.com/orch-host/orch/sdk"
)

// Config is the table [plugins.chat.config].
type Config struct {
	Bind       string                 `json:"bind,omitempty" jsonschema:"host IP address that the ports are bound to; default 127.0.0.1"`
	Docker     container.DockerConfig `json:"docker,omitzero"`
	Build      BuildConfig            `json:"build,omitzero" jsonschema:"defaults of the build; params of the workflow go before them"`
	App        AppConfig              `json:"app,omitzero"`
	Health     HealthConfig           `json:"health,omitzero"`
	Neo4j      neo4j.Config           `json:"neo4j,omitzero"`
	Cloudflare CloudflareConfig       `json:"cloudflare,omitzero"`
	AIProxy    ProxyConfig            `json:"ai_proxy,omitzero"`
}

// BuildConfig says how the image is built.
type BuildConfig struct {
	Context    string            `json:"context,omitempty" jsonschema:"absolute path of the folder with the application's source"`
	Dockerfile string            `json:"dockerfile,omitempty" jsonschema:"path of the Dockerfile in the context; default Dockerfile"`
	Target     string            `json:"target,omitempty" jsonschema:"stage to build; default the last"`
	Args       map[string]string `json:"args,omitempty" jsonschema:"build arguments; they can be read from the image, so no secrets"`
	MaxContext string            `json:"max_context,omitempty" jsonschema:"largest context that is sent to Docker; default 2g"`
}

// AppConfig says how the application's container runs.
type AppConfig struct {
	Image     string                `json:"image,omitempty" jsonschema:"an image to run as it is, in place of building one"`
	Port      int                   `json:"port,omitempty" jsonschema:"port that the application listens on in its container; default 8080"`
	HostPort  int                   `json:"host_port,omitempty" jsonschema:"port on the host; default 8000"`
	Command   []string              `json:"command,omitempty" jsonschema:"default: the image's"`
	User      string                `json:"user,omitempty" jsonschema:"uid[:gid]; default: the image's"`
	Env       map[string]string     `json:"env,omitempty"`
	SecretEnv map[string]sdk.Secret `json:"secret_env,omitempty" jsonschema:"variables whose values are secret, each as env:NAME or file:/path"`
	Volumes   map[string]string     `json:"volumes,omitempty" jsonschema:"named volumes that outlive the container: name = path in the container"`
	Tmpfs     []string              `json:"tmpfs,omitempty" jsonschema:"folders in memory; default /tmp"`
	Memory    string                `json:"memory,omitempty" jsonschema:"memory limit such as 512m; default none"`
	CPUs      float64               `json:"cpus,omitempty" jsonschema:"CPU limit such as 1.5; default none"`
	PIDs      int64                 `json:"pids,omitempty" jsonschema:"limit of processes and threads; default 1024"`
	Restart   string                `json:"restart,omitempty" jsonschema:"Docker's restart policy once it is healthy: no, on-failure, always or unless-stopped (default)"`
	Writable  bool                  `json:"writable,omitempty" jsonschema:"let the application write to its root file system"`
	StopAfter sdk.Duration          `json:"stop_after,omitempty" jsonschema:"how long it has to end before it is killed; default 10s"`
	Drain     sdk.Duration          `json:"drain,omitempty" jsonschema:"how long requests to the version before may take to end after a switch; default 30s"`
	Front     string                `json:"front_image,omitempty" jsonschema:"image of the front, when it cannot be made from the plugin's binary"`
}

// HealthConfig says when the application is healthy.
type HealthConfig struct {
	Path      string       `json:"path,omitempty" jsonschema:"default /"`
	Status    int          `json:"status,omitempty" jsonschema:"expected status; default any 2xx"`
	Contains  string       `json:"contains,omitempty" jsonschema:"text that the answer has to contain"`
	Successes int          `json:"successes,omitempty" jsonschema:"good answers in a row that it takes; default 2"`
	Timeout   sdk.Duration `json:"timeout,omitempty" jsonschema:"how long it has to get healthy; default 2m"`
	Start     sdk.Duration `json:"start_period,omitempty" jsonschema:"time to start in addition to timeout; default none"`
}

func (a AppConfig) port() int            { return cmp.Or(a.Port, 8080) }
func (a AppConfig) hostPort() int        { return cmp.Or(a.HostPort, 8000) }
func (a AppConfig) drain() time.Duration { return cmp.Or(time.Duration(a.Drain), 30*time.Second) }

func (h HealthConfig) timeout() time.Duration {
	return cmp.Or(time.Duration(h.Timeout), 2*time.Minute) + time.Duration(h.Start)
}

const defaultMaxContext = 2 << 30

// maxContext is the limit in bytes.
func (b BuildConfig) maxContext() (int64, error) {
	if b.MaxContext == "" {
		return defaultMaxContext, nil
	}
	return units.RAMInBytes(b.MaxContext)
}

// secretName matches names of variables that hold secrets.
var secretName = regexp.MustCompile(`(?i)(^|[_-])(pass(word|wd|phrase)?|pwd|secrets?|tokens?|credentials?|api_?keys?|(private|access|signing|encryption|auth)_?key)([_-]|$)`)

func (c Config) check() error {
	return errors.Join(container.CheckBind("bind", c.Bind), c.Build.check(), c.App.check(), c.Health.check(), c.Neo4j.Check(), c.Cloudflare.check(), c.AIProxy.check())
}

func (b BuildConfig) check() error {
	var problems []error
	if b.Context != "" && !path.IsAbs(b.Context) {
		problems = append(problems, sdk.ConfigProblem("build.context", "%q is not an absolute path", b.Context))
	}
	if _, err := b.maxContext(); err != nil {
		problems = append(problems, sdk.ConfigProblem("build.max_context", "%q is not a size such as 500m or 2g", b.MaxContext))
	}
	for name := range b.Args {
		if secretName.MatchString(name) {
			problems = append(problems, sdk.ConfigProblem("build.args."+name, "build arguments can be read from the image: give the running container its secrets by %s.app.secret_env", settings))
		}
	}
	return errors.Join(problems...)
}

func (a AppConfig) check() error {
	problems := []error{
		container.CheckPort("app.port", a.Port), container.CheckPort("app.host_port", a.HostPort), container.CheckMemory("app.memory", a.Memory),
		checkEnv("app", a.Env, a.SecretEnv),
	}
	if a.CPUs < 0 || a.PIDs < 0 {
		problems = append(problems, sdk.ConfigProblem("app", "cpus and pids cannot be negative"))
	}
	if a.StopAfter < 0 || a.Drain < 0 {
		problems = append(problems, sdk.ConfigProblem("app", "stop_after and drain cannot be negative"))
	}
	for name, at := range a.Volumes {
		if !path.IsAbs(at) {
			problems = append(problems, sdk.ConfigProblem("app.volumes."+name, "%q is not an absolute path in the container", at))
		}
	}
	for _, at := range a.Tmpfs {
		if !path.IsAbs(at) {
			problems = append(problems, sdk.ConfigProblem("app.tmpfs", "%q is not an absolute path in the container", at))
		}
	}
	switch a.Restart {
	case "", "no", "on-failure", "always", "unless-stopped":
	default:
		problems = append(problems, sdk.ConfigProblem("app.restart", "%q is none of no, on-failure, always and unless-stopped", a.Restart))
	}
	return errors.Join(problems...)
}

// checkEnv refuses a secret among the variables that anyone may see.
func checkEnv(table string, env map[string]string, secrets map[string]sdk.Secret) error {
	var problems []error
	for name := range env {
		if _, twice := secrets[name]; twice {
			problems = append(problems, sdk.ConfigProblem(table+".env."+name, "it is in secret_env too: take one out"))
		}
		if secretName.MatchString(name) {
			problems = append(problems, sdk.ConfigProblem(table+".env."+name, "it looks like a secret: move it to %s.secret_env, as a reference such as \"env:%s\"", table, name))
		}
	}
	return errors.Join(problems...)
}

func (h HealthConfig) check() error {
	var problems []error
	if h.Path != "" && !strings.HasPrefix(h.Path, "/") {
		problems = append(problems, sdk.ConfigProblem("health.path", "%q does not begin with /", h.Path))
	}
	if h.Status != 0 && http.StatusText(h.Status) == "" {
		problems = append(problems, sdk.ConfigProblem("health.status", "%d is no HTTP status", h.Status))
	}
	if h.Successes < 0 || h.Timeout < 0 || h.Start < 0 {
		problems = append(problems, sdk.ConfigProblem("health", "successes, timeout and start_period cannot be negative"))
	}
	return errors.Join(problems...)
}

// secrets are the values that must show nowhere, the longest first: one may be
// part of another.
func (c Config) secrets() []string {
	var all []string
	for _, group := range []map[string]sdk.Secret{c.App.SecretEnv, c.AIProxy.SecretEnv, {"": c.Neo4j.Password, " ": c.Cloudflare.Token}} {
		for _, s := range group {
			if len(s.Reveal()) >= 4 {
				all = append(all, s.Reveal())
			}
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}

// redact takes the secrets out of a text.
func (c Config) redact(text string) string {
	for _, s := range c.secrets() {
		text = strings.ReplaceAll(text, s, "***")
	}
	return text
}
