// Package railway is a client for the part of Railway's GraphQL API that a deployment needs. The queries are constants,
// checked against the published schema in the tests; errors arrive as 200 with errors[], and are classified here.
package railway

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
)

// DefaultURL is the public API.
const DefaultURL = "https://backboard.railway.com/graphql/v2"

// Client talks to the GraphQL API.
type Client struct {
	api    httpapi.Client
	scoped bool
}

// Options of a client. Exactly one of Token and ProjectToken is set.
type Options struct {
	BaseURL      string // default DefaultURL
	Token        string // account or workspace token
	ProjectToken string // bound to one environment of one project; cannot create projects
	UserAgent    string
	HTTP         *http.Client
	Redact       func(string) string
}

// New returns a client. It makes no call.
func New(o Options) *Client {
	if o.BaseURL == "" {
		o.BaseURL = DefaultURL
	}
	h := http.Header{"Authorization": {"Bearer " + o.Token}}
	if o.Token == "" && o.ProjectToken != "" {
		h = http.Header{"Project-Access-Token": {o.ProjectToken}}
	}
	return &Client{scoped: o.Token == "" && o.ProjectToken != "", api: httpapi.Client{
		Provider: "railway", BaseURL: o.BaseURL, UserAgent: o.UserAgent, HTTP: o.HTTP, Redact: o.Redact, Header: h,
		Refine: func(e *httpapi.Error, _ http.Header, body []byte) {
			var r response
			if json.Unmarshal(body, &r) == nil && len(r.Errors) > 0 {
				e.Message, e.Code = r.Errors[0].Message, r.Errors[0].code()
				if e.Kind == httpapi.Invalid { // 400 is the status of whatever GraphQL refuses; the words say what it is
					e.Kind = kindOf(r.Errors[0])
				}
			}
		},
	}}
}

// Scoped reports whether the token is bound to one project.
func (c *Client) Scoped() bool { return c.scoped }

type response struct {
	Data   json.RawMessage `json:"data"`
	Errors []graphQLError  `json:"errors"`
}

type graphQLError struct {
	Message    string         `json:"message"`
	Extensions map[string]any `json:"extensions"`
}

func (e graphQLError) code() string { s, _ := e.Extensions["code"].(string); return s }

func (c *Client) do(ctx context.Context, op, query string, vars map[string]any, out any) error {
	var r response
	status, err := c.api.Do(ctx, httpapi.Request{Op: op, Method: http.MethodPost,
		Body: map[string]any{"query": query, "variables": vars}}, &r)
	if err != nil {
		return err
	}
	if len(r.Errors) > 0 {
		first := r.Errors[0]
		return &httpapi.Error{Provider: "railway", Op: op, Kind: kindOf(first), Status: status, Code: first.code(),
			Message: c.redact(first.Message)}
	}
	if len(r.Data) == 0 || bytes.Equal(bytes.TrimSpace(r.Data), []byte("null")) {
		return &httpapi.Error{Provider: "railway", Op: op, Kind: httpapi.Server, Status: status,
			Message: "the answer holds neither data nor errors"}
	}
	if err := json.Unmarshal(r.Data, out); err != nil {
		return &httpapi.Error{Provider: "railway", Op: op, Kind: httpapi.Server, Status: status,
			Message: "the data has another shape than expected: " + c.redact(err.Error()), Err: err}
	}
	return nil
}

func (c *Client) redact(s string) string {
	if c.api.Redact == nil {
		return s
	}
	return c.api.Redact(s)
}

// confirm carries out a mutation that answers with true. false is no GraphQL error, and nothing was changed.
func (c *Client) confirm(ctx context.Context, op, query string, vars map[string]any) error {
	var r map[string]bool
	if err := c.do(ctx, op, query, vars, &r); err != nil {
		return err
	}
	for _, done := range r {
		if done {
			return nil
		}
	}
	return &httpapi.Error{Provider: "railway", Op: op, Kind: httpapi.Server, Status: http.StatusOK, Message: "the service answered that it did not do it"}
}

// kindOf classifies by text, because Railway gives no codes for most refusals.
func kindOf(e graphQLError) httpapi.Kind {
	text := strings.ToLower(e.Message)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch code := e.code(); {
	case has("not authorized", "unauthorized", "project token not found", "invalid token"), code == "UNAUTHENTICATED":
		return httpapi.Auth
	case has("forbidden", "permission"), code == "FORBIDDEN":
		return httpapi.Permission
	case has("upgrade", "payment", "subscription", "plan limit", "trial", "pro plan", "billing"):
		return httpapi.Billing
	case has("rate limit", "too many requests"), code == "RATE_LIMITED":
		return httpapi.Throttled
	case has("not found"), code == "NOT_FOUND":
		return httpapi.NotFound
	case has("internal server error", "problem processing request", "timeout", "timed out", "unavailable"),
		code == "INTERNAL_SERVER_ERROR":
		return httpapi.Server
	}
	return httpapi.Invalid
}
