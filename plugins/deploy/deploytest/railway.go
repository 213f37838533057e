package deploytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

// Railway is a stand-in for the GraphQL API.
type Railway struct {
	Gate
	*httptest.Server
	schema *ast.Schema
	token  string

	// Behaviour, set before the first call.
	LiveAfter     int                       // reads of a deployment before its verdict
	Fate          func(image string) string // the verdict; default SUCCESS
	UpdateDeploys bool                      // serviceInstanceUpdate starts a deployment by itself
	LateBy        int                       // reads of an instance that do not show such a deployment yet
	Leak          string                    // what the application prints at the end of its logs
	Reactivate    bool                      // a rollback makes the old deployment active instead of making a new one

	mu        sync.Mutex
	seq       int
	scope     map[string]string // token, project and environment of a project token
	projects  []*railwayProject
	Deployed  int // deployments that were started
	Rollbacks int
	Domains   int
	Cancelled []string
}

type railwayProject struct {
	id, name, description string
	env                   string
	more                  []string // further environments; they share the services' state here
	services              []*railwayService
}

type railwayService struct {
	id, name    string
	vars        map[string]string
	image       string
	settings    obj
	deployments []*railwayDeployment
	hidden      int // reads that do not show the newest deployment yet
	domains     []string
}

type railwayDeployment struct {
	id, image, status string
	reads             int
	at                time.Time
}

// NewRailway starts a fake that accepts one token.
func NewRailway(t testing.TB, s *Specs, token string) *Railway {
	t.Helper()
	schema, err := s.railway()
	if err != nil {
		t.Fatal(err)
	}
	f := &Railway{schema: schema, token: token, LiveAfter: 2}
	f.T = t
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *Railway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var in struct {
		Query     string `json:"query"`
		Variables obj    `json:"variables"`
	}
	fail := func(format string, args ...any) {
		f.T.Errorf("railway: "+format, args...)
		w.WriteHeader(599)
	}
	if err := json.Unmarshal(body, &in); err != nil || r.Method != http.MethodPost {
		fail("the request is no GraphQL over POST: %v", err)
		return
	}
	doc, errs := gqlparser.LoadQuery(f.schema, in.Query)
	if len(errs) > 0 {
		fail("a query breaks the schema: %v", errs)
		return
	}
	op := doc.Operations[0]
	vars, err := validator.VariableValues(f.schema, op, in.Variables)
	if err != nil {
		fail("the variables of %s break the schema: %v", op.Name, err)
		return
	}
	f.serve(op.Name, w, func(a *answer) {
		f.mu.Lock()
		defer f.mu.Unlock()
		a.header.Set("Content-Type", "application/json")
		scoped := f.scope != nil && r.Header.Get("Project-Access-Token") == f.scope["token"]
		if r.Header.Get("Authorization") != "Bearer "+f.token && !scoped {
			a.body = []byte(`{"errors":[{"message":"Not Authorized"}],"data":null}`)
			return
		}
		field := op.SelectionSet[0].(*ast.Field)
		data, text := f.resolve(field.Name, vars)
		if scoped && !f.within(vars) {
			text = "Not Authorized"
		}
		if text != "" {
			a.body, _ = json.Marshal(obj{"errors": []any{obj{"message": text}}, "data": nil})
			return
		}
		shaped, err := shape(f.schema, op.SelectionSet, obj{field.Alias: data})
		if err != nil {
			f.T.Errorf("railway: our own answer to %s breaks the schema: %v", op.Name, err)
		}
		a.body, _ = json.Marshal(obj{"data": shaped})
	})
}

// shape picks the selected fields, and checks presence, nullness and kind of each against the schema.
func shape(schema *ast.Schema, set ast.SelectionSet, from obj) (obj, error) {
	out := obj{}
	for _, sel := range set {
		field, ok := sel.(*ast.Field)
		if !ok {
			return nil, fmt.Errorf("fragments are not played")
		}
		v, err := shapeValue(schema, field.Definition.Type, field.SelectionSet, from[field.Name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field.Name, err)
		}
		out[field.Alias] = v
	}
	return out, nil
}

