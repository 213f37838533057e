package deploytest

import (
	"encoding/json"
	"fmt"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Render is a stand-in for the REST API.
type Render struct {
	Gate
	*httptest.Server
	api   *OpenAPI
	token string

	// Behaviour, set before the first call.
	LiveAfter   int                       // reads of a deploy before its verdict
	Fate        func(image string) string // the verdict; default live
	Queue       bool                      // POST deploys answers 202 without a body
	QueueLag    int                       // reads of the list before a queued deploy shows
	NameRefusal int                       // status for a name that exists: 409 or 400
	Owners      int                       // workspaces of the key
	Leak        string                    // what the application prints at the end of its logs
	Refuse      []string                  // errors of the Blueprint validation
	Blueprint   string                    // repository that a Blueprint manages

	mu        sync.Mutex
	seq       int
	services  []*renderService
	Deployed  int
	Rollbacks int
	Cancelled []string
}

type renderService struct {
	id, name, owner, image, repo, branch string
	details                              obj
	env                                  map[string]string
	deploys                              []*renderDeploy
}

type renderDeploy struct {
	id, image, status, trigger string
	reads, hidden              int
	at                         time.Time
}

// NewRender starts a fake that accepts one key.
func NewRender(t testing.TB, s *Specs, token string) *Render {
	t.Helper()
	api, err := s.render()
	if err != nil {
		t.Fatal(err)
	}
	f := &Render{api: api, token: token, LiveAfter: 2, NameRefusal: 409, Owners: 1}
	f.T = t
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *Render) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x, err := f.api.request(r)
	if err != nil {
		if f.Dead() {
			drop(w)
			return
		}
		f.T.Errorf("render: a request breaks the schema: %v", err)
		w.WriteHeader(599)
		return
	}
	f.serve(x.op, w, func(a *answer) {
		f.mu.Lock()
		defer f.mu.Unlock()
		status, body := f.answer(r, x)
		if list, ok := body.([]any); ok {
			body = page(list, r.URL.Query())
		}
		a.status = status
		if body != nil {
			a.body, _ = json.Marshal(body)
			a.header.Set("Content-Type", "application/json")
		}
		if err := x.response(a.status, a.header, a.body); err != nil {
			f.T.Errorf("render: our own answer %d to %s breaks the schema: %v", a.status, x.op, err)
		}
	})
}

// page cuts a list as Render does: limit entries (20 unless given) after the one that cursor names.
func page(list []any, q url.Values) []any {
	if cursor := q.Get("cursor"); cursor != "" {
		i := slices.IndexFunc(list, func(x any) bool { o, _ := x.(obj); return o["cursor"] == cursor })
		list = list[i+1:]
	}
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil {
		limit = 20
	}
	return list[:min(limit, len(list))]
}

func (f *Render) answer(r *http.Request, x *exchange) (int, any) {
	no := func(status int, text string) (int, any) { return status, obj{"id": "err-1", "message": text} }
	if r.Header.Get("Authorization") != "Bearer "+f.token {
		return no(401, "Unauthorized")
	}
	var in obj
	_ = json.Unmarshal(x.body, &in)
	switch x.op {
	case "GET /owners":
		out := []any{}
		for i := range f.Owners {
			out = append(out, obj{"cursor": fmt.Sprint(i), "owner": obj{"id": fmt.Sprintf("tea-%d", i+1), "name": "Acme", "email": "a@example.com", "type": "team"}})
		}
		return 200, out
	case "GET /blueprints":
		out := []any{}
		if f.Blueprint != "" {
			out = append(out, obj{"cursor": "c", "blueprint": obj{"id": "exs-cph1rs3idesc73a2b2mg", "name": "shop", "status": "in_sync", "autoSync": true, "repo": f.Blueprint, "branch": "main", "path": "render.yaml"}})
		}
		return 200, out
	case "POST /blueprints/validate":
		return 200, f.validate(r, x)
	case "GET /registrycredentials":
		return 200, []any{obj{"id": "rgc-1", "name": "ghcr", "username": "acme", "registry": "GITHUB", "updatedAt": "2026-01-01T00:00:00Z"}}
	case "GET /services":
		out := []any{}
		for _, s := range f.services {
			// The filter is a loose one, so that the caller has to compare.
			if strings.HasPrefix(s.name, r.URL.Query().Get("name")) && s.owner == r.URL.Query().Get("ownerId") {
				out = append(out, obj{"cursor": s.id, "service": s.wire()})
			}
		}
		return 200, out
	case "POST /services":
		for _, s := range f.services {
			if s.name == in["name"] {
				return no(f.NameRefusal, "a service with this name already exists; name must be unique")
			}
		}
		return f.create(in)
	case "GET /logs":
		logs := []any{}
		for i := range 100 {
			text := fmt.Sprintf("line %d", 100-i)
			if i == 0 {
				text = "connecting with " + f.Leak
			}
			logs = append(logs, obj{"id": fmt.Sprint(i), "labels": []any{}, "message": text, "timestamp": "2026-01-01T00:00:00Z"})
		}
		return 200, obj{"hasMore": false, "nextStartTime": "2026-01-01T00:00:00Z", "nextEndTime": "2026-01-01T00:00:00Z", "logs": logs}
	}
	i := slices.IndexFunc(f.services, func(s *renderService) bool { return s.id == x.path["serviceId"] })
	if i < 0 {
		return no(404, "not found")
	}
	return f.service(f.services[i], r, x, in, no)
}

