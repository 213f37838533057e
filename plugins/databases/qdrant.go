package databases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/password"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
)

const (
	qdrantHTTP       = 6333
	qdrantGRPC       = 6334
	qdrantConfigFile = "/qdrant/config/local.yaml" // read after the image's own files, before the environment
)

// QdrantConfig is the table [plugins.databases.config.qdrant].
type QdrantConfig struct {
	Image    string            `json:"image,omitempty" jsonschema:"default qdrant/qdrant:v1.13.4"`
	HTTPPort int               `json:"http_port,omitempty" jsonschema:"port of the REST API and the dashboard on the host; default 6333"`
	GRPCPort int               `json:"grpc_port,omitempty" jsonschema:"port of the gRPC API on the host; default 6334"`
	APIKey   sdk.Secret        `json:"api_key,omitempty" jsonschema:"key that clients have to send, as env:NAME or file:/path; default: none while bind is a loopback address, else generated once and kept in a file that only the host's user can read"`
	Memory   string            `json:"memory,omitempty" jsonschema:"memory limit of the container such as 2g; default none"`
	CPUs     float64           `json:"cpus,omitempty" jsonschema:"CPU limit of the container such as 1.5; default none"`
	Env      map[string]string `json:"env,omitempty" jsonschema:"further environment, such as QDRANT__LOG_LEVEL"`
}

func (c QdrantConfig) check() error {
	problems := []error{
		container.CheckPort("qdrant.http_port", c.HTTPPort), container.CheckPort("qdrant.grpc_port", c.GRPCPort), container.CheckMemory("qdrant.memory", c.Memory),
	}
	if c.CPUs < 0 {
		problems = append(problems, sdk.ConfigProblem("qdrant.cpus", "cannot be negative"))
	}
	for name := range c.Env {
		if strings.EqualFold(name, "QDRANT__SERVICE__API_KEY") {
			problems = append(problems, sdk.ConfigProblem("qdrant.env."+name, "set qdrant.api_key instead: it stays out of the container's environment"))
		}
	}
	return errors.Join(problems...)
}

func (g *group) qdrant() container.Component {
	return container.Component{
		Group: &g.docker, Name: "qdrant", Title: "Qdrant",
		Plan: func(ctx context.Context, service string) (container.Plan, error) {
			return qdrantPlan(g.current(), service, qdrantKeyFile(ctx, service))
		},
		Purged: func(ctx context.Context, service string) error {
			return password.Forget(qdrantKeyFile(ctx, service))
		},
	}
}

func qdrantKeyFile(ctx context.Context, service string) string {
	return filepath.Join(sdk.StateDir(ctx), "passwords", service+"-qdrant")
}

// qdrantPlan describes Qdrant's container. Order of its configuration files:
// src/settings.rs of github.com/qdrant/qdrant.
func qdrantPlan(c Config, service, keyFile string) (container.Plan, error) {
	q := c.Qdrant
	key := q.APIKey
	if bind := net.ParseIP(c.Bind); key == "" && bind != nil && !bind.IsLoopback() {
		var err error
		if key, err = password.Generated(keyFile); err != nil {
			return container.Plan{}, err
		}
	} else {
		keyFile = ""
	}
	memory, err := container.ParseMemory(q.Memory)
	if err != nil {
		return container.Plan{}, err
	}
	var files []container.File
	if key != "" {
		text, err := yaml.Marshal(map[string]any{"service": map[string]string{"api_key": key.Reveal()}})
		if err != nil {
			return container.Plan{}, fmt.Errorf("write Qdrant's configuration: %w", err)
		}
		files = []container.File{{Path: qdrantConfigFile, Content: text, Secret: true}}
	}
	env := map[string]string{}
	maps.Copy(env, q.Env)
	return container.Plan{
		Spec: container.Spec{
			Service: service, Component: "qdrant",
			Image: cmp.Or(q.Image, "qdrant/qdrant:v1.13.4"), ImageSetting: settings + ".qdrant.image",
			Env: env, Files: files,
			Ports: []container.Port{
				{Container: qdrantHTTP, Host: cmp.Or(q.HTTPPort, qdrantHTTP), HostIP: c.Bind, Setting: settings + ".qdrant.http_port"},
				{Container: qdrantGRPC, Host: cmp.Or(q.GRPCPort, qdrantGRPC), HostIP: c.Bind, Setting: settings + ".qdrant.grpc_port"},
			},
			Volumes:     []container.Volume{{Name: "storage", Path: "/qdrant/storage"}, {Name: "snapshots", Path: "/qdrant/snapshots"}},
			Limits:      container.Limits{Memory: memory, CPUs: q.CPUs},
			StopTimeout: 30 * time.Second,
			Ready: func(ctx context.Context, at container.Endpoints) error {
				return qdrantReady(at, key)(ctx)
			},
			ReadyTimeout: 2 * time.Minute,
		},
		URLs: []container.URL{
			{Name: "http", Scheme: "http", Port: qdrantHTTP},
			{Name: "grpc", Port: qdrantGRPC},
		},
		CredentialsFile: keyFile,
	}, nil
}

// qdrantReady asks /readyz, whether the REST API takes our key, and the gRPC
// health service.
func qdrantReady(at container.Endpoints, key sdk.Secret) ready.Probe {
	base := "http://" + at.Addr(qdrantHTTP)
	refused := "Qdrant does not take the API key of " + settings + ".qdrant.api_key; is another one set in its environment?"
	header, meta := http.Header{}, map[string]string{}
	if key != "" {
		header["api-key"], meta["api-key"] = []string{key.Reveal()}, key.Reveal()
	}
	return ready.All(
		ready.HTTP(base+"/readyz", ready.HTTPOptions{}),
		ready.HTTP(base+"/collections", ready.HTTPOptions{Header: header, Refused: refused}),
		ready.GRPCHealth(at.Addr(qdrantGRPC), ready.GRPCOptions{Metadata: meta, Refused: refused}),
	)
}
