// Package neo4j describes Neo4j's container, for every group that runs one: its
// settings, its generated password, its readiness.
package neo4j

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

// User is the only one that the image accepts.
const User = "neo4j"

// Ports of the container.
const (
	HTTPPort = 7474
	BoltPort = 7687
)

const (
	uid      = 7474 // of the image's neo4j user, which has to be able to read its files
	authFile = "/run/secrets/neo4j_auth"
)

// Config is the table neo4j of a group's configuration.
type Config struct {
	Image    string            `json:"image,omitempty" jsonschema:"default neo4j:5.26"`
	HTTPPort int               `json:"http_port,omitempty" jsonschema:"port of the browser and the HTTP API on the host; default 7474 (group chat: a free one)"`
	BoltPort int               `json:"bolt_port,omitempty" jsonschema:"port of the Bolt protocol on the host; default 7687 (group chat: a free one)"`
	Password sdk.Secret        `json:"password,omitempty" jsonschema:"password of the user neo4j as env:NAME or file:/path; default: generated once and kept in a file that only the host's user can read"`
	Memory   string            `json:"memory,omitempty" jsonschema:"memory limit of the container such as 2g; default none"`
	CPUs     float64           `json:"cpus,omitempty" jsonschema:"CPU limit of the container such as 1.5; default none"`
	Env      map[string]string `json:"env,omitempty" jsonschema:"further environment, such as NEO4J_server_memory_heap_max__size"`
}

// Check refuses what cannot work; its problems point below the table neo4j.
func (c Config) Check() error {
	problems := []error{
		container.CheckPort("neo4j.http_port", c.HTTPPort), container.CheckPort("neo4j.bolt_port", c.BoltPort), container.CheckMemory("neo4j.memory", c.Memory),
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

// Options say where a group keeps its Neo4j.
type Options struct {
	Settings string // path of the group's configuration, for messages: "plugins.databases.config"
	Bind     string // host IP address of its ports
	// HTTPPort and BoltPort are the host's ports when the configuration names
	// none; 0: free ones that Docker picks.
	HTTPPort, BoltPort int
	// Advertise is the address that drivers are told to connect to. Default: the
	// Bolt port on localhost.
	Advertise string
}

// PasswordFile is where the generated password of a service's Neo4j is kept.
func PasswordFile(ctx context.Context, service string) string {
	return filepath.Join(sdk.StateDir(ctx), "passwords", service+"-neo4j")
}

// Secret returns the password in force and, when it is a generated one, its file.
func (c Config) Secret(passwordFile string) (secret sdk.Secret, file string, err error) {
	if c.Password != "" {
		return c.Password, "", nil
	}
	secret, err = password.Generated(passwordFile)
	return secret, passwordFile, err
}

// Plan describes the container. Settings and NEO4J_AUTH_PATH: the image's
// docker-entrypoint.sh (github.com/neo4j/docker-neo4j, 5/coredb).
func Plan(c Config, o Options, service, passwordFile string) (container.Plan, error) {
	secret, passwordFile, err := c.Secret(passwordFile)
	if err != nil {
		return container.Plan{}, err
	}
	memory, err := container.ParseMemory(c.Memory)
	if err != nil {
		return container.Plan{}, err
	}
	httpPort, boltPort := cmp.Or(c.HTTPPort, o.HTTPPort), cmp.Or(c.BoltPort, o.BoltPort)
	env := map[string]string{"NEO4J_AUTH_PATH": authFile}
	switch {
	case o.Advertise != "":
		env["NEO4J_server_bolt_advertised__address"] = o.Advertise
	case boltPort != BoltPort:
		env["NEO4J_server_bolt_advertised__address"] = "localhost:" + strconv.Itoa(boltPort)
	}
	maps.Copy(env, c.Env)
	where := "the configured one"
	if passwordFile != "" {
		where = "the one in " + passwordFile
	}
	return container.Plan{
		Spec: container.Spec{
			Service: service, Component: "neo4j",
			Image: cmp.Or(c.Image, "neo4j:5.26"), ImageSetting: o.Settings + ".neo4j.image",
			Env: env,
			Files: []container.File{{
				Path: authFile, Content: []byte(User + "/" + secret.Reveal()),
				UID: uid, GID: uid, Secret: true,
			}},
			Ports: []container.Port{
				{Container: HTTPPort, Host: httpPort, HostIP: o.Bind, Setting: o.Settings + ".neo4j.http_port"},
				{Container: BoltPort, Host: boltPort, HostIP: o.Bind, Setting: o.Settings + ".neo4j.bolt_port"},
			},
			Volumes:     []container.Volume{{Name: "data", Path: "/data"}, {Name: "logs", Path: "/logs"}},
			Limits:      container.Limits{Memory: memory, CPUs: c.CPUs},
			StopTimeout: 60 * time.Second, // it writes a checkpoint
			Ready: func(ctx context.Context, at container.Endpoints) error {
				return probe(at, service, secret, where, o.Settings)(ctx)
			},
			ReadyTimeout: 4 * time.Minute,
		},
		URLs: []container.URL{
			{Name: "bolt", Scheme: "bolt", Port: BoltPort},
			{Name: "http", Scheme: "http", Port: HTTPPort},
		},
		CredentialsFile: passwordFile,
	}, nil
}

// probe asks for the Bolt handshake, the discovery document, and whether our
// password is the database's: the image sets it on the first start only, so a
// volume that is older than the password file keeps its own.
func probe(at container.Endpoints, service string, secret sdk.Secret, where, settings string) ready.Probe {
	base := "http://" + at.Addr(HTTPPort)
	return ready.All(
		ready.Bolt(at.Addr(BoltPort)),
		ready.HTTP(base+"/", ready.HTTPOptions{Header: http.Header{"Accept": {"application/json"}}, Contains: "neo4j_version"}),
		ready.HTTP(base+"/db/system/tx/commit", ready.HTTPOptions{
			Method: http.MethodPost, Body: `{"statements":[]}`, Username: User, Password: secret,
			Header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}},
			Refused: fmt.Sprintf("the data in volume %s-neo4j-data was made with another password than %s: "+
				"set %s.neo4j.password to that one, or delete Neo4j with purge to start with empty data", service, where, settings),
		}),
	)
}
