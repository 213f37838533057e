package deploytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Fly is a stand-in for the Machines API.
type Fly struct {
	Gate
	*httptest.Server
	api   *OpenAPI
	token string

	// Behaviour, set before the first call.
	Org        string          // the organisation that the token belongs to
	Taken      map[string]bool // app names of other organisations
	Lag        int             // reads of a fresh app that answer 404
	StartAfter int             // reads of a machine before it is started
	Image      func(image string) FlyFate
	NoRoom     map[string]bool // regions without capacity
	Leak       string          // what a failing check prints
	ShowNonce  bool            // a lease that is read tells its nonce

	mu       sync.Mutex
	apps     map[string]*flyApp
	seq      int
	Releases int // release commands that were run
	Created  int // machines of the app that were created
	Updated  int
	Cordoned []string
}

// FlyFate is what becomes of a machine with an image.
type FlyFate int

// The fates.
const (
	FlyWell FlyFate = iota
	FlyLaunchFailed
	FlyExits    // the process ends with code 1
	FlyCritical // the checks never pass
)

type flyApp struct {
	name     string
	hidden   int
	ips      []map[string]any
	secrets  map[string]string
	version  int64
	machines []*flyMachine
}

type flyMachine struct {
	id, name, region, state, instance string
	config                            map[string]any
	reads                             int
	cordoned                          bool
	events                            []map[string]any
	lease                             *flyLeaseState
}

type flyLeaseState struct {
	nonce, description string
	expires            time.Time
}

// NewFly starts a fake that accepts one token.
func NewFly(t testing.TB, s *Specs, token string) *Fly {
	t.Helper()
	api, err := s.fly()
	if err != nil {
		t.Fatal(err)
	}
	f := &Fly{api: api, token: token, Org: "acme", StartAfter: 1, apps: map[string]*flyApp{}}
	f.T = t
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *Fly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, err := f.api.request(r)
	if err != nil {
		if f.Dead() {
			drop(w)
			return
		}
		f.T.Errorf("fly: a request breaks the schema: %v", err)
		w.WriteHeader(599)
		return
	}
	f.serve(x.op, w, func(a *answer) {
		f.mu.Lock()
		defer f.mu.Unlock()
		status, body := f.answer(r, x)
		a.status = status
		if body != nil {
			a.body, _ = json.Marshal(body)
			a.header.Set("Content-Type", "application/json")
		}
		if err := x.response(a.status, a.header, a.body); err != nil {
			f.T.Errorf("fly: our own answer %d to %s breaks the schema: %v", a.status, x.op, err)
		}
	})
}

type obj = map[string]any

func refuse(status int, text string, code ...string) (int, any) {
	o := obj{"error": text}
	if len(code) > 0 {
		o["status"] = code[0]
	}
	return status, o
}

