// Package render is a client for the part of Render's REST API that a deployment needs. Shapes follow the published
// OpenAPI document.
package render

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
)

// DefaultURL is the public API.
const DefaultURL = "https://api.render.com/v1"

// Client talks to the REST API.
type Client struct{ api httpapi.Client }

// Options of a client.
type Options struct {
	BaseURL   string // default DefaultURL
	APIKey    string
	UserAgent string
	HTTP      *http.Client
	Redact    func(string) string
}

// New returns a client. It makes no call.
func New(o Options) *Client {
	if o.BaseURL == "" {
		o.BaseURL = DefaultURL
	}
	return &Client{api: httpapi.Client{
		Provider: "render", BaseURL: o.BaseURL, UserAgent: o.UserAgent, HTTP: o.HTTP, Redact: o.Redact,
		Header: http.Header{"Authorization": {"Bearer " + o.APIKey}},
		Refine: func(e *httpapi.Error, _ http.Header, _ []byte) {
			text := strings.ToLower(e.Message)
			switch {
			case strings.Contains(text, "payment information"):
				e.Kind = httpapi.Billing
			case e.Kind == httpapi.Invalid && strings.Contains(text, "already") && strings.Contains(text, "name"),
				e.Kind == httpapi.Invalid && strings.Contains(text, "must be unique"):
				e.Kind = httpapi.Conflict
			}
		},
	}}
}

func (c *Client) call(ctx context.Context, op, method, path string, q url.Values, body, out any) (int, error) {
	return c.api.Do(ctx, httpapi.Request{Op: op, Method: method, Path: path, Query: q, Body: body}, out)
}

// Owners lists the workspaces of the key.
func (c *Client) Owners(ctx context.Context) ([]Owner, error) {
	var r []struct {
		Owner Owner `json:"owner"`
	}
	_, err := c.call(ctx, "list workspaces", http.MethodGet, "/owners", url.Values{"limit": {"20"}}, nil, &r)
	out := make([]Owner, len(r))
	for i := range r {
		out[i] = r[i].Owner
	}
	return out, err
}

// entries reads a list page by page to its end.
func entries[E any](ctx context.Context, c *Client, op, path string, q url.Values, cursorOf func(E) string) ([]E, error) {
	const most = 100
	q.Set("limit", strconv.Itoa(most))
	var out []E
	for {
		var page []E
		if _, err := c.call(ctx, op, http.MethodGet, path, q, nil, &page); err != nil {
			return nil, err
		}
		out = append(out, page...)
		if len(page) < most {
			return out, nil
		}
		next := cursorOf(page[len(page)-1])
		if next == "" || next == q.Get("cursor") {
			return out, nil
		}
		q.Set("cursor", next)
	}
}

// ServicesNamed returns the web services of that exact name in a workspace.
func (c *Client) ServicesNamed(ctx context.Context, owner, name string) ([]Service, error) {
	type entry struct {
		Service Service `json:"service"`
		Cursor  string  `json:"cursor"`
	}
	q := url.Values{"name": {name}, "ownerId": {owner}, "type": {"web_service"}}
	r, err := entries(ctx, c, "look for service "+name, "/services", q, func(e entry) string { return e.Cursor })
	var out []Service
	for _, x := range r {
		if x.Service.Name == name && (x.Service.Type == "" || x.Service.Type == "web_service") {
			out = append(out, x.Service)
		}
	}
	return out, err
}

// Service returns one service.
func (c *Client) Service(ctx context.Context, id string) (Service, error) {
	var s Service
	_, err := c.call(ctx, "read service "+id, http.MethodGet, "/services/"+url.PathEscape(id), nil, nil, &s)
	return s, err
}

// CreateService creates a service, which starts its first deploy.
func (c *Client) CreateService(ctx context.Context, in ServiceInput) (Service, string, error) {
	var r struct {
		Service  Service `json:"service"`
		DeployID string  `json:"deployId"`
	}
	_, err := c.call(ctx, "create service "+in.Name, http.MethodPost, "/services", nil, in, &r)
	return r.Service, r.DeployID, err
}

// UpdateService changes the settings that are given.
func (c *Client) UpdateService(ctx context.Context, id string, in ServicePatch) error {
	_, err := c.call(ctx, "update service "+id, http.MethodPatch, "/services/"+url.PathEscape(id), nil, in, nil)
	return err
}

// EnvVars returns all environment variables with their values. They are for comparing in memory only.
func (c *Client) EnvVars(ctx context.Context, service string) (map[string]string, error) {
	type entry struct {
		EnvVar EnvVar `json:"envVar"`
		Cursor string `json:"cursor"`
	}
	r, err := entries(ctx, c, "list environment variables of service "+service, "/services/"+url.PathEscape(service)+"/env-vars",
		url.Values{}, func(e entry) string { return e.Cursor })
	out := map[string]string{}
	for _, x := range r {
		out[x.EnvVar.Key] = x.EnvVar.Value
	}
	return out, err
}

// SetEnvVar adds or replaces one environment variable and deploys nothing.
func (c *Client) SetEnvVar(ctx context.Context, service, key, value string) error {
	_, err := c.call(ctx, "set environment variable "+key+" of service "+service, http.MethodPut,
		"/services/"+url.PathEscape(service)+"/env-vars/"+url.PathEscape(key), nil, map[string]string{"value": value}, nil)
	return err
}

