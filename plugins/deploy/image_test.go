package deploy

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

func TestTheNamesOfImages(t *testing.T) {
	for ref, want := range map[string][3]string{
		"nginx":                             {"", "", "nginx"},
		"nginx:1.27":                        {"", "1.27", "nginx"},
		"acme/shop:v1":                      {"", "v1", "acme/shop"},
		"ghcr.io/acme/shop:v1":              {"ghcr.io", "v1", "ghcr.io/acme/shop"},
		"localhost:5000/shop":               {"localhost:5000", "", "localhost:5000/shop"},
		"localhost:5000/shop:v1@sha256:abc": {"localhost:5000", "v1", "localhost:5000/shop"},
		"localhost/shop@sha256:abc":         {"localhost", "", "localhost/shop"},
	} {
		if got := [3]string{registryHost(ref), tagOf(ref), repositoryOf(ref)}; got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}

func TestErrorsInsideThePushStreamAreErrors(t *testing.T) {
	cases := map[string]struct {
		stream string
		typ    string
		final  bool
		text   string
	}{
		"a push that goes through":      {`{"status":"The push refers to repository [x]"}` + "\n" + `{"status":"v1: digest: sha256:abc size: 1"}` + "\n" + `{"aux":{"Tag":"v1","Digest":"sha256:abc","Size":1}}`, "", false, ""},
		"a login that is refused":       {`{"status":"Preparing"}` + "\n" + `{"errorDetail":{"message":"unauthorized: authentication required"},"error":"unauthorized"}`, "AuthError", true, "check the token"},
		"a repository that is not ours": {`{"errorDetail":{"message":"denied: requested access to the resource is denied"}}`, "AuthError", true, ""},
		"a registry that fails":         {`{"errorDetail":{"message":"received unexpected HTTP status: 503 with ` + canaryToken + `"}}`, "DockerError", false, "503 with ***"},
		"a stream that just ends":       {`{"status":"Pushing","progressDetail":{"current":5,"total":10},"id":"a"}`, "DockerError", false, "before the registry confirmed"},
		"an empty stream":               {"", "DockerError", false, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := deploytest.NewDocker(t, findSpecs(t), "sha256:"+strings.Repeat("ab", 32))
			e.Stream = c.stream
			f := deploytest.NewFly(t, findSpecs(t), canaryToken)
			f.AddApp("shop")
			d := newDeployer(fast())
			d.docker = func() (dockerAPI, error) { return engine(e.Server) }
			r := newRunWith(t, d, flyConfig(f), f)
			var res Result
			fail := r.do("deploy_to_flyio_activity", flyApp(map[string]any{"image": "shop:dev"}), &res)
			if c.typ == "" {
				const want = "registry.fly.io/shop:orch-abababababab"
				if fail != nil || res.Image != want || f.Machines("shop")[0].Image != want || e.Pushed[0] != want {
					t.Errorf("%v, %+v, pushed %v", fail, res, e.Pushed)
				}
				auth, _ := base64.URLEncoding.DecodeString(e.Auth)
				var login map[string]string
				if json.Unmarshal(auth, &login); login["username"] != "x" || login["password"] != canaryToken || login["serveraddress"] != "registry.fly.io" {
					t.Errorf("login %v", login)
				}
				return
			}
			if fail == nil || fail.Type != c.typ || fail.Final != c.final || !strings.Contains(fail.Message, c.text) {
				t.Fatalf("verdict %+v", fail)
			}
			if len(f.Machines("shop")) != 0 {
				t.Error("an image that is not there was deployed")
			}
		})
	}
}