func shapeValue(schema *ast.Schema, typ *ast.Type, set ast.SelectionSet, v any) (any, error) {
	if v == nil {
		if typ.NonNull {
			return nil, fmt.Errorf("null for %s", typ)
		}
		return nil, nil
	}
	if typ.Elem != nil {
		list, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("%T for %s", v, typ)
		}
		out := make([]any, len(list))
		for i := range list {
			x, err := shapeValue(schema, typ.Elem, set, list[i])
			if err != nil {
				return nil, err
			}
			out[i] = x
		}
		return out, nil
	}
	def := schema.Types[typ.NamedType]
	switch def.Kind {
	case ast.Object:
		o, ok := v.(obj)
		if !ok {
			return nil, fmt.Errorf("%T for %s", v, typ)
		}
		return shape(schema, set, o)
	case ast.Enum:
		if def.EnumValues.ForName(fmt.Sprint(v)) == nil {
			return nil, fmt.Errorf("%v is no %s", v, typ)
		}
	case ast.Scalar:
		kinds := map[string]string{"String": "string", "ID": "string", "Boolean": "bool", "DateTime": "string", "Int": "int"}
		if want, ok := kinds[typ.NamedType]; ok && fmt.Sprintf("%T", v) != want {
			return nil, fmt.Errorf("%T for %s", v, typ)
		}
	}
	return v, nil
}

func (f *Railway) id(kind string) string {
	f.seq++
	return fmt.Sprintf("%s-%04d", kind, f.seq)
}

func edgesOf(nodes []any) obj {
	list := []any{}
	for _, n := range nodes {
		list = append(list, obj{"node": n})
	}
	return obj{"edges": list}
}

func (f *Railway) project(id any) *railwayProject {
	for _, p := range f.projects {
		if p.id == id {
			return p
		}
	}
	return nil
}

func (f *Railway) service(id any) *railwayService {
	for _, p := range f.projects {
		for _, s := range p.services {
			if s.id == id {
				return s
			}
		}
	}
	return nil
}

func (f *Railway) deployment(id any) (*railwayService, *railwayDeployment) {
	for _, p := range f.projects {
		for _, s := range p.services {
			for _, d := range s.deployments {
				if d.id == id {
					return s, d
				}
			}
		}
	}
	return nil, nil
}