// StartDeploy starts a deploy of an image, or of a commit, or of the branch. The id is empty when the service has
// queued the deploy without naming it (202).
func (c *Client) StartDeploy(ctx context.Context, service string, in DeployInput) (id string, err error) {
	var d Deploy
	_, err = c.call(ctx, "deploy service "+service, http.MethodPost, "/services/"+url.PathEscape(service)+"/deploys", nil, in, &d)
	return d.ID, err
}

// Deploys lists the newest deploys of a service, newest first.
func (c *Client) Deploys(ctx context.Context, service string, limit int) ([]Deploy, error) {
	var r []struct {
		Deploy Deploy `json:"deploy"`
	}
	_, err := c.call(ctx, "list deploys of service "+service, http.MethodGet, "/services/"+url.PathEscape(service)+"/deploys",
		url.Values{"limit": {strconv.Itoa(limit)}}, nil, &r)
	out := make([]Deploy, len(r))
	for i := range r {
		out[i] = r[i].Deploy
	}
	sortNewestFirst(out)
	return out, err
}

// Deploy returns one deploy.
func (c *Client) Deploy(ctx context.Context, service, id string) (Deploy, error) {
	var d Deploy
	_, err := c.call(ctx, "read deploy "+id, http.MethodGet, deployPath(service, id), nil, nil, &d)
	return d, err
}

// Cancel stops a deploy in flight.
func (c *Client) Cancel(ctx context.Context, service, id string) error {
	_, err := c.call(ctx, "cancel deploy "+id, http.MethodPost, deployPath(service, id)+"/cancel", nil, nil, nil)
	return err
}

// Rollback starts a deploy of what an earlier deploy ran.
func (c *Client) Rollback(ctx context.Context, service, deploy string) (string, error) {
	var d Deploy
	_, err := c.call(ctx, "roll back to deploy "+deploy, http.MethodPost, "/services/"+url.PathEscape(service)+"/rollback",
		nil, map[string]string{"deployId": deploy}, &d)
	return d.ID, err
}

func deployPath(service, id string) string {
	return "/services/" + url.PathEscape(service) + "/deploys/" + url.PathEscape(id)
}

// Logs returns the newest lines of a service, oldest first.
func (c *Client) Logs(ctx context.Context, owner, service string, limit int) ([]string, error) {
	var r struct {
		Logs []struct {
			Message   string `json:"message"`
			Timestamp string `json:"timestamp"`
		} `json:"logs"`
	}
	q := url.Values{"ownerId": {owner}, "resource": {service}, "limit": {strconv.Itoa(limit)}, "direction": {"backward"}}
	_, err := c.call(ctx, "read logs of service "+service, http.MethodGet, "/logs", q, nil, &r)
	out := make([]string, len(r.Logs))
	for i, l := range r.Logs {
		// RFC 3339 times sort as text. Newest first becomes oldest first.
		out[len(r.Logs)-1-i] = l.Message
	}
	return out, err
}

// Blueprints lists the Blueprints of a workspace.
func (c *Client) Blueprints(ctx context.Context, owner string) ([]Blueprint, error) {
	type entry struct {
		Blueprint Blueprint `json:"blueprint"`
		Cursor    string    `json:"cursor"`
	}
	r, err := entries(ctx, c, "list Blueprints", "/blueprints", url.Values{"ownerId": {owner}}, func(e entry) string { return e.Cursor })
	out := make([]Blueprint, len(r))
	for i := range r {
		out[i] = r[i].Blueprint
	}
	return out, err
}

// ValidateBlueprint has Render check a render.yaml and say what it would do. It changes nothing.
func (c *Client) ValidateBlueprint(ctx context.Context, owner string, yaml []byte) (Validation, error) {
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	if err := w.WriteField("ownerId", owner); err != nil {
		return Validation{}, fmt.Errorf("encode the Blueprint: %w", err)
	}
	f, err := w.CreateFormFile("file", "render.yaml")
	if err != nil {
		return Validation{}, fmt.Errorf("encode the Blueprint: %w", err)
	}
	if _, err := f.Write(yaml); err != nil {
		return Validation{}, fmt.Errorf("encode the Blueprint: %w", err)
	}
	if err := w.Close(); err != nil {
		return Validation{}, fmt.Errorf("encode the Blueprint: %w", err)
	}
	var v Validation
	_, err = c.api.Do(ctx, httpapi.Request{Op: "validate the Blueprint", Method: http.MethodPost, Path: "/blueprints/validate",
		Body: &buf, ContentType: w.FormDataContentType()}, &v)
	return v, err
}

// RegistryCredential returns the id of the registry credential of that name, empty when there is none.
func (c *Client) RegistryCredential(ctx context.Context, owner, name string) (string, error) {
	var r []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	_, err := c.call(ctx, "look for registry credential "+name, http.MethodGet, "/registrycredentials",
		url.Values{"name": {name}, "ownerId": {owner}, "limit": {"100"}}, nil, &r)
	for _, x := range r {
		if x.Name == name {
			return x.ID, err
		}
	}
	return "", err
}
