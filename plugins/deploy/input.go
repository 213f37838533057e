package deploy

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/orch-host/orch/sdk"
)

// App is what every activity of the group takes: which application, and how it is to run.
type App struct {
	ServiceName string `json:"service_name,omitempty" jsonschema:"the orch service; stands in for app_name"`
	AppName     string `json:"app_name,omitempty" jsonschema:"name of the app, project or service at the provider: a-z, 0-9 and -"`
	Image       string `json:"image,omitempty" jsonschema:"image to deploy, with a tag or digest"`
	PushTo      string `json:"push_to,omitempty" jsonschema:"repository that the local image is pushed to first, e.g. ghcr.io/acme/shop"`
	Region      string `json:"region,omitempty" jsonschema:"the provider's region; default: the provider's"`
	Port        int    `json:"internal_port,omitempty" jsonschema:"port the application listens on; default 8080"`
	HealthPath  string `json:"health_path,omitempty" jsonschema:"path that answers 2xx when the application is well; default /"`
	// Env holds plain values, SecretRefs names of secrets in [plugins.deploy.config.secrets]: NAME, or VARIABLE=NAME.
	Env            map[string]string `json:"env,omitempty" jsonschema:"plain environment variables; never secrets"`
	SecretRefs     []string          `json:"secret_refs,omitempty" jsonschema:"names of configured secrets: NAME, or VARIABLE=NAME"`
	ReleaseCommand string            `json:"release_command,omitempty" jsonschema:"command run once with the new image before it goes live"`
	Instances      int               `json:"instances,omitempty" jsonschema:"how many; default 1; on Fly.io at least so many: machines beyond stay"`
	Timeout        sdk.Duration      `json:"deploy_timeout,omitempty" jsonschema:"how long to wait for the provider's verdict; default 12m"`
	CancelOnAbort  bool              `json:"cancel_on_abort,omitempty" jsonschema:"cancel the provider's deployment when the activity is cancelled; default: leave it running"`
	DryRun         bool              `json:"dry_run,omitempty" jsonschema:"return a plan, change nothing"`
}

var (
	appName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	imageOK = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)
)

// check fills in defaults and refuses what no provider would take.
func (a *App) check() error {
	if a.AppName == "" {
		a.AppName = a.ServiceName
	}
	if a.AppName == "" {
		return invalid("app_name is missing")
	}
	if !appName.MatchString(a.AppName) {
		return invalid("app_name %q: use up to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit", a.AppName)
	}
	if a.Image != "" && !imageOK.MatchString(a.Image) {
		return invalid("image %q is not an image reference", a.Image)
	}
	if a.Port == 0 {
		a.Port = 8080
	}
	if a.Port < 1 || a.Port > 65535 {
		return invalid("internal_port %d is not a port", a.Port)
	}
	if a.HealthPath == "" {
		a.HealthPath = "/"
	}
	if !strings.HasPrefix(a.HealthPath, "/") || strings.HasPrefix(a.HealthPath, "//") {
		return invalid("health_path %q: begin with one slash", a.HealthPath)
	}
	if a.Instances == 0 {
		a.Instances = 1
	}
	if a.Instances < 0 || a.Instances > 100 {
		return invalid("instances %d: use 1 to 100", a.Instances)
	}
	if a.Timeout < 0 {
		return invalid("deploy_timeout %s: give a time above zero, e.g. 12m", time.Duration(a.Timeout))
	}
	if a.Timeout == 0 {
		a.Timeout = sdk.Duration(12 * time.Minute)
	}
	refs, err := a.refs()
	if err != nil {
		return err
	}
	for name := range a.Env {
		if !envName.MatchString(name) {
			return invalid("env: %q is not a variable name", name)
		}
		if name == markerVariable {
			return invalid("env: %s is ours", name)
		}
		if _, both := refs[name]; both {
			return invalid("%s is given in env and in secret_refs", name)
		}
	}
	return nil
}

// refs maps variable names to names of configured secrets.
func (a *App) refs() (map[string]string, error) {
	out := map[string]string{}
	for _, r := range a.SecretRefs {
		variable, name, renamed := strings.Cut(r, "=")
		if !renamed {
			name = variable
		}
		if !envName.MatchString(variable) || !envName.MatchString(name) {
			// The text is not repeated: somebody may have put a value there.
			return nil, invalid("secret_refs: entry %d is not a name; write NAME or VARIABLE=NAME, never a value", len(out)+1)
		}
		if _, twice := out[variable]; twice {
			return nil, invalid("secret_refs: %s is given twice", variable)
		}
		out[variable] = name
	}
	return out, nil
}

// secrets resolves the references of an app to values.
func (s *settings) secrets(a App) (map[string]string, error) {
	refs, err := a.refs()
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(refs))
	for variable, name := range refs {
		v, ok := s.Config.Secrets[name]
		if !ok || v == "" {
			return nil, invalid("secret %s is not configured; add %s = \"env:%s\" to [plugins.deploy.config.secrets]", name, name, name)
		}
		out[variable] = v.Reveal()
	}
	return out, nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// loopback reports whether a host name means this machine.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// words splits a command as a shell would, without expanding anything.
func words(command string) ([]string, error) {
	var out []string
	var cur strings.Builder
	var quote rune
	started, escaped := false, false
	for _, r := range command {
		switch {
		case escaped:
			cur.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, started = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				cur.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, started = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if started {
				out = append(out, cur.String())
				cur.Reset()
				started = false
			}
		default:
			cur.WriteRune(r)
			started = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("the command %q ends inside a quotation", command)
	}
	if started {
		out = append(out, cur.String())
	}
	return out, nil
}
