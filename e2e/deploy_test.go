package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
)

// The secrets of these tests. Nothing but the providers may ever see them.
const (
	canaryToken  = "canary-token-e27b90aa41"
	canarySecret = "canary-secret-5c1d77f306"
)

// provider is what differs between the three.
type provider struct {
	name, workflow, verdict string
	table                   func(url string) string // of the plugin
	activity                string                  // the deployment
	rollback                string
	fresh                   func(t *testing.T) world
}

// world is a fake provider and how it stands.
type world interface {
	http.Handler
	KillAt(n int, when deploytest.When, kill func())
	Died() bool
	Calls() int
	one(t *testing.T, images ...string) // one app that runs the last of the images
	none(t *testing.T)
	neverLive() // what is deployed from now on stays in the provider's hands
}

func providers(specs *deploytest.Specs) []provider {
	return []provider{
		{"flyio", "FlyioDeploymentWorkflow", "flyio_deploy_complete",
			func(url string) string {
				return fmt.Sprintf("fly = { token = \"env:DEPLOY_TOKEN\", org = \"acme\", api_url = %q }", url)
			}, "deploy_to_flyio_activity", "rollback_flyio_activity",
			func(t *testing.T) world {
				f := deploytest.NewFly(t, specs, canaryToken)
				f.Leak = canarySecret
				return flyWorld{f}
			}},
		{"railway", "RailwayDeploymentWorkflow", "railway_deploy_complete",
			func(url string) string {
				return fmt.Sprintf("railway = { token = \"env:DEPLOY_TOKEN\", api_url = %q }", url)
			}, "deploy_to_railway_activity", "rollback_railway_activity",
			func(t *testing.T) world {
				f := deploytest.NewRailway(t, specs, canaryToken)
				f.Leak = canarySecret
				return railwayWorld{f}
			}},
		{"render", "RenderDeploymentWorkflow", "render_deploy_complete",
			func(url string) string {
				return fmt.Sprintf("render = { api_key = \"env:DEPLOY_TOKEN\", api_url = %q }", url)
			}, "deploy_to_render_activity", "rollback_render_activity",
			func(t *testing.T) world {
				f := deploytest.NewRender(t, specs, canaryToken)
				f.Leak = canarySecret
				return renderWorld{f}
			}},
	}
}

type flyWorld struct{ *deploytest.Fly }

func (w flyWorld) one(t *testing.T, images ...string) {
	t.Helper()
	m := w.Machines("shop")
	if apps := w.Apps(); len(apps) != 1 || len(m) != 1 || w.IPs("shop") != 2 || w.Secret("shop", "DATABASE_URL") != canarySecret {
		t.Fatalf("apps %v, machines %+v, %d addresses; want one of each, and two addresses", apps, m, w.IPs("shop"))
	}
	if m[0].Image != images[len(images)-1] || m[0].State != "started" || m[0].Cordoned {
		t.Errorf("machine %+v, want it started with %s", m[0], images[len(images)-1])
	}
}

func (w flyWorld) none(t *testing.T) {
	t.Helper()
	if apps := w.Apps(); len(apps) > 0 {
		t.Errorf("there are apps: %v", apps)
	}
}

func (w flyWorld) neverLive() { w.StartAfter = 1 << 30 }

type railwayWorld struct{ *deploytest.Railway }

func (w railwayWorld) one(t *testing.T, images ...string) {
	t.Helper()
	all := w.Services()
	if len(all) != 1 || len(all[0].Domains) != 1 || all[0].Vars["DATABASE_URL"] != canarySecret {
		t.Fatalf("services %+v, want one with one domain", all)
	}
	deployed(t, all[0].Deployments, images)
}

func (w railwayWorld) none(t *testing.T) {
	t.Helper()
	if all := w.Services(); len(all) > 0 {
		t.Errorf("there are services: %+v", all)
	}
}

func (w railwayWorld) neverLive() { w.LiveAfter = 1 << 30 }

type renderWorld struct{ *deploytest.Render }

func (w renderWorld) one(t *testing.T, images ...string) {
	t.Helper()
	all := w.Services()
	if len(all) != 1 || all[0].Name != "shop" || all[0].Env["DATABASE_URL"] != canarySecret {
		t.Fatalf("services %+v, want one", all)
	}
	deployed(t, all[0].Deploys, images)
}

func (w renderWorld) none(t *testing.T) {
	t.Helper()
	if all := w.Services(); len(all) > 0 {
		t.Errorf("there are services: %+v", all)
	}
}

func (w renderWorld) neverLive() { w.LiveAfter = 1 << 30 }

