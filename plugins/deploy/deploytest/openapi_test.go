package deploytest

import (
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheStandInsRefuseWhatTheDocumentsDoNotName(t *testing.T) {
	s := FindSpecs(t)
	fly, err := s.fly()
	if err != nil {
		t.Fatal(err)
	}
	render, err := s.render()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		api          *OpenAPI
		method, path string
		body         string
		text         string
	}{
		"a good creation":                  {fly, "POST", "/apps", `{"name":"shop","org_slug":"acme"}`, ""},
		"a field of the old documentation": {fly, "POST", "/apps", `{"app_name":"shop","org_slug":"acme"}`, "app_name"},
		"a field inside another":           {fly, "POST", "/apps/shop/machines", `{"config":{"imge":"x"}}`, "imge"},
		"a good list":                      {render, "GET", "/services?name=shop&limit=20", "", ""},
		"a limit over the most":            {render, "GET", "/services?limit=101", "", "limit"},
		"a query parameter":                {render, "GET", "/services?nme=shop", "", "nme"},
		"a path":                           {render, "GET", "/servces", "", "not in the document"},
		"a body where there is none":       {render, "POST", "/services/srv-1/deploys/dep-1/cancel", `{}`, "body"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			if c.body != "" {
				r.Header.Set("Content-Type", "application/json")
			}
			_, err := c.api.request(r)
			if (err == nil) != (c.text == "") || err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %q", err, c.text)
			}
		})
	}
}
