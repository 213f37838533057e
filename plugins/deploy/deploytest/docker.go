package deploytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"go.yaml.in/yaml/v3"
)

// Docker is a stand-in for the four calls of the Docker Engine that a push takes.
type Docker struct {
	*httptest.Server
	t   testing.TB
	api *OpenAPI
	id  string

	Stream  string          // what a push answers, after its 200
	Missing map[string]bool // images that are not here
	Broken  int             // calls that answer 500
	Tags    []string        // further names that the image has

	mu      sync.Mutex
	Pushed  []string
	Removed []string
	Auth    string
}

// NewDocker starts an Engine that has every image, all of one id.
func NewDocker(t testing.TB, s *Specs, id string) *Docker {
	t.Helper()
	api, err := s.docker()
	if err != nil {
		t.Fatal(err)
	}
	d := &Docker{t: t, api: api, id: id}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

// loadSwagger turns the Engine's Swagger 2.0 document into OpenAPI 3.
func loadSwagger(path string) (*OpenAPI, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	data, err := json.Marshal(textKeys(tree))
	if err != nil {
		return nil, err
	}
	var v2 openapi2.T
	if err := json.Unmarshal(data, &v2); err != nil {
		return nil, err
	}
	doc, err := openapi2conv.ToV3(&v2)
	if err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: "/v1.51"}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, err
	}
	// The official client sends an empty object with a push.
	return &OpenAPI{router: router, anyBody: true}, nil
}

// textKeys makes a YAML tree fit for JSON: status codes are numbers there.
func textKeys(v any) any {
	switch v := v.(type) {
	case map[any]any:
		out := obj{}
		for k, x := range v {
			out[fmt.Sprint(k)] = textKeys(x)
		}
		return out
	case map[string]any:
		for k, x := range v {
			v[k] = textKeys(x)
		}
	case []any:
		for i, x := range v {
			v[i] = textKeys(x)
		}
	}
	return v
}

func (d *Docker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/_ping") {
		return
	}
	// The document knows {name} as one segment: a slash in it has to be escaped to match.
	path := strings.TrimPrefix(r.URL.Path, "/v1.51/images/")
	name, action := path, ""
	if r.Method != http.MethodDelete {
		i := strings.LastIndex(path, "/")
		name, action = path[:i], path[i:]
	}
	plain := r.Clone(r.Context())
	plain.URL = &url.URL{Path: "/v1.51/images/" + strings.ReplaceAll(name, "/", "~") + action, RawQuery: r.URL.RawQuery}
	x, err := d.api.request(plain)
	if err != nil {
		d.t.Errorf("docker: a request breaks the schema: %v", err)
		w.WriteHeader(599)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if d.Broken > 0 {
		d.Broken--
		w.WriteHeader(500)
		fmt.Fprint(w, `{"message":"layer store is locked"}`)
		return
	}
	switch x.op {
	case "GET /images/{name}/json":
		if d.Missing[name] {
			w.WriteHeader(404)
			fmt.Fprintf(w, `{"message":"No such image: %s"}`, name)
			return
		}
		_ = json.NewEncoder(w).Encode(obj{"Id": d.id, "RepoTags": append([]string{name}, d.Tags...)})
	case "POST /images/{name}/tag":
		w.WriteHeader(201)
	case "DELETE /images/{name}":
		d.Removed = append(d.Removed, name)
		_ = json.NewEncoder(w).Encode([]obj{{"Untagged": name}})
	case "POST /images/{name}/push":
		d.Pushed = append(d.Pushed, name+":"+r.URL.Query().Get("tag"))
		d.Auth = r.Header.Get("X-Registry-Auth")
		_, _ = w.Write([]byte(d.Stream))
	default:
		d.t.Errorf("docker: %s is not played", x.op)
	}
}