// deployed checks that exactly these images were deployed, in this order.
func deployed(t *testing.T, deployments, images []string) {
	t.Helper()
	if len(deployments) != len(images) {
		t.Fatalf("deployments %q, want one each of %q", deployments, images)
	}
	for i, image := range images {
		if !strings.HasSuffix(deployments[i], " "+image) {
			t.Errorf("deployment %d is %q, want %s", i, deployments[i], image)
		}
	}
}

// stage is a host with the deploy plugin, in front of fakes that are exchanged from test to test.
type stage struct {
	*rig
	provider
	host    *running
	current atomic.Pointer[world]
	site    *site
	outputs strings.Builder // what people saw
	told    output          // metrics and traces
}

const (
	v1 = "ghcr.io/acme/shop:v1"
	v2 = "ghcr.io/acme/shop:v2"
)

func newStage(t *testing.T, p provider) *stage {
	t.Helper()
	s := &stage{provider: p, site: newSite(t)}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.current.Load()).ServeHTTP(w, r) }))
	t.Cleanup(front.Close)
	s.rig = newRig(t, []string{bin("plugins", "deploy")}, fmt.Sprintf(`
[plugins.deploy]
env = ["HTTPS_PROXY", "SSL_CERT_FILE"]
[plugins.deploy.config]
poll_interval = "20ms"
secrets = { DATABASE_URL = "env:DATABASE_URL" }
%s
`, p.table(front.URL)))
	for _, name := range []string{s.service, s.service + "-too"} {
		write(t, s.config, 0o600, read(t, s.config)+fmt.Sprintf(`
[services.%s]
workflow = %q
[services.%s.params]
app_name = "shop"
image = %q
secret_refs = ["DATABASE_URL"]
env = { MODE = "production" }
health_path = "/healthz"
health_deadline = "2s"
`, name, p.workflow, name, v1))
	}
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(&s.told, r.Body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(receiver.Close) // after the host's end
	s.env = []string{"ORCH_HOST__OTLP_ENDPOINT=" + receiver.URL, "DEPLOY_TOKEN=" + canaryToken, "DATABASE_URL=" + canarySecret, "HTTPS_PROXY=" + s.site.proxy, "SSL_CERT_FILE=" + s.site.authority}
	s.host = s.start()
	return s
}

// reset begins again with a provider that knows nothing.
func (s *stage) reset(t *testing.T) world {
	w := s.fresh(t)
	s.current.Store(&w)
	s.site.healthy.Store(true)
	return w
}

// deploy runs the service to its end.
func (s *stage) deploy(code int, params ...string) outcome {
	s.t.Helper()
	args := []string{"start", s.service, "--wait"}
	for _, p := range params {
		args = append(args, "--param", p)
	}
	o := s.expect(code, args...)
	s.outputs.WriteString(o.String())
	return o
}

// killPlugin ends the plugin's process as the kernel does, and returns when it is gone.
func (s *stage) killPlugin() {
	pid := s.pluginPid("deploy")
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil {
			return
		}
	}
}

func TestDeploymentsRunFromTheCommandLineToTheProvider(t *testing.T) {
	specs := deploytest.FindSpecs(t)
	for _, p := range providers(specs) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, p)
			t.Run("two versions, and nothing changes when asked again", func(t *testing.T) {
				w := s.reset(t)
				for _, images := range [][]string{{v1}, {v1}, {v1, v2}} {
					o := s.deploy(0, "image="+images[len(images)-1])
					if !strings.Contains(o.stdout, p.verdict) {
						t.Errorf("want %s, got %v", p.verdict, o)
					}
					w.one(t, images...)
				}
			})
			t.Run("an unhealthy version goes back, in a step that is shown", func(t *testing.T) {
				w := s.reset(t)
				s.deploy(0)
				s.site.healthy.Store(false)
				o := s.deploy(1, "image="+v2)
				if !strings.Contains(o.stdout, "✓ "+p.rollback) || !strings.Contains(o.stdout, "rolled back to") || !strings.Contains(o.stdout, "is not healthy") {
					t.Errorf("the rollback is not told: %v", o)
				}
				switch p.name {
				case "flyio":
					w.one(t, v1)
				default:
					w.one(t, v1, v2, v1)
				}
			})
			t.Run("a dry run changes nothing", func(t *testing.T) {
				w := s.reset(t)
				o := s.deploy(0, "dry_run=true")
				if !strings.Contains(o.stdout, p.verdict) || w.Calls() == 0 {
					t.Errorf("%d calls, %v", w.Calls(), o)
				}
				w.none(t)
			})
			t.Run("the plugin is killed at any call", s.killedAnywhere)
			t.Run("a second deployment of the app is refused", s.refusesASecond)
			s.seesNoSecret(t)
		})
	}
}