func TestOnlyLocalImagesArePushed(t *testing.T) {
	e := deploytest.NewDocker(t, findSpecs(t), "sha256:"+strings.Repeat("ab", 32))
	e.Missing = map[string]bool{"nginx:1.27": true}
	f := deploytest.NewFly(t, findSpecs(t), canaryToken)
	f.AddApp("shop")
	d := newDeployer(fast())
	d.docker = func() (dockerAPI, error) { return engine(e.Server) }
	r := newRunWith(t, d, flyConfig(f), f)
	for in, want := range map[string]string{
		"ghcr.io/acme/shop:v1": "ghcr.io/acme/shop:v1", "nginx:1.27": "nginx:1.27", "shop@sha256:" + strings.Repeat("0", 64): "shop@sha256:" + strings.Repeat("0", 64),
	} {
		var res Result
		r.must("deploy_to_flyio_activity", flyApp(map[string]any{"image": in}), &res)
		if res.Image != want || len(e.Pushed) != 0 {
			t.Errorf("%s: deployed %s, pushed %v", in, res.Image, e.Pushed)
		}
	}
	var res Result
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"image": "shop:dev", "dry_run": true}), &res)
	if len(e.Pushed) != 0 || !strings.HasPrefix(res.Plan[0], "push the local image") {
		t.Errorf("%+v", res)
	}
	for in, text := range map[string]string{"nginx:1.27": "build or pull it first"} {
		fail := r.do("deploy_to_flyio_activity", flyApp(map[string]any{"image": in, "push_to": "ghcr.io/acme/nginx"}), nil)
		if fail == nil || !fail.Final || !strings.Contains(fail.Message, text) {
			t.Errorf("%v", fail)
		}
	}
	for _, bad := range []string{"shop", "ghcr.io/acme/shop:v1", "ghcr.io/acme/shop@sha256:abc"} {
		if fail := r.do("deploy_to_flyio_activity", flyApp(map[string]any{"image": "shop:dev", "push_to": bad}), nil); fail == nil || fail.Type != "InvalidRequest" {
			t.Errorf("push_to %s: %v", bad, fail)
		}
	}
}

func TestALocalImageIsNotTakenForAPublicOneWhenDockerFails(t *testing.T) {
	e := deploytest.NewDocker(t, findSpecs(t), "sha256:"+strings.Repeat("ab", 32))
	e.Stream, e.Broken = `{"aux":{"Digest":"sha256:abc"}}`, 1
	f := deploytest.NewFly(t, findSpecs(t), canaryToken)
	f.AddApp("shop")
	d := newDeployer(fast())
	d.docker = func() (dockerAPI, error) { return engine(e.Server) }
	r := newRunWith(t, d, flyConfig(f), f)
	var res Result
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"image": "acme/shop:dev"}), &res)
	if res.Image != "registry.fly.io/shop:orch-abababababab" || f.Created != 1 || r.attempts != 2 {
		t.Errorf("%d attempts, %d machines, %+v", r.attempts, f.Created, res)
	}
}

func TestANameWithoutARegistryIsNotGuessedWhenDockerCannotBeReached(t *testing.T) {
	f := deploytest.NewFly(t, findSpecs(t), canaryToken)
	f.AddApp("shop")
	gone := httptest.NewServer(nil)
	gone.Close()
	unknown := func() (dockerAPI, error) { return nil, errors.New("parse DOCKER_HOST") }
	for name, docker := range map[string]func() (dockerAPI, error){"stopped": func() (dockerAPI, error) { return engine(gone) }, "unknown": unknown} {
		d := newDeployer(fast())
		d.docker = docker
		r := newRunWith(t, d, flyConfig(f), f)
		fail := r.do("deploy_to_flyio_activity", flyApp(map[string]any{"image": "shop:dev"}), nil)
		if fail == nil || fail.Type != "DockerError" || fail.Final || !strings.Contains(fail.Message, "docker.io/library/shop:dev") {
			t.Errorf("%s: %+v", name, fail)
		}
		r.must("deploy_to_flyio_activity", flyApp(map[string]any{"image": "docker.io/library/nginx:1.27"}), nil)
	}
}