func (f *Render) validate(r *http.Request, x *exchange) any {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		f.T.Errorf("render: %v", err)
	}
	form, err := multipart.NewReader(strings.NewReader(string(x.body)), params["boundary"]).ReadForm(1 << 20)
	if err != nil || len(form.File["file"]) != 1 || len(form.Value["ownerId"]) != 1 {
		f.T.Errorf("render: the Blueprint's form is %v, %v", form, err)
	}
	if len(f.Refuse) > 0 {
		var errs []any
		for _, e := range f.Refuse {
			errs = append(errs, obj{"path": "services[0]", "error": e, "line": 3, "column": 5})
		}
		return obj{"valid": false, "errors": errs}
	}
	return obj{"valid": true, "plan": obj{"services": []any{"shop"}, "totalActions": 1}}
}

func (f *Render) id(kind string) string {
	f.seq++
	return fmt.Sprintf("%s-%04d", kind, f.seq)
}

func (f *Render) create(in obj) (int, any) {
	s := &renderService{id: f.id("srv"), name: in["name"].(string), owner: in["ownerId"].(string), details: in["serviceDetails"].(obj), env: map[string]string{}}
	if image, ok := in["image"].(obj); ok {
		s.image = image["imagePath"].(string)
	}
	s.repo, _ = in["repo"].(string)
	s.branch, _ = in["branch"].(string)
	for _, e := range in["envVars"].([]any) {
		s.env[e.(obj)["key"].(string)] = e.(obj)["value"].(string)
	}
	f.services = append(f.services, s)
	d := f.deploy(s, s.image, "api")
	return 201, obj{"service": s.wire(), "deployId": d.id}
}

func (f *Render) deploy(s *renderService, image, trigger string) *renderDeploy {
	f.Deployed++
	f.seq++
	d := &renderDeploy{id: f.id("dep"), image: image, status: "created", trigger: trigger, at: time.Date(2026, 1, 1, 0, 0, f.seq, 0, time.UTC)}
	s.deploys = append(s.deploys, d)
	return d
}

func (f *Render) service(s *renderService, r *http.Request, x *exchange, in obj, no func(int, string) (int, any)) (int, any) {
	switch strings.Replace(x.op, "/services/{serviceId}", "", 1) {
	case "GET ":
		return 200, s.wire()
	case "PATCH ":
		if image, ok := in["image"].(obj); ok {
			s.image = image["imagePath"].(string)
		}
		if details, ok := in["serviceDetails"].(obj); ok {
			for k, v := range details {
				s.details[k] = v
			}
		}
		return 200, s.wire()
	case "GET /env-vars":
		out := []any{}
		var keys []string
		for k := range s.env {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			out = append(out, obj{"cursor": k, "envVar": obj{"key": k, "value": s.env[k]}})
		}
		return 200, out
	case "PUT /env-vars/{envVarKey}":
		s.env[x.path["envVarKey"]] = in["value"].(string)
		return 200, obj{"key": x.path["envVarKey"], "value": in["value"]}
	case "GET /deploys":
		out := []any{}
		for i := len(s.deploys) - 1; i >= 0; i-- {
			d := s.deploys[i]
			if d.hidden > 0 {
				d.hidden--
				continue
			}
			out = append(out, obj{"cursor": d.id, "deploy": d.wire()})
		}
		return 200, out
	case "POST /deploys":
		image, _ := in["imageUrl"].(string)
		if image != "" {
			if repository(image) != repository(s.image) {
				return no(400, "imageUrl must have the same host, repository and name as the service's image")
			}
			s.image = image
		}
		d := f.deploy(s, s.image, "api")
		if f.Queue {
			d.status, d.hidden = "queued", f.QueueLag
			return 202, nil
		}
		return 201, d.wire()
	case "POST /rollback":
		for _, d := range s.deploys {
			if d.id == in["deployId"] {
				f.Rollbacks++
				s.image = d.image
				return 201, f.deploy(s, d.image, "rollback").wire()
			}
		}
		return no(404, "deploy not found")
	}
	for _, d := range s.deploys {
		if d.id == x.path["deployId"] {
			if r.Method == http.MethodPost {
				f.Cancelled = append(f.Cancelled, d.id)
				d.status = "canceled"
			}
			f.advance(s, d)
			return 200, d.wire()
		}
	}
	return no(404, "deploy not found")
}

