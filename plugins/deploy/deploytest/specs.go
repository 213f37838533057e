package deploytest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// Specs are the official schemas. They are read where they lie and never copied into the project.
type Specs struct {
	dir     string
	fly     func() (*OpenAPI, error)
	render  func() (*OpenAPI, error)
	railway func() (*ast.Schema, error)
	docker  func() (*OpenAPI, error)
}

// FindSpecs finds the folder of the schemas: ORCH_SPECS, or ../shared/specs beside the repository. Without it a test is
// skipped, but fails where CI is set: there a skipped proof must not look like a passed one.
func FindSpecs(t testing.TB) *Specs {
	t.Helper()
	dir := os.Getenv("ORCH_SPECS")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			up := filepath.Dir(root)
			if up == root {
				t.Fatal("the repository's go.mod was not found")
			}
			root = up
		}
		dir = filepath.Join(root, "..", "shared", "specs")
	}
	if _, err := os.Stat(filepath.Join(dir, "fly-machines.openapi.json")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("specs not available: %v; set ORCH_SPECS", err)
		}
		t.Skip("specs not available: set ORCH_SPECS to the folder of the official schemas")
	}
	return &Specs{
		dir: dir,
		fly: sync.OnceValues(func() (*OpenAPI, error) {
			return loadOpenAPI(filepath.Join(dir, "fly-machines.openapi.json"), patchFly)
		}),
		render: sync.OnceValues(func() (*OpenAPI, error) {
			return loadOpenAPI(filepath.Join(dir, "render-public-api.openapi.json"), patchRender)
		}),
		docker:  sync.OnceValues(func() (*OpenAPI, error) { return loadSwagger(filepath.Join(dir, "docker-engine-v1.51.swagger.yaml")) }),
		railway: sync.OnceValues(func() (*ast.Schema, error) { return loadGraphQL(filepath.Join(dir, "railway-graphql.schema.graphql")) }),
	}
}

// Path is where a schema lies.
func (s *Specs) Path(name string) string { return filepath.Join(s.dir, name) }

func loadGraphQL(path string) (*ast.Schema, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return gqlparser.LoadSchema(&ast.Source{Name: path, Input: string(data)})
}

// patchFly mends what the published document is known to have wrong.
func patchFly(doc *openapi3.T) {
	s := doc.Components.Schemas
	// A null value unsets a secret.
	s["AppSecretsUpdateRequest"].Value.Properties["values"].Value.AdditionalProperties.Schema.Value.Nullable = true
	// The newer document knows this status of POST /apps.
	s["main.statusCode"].Value.Enum = append(s["main.statusCode"].Value.Enum, "name_taken")
}

// patchRender replaces the alternatives of serviceDetails by the one that is used: several match otherwise.
func patchRender(doc *openapi3.T) {
	s := doc.Components.Schemas
	for schema, details := range map[string]string{"servicePOST": "webServiceDetailsPOST", "servicePATCH": "webServiceDetailsPATCH", "service": "webServiceDetails"} {
		s[schema].Value.Properties["serviceDetails"] = s[details]
	}
}
