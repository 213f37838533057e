package databases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/password"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
)

const (
	neo4jUser     = "neo4j" // the image accepts no other
	neo4jUID      = 7474    // of the image's neo4j user, which has to be able to read its files
	neo4jHTTP     = 7474
	neo4jBolt     = 7687
	neo4jAuthFile = "/run/secrets/neo4j_auth"
)

// Neo4jConfig is the table [plugins.databases.config.neo4j].
type Neo4jConfig struct {
	Image    string            `json:"image,omitempty" jsonschema:"default neo4j:5.26"`
	HTTPPort int               `json:"http_port,omitempty" jsonschema:"port of the browser and the HTTP API on the host; default 7474"`
	BoltPort int               `json:"bolt_port,omitempty" jsonschema:"port of the Bolt protocol on the host; default 7687"`
	Password sdk.Secret        `json:"password,omitempty" jsonschema:"password of the user neo4j as env:NAME or file:/path; default: generated once and kept in a file that only the host's user can read"`
	Memory   string            `json:"memory,omitempty" jsonschema:"memory limit of the container such as 2g; default none"`
	CPUs     float64           `json:"cpus,omitempty" jsonschema:"CPU limit of the container such as 1.5; default none"`
	Env      map[string]string `json:"env,omitempty" jsonschema:"further environment, such as NEO4J_server_memory_heap_max__size"`
}

func (c Neo4jConfig) check() error {
	problems := []error{
		checkPort("neo4j.http_port", c.HTTPPort), checkPort("neo4j.bolt_port", c.BoltPort), checkMemory("neo4j.memory", c.Memory),
	}
	if c.CPUs < 0 {
		problems = append(problems, sdk.ConfigProblem("neo4j.cpus", "cannot be negative"))
	}
	if p := c.Password.Reveal(); p != "" && (len(p) < 8 || strings.ContainsAny(p, "/\n")) {
		problems = append(problems, sdk.ConfigProblem("neo4j.password", "Neo4j wants at least 8 characters, and its image none of them \"/\""))
	}
	for name := range c.Env {
		if strings.HasPrefix(name, "NEO4J_AUTH") {
			problems = append(problems, sdk.ConfigProblem("neo4j.env."+name, "set neo4j.password instead: it stays out of the container's environment"))
		}
	}
	return errors.Join(problems...)
}

func (g *group) neo4j() container.Component {
	return container.Component{
		Group: &g.docker, Name: "neo4j", Title: "Neo4j",
		Plan: func(ctx context.Context, service string) (container.Plan, error) {
			return neo4jPlan(g.current(), service, neo4jPasswordFile(ctx, service))
		},
		Purged: func(ctx context.Context, service string) error {
			return password.Forget(neo4jPasswordFile(ctx, service))
		},
	}
}

func neo4jPasswordFile(ctx context.Context, service string) string {
	return filepath.Join(sdk.StateDir(ctx), "passwords", service+"-neo4j")
}

// neo4jPlan describes Neo4j's container. Settings and NEO4J_AUTH_PATH: the
// image's docker-entrypoint.sh (github.com/neo4j/docker-neo4j, 5/coredb).
func neo4jPlan(c Config, service, passwordFile string) (container.Plan, error) {
	n := c.Neo4j
	secret := n.Password
	if secret == "" {
		var err error
		if secret, err = password.Generated(passwordFile); err != nil {
			return container.Plan{}, err
		}
	} else {
		passwordFile = ""
	}
	memory, err := container.ParseMemory(n.Memory)
	if err != nil {
		return container.Plan{}, err
	}
	httpPort, boltPort := cmp.Or(n.HTTPPort, neo4jHTTP), cmp.Or(n.BoltPort, neo4jBolt)
	env := map[string]string{"NEO4J_AUTH_PATH": neo4jAuthFile}
	if boltPort != neo4jBolt { // what drivers are told to connect to
		env["NEO4J_server_bolt_advertised__address"] = "localhost:" + strconv.Itoa(boltPort)
	}
	maps.Copy(env, n.Env)
	where := "the configured one"
	if passwordFile != "" {
		where = "the one in " + passwordFile
	}
	return container.Plan{
		Spec: container.Spec{
			Service: service, Component: "neo4j",
			Image: cmp.Or(n.Image, "neo4j:5.26"), ImageSetting: settings + ".neo4j.image",
			Env: env,
			Files: []container.File{{
				Path: neo4jAuthFile, Content: []byte(neo4jUser + "/" + secret.Reveal()),
				UID: neo4jUID, GID: neo4jUID, Secret: true,
			}},
			Ports: []container.Port{
				{Container: neo4jHTTP, Host: httpPort, HostIP: c.Bind, Setting: settings + ".neo4j.http_port"},
				{Container: neo4jBolt, Host: boltPort, HostIP: c.Bind, Setting: settings + ".neo4j.bolt_port"},
			},
			Volumes:     []container.Volume{{Name: "data", Path: "/data"}, {Name: "logs", Path: "/logs"}},
			Limits:      container.Limits{Memory: memory, CPUs: n.CPUs},
			StopTimeout: 60 * time.Second, // it writes a checkpoint
			Ready: func(ctx context.Context, at container.Endpoints) error {
				return neo4jReady(at, service, secret, where)(ctx)
			},
			ReadyTimeout: 4 * time.Minute,
		},
		URLs: []container.URL{
			{Name: "bolt", Scheme: "bolt", Port: neo4jBolt},
			{Name: "http", Scheme: "http", Port: neo4jHTTP},
		},
		CredentialsFile: passwordFile,
	}, nil
}

// neo4jReady asks for the Bolt handshake, the discovery document, and whether
// our password is the database's: the image sets it on the first start only,
// so a volume that is older than the password file keeps its own.
func neo4jReady(at container.Endpoints, service string, secret sdk.Secret, where string) ready.Probe {
	base := "http://" + at.Addr(neo4jHTTP)
	return ready.All(
		ready.Bolt(at.Addr(neo4jBolt)),
		ready.HTTP(base+"/", ready.HTTPOptions{Header: http.Header{"Accept": {"application/json"}}, Contains: "neo4j_version"}),
		ready.HTTP(base+"/db/system/tx/commit", ready.HTTPOptions{
			Method: http.MethodPost, Body: `{"statements":[]}`, Username: neo4jUser, Password: secret,
			Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
			Refused: fmt.Sprintf("the data in volume %s-neo4j-data was made with another password than %s: "+
				"set %s.neo4j.password to that one, or delete Neo4j with purge to start with empty data", service, where, settings),
		}),
	)
}
