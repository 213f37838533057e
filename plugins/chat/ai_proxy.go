package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
)

// ProxyConfig is the table [plugins.chat.config.ai_proxy]: the proxy between
// applications and the models' providers, such as LiteLLM.
type ProxyConfig struct {
	Image     string                `json:"image,omitempty" jsonschema:"required to start it; there is no default"`
	Port      int                   `json:"port,omitempty" jsonschema:"port that it listens on in its container; default 4000"`
	HostPort  int                   `json:"host_port,omitempty" jsonschema:"port on the host; default 4000"`
	Command   []string              `json:"command,omitempty" jsonschema:"default: the image's"`
	Env       map[string]string     `json:"env,omitempty"`
	SecretEnv map[string]sdk.Secret `json:"secret_env,omitempty" jsonschema:"variables whose values are secret, such as the providers' keys, each as env:NAME or file:/path"`
	Files     map[string]string     `json:"files,omitempty" jsonschema:"configuration files: path in the container = text"`
	Health    string                `json:"health_path,omitempty" jsonschema:"path that answers 2xx when it is ready; default /"`
	Timeout   sdk.Duration          `json:"ready_timeout,omitempty" jsonschema:"how long it has to get ready; default 2m"`
	Memory    string                `json:"memory,omitempty" jsonschema:"memory limit such as 1g; default none"`
	CPUs      float64               `json:"cpus,omitempty" jsonschema:"CPU limit such as 1.5; default none"`
}

func (p ProxyConfig) check() error {
	problems := []error{
		container.CheckPort("ai_proxy.port", p.Port), container.CheckPort("ai_proxy.host_port", p.HostPort), container.CheckMemory("ai_proxy.memory", p.Memory),
		checkEnv("ai_proxy", p.Env, p.SecretEnv),
	}
	for at := range p.Files {
		if !path.IsAbs(at) || path.Clean(at) != at {
			problems = append(problems, sdk.ConfigProblem("ai_proxy.files", "%q is not an absolute path in the container", at))
		}
	}
	if p.CPUs < 0 || p.Timeout < 0 {
		problems = append(problems, sdk.ConfigProblem("ai_proxy", "cpus and ready_timeout cannot be negative"))
	}
	return errors.Join(problems...)
}

func (g *group) aiProxy() container.Component {
	return container.Component{
		Group: &g.docker, Name: "ai_proxy", Title: "the AI proxy", SharedNetworks: []string{proxyNetwork},
		Plan: func(_ context.Context, service string) (container.Plan, error) {
			return proxyPlan(g.current(), service)
		},
	}
}

// proxyNetwork is the network by which applications of all services reach the
// AI proxy as http://ai-proxy:<port>.
const proxyNetwork = "orch-ai-proxy"

func proxyPlan(c Config, service string) (container.Plan, error) {
	p := c.AIProxy
	memory, err := container.ParseMemory(p.Memory)
	if err != nil {
		return container.Plan{}, err
	}
	if p.Image == "" {
		return container.Plan{}, sdk.NonRetryable(fmt.Errorf("no image of an AI proxy is configured: set %s.ai_proxy.image", settings))
	}
	port := cmp.Or(p.Port, 4000)
	spec := container.Spec{
		Image: p.Image, ImageSetting: settings + ".ai_proxy.image", Cmd: p.Command,
		Env: p.Env, SecretEnv: p.SecretEnv,
		Ports:    []container.Port{{Container: port, Host: cmp.Or(p.HostPort, 4000), HostIP: c.Bind, Setting: settings + ".ai_proxy.host_port"}},
		Networks: []container.Network{{Name: proxyNetwork, Aliases: []string{"ai-proxy"}, Shared: true}},
		Limits:   container.Limits{Memory: memory, CPUs: p.CPUs},
		Ready: func(ctx context.Context, at container.Endpoints) error {
			return ready.HTTP("http://"+at.Addr(port)+cmp.Or(p.Health, "/"), ready.HTTPOptions{})(ctx)
		},
		ReadyTimeout: cmp.Or(time.Duration(p.Timeout), 2*time.Minute),
	}
	for _, at := range slices.Sorted(maps.Keys(p.Files)) {
		spec.Files = append(spec.Files, container.File{Path: at, Content: []byte(p.Files[at])})
	}
	return container.Plan{Spec: spec, URLs: []container.URL{{Name: "http", Scheme: "http", Port: port}}}, nil
}
