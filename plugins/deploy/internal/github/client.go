// Package github is a client for the three REST calls that finding or creating a repository takes. Pushing goes through
// git itself.
package github

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
)

// DefaultURL is the public API.
const DefaultURL = "https://api.github.com"

// CodeExists marks "a repository of that name exists on this account".
const CodeExists = "repository_exists"

// Client talks to the REST API.
type Client struct{ api httpapi.Client }

// Options of a client.
type Options struct {
	BaseURL   string // default DefaultURL
	Token     string
	UserAgent string
	HTTP      *http.Client
	Redact    func(string) string
}

// Repository is a repository.
type Repository struct {
	FullName      string `json:"full_name"`
	HTMLURL       string `json:"html_url"`
	DefaultBranch string `json:"default_branch"`
	Private       bool   `json:"private"`
	Archived      bool   `json:"archived"`
}

// New returns a client. It makes no call.
func New(o Options) *Client {
	if o.BaseURL == "" {
		o.BaseURL = DefaultURL
	}
	return &Client{api: httpapi.Client{
		Provider: "github", BaseURL: o.BaseURL, UserAgent: o.UserAgent, HTTP: o.HTTP, Redact: o.Redact, Refine: refine,
		Header: http.Header{
			"Authorization":        {"Bearer " + o.Token},
			"Accept":               {"application/vnd.github+json"},
			"X-Github-Api-Version": {"2022-11-28"},
		},
	}}
}

// refine tells GitHub's two kinds of 403 and 422 apart.
func refine(e *httpapi.Error, h http.Header, body []byte) {
	if (e.Status == http.StatusForbidden || e.Status == http.StatusTooManyRequests) &&
		(e.RetryAfter > 0 || h.Get("X-RateLimit-Remaining") == "0") {
		e.Kind = httpapi.Throttled
		if at := h.Get("X-RateLimit-Reset"); e.RetryAfter == 0 && at != "" {
			var sec int64
			if json.Unmarshal([]byte(at), &sec) == nil {
				e.RetryAfter = min(max(time.Until(time.Unix(sec, 0)), 0), 10*time.Minute)
			}
		}
	}
	if e.Kind == httpapi.Permission && strings.Contains(strings.ToLower(e.Message), "secondary rate limit") {
		e.Kind, e.RetryAfter = httpapi.Throttled, time.Minute // GitHub: without a header, wait at least one minute
	}
	var r struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &r) == nil {
		for _, x := range r.Errors {
			if strings.Contains(x.Message, "name already exists") {
				e.Kind, e.Code = httpapi.NameTaken, CodeExists
			}
			if x.Message != "" {
				e.Message += ": " + x.Message
			}
		}
	}
}

func (c *Client) call(ctx context.Context, op, method, path string, body, out any) error {
	_, err := c.api.Do(ctx, httpapi.Request{Op: op, Method: method, Path: path, Body: body}, out)
	return err
}

// Repository returns a repository.
func (c *Client) Repository(ctx context.Context, owner, name string) (Repository, error) {
	var r Repository
	err := c.call(ctx, "read repository "+owner+"/"+name, http.MethodGet,
		"/repos/"+url.PathEscape(owner)+"/"+url.PathEscape(name), nil, &r)
	return r, err
}

// Login returns the account that the token belongs to.
func (c *Client) Login(ctx context.Context) (string, error) {
	var r struct {
		Login string `json:"login"`
	}
	err := c.call(ctx, "read the token's account", http.MethodGet, "/user", nil, &r)
	return r.Login, err
}

// CreateRepository creates an empty repository in an organisation, or in the token's own account when org is empty.
func (c *Client) CreateRepository(ctx context.Context, org, name string, private bool) (Repository, error) {
	path := "/user/repos"
	if org != "" {
		path = "/orgs/" + url.PathEscape(org) + "/repos"
	}
	var r Repository
	err := c.call(ctx, "create repository "+name, http.MethodPost, path,
		map[string]any{"name": name, "private": private, "auto_init": false}, &r)
	return r, err
}
