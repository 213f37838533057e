package deploy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/pluginv1"
	"github.com/orch-host/orch/sdk/sdktest"
)

type alive struct{}

func (alive) Revive() bool { return false }
func (alive) Dead() bool   { return false }

// site answers with the given codes in order, and with the last one from then on.
func site(t *testing.T, codes ...int) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := codes[min(int(n.Add(1)), len(codes))-1]
		switch code {
		case 0:
			panic(http.ErrAbortHandler)
		case 302:
			w.Header().Set("Location", "https://github.com/acme/shop")
		case 307:
			w.Header().Set("Location", "/landing")
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte("body with " + canarySecret))
	}))
	t.Cleanup(s.Close)
	return s, &n
}

func TestHealthIsTwoGoodAnswersInARow(t *testing.T) {
	cases := map[string]struct {
		codes []int
		asked int64
	}{
		"at once":                            {[]int{200}, 2},
		"204 is good":                        {[]int{204}, 2},
		"after a warm-up":                    {[]int{502, 503, 404, 0, 200}, 6},
		"one good answer is not enough":      {[]int{200, 500, 200, 502, 200, 200}, 6},
		"a redirect on the host is followed": {[]int{307, 200, 200}, 3},
		"a login page elsewhere is not it":   {[]int{302, 200}, 3},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, asked := site(t, c.codes...)
			r := newRun(t, map[string]any{}, alive{})
			var h Health
			r.must("check_deployment_health_activity", map[string]any{"url": s.URL, "health_path": "/up?x=1", "app_name": "shop"}, &h)
			if h.Status != "healthy" || asked.Load() != c.asked || h.URL != s.URL+"/up?x=1" {
				t.Errorf("%+v after %d requests, want %d", h, asked.Load(), c.asked)
			}
		})
	}
}

func TestHealthVerdicts(t *testing.T) {
	unwell, _ := site(t, 500)
	login, _ := site(t, 401)
	lost, _ := site(t, 404)
	away, _ := site(t, 302)
	cases := map[string]struct {
		in   map[string]any
		typ  string
		text string
	}{
		"no address":                    {map[string]any{}, "Unhealthy", "no deployed URL"},
		"a repository":                  {map[string]any{"url": "https://github.com/acme/shop"}, "Unhealthy", "repository"},
		"a repository on www":           {map[string]any{"url": "https://www.github.com/acme/shop"}, "Unhealthy", "repository"},
		"a repository with a port":      {map[string]any{"url": "https://GitHub.com:443/acme/shop"}, "Unhealthy", "repository"},
		"a source archive":              {map[string]any{"url": "https://codeload.github.com/acme/shop/zip/main"}, "Unhealthy", "repository"},
		"a raw file":                    {map[string]any{"url": "https://objects.githubusercontent.com/x"}, "Unhealthy", "repository"},
		"the source repository":         {map[string]any{"url": "https://git.example.com/acme/Shop/", "repo_url": "https://git.example.com/acme/shop.git"}, "Unhealthy", "repository"},
		"a clone address":               {map[string]any{"url": "https://git.example.com/acme/shop.git"}, "Unhealthy", "repository"},
		"Render's dashboard":            {map[string]any{"url": "https://dashboard.render.com/web/srv-1"}, "Unhealthy", "dashboard"},
		"plain http":                    {map[string]any{"url": "http://shop.example.com"}, "InvalidRequest", "use https"},
		"a file":                        {map[string]any{"url": "file:///etc/passwd"}, "InvalidRequest", ""},
		"an address with a password":    {map[string]any{"url": "https://a:" + canarySecret + "@example.com"}, "InvalidRequest", ""},
		"a path that is another host":   {map[string]any{"url": unwell.URL, "health_path": "//github.com/x"}, "InvalidRequest", ""},
		"an application that is unwell": {map[string]any{"url": unwell.URL}, "Unhealthy", "HTTP 500"},
		"an application with a login":   {map[string]any{"url": login.URL}, "Unhealthy", "set health_path to a public one"},
		"a path that is not there":      {map[string]any{"url": lost.URL, "health_path": "/up"}, "Unhealthy", "does the application serve /up"},
		"a redirect to elsewhere":       {map[string]any{"url": away.URL}, "Unhealthy", "redirects to another host"},
		"nobody there":                  {map[string]any{"url": "http://127.0.0.1:1"}, "Unhealthy", "refused"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRun(t, map[string]any{}, alive{})
			fail := r.do("check_deployment_health_activity", with(c.in, map[string]any{"health_deadline": "60ms"}), nil)
			if fail == nil || fail.Type != c.typ || !fail.Final || !strings.Contains(fail.Message, c.text) {
				t.Fatalf("verdict %+v, want %s with %q", fail, c.typ, c.text)
			}
		})
	}
}

