package statuspage

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/orch-host/orch/hostcore/executor"
	"github.com/orch-host/orch/hostcore/progress"
	"github.com/orch-host/orch/hostcore/shipping"
	"github.com/orch-host/orch/hostcore/supervisor"
	"github.com/orch-host/orch/hostcore/webtoken"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeHost says what the test wants and remembers what it is told.
type fakeHost struct {
	mu    sync.Mutex
	state string
	asked []string
	polls int

	hosts    []executor.HostState
	unlisted error
}

// shared are two hosts that share the work, one of them with much to say.
func shared() []executor.HostState {
	return []executor.HostState{
		{Name: "blade7", Here: true, Labels: []string{"gpu", "rack-2"}, Version: "1.2.3", Seen: time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC), Services: []string{"chat", "logs-pipeline"}},
		{Name: "ahostwhosenameisaslongasnamesofmachinesincloudsare0123456789abcdef.internal", Version: "1.2.2", Services: []string{"chat"}},
	}
}

func (f *fakeHost) Hosts(context.Context) ([]executor.HostState, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hosts, f.unlisted
}

func (f *fakeHost) Shipments(context.Context) ([]shipping.Shipment, error) {
	return shipping.Decode([]byte(`[{"name": "ingest", "status": {"state": "shipping", "endpoint": "http://localhost:4318", "metrics": {"LinesAcked": 12, "LagBytes": 2048, "LagSeconds": 1.5, "Files": 3, "Refusals": {"400": 2}}}}]`))
}

func (f *fakeHost) Services(context.Context) ([]*executor.Status, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.polls++
	return []*executor.Status{
		{Service: "chat", State: f.state, Workflow: "ChatSetupWorkflow", Description: "<script>alert(1)</script>",
			Progress: &progress.Progress{Steps: []progress.Step{{Name: "build_chat_image_activity", State: "ok", Outcome: "created", TookMS: 1500}}}},
	}, nil
}

func (f *fakeHost) Plugins() []supervisor.Status {
	return []supervisor.Status{{Name: "chat", Version: "2.0.0", Previous: "1.0.0", State: supervisor.Ready, Restarts: 3}}
}
func (f *fakeHost) Problems() []string                            { return []string{"queue x is not polled"} }
func (f *fakeHost) Start(_ context.Context, service string) error { return f.note("start " + service) }
func (f *fakeHost) Stop(_ context.Context, service string) error  { return f.note("stop " + service) }
func (f *fakeHost) Rollback(plugin string) error                  { return f.note("rollback " + plugin) }
func (f *fakeHost) set(state string)                              { f.mu.Lock(); defer f.mu.Unlock(); f.state = state }
func (f *fakeHost) note(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
	if strings.HasPrefix(what, "stop") {
		return errors.New("it does not want to")
	}
	return nil
}
func (f *fakeHost) told() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.asked, ", ")
}

// site is a page with a browser-like client.
type site struct {
	t    *testing.T
	host *fakeHost
	page *Page
	url  string
	*http.Client
}

func newSite(t *testing.T, o Options) *site {
	t.Helper()
	h := &fakeHost{state: "running"}
	o.Name, o.Version, o.Links = "blade7", "1.2.3", []Link{{"Grafana", "http://localhost:3000"}}
	s := serving(t, New(h, o))
	s.host = h
	return s
}

// serving is the site of a page.
func serving(t *testing.T, p *Page) *site {
	t.Helper()
	srv := httptest.NewServer(p)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() { p.Close(); srv.Close() })
	return &site{t, nil, p, srv.URL, c}
}