func TestTheNameForTheRegistryDoesNotStayInTheLocalDocker(t *testing.T) {
	const ref = "registry.fly.io/shop:orch-abababababab"
	for name, c := range map[string]struct {
		image   string
		stream  string
		tags    []string
		removed bool
	}{
		"after a push":                         {"shop:dev", `{"aux":{"Digest":"sha256:abc"}}`, nil, true},
		"after a push that failed":             {"shop:dev", `{"errorDetail":{"message":"denied"}}`, nil, true},
		"when an earlier attempt made it":      {"shop:dev", `{"aux":{"Digest":"sha256:abc"}}`, []string{ref}, true},
		"unless it is the name that was given": {ref, `{"aux":{"Digest":"sha256:abc"}}`, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := deploytest.NewDocker(t, findSpecs(t), "sha256:"+strings.Repeat("ab", 32))
			e.Stream, e.Tags = c.stream, c.tags
			f := deploytest.NewFly(t, findSpecs(t), canaryToken)
			f.AddApp("shop")
			d := newDeployer(fast())
			d.docker = func() (dockerAPI, error) { return engine(e.Server) }
			r := newRunWith(t, d, flyConfig(f), f)
			r.do("deploy_to_flyio_activity", flyApp(map[string]any{"image": c.image, "push_to": "registry.fly.io/shop"}), nil)
			if len(e.Pushed) == 0 || e.Pushed[0] != ref || (len(e.Removed) > 0) != c.removed || c.removed && e.Removed[0] != ref {
				t.Errorf("pushed %v, removed %v", e.Pushed, e.Removed)
			}
		})
	}
}

func engine(s *httptest.Server) (dockerAPI, error) {
	return client.NewClientWithOpts(client.WithHost("tcp://"+s.Listener.Addr().String()), client.WithVersion("1.51"))
}

// TestARealDockerPushesToARealRegistry needs a Docker on this machine: it makes an image, and the registry is ours.
func TestARealDockerPushesToARealRegistry(t *testing.T) {
	specs := findSpecs(t) // may skip, before anything is made
	docker, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Skipf("docker not available: %v", err)
	}
	defer docker.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := docker.Ping(ctx); err != nil {
		t.Skipf("docker not available: %v", err)
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	content := fmt.Sprintf("hello %d", time.Now().UnixNano())
	_ = w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: int64(len(content))})
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	local := fmt.Sprintf("orch-test-push-%d:dev", time.Now().UnixNano())
	made, err := docker.ImageImport(ctx, image.ImportSource{Source: &layer, SourceName: "-"}, local, image.ImportOptions{Changes: []string{"LABEL orch.test=1"}})
	if err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	_ = json.NewDecoder(made).Decode(&line)
	made.Close()
	reg := deploytest.NewRegistry(t, "x", canaryToken)
	f := deploytest.NewFly(t, specs, canaryToken)
	f.AddApp("shop")
	d := newDeployer(fast())
	config := flyConfig(f)
	config["fly"].(map[string]any)["registry"] = reg.Listener.Addr().String()
	r := newRunWith(t, d, config, f)
	var res, again Result
	defer func() {
		for _, ref := range []string{local, res.Image} {
			_, _ = docker.ImageRemove(context.WithoutCancel(ctx), ref, image.RemoveOptions{Force: true})
		}
	}()
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"image": local}), &res)
	repo, tag, _ := strings.Cut(strings.TrimPrefix(res.Image, reg.Listener.Addr().String()+"/"), ":")
	if reg.Manifest(repo, tag) == nil {
		t.Fatalf("the registry holds no %s: %v", res.Image, reg.Refs())
	}
	if seen, err := docker.ImageInspect(ctx, local); err != nil || len(seen.RepoTags) != 1 {
		t.Errorf("the image is known as %v (%v), want it under its own name only", seen.RepoTags, err)
	}
	r.must("deploy_to_flyio_activity", flyApp(map[string]any{"image": local}), &again)
	if again.Changed || again.Image != res.Image {
		t.Errorf("the same image again: %+v", again)
	}
	reg.Password = "another"
	config["fly"].(map[string]any)["token"] = canaryToken
	fail := r.do("deploy_to_flyio_activity", flyApp(map[string]any{"image": local}), nil)
	if fail == nil || fail.Type != "AuthError" {
		t.Errorf("a login that the registry refuses: %v", fail)
	}
}
