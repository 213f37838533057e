package deploytest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// OpenAPI checks requests and answers against a document, strictly.
type OpenAPI struct {
	router  routers.Router
	anyBody bool // a body where the document names none is let pass
}

func loadOpenAPI(path string, patch func(*openapi3.T)) (*OpenAPI, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	patch(doc)
	doc.Servers = openapi3.Servers{{URL: "/"}}
	seen := map[*openapi3.Schema]bool{}
	for _, s := range doc.Components.Schemas {
		strict(s, seen)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if op.RequestBody != nil {
				for _, m := range op.RequestBody.Value.Content {
					strict(m.Schema, seen)
				}
			}
			for _, r := range op.Responses.Map() {
				for _, m := range r.Value.Content {
					strict(m.Schema, seen)
				}
			}
		}
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("route %s: %w", path, err)
	}
	return &OpenAPI{router: router}, nil
}

// strict refuses fields that an object's schema does not name. An object without named fields stays open, and so does
// one that is composed of others, which are strict themselves.
func strict(ref *openapi3.SchemaRef, seen map[*openapi3.Schema]bool) {
	if ref == nil || ref.Value == nil || seen[ref.Value] {
		return
	}
	s := ref.Value
	seen[s] = true
	if len(s.Properties) > 0 && s.AdditionalProperties.Schema == nil && s.AdditionalProperties.Has == nil &&
		len(s.AllOf)+len(s.OneOf)+len(s.AnyOf) == 0 {
		no := false
		s.AdditionalProperties.Has = &no
	}
	for _, p := range s.Properties {
		strict(p, seen)
	}
	strict(s.Items, seen)
	strict(s.AdditionalProperties.Schema, seen)
	for _, list := range [][]*openapi3.SchemaRef{s.AllOf, s.OneOf, s.AnyOf} {
		for _, x := range list {
			strict(x, seen)
		}
	}
}

// exchange is one request with its place in the document.
type exchange struct {
	op    string // "POST /apps/{app_name}/machines"
	path  map[string]string
	body  []byte
	input *openapi3filter.RequestValidationInput
}

// request finds the operation and checks the request against it.
func (o *OpenAPI) request(r *http.Request) (*exchange, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := o.router.FindRoute(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s is not in the document: %w", r.Method, r.URL.Path, err)
	}
	x := &exchange{op: r.Method + " " + route.Path, path: params, body: body}
	x.input = &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, RejectWhenRequestBodyNotSpecified: !o.anyBody,
	}}
	err = openapi3filter.ValidateRequest(context.Background(), x.input)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err == nil {
		err = knownQuery(r, route)
	}
	return x, err
}

// knownQuery refuses query parameters that the document does not name. A provider ignores them, and the caller believes
// that they had their effect.
func knownQuery(r *http.Request, route *routers.Route) error {
	for name := range r.URL.Query() {
		if route.Operation.Parameters.GetByInAndName("query", name) == nil && route.PathItem.Parameters.GetByInAndName("query", name) == nil {
			return fmt.Errorf("%s %s has no query parameter %q in the document", r.Method, r.URL.Path, name)
		}
	}
	return nil
}

// response checks our own answer.
func (x *exchange) response(status int, header http.Header, body []byte) error {
	in := &openapi3filter.ResponseValidationInput{RequestValidationInput: x.input, Status: status, Header: header, Options: x.input.Options}
	in.SetBodyBytes(body)
	return openapi3filter.ValidateResponse(context.Background(), in)
}
