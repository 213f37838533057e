package container

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dcontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"go.uber.org/goleak"

	"github.com/orch-host/orch/plugins/internal/ready"
)

// testImage holds testdata/box; it is made once per run of the tests.
var (
	testImage     string
	dockerTrouble error
)

func TestMain(m *testing.M) {
	image, cleanup, err := buildBox()
	testImage, dockerTrouble = image, err
	code := m.Run()
	cleanup()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// buildBox imports a FROM-scratch image with the box binary.
func buildBox() (tag string, cleanup func(), err error) {
	none := func() {}
	e, err := New(Options{})
	if err != nil {
		return "", none, err
	}
	defer e.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := e.Ping(ctx); err != nil {
		return "", none, err
	}
	dir, err := os.MkdirTemp("", "box")
	if err != nil {
		return "", none, err
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "box")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, "./testdata/box")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the test image: %v\n%s", err, out)
		os.Exit(1)
	}
	data, err := os.ReadFile(bin)
	if err != nil {
		return "", none, err
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range []*tar.Header{
		{Name: "box", Mode: 0o755, Size: int64(len(data)), Typeflag: tar.TypeReg},
		{Name: "tmp/", Mode: 0o777, Typeflag: tar.TypeDir},
	} {
		if err := w.WriteHeader(h); err != nil {
			return "", none, err
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(data); err != nil {
				return "", none, err
			}
		}
	}
	if err := w.Close(); err != nil {
		return "", none, err
	}
	tag = "orch/test-box:" + unique()
	body, err := e.api.ImageImport(ctx, image.ImportSource{Source: &buf, SourceName: "-"}, tag, image.ImportOptions{
		Changes: []string{`ENTRYPOINT ["/box"]`, `LABEL orch.test=1`, `LABEL orch.standin=true`},
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "import the test image: %v\n", err)
		os.Exit(1)
	}
	_, _ = io.Copy(io.Discard, body)
	_ = body.Close()
	return tag, func() {
		e, err := New(Options{})
		if err != nil {
			return
		}
		defer e.Close()
		if _, err := e.api.ImageRemove(context.Background(), tag, image.RemoveOptions{}); err != nil {
			fmt.Fprintf(os.Stderr, "remove the test image: %v\n", err)
		}
	}, nil
}

func unique() string {
	var b [5]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// world is one test's engine and the service whose objects it may make.
type world struct {
	*Engine
	t       *testing.T
	service string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if dockerTrouble != nil {
		t.Skipf("docker not available: %v", dockerTrouble)
	}
	t.Parallel() // they mostly wait for Docker
	w := &world{t: t, service: "orchtest-" + unique()}
	w.Engine = w.engine(Options{})
	t.Cleanup(w.sweep)
	return w
}

func (w *world) engine(o Options) *Engine {
	w.t.Helper()
	e, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = e.Close() })
	return e
}

// sweep removes all that the test made, whatever state it left.
func (w *world) sweep() {
	e, err := New(Options{})
	if err != nil {
		w.t.Error(err)
		return
	}
	defer e.Close()
	ctx := context.Background()
	f := filters.NewArgs(filters.Arg("label", "orch.test=1"))
	list, err := e.api.ContainerList(ctx, dcontainer.ListOptions{All: true, Filters: f})
	if err != nil {
		w.t.Error(err)
	}
	for _, c := range list {
		if strings.HasPrefix(strings.TrimPrefix(c.Names[0], "/"), w.service) {
			_ = e.api.ContainerRemove(ctx, c.ID, dcontainer.RemoveOptions{Force: true, RemoveVolumes: true})
		}
	}
	nets, err := e.api.NetworkList(ctx, network.ListOptions{Filters: f})
	if err != nil {
		w.t.Error(err)
	}
	for _, n := range nets {
		if strings.HasPrefix(n.Name, w.service) {
			_ = e.api.NetworkRemove(ctx, n.ID)
		}
	}
	vols, err := e.api.VolumeList(ctx, volume.ListOptions{Filters: f})
	if err != nil {
		w.t.Error(err)
	}
	for _, v := range vols.Volumes {
		if strings.HasPrefix(v.Name, w.service) {
			_ = e.api.VolumeRemove(ctx, v.Name, true)
		}
	}
}

// spec is a web server that says text, with a port, a volume and a network.
func (w *world) spec(text string) Spec {
	return Spec{
		Service: w.service, Component: "web", Image: testImage, Cmd: []string{"serve", text},
		Ports:    []Port{{Container: 8080}},
		Volumes:  []Volume{{Name: "data", Path: "/data"}},
		Networks: []Network{{Name: w.service, Aliases: []string{"web"}}},
		Labels:   map[string]string{"orch.test": "1"}, StopTimeout: 3 * time.Second,
		Ready: func(ctx context.Context, at Endpoints) error {
			return ready.HTTP("http://"+at.Addr(8080)+"/", ready.HTTPOptions{})(ctx)
		},
		ReadyTimeout: time.Minute,
	}
}

func (w *world) ensure(s Spec) Result {
	w.t.Helper()
	res, err := w.Ensure(w.t.Context(), s)
	if err != nil {
		w.t.Fatalf("Ensure: %v", err)
	}
	return res
}

// says asks the container what it serves.
func (w *world) says(res Result) string {
	w.t.Helper()
	text, err := get("http://" + res.Endpoints.Addr(8080) + "/")
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func get(url string) (string, error) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return string(data), err
}

// rawNetwork makes a network even where one of that name is, which the client
// keeps itself from doing.
func (w *world) rawNetwork(name string, labels map[string]string) (id string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"Name": name, "Driver": "bridge", "Labels": labels})
	if err != nil {
		w.t.Fatal(err)
	}
	dial := w.api.Dialer()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}}
	resp, err := c.Post("http://docker/v1.41/networks/create", "application/json", bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var made struct{ ID, Message string }
	if err := json.NewDecoder(resp.Body).Decode(&made); err != nil || made.ID == "" {
		w.t.Fatalf("make network %s: %s %v %s", name, resp.Status, err, made.Message)
	}
	return made.ID
}

// containers lists the test's containers by name and state.
func (w *world) containers() map[string]string {
	w.t.Helper()
	list, err := w.api.ContainerList(context.Background(), dcontainer.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("name", w.service))})
	if err != nil {
		w.t.Fatal(err)
	}
	all := map[string]string{}
	for _, c := range list {
		all[strings.TrimPrefix(c.Names[0], "/")] = string(c.State)
	}
	return all
}

// foreign makes a container that is not ours.
func (w *world) foreign(name string, labels map[string]string) string {
	w.t.Helper()
	c, err := w.api.ContainerCreate(context.Background(), &dcontainer.Config{
		Image: testImage, Cmd: []string{"hang"}, Labels: merged(labels, map[string]string{"orch.test": "1"}),
	}, nil, nil, nil, name)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.api.ContainerStart(context.Background(), c.ID, dcontainer.StartOptions{}); err != nil {
		w.t.Fatal(err)
	}
	return c.ID
}