func (f *Railway) resolve(field string, vars obj) (data any, refusal string) {
	in, _ := vars["input"].(obj)
	switch field {
	case "apiToken":
		return obj{"workspaces": []any{obj{"id": "ws-1", "name": "Acme"}}}, ""
	case "projectToken":
		if f.scope == nil {
			return nil, "Project Token not found"
		}
		return obj{"projectId": f.scope["project"], "environmentId": f.scope["environment"]}, ""
	case "projects":
		// Two pages, so that paging is needed to find the newest.
		half := (len(f.projects) + 1) / 2
		page, more := f.projects[:half], len(f.projects) > half
		if vars["after"] != nil {
			page, more = f.projects[half:], false
		}
		var nodes []any
		for _, p := range page {
			nodes = append(nodes, p.wire(nil))
		}
		out := edgesOf(nodes)
		out["pageInfo"] = obj{"hasNextPage": more, "endCursor": "half"}
		return out, ""
	case "project":
		if p := f.project(vars["id"]); p != nil {
			return p.wire(vars["services"]), ""
		}
		return nil, "Project not found"
	case "projectCreate":
		p := &railwayProject{id: f.id("project"), name: in["name"].(string), env: in["defaultEnvironmentName"].(string)}
		p.description, _ = in["description"].(string)
		f.projects = append(f.projects, p)
		return p.wire(nil), ""
	case "serviceCreate":
		p := f.project(in["projectId"])
		if p == nil {
			return nil, "Project not found"
		}
		for _, s := range p.services {
			if s.name == in["name"] {
				return nil, "A service named \"" + s.name + "\" already exists in this project"
			}
		}
		s := &railwayService{id: f.id("service"), name: in["name"].(string), vars: map[string]string{}}
		p.services = append(p.services, s)
		return obj{"id": s.id, "name": s.name}, ""
	case "deployment":
		s, d := f.deployment(vars["id"])
		if d == nil {
			return nil, "Deployment not found"
		}
		f.advance(s, d)
		return s.wire(d), ""
	case "deploymentRollback":
		s, d := f.deployment(vars["id"])
		if d == nil {
			return nil, "Deployment not found"
		}
		f.Rollbacks++
		if f.Reactivate {
			s.deployments = append(slices.DeleteFunc(s.deployments, func(x *railwayDeployment) bool { return x == d }), d)
			d.status, d.reads, d.at = "DEPLOYING", 0, f.now()
			return true, ""
		}
		s.deployments = append(s.deployments, &railwayDeployment{id: f.id("deployment"), image: d.image, status: "QUEUED", at: f.now()})
		return true, ""
	case "deploymentCancel":
		f.Cancelled = append(f.Cancelled, vars["id"].(string))
		return true, ""
	case "buildLogs", "deploymentLogs":
		var out []any
		for i := range 80 {
			out = append(out, obj{"timestamp": "2026-01-01T00:00:00Z", "message": fmt.Sprintf("%s %d", field, i)})
		}
		return append(out, obj{"timestamp": "2026-01-01T00:00:00Z", "message": "connecting with " + f.Leak}), ""
	}
	key := vars["serviceId"]
	if in["serviceId"] != nil {
		key = in["serviceId"]
	} else if in != nil && key == nil {
		key = in["serviceId"]
	}
	s := f.service(key)
	if s == nil {
		return nil, "Service not found"
	}
	return f.resolveService(s, field, vars, in)
}

func (f *Railway) resolveService(s *railwayService, field string, vars, in obj) (any, string) {
	switch field {
	case "variables":
		out := obj{"RAILWAY_PROJECT_NAME": "x"}
		for k, v := range s.vars {
			out[k] = v
		}
		return out, ""
	case "variableCollectionUpsert":
		if in["replace"] == true || in["skipDeploys"] != true {
			f.T.Error("railway: variables were replaced, or deployed at once")
		}
		for k, v := range in["variables"].(obj) {
			s.vars[k] = v.(string)
		}
		return true, ""
	case "serviceInstance":
		out := obj{"source": nil, "latestDeployment": nil}
		if s.image != "" {
			out["source"] = obj{"image": s.image, "repo": nil}
		}
		n := len(s.deployments)
		if s.hidden > 0 {
			n, s.hidden = n-1, s.hidden-1
		}
		if n > 0 {
			out["latestDeployment"] = obj{"id": s.deployments[n-1].id, "status": s.deployments[n-1].status}
		}
		return out, ""
	case "serviceInstanceUpdate":
		if src, ok := in["source"].(obj); ok {
			s.image = src["image"].(string)
		}
		s.settings = in
		if f.UpdateDeploys {
			f.deploy(s)
			s.hidden = f.LateBy
		}
		return true, ""
	case "serviceInstanceDeployV2":
		s.hidden = 0
		return f.deploy(s).id, ""
	case "deployments":
		var nodes []any
		for _, d := range s.deployments {
			nodes = append(nodes, s.wire(d))
		}
		return edgesOf(nodes), ""
	case "domains":
		list := []any{}
		for _, d := range s.domains {
			list = append(list, obj{"domain": d})
		}
		return obj{"serviceDomains": list, "customDomains": []any{}}, ""
	case "serviceDomainCreate":
		f.Domains++
		d := fmt.Sprintf("%s-%d.up.railway.app", s.name, f.Domains)
		s.domains = append(s.domains, d)
		return obj{"domain": d}, ""
	}
	f.T.Errorf("railway: %s is not played", field)
	return nil, "not played"
}