func (f *Fly) answer(r *http.Request, x *exchange) (int, any) {
	auth := r.Header.Get("Authorization")
	if auth != "Bearer "+f.token && auth != "FlyV1 "+f.token {
		return refuse(401, "unauthorized")
	}
	var in obj
	_ = json.Unmarshal(x.body, &in)
	name := x.path["app_name"]
	if x.op == "POST /apps" {
		return f.createApp(in)
	}
	if f.Taken[name] {
		return refuse(403, "forbidden")
	}
	app := f.apps[name]
	if app == nil {
		return refuse(404, "Could not find App")
	}
	if app.hidden > 0 {
		app.hidden--
		return refuse(404, "Could not find App")
	}
	switch x.op {
	case "GET /apps/{app_name}":
		return 200, obj{"id": "id-" + name, "name": name, "status": "deployed", "organization": obj{"name": f.Org, "slug": f.Org}}
	case "GET /apps/{app_name}/ip_assignments":
		return 200, obj{"ips": nonNil(app.ips)}
	case "POST /apps/{app_name}/ip_assignments":
		ip := obj{"ip": fmt.Sprintf("2a09:8280:1::%x", len(app.ips)+1), "region": "global", "shared": false, "created_at": "2026-01-01T00:00:00Z"}
		if in["type"] == "shared_v4" {
			ip["ip"], ip["shared"] = fmt.Sprintf("66.241.124.%d", len(app.ips)+1), true
		}
		app.ips = append(app.ips, ip)
		return 200, ip
	case "GET /apps/{app_name}/secrets":
		return 200, obj{"secrets": app.secretList()}
	case "POST /apps/{app_name}/secrets":
		for k, v := range in["values"].(obj) {
			if v == nil {
				delete(app.secrets, k)
			} else {
				app.secrets[k] = v.(string)
			}
		}
		app.version++
		return 200, obj{"version": app.version, "secrets": app.secretList()}
	case "GET /apps/{app_name}/machines":
		out := []any{}
		for _, m := range app.machines {
			out = append(out, m.wire(f.Leak))
		}
		return 200, out
	case "POST /apps/{app_name}/machines":
		return f.createMachine(app, in)
	}
	i := slices.IndexFunc(app.machines, func(m *flyMachine) bool { return m.id == x.path["machine_id"] })
	if i < 0 {
		return refuse(404, "machine not found")
	}
	return f.machine(app, app.machines[i], r, x, in)
}

func (f *Fly) createApp(in obj) (int, any) {
	name := in["name"].(string)
	if f.apps[name] != nil || f.Taken[name] {
		return refuse(422, "Validation failed: Name has already been taken", "name_taken")
	}
	if in["org_slug"] != f.Org {
		return refuse(404, "Could not find Organization")
	}
	f.apps[name] = &flyApp{name: name, hidden: f.Lag, secrets: map[string]string{}}
	return 201, nil
}

func (f *Fly) createMachine(app *flyApp, in obj) (int, any) {
	name, _ := in["name"].(string)
	for _, m := range app.machines {
		if m.name == name {
			return refuse(409, fmt.Sprintf("already_exists: unique machine name violation, machine ID %s already exists with name %q", m.id, name))
		}
	}
	region, _ := in["region"].(string)
	if f.NoRoom[region] {
		return refuse(422, "insufficient resources to create new machine", "insufficient_capacity")
	}
	if v, _ := in["min_secrets_version"].(float64); int64(v) > app.version {
		return refuse(400, "secrets version is not known")
	}
	f.seq++
	m := &flyMachine{id: fmt.Sprintf("m%04d", f.seq), name: name, region: region, state: "created", config: in["config"].(obj)}
	m.instance = fmt.Sprintf("01INSTANCE%016d", f.seq)
	m.cordoned, _ = in["skip_service_registration"].(bool)
	if m.meta("fly_process_group") == "app" {
		f.Created++
	} else {
		f.Releases++
	}
	app.machines = append(app.machines, m)
	return 200, m.wire(f.Leak)
}