func (s *site) do(method, path, form string, header http.Header) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(form))
	if err != nil {
		s.t.Fatal(err)
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if form != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := s.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestThePageShowsServicesStepsPluginsAndProblemsEscaped(t *testing.T) {
	s := newSite(t, Options{})
	code, text := s.do("GET", "/", "", nil)
	for _, want := range []string{"blade7", "1.2.3", "ChatSetupWorkflow", "build_chat_image_activity", "created · 1.5s", "3 restarts", "queue x is not polled", "3 files · 12 lines · behind: 2KiB, 1.5s · 2 refused",
		`href="http://localhost:3000"`, "&lt;script&gt;alert(1)&lt;/script&gt;"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if code != http.StatusOK || strings.Contains(text, "<script>alert") || strings.Contains(text, "<form") {
		t.Errorf("%d: without a token the page is to be read-only and escaped:\n%s", code, text)
	}
	for _, path := range []string{"/status/style.css", "/status/live.js"} {
		if code, _ := s.do("GET", path, "", nil); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestOnlyWhoHasEnteredTheTokenChangesAnything(t *testing.T) {
	s := newSite(t, Options{Token: webtoken.New("canary-token")})
	csrf := "guessed"
	form := func() string { return url.Values{"csrf": {csrf}}.Encode() }
	start := func(header http.Header) int {
		code, _ := s.do("POST", "/status/services/chat/start", form(), header)
		return code
	}
	if code := start(nil); code != http.StatusForbidden {
		t.Errorf("without a session: %d", code)
	}
	if _, text := s.do("POST", "/status/login", url.Values{"token": {"wrong"}}.Encode(), nil); !strings.Contains(text, "That is not the token") || strings.Contains(text, "Yes, stop") {
		t.Errorf("a wrong token: %s", text)
	}
	_, text := s.do("POST", "/status/login", url.Values{"token": {"canary-token"}}.Encode(), nil)
	if !strings.Contains(text, "Yes, stop chat") || !strings.Contains(text, "Yes, go back to 1.0.0") || strings.Contains(text, "canary-token") {
		t.Errorf("the right token: %s", text)
	}
	if code := start(nil); code != http.StatusForbidden {
		t.Errorf("with a guessed token of the form: %d", code)
	}
	_, csrf, _ = strings.Cut(text, `name="csrf" value="`)
	csrf, _, _ = strings.Cut(csrf, `"`)
	if len(csrf) < 20 {
		t.Fatalf("the form's token is %q", csrf)
	}
	for name, header := range map[string]http.Header{
		"another site": {"Sec-Fetch-Site": {"cross-site"}}, "another origin": {"Origin": {"http://evil.example"}},
	} {
		if code := start(header); code != http.StatusForbidden {
			t.Errorf("%s: %d", name, code)
		}
	}
	if told := s.host.told(); told != "" {
		t.Fatalf("the host was told %q", told)
	}
	if code := start(http.Header{"Sec-Fetch-Site": {"same-origin"}}); code != http.StatusOK {
		t.Errorf("start: %d", code)
	}
	if _, text := s.do("POST", "/status/services/chat/stop", form(), nil); !strings.Contains(text, "it does not want to") {
		t.Errorf("an error is to be shown: %s", text)
	}
	s.do("POST", "/status/plugins/chat/rollback", form(), nil)
	s.do("POST", "/status/logout", "x=1", nil)
	if code, _ := s.do("GET", "/", "", nil); code != http.StatusOK {
		t.Errorf("after a log-out that was not asked for: %d", code)
	}
	s.do("POST", "/status/logout", form(), nil)
	if code := start(nil); code != http.StatusForbidden {
		t.Errorf("after the log-out: %d", code)
	}
	if told := s.host.told(); told != "start chat, stop chat, rollback chat" {
		t.Errorf("the host was told %q", told)
	}
}

func TestAPrivatePageShowsNothingBeforeTheToken(t *testing.T) {
	s := newSite(t, Options{Token: webtoken.New("canary-token"), Private: true})
	if code, text := s.do("GET", "/", "", nil); code != http.StatusOK || !strings.Contains(text, "Enter the token") || strings.Contains(text, "ChatSetupWorkflow") || strings.Contains(text, "3 restarts") {
		t.Errorf("%d: %s", code, text)
	}
	if code, _ := s.do("GET", "/status/live", "", nil); code != http.StatusForbidden {
		t.Errorf("live: %d", code)
	}
	if _, text := s.do("POST", "/status/login", url.Values{"token": {"canary-token"}}.Encode(), nil); !strings.Contains(text, "ChatSetupWorkflow") {
		t.Errorf("with the token: %s", text)
	}
}

func TestReadersGetWhatChangesAndNobodyIsAskedWhenNobodyLooks(t *testing.T) {
	s := newSite(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var readers []*bufio.Scanner
	for range 3 {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/status/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		readers = append(readers, bufio.NewScanner(resp.Body))
	}
	until := func(want string) {
		t.Helper()
		for i, r := range readers {
			found := false
			for !found && r.Scan() {
				found = strings.Contains(r.Text(), want)
			}
			if !found {
				t.Fatalf("reader %d never got %q: %v", i, want, r.Err())
			}
		}
	}
	until(`state running`)
	s.host.set("completed")
	until(`state completed`)
	cancel()
	deadline := time.Now().Add(10 * time.Second)
	for {
		s.host.mu.Lock()
		before := s.host.polls
		s.host.mu.Unlock()
		time.Sleep(pollEvery + 500*time.Millisecond)
		s.host.mu.Lock()
		after := s.host.polls
		s.host.mu.Unlock()
		if before == after {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the host is asked though nobody looks")
		}
	}
}

func TestAReaderThatDoesNotReadHoldsUpNobody(t *testing.T) {
	l := newLive(func(context.Context) rendering { return rendering{read: []byte(time.Now().String())} })
	stuck := l.join()
	for range 5 {
		l.now()
		time.Sleep(20 * time.Millisecond)
	}
	if second := l.join(); second == nil || len((<-second).read) == 0 {
		t.Error("no rendering for a second reader")
	}
	if len(stuck) != 1 {
		t.Errorf("%d renderings wait for a reader that does not read, want the latest", len(stuck))
	}
	l.close()
	if l.join() != nil {
		t.Error("a reader was taken after the end")
	}
}

func TestHostsAreShownWhereSeveralShareTheWorkOrOneIsAway(t *testing.T) {
	all := shared()
	for name, tc := range map[string]struct {
		hosts    []executor.HostState
		err      error
		want     []string
		unwanted string
	}{
		"several": {hosts: all, want: []string{">Hosts<", "blade7", ">here<", "labels: gpu, rack-2", "1.2.3", "listed <time datetime=\"2026-11-02T09:30:00Z\"", "chat, logs-pipeline",
			all[1].Name, ">away<", "1.2.2", "not listed"}},
		"one that is away": {hosts: all[1:], want: []string{">Hosts<", ">away<"}},
		"one":              {hosts: all[:1], unwanted: ">Hosts<"},
		"none":             {unwanted: ">Hosts<"},
		"unknown":          {err: errors.New("who polls <task> queue x"), want: []string{">Hosts<", "who polls &lt;task&gt; queue x", "ChatSetupWorkflow", "3 restarts", "12 lines"}, unwanted: ">here<"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, Options{})
			s.host.hosts, s.host.unlisted = tc.hosts, tc.err
			_, text := s.do("GET", "/", "", nil)
			for _, want := range tc.want {
				if !strings.Contains(text, want) {
					t.Errorf("the page lacks %q:\n%s", want, text)
				}
			}
			if tc.unwanted != "" && strings.Contains(text, tc.unwanted) {
				t.Errorf("the page has %q:\n%s", tc.unwanted, text)
			}
		})
	}
}