func repository(image string) string {
	i := strings.LastIndex(image, ":")
	if i < strings.LastIndex(image, "/") {
		return image
	}
	return image[:i]
}

// advance moves a deploy on with each look at it.
func (f *Render) advance(s *renderService, d *renderDeploy) {
	if !slices.Contains([]string{"created", "queued", "update_in_progress"}, d.status) {
		return
	}
	if d.reads++; d.reads <= f.LiveAfter {
		d.status = "update_in_progress"
		return
	}
	d.status = "live"
	if f.Fate != nil {
		if fate := f.Fate(d.image); fate != "" {
			d.status = fate
		}
	}
	if d.status == "live" {
		for _, o := range s.deploys {
			if o != d && o.status == "live" {
				o.status = "deactivated"
			}
		}
	}
}

func text(v any) string { s, _ := v.(string); return s }

func (d *renderDeploy) wire() obj {
	o := obj{"id": d.id, "status": d.status, "trigger": d.trigger, "createdAt": d.at.Format(time.RFC3339), "updatedAt": d.at.Format(time.RFC3339)}
	if d.image != "" {
		o["image"] = obj{"ref": d.image}
	}
	return o
}

func (s *renderService) wire() obj {
	details := obj{"env": s.details["runtime"], "runtime": s.details["runtime"], "plan": "starter", "region": "oregon", "numInstances": 1, "buildPlan": "starter",
		"healthCheckPath": "", "openPorts": []any{}, "url": "https://" + s.name + "-x1y2.onrender.com",
		"envSpecificDetails": obj{"dockerCommand": "", "dockerContext": "", "dockerfilePath": "", "preDeployCommand": text(s.details["preDeployCommand"])}}
	for _, k := range []string{"plan", "region", "healthCheckPath", "numInstances", "maxShutdownDelaySeconds"} {
		if v, ok := s.details[k]; ok {
			details[k] = v
		}
	}
	o := obj{"id": s.id, "name": s.name, "ownerId": s.owner, "type": "web_service", "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
		"dashboardUrl": "https://dashboard.render.com/web/" + s.id, "suspended": "not_suspended", "suspenders": []any{}, "autoDeploy": "no",
		"notifyOnFail": "default", "slug": s.name, "rootDir": "", "serviceDetails": details}
	if s.image != "" {
		o["imagePath"] = s.image
	} else {
		o["repo"], o["branch"] = s.repo, s.branch
	}
	return o
}

// RenderService is a service as a test sees it.
type RenderService struct {
	ID, Name, Image, Repo string
	Env                   map[string]string
	Details               map[string]any // as they were last set
	Deploys               []string       // "status image", oldest first
	Triggers              []string
}

// Services lists all services.
func (f *Render) Services() []RenderService {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []RenderService
	for _, s := range f.services {
		x := RenderService{ID: s.id, Name: s.name, Image: s.image, Repo: s.repo, Env: map[string]string{}, Details: map[string]any{}}
		for k, v := range s.env {
			x.Env[k] = v
		}
		for k, v := range s.details {
			x.Details[k] = v
		}
		for _, d := range s.deploys {
			x.Deploys = append(x.Deploys, d.status+" "+d.image)
			x.Triggers = append(x.Triggers, d.trigger)
		}
		out = append(out, x)
	}
	return out
}

// AddService makes a service exist whose name begins like another's.
func (f *Render) AddService(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.services = append(f.services, &renderService{id: f.id("srv"), name: name, owner: "tea-1", image: "x:y", details: obj{"runtime": "image"}, env: map[string]string{}})
}