func (f *Fly) machine(app *flyApp, m *flyMachine, r *http.Request, x *exchange, in obj) (int, any) {
	nonce := r.Header.Get("fly-machine-lease-nonce")
	if m.lease != nil && time.Now().After(m.lease.expires) {
		m.lease = nil
	}
	action := strings.TrimPrefix(x.op, r.Method+" /apps/{app_name}/machines/{machine_id}")
	if r.Method != http.MethodGet && m.lease != nil && m.lease.nonce != nonce && action != "/start" && action != "/uncordon" {
		return refuse(409, fmt.Sprintf("lease currently held by token@%s, expires at %s", f.Org, m.lease.expires.UTC().Format(time.RFC3339)))
	}
	switch r.Method + " " + action {
	case "GET ":
		f.advance(m)
		return 200, m.wire(f.Leak)
	case "GET /wait":
		f.advance(m)
		if m.state != r.URL.Query().Get("state") {
			return refuse(408, "deadline_exceeded: machine did not reach the state")
		}
		return 200, obj{"ok": true, "state": m.state}
	case "POST ":
		if v, ok := in["current_version"]; ok && v != m.instance {
			return refuse(412, "current version does not match")
		}
		f.seq++
		f.Updated++
		m.config, m.state, m.reads, m.events = in["config"].(obj), "replacing", 0, nil
		m.instance = fmt.Sprintf("01INSTANCE%016d", f.seq)
		return 200, m.wire(f.Leak)
	case "POST /start":
		m.state, m.reads, m.events = "starting", 0, nil
		return 200, nil
	case "POST /cordon":
		m.cordoned = true
		f.Cordoned = append(f.Cordoned, m.id)
		return 200, nil
	case "POST /uncordon":
		m.cordoned = false
		return 200, nil
	case "DELETE ":
		app.machines = slices.DeleteFunc(app.machines, func(o *flyMachine) bool { return o == m })
		return 200, nil
	case "POST /lease":
		f.seq++
		// Seconds are milliseconds here, so that a test can wait for a lease to expire.
		ttl := time.Duration(in["ttl"].(float64)) * time.Millisecond
		if m.lease == nil {
			m.lease = &flyLeaseState{nonce: fmt.Sprintf("nonce-%d", f.seq)}
			m.lease.description, _ = in["description"].(string)
		}
		m.lease.expires = time.Now().Add(ttl)
		return 201, m.lease.wire(true)
	case "GET /lease":
		if m.lease == nil {
			return refuse(404, "lease not found")
		}
		return 200, m.lease.wire(f.ShowNonce)
	case "DELETE /lease":
		m.lease = nil
		return 200, nil
	}
	f.T.Errorf("fly: %s is not played", x.op)
	return 599, nil
}

// advance moves a machine on with each look at it.
func (f *Fly) advance(m *flyMachine) {
	if m.state != "created" && m.state != "replacing" && m.state != "starting" {
		return
	}
	if m.reads++; m.reads <= f.StartAfter {
		return
	}
	fate := FlyWell
	if f.Image != nil {
		fate = f.Image(m.config["image"].(string))
	}
	release := m.meta("fly_process_group") != "app"
	ends := func(code int) {
		m.state = "stopped"
		m.events = append(m.events, obj{"id": "e1", "type": "exit", "status": "stopped", "source": "flyd", "timestamp": time.Now().UnixMilli(),
			"request": obj{"exit_event": obj{"exit_code": code}}})
	}
	switch {
	case fate == FlyLaunchFailed:
		m.state = "failed"
		m.events = append(m.events, obj{"id": "e1", "type": "launch", "status": "failed", "source": "flyd", "timestamp": time.Now().UnixMilli()})
	case fate == FlyExits:
		ends(1)
	case release:
		ends(0)
	default:
		m.state = "started"
	}
}

func (l *flyLeaseState) wire(nonce bool) obj {
	o := obj{"description": l.description, "owner": "token@acme", "expires_at": l.expires.Unix(), "version": "v1"}
	if nonce {
		o["nonce"] = l.nonce
	}
	return o
}

func (m *flyMachine) meta(key string) string {
	md, _ := m.config["metadata"].(obj)
	s, _ := md[key].(string)
	return s
}

func (m *flyMachine) wire(leak string) obj {
	o := obj{"id": m.id, "name": m.name, "state": m.state, "region": m.region, "instance_id": m.instance, "config": m.config,
		"events": nonNil(m.events), "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
	if services, _ := m.config["services"].([]any); len(services) > 0 && m.state == "started" {
		status := "passing"
		if strings.Contains(m.config["image"].(string), "critical") {
			status = "critical"
		}
		o["checks"] = []any{obj{"name": "servicecheck-00-http-8080", "status": status, "output": "connect: connection refused " + leak, "updated_at": "2026-01-01T00:00:00Z"}}
	}
	return o
}

func (a *flyApp) secretList() []any {
	out := []any{}
	for k, v := range a.secrets {
		out = append(out, obj{"name": k, "digest": digest(v)})
	}
	return out
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
