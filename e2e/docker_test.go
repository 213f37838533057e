package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

const (
	neo4jImage  = "orch/standin-neo4j:5"
	qdrantImage = "orch/standin-qdrant:1"
)

// engine is the Docker engine, with the stand-in images on it.
func engine(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Skip("docker not available: " + err.Error())
	}
	t.Cleanup(func() { _ = c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Ping(ctx); err != nil {
		t.Skip("docker not available: " + err.Error())
	}
	for _, image := range []string{neo4jImage, qdrantImage} {
		if _, err := c.ImageInspect(t.Context(), image); err != nil {
			t.Fatalf("image %s is missing: make -C images standins (%v)", image, err)
		}
	}
	return c
}

// databases is a rig with the databases plugin and a service that runs the
// database pipeline. host is the engine's address for the plugin; "" for its own
// choice.
func databases(t *testing.T, docker *client.Client, host string) *rig {
	t.Helper()
	r := newRig(t, []string{bin("plugins", "databases")}, fmt.Sprintf(`
[plugins.databases.config.docker]
host = %q

[plugins.databases.config.neo4j]
image = %q
http_port = %d
bolt_port = %d

[plugins.databases.config.qdrant]
image = %q
http_port = %d
grpc_port = %d

[services.{service}]
workflow = "DatabasePipelineWorkflow"
params = { service_name = "{service}" }
`, host, neo4jImage, freePort(t), freePort(t), qdrantImage, freePort(t), freePort(t)))
	t.Cleanup(func() { r.removeContainers(docker) })
	return r
}

// containers maps the rig's containers to their ids, whatever their state.
func (r *rig) containers(docker *client.Client) map[string]string {
	r.t.Helper()
	list, err := docker.ContainerList(context.Background(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("name", r.service))})
	if err != nil {
		r.t.Fatal(err)
	}
	ids := map[string]string{}
	for _, c := range list {
		name := strings.TrimPrefix(c.Names[0], "/")
		ids[name] = c.ID
	}
	return ids
}

// checkContainers wants one running container of each database and no other,
// and returns their ids.
func (r *rig) checkContainers(docker *client.Client) map[string]string {
	r.t.Helper()
	ids := r.containers(docker)
	for _, component := range []string{"neo4j", "qdrant"} {
		id := ids[r.service+"-"+component]
		if id == "" || len(ids) != 2 {
			r.t.Fatalf("want one container each of neo4j and qdrant, got %v", ids)
		}
		c, err := docker.ContainerInspect(r.t.Context(), id)
		if err != nil {
			r.t.Fatal(err)
		}
		if !c.State.Running {
			r.t.Fatalf("the container of %s is %s", component, c.State.Status)
		}
	}
	return ids
}

// removeContainers takes away all that carries the service's name.
func (r *rig) removeContainers(docker *client.Client) {
	ctx := context.Background()
	for _, id := range r.containers(docker) {
		if err := docker.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			r.t.Errorf("remove container: %v", err)
		}
	}
	volumes, err := docker.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("name", r.service))})
	if err != nil {
		r.t.Errorf("list volumes: %v", err)
	}
	for _, v := range volumes.Volumes {
		if err := docker.VolumeRemove(ctx, v.Name, true); err != nil {
			r.t.Errorf("remove volume: %v", err)
		}
	}
	networks, err := docker.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", r.service))})
	if err != nil {
		r.t.Errorf("list networks: %v", err)
	}
	for _, n := range networks {
		if err := docker.NetworkRemove(ctx, n.ID); err != nil {
			r.t.Errorf("remove network: %v", err)
		}
	}
}

// gate stands before the engine. It lets the first creation of a container
// happen and holds back the answer, so that the plugin is in the middle of a
// step, with the container made and not known to it, for as long as the test
// likes.
type gate struct {
	host    string
	reached chan struct{} // closed when the answer is held
	release func()        // lets it, and all later ones, through

	match func(*http.Request) bool
	pass  bool // let the matching request through while the test breaks something

	mu   sync.Mutex
	used bool
	down bool
	cut  int // requests that met an engine that is down
}

func newGate(t *testing.T, docker *client.Client) *gate {
	t.Helper()
	return newGateAt(t, docker, false, func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/containers/create") })
}

// newGateAt is a gate for the first POST that matches; one that lets it pass
// only tells the test.
func newGateAt(t *testing.T, docker *client.Client, pass bool, match func(*http.Request) bool) *gate {
	t.Helper()
	let := make(chan struct{})
	g := &gate{match: match, pass: pass, host: "unix://" + filepath.Join(t.TempDir(), "gate.sock"), reached: make(chan struct{}), release: sync.OnceFunc(func() { close(let) })}
	at, err := url.Parse(docker.DaemonHost())
	if err != nil {
		t.Fatal(err)
	}
	scheme, addr := "tcp", at.Host
	if at.Scheme == "unix" {
		scheme, addr = "unix", at.Path
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, scheme, addr)
	}}
	reverse := &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1,
		Rewrite:      func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker" },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	l, err := net.Listen("unix", strings.TrimPrefix(g.host, "unix://"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hold, down := g.admit(r)
		if down {
			panic(http.ErrAbortHandler)
		}
		if hold && g.pass {
			close(g.reached)
			hold = false
		}
		if !hold {
			reverse.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		reverse.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
		close(g.reached)
		<-let
		if _, down := g.admit(r); down {
			panic(http.ErrAbortHandler)
		}
		for k, v := range answer.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()) // the caller may be dead
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() {
		g.release()
		_ = server.Close()
		<-served
		transport.CloseIdleConnections()
	})
	return g
}

func (g *gate) admit(r *http.Request) (hold, down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	hold = !g.used && r.Method == http.MethodPost && g.match(r)
	g.used = g.used || hold
	if g.down {
		g.cut++
	}
	return hold, g.down
}

// refused is how many requests have been cut off.
func (g *gate) refused() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cut
}

// setDown makes the engine break all connections and take no new ones.
func (g *gate) setDown(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = down
}

// await waits until the plugin is in the middle of its step.
func (g *gate) await(t *testing.T) {
	t.Helper()
	select {
	case <-g.reached:
	case <-time.After(patience):
		t.Fatal("no container was created")
	}
}