func TestHealthOfPlainHTTPIsRefusedExceptOnThisMachine(t *testing.T) {
	for address, want := range map[string]bool{
		"https://shop.fly.dev": true, "http://127.0.0.1:8080": true, "http://[::1]:8080": true, "http://localhost": true,
		"http://shop.fly.dev": false, "http://127.0.0.1.example.com": false, "http://localhost.example.com": false, "https://": false,
	} {
		if _, err := (HealthInput{URL: address}).target(); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestHealthGoesOnWithTheTimeThatIsLeft(t *testing.T) {
	s, _ := site(t, 500)
	r := newRun(t, map[string]any{}, alive{})
	o := r.h.Execute(sdktest.Call{Activity: "check_deployment_health_activity", Args: []any{map[string]any{"url": s.URL, "health_deadline": "1h"}},
		LastHeartbeat: healthState{Spent: sdk.Duration(time.Hour), Attempts: 41}, Attempt: 2})
	if o.Failure == nil || o.Failure.GetType() != "Unhealthy" || !strings.Contains(o.Failure.GetMessage(), "42 attempts") {
		t.Errorf("%v", o.Failure)
	}
}

func TestAGoodAnswerAtTheEndOfTheTimeGetsItsSecondLook(t *testing.T) {
	s, asked := site(t, 200)
	r := newRun(t, map[string]any{}, alive{})
	r.must("check_deployment_health_activity", map[string]any{"url": s.URL, "health_deadline": "1ms"}, nil)
	if asked.Load() != 2 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestTheTimeThatTheHostWasAwayIsNotTheApplications(t *testing.T) {
	var well, away atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !well.Load() {
			w.WriteHeader(503)
			well.Store(away.Load()) // one answer more, then it is well
		}
	}))
	t.Cleanup(s.Close)
	r := newRun(t, map[string]any{}, alive{})
	call := sdktest.Call{Activity: "check_deployment_health_activity", Args: []any{map[string]any{"url": s.URL, "health_deadline": "2s"}}}
	a := r.h.Begin(call)
	time.Sleep(50 * time.Millisecond)
	a.Cancel(pluginv1.Cancel_WORKER_STOP, 5*time.Second)
	o := a.Wait()
	if len(o.Heartbeats) == 0 {
		t.Fatal("no heartbeat")
	}
	away.Store(true)
	time.Sleep(2 * time.Second)
	call.LastHeartbeat, call.Attempt = o.Heartbeats[len(o.Heartbeats)-1], 2
	if o = r.h.Execute(call); o.Failure != nil {
		t.Errorf("a deployment that is well is to be rolled back: %v", o.Failure)
	}
}

func TestHealthEndsWhenItIsCancelled(t *testing.T) {
	s, asked := site(t, 500)
	r := newRun(t, map[string]any{}, alive{})
	a := r.h.Begin(sdktest.Call{Activity: "check_deployment_health_activity", Args: []any{map[string]any{"url": s.URL}}})
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	a.Cancel(pluginv1.Cancel_REQUESTED, 5*time.Second)
	if o := a.Wait(); o.Failure == nil || !o.Failure.GetCanceled() {
		t.Errorf("%+v", o.Failure)
	}
}

func TestHealthDoesNotWaitForAnAnswerForEver(t *testing.T) {
	stop := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-stop }))
	defer s.Close()
	defer close(stop)
	u, _ := url.Parse(s.URL)
	c := healthClient(u)
	c.Timeout = 20 * time.Millisecond
	if p := probe(context.Background(), c, u); p.ok() || p.err == nil {
		t.Errorf("%+v", p)
	}
}
