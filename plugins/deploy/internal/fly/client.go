// Package fly is a client for the part of the Fly.io Machines API that a deployment needs. Shapes follow the published
// OpenAPI document; where the live API is known to differ (secret values may be null, leases may come wrapped in
// "data"), both forms are understood.
package fly

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
)

// DefaultURL is the public Machines API.
const DefaultURL = "https://api.machines.dev/v1"

// Client talks to the Machines API.
type Client struct{ api httpapi.Client }

// Options of a client.
type Options struct {
	BaseURL   string // default DefaultURL
	Token     string // org or deploy token, with or without its "FlyV1 " prefix
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
		Provider: "fly", BaseURL: o.BaseURL, UserAgent: o.UserAgent, HTTP: o.HTTP, Redact: o.Redact, Refine: refine,
		Header: http.Header{"Authorization": {authorization(o.Token)}},
	}}
}

// authorization picks the scheme: macaroon tokens (fm1_, fm2_) travel as FlyV1, older ones as Bearer.
func authorization(token string) string {
	token = strings.TrimSpace(token)
	switch {
	case strings.HasPrefix(token, "FlyV1 "):
		return token
	case strings.HasPrefix(token, "fm1"), strings.HasPrefix(token, "fm2_"):
		return "FlyV1 " + token
	}
	return "Bearer " + token
}

// Codes that refine sets.
const (
	CodeNameTaken     = "name_taken"
	CodeMachineExists = "machine_exists"
	CodeLeaseHeld     = "lease_held"
)

func refine(e *httpapi.Error, _ http.Header, _ []byte) {
	text := strings.ToLower(e.Message)
	switch {
	case e.Code == CodeNameTaken, strings.Contains(text, "already been taken"):
		e.Kind, e.Code = httpapi.NameTaken, CodeNameTaken
	case strings.Contains(text, "unique machine name violation"):
		e.Kind, e.Code = httpapi.Conflict, CodeMachineExists
	case strings.Contains(text, "lease currently held"):
		e.Kind, e.Code = httpapi.Conflict, CodeLeaseHeld
	case e.Code == "insufficient_capacity":
		e.Kind = httpapi.Capacity
	}
}

var existingID = regexp.MustCompile(`machine ID (\S+) already exists`)

// ExistingMachine returns the id named in a "unique machine name violation".
func ExistingMachine(e *httpapi.Error) (id string, ok bool) {
	if m := existingID.FindStringSubmatch(e.Message); m != nil {
		return m[1], true
	}
	return "", false
}

func (c *Client) call(ctx context.Context, op, method, path string, q url.Values, body, out any) error {
	_, err := c.api.Do(ctx, httpapi.Request{Op: op, Method: method, Path: path, Query: q, Body: body}, out)
	return err
}

func appPath(app string, more ...string) string {
	p := "/apps/" + url.PathEscape(app)
	for _, m := range more {
		p += "/" + url.PathEscape(m)
	}
	return p
}

// App returns an app. An app of another organisation is a Permission error.
func (c *Client) App(ctx context.Context, name string) (App, error) {
	var a App
	err := c.call(ctx, "read app "+name, http.MethodGet, appPath(name), nil, nil, &a)
	return a, err
}

// CreateApp creates an app.
func (c *Client) CreateApp(ctx context.Context, name, org string) error {
	return c.call(ctx, "create app "+name, http.MethodPost, "/apps", nil, createApp{Name: name, Org: org}, nil)
}

// IPs lists the addresses of an app.
func (c *Client) IPs(ctx context.Context, app string) ([]IP, error) {
	var r struct {
		IPs []IP `json:"ips"`
	}
	err := c.call(ctx, "list addresses of app "+app, http.MethodGet, appPath(app, "ip_assignments"), nil, nil, &r)
	return r.IPs, err
}

// AssignIP gives an app an address of the kind "v6" or "shared_v4".
func (c *Client) AssignIP(ctx context.Context, app, kind string) error {
	return c.call(ctx, "assign a "+kind+" address to app "+app, http.MethodPost, appPath(app, "ip_assignments"), nil,
		map[string]string{"type": kind}, nil)
}

// Secrets lists names and digests, never values.
func (c *Client) Secrets(ctx context.Context, app string) ([]Secret, error) {
	var r struct {
		Secrets []Secret `json:"secrets"`
	}
	err := c.call(ctx, "list secrets of app "+app, http.MethodGet, appPath(app, "secrets"), nil, nil, &r)
	return r.Secrets, err
}

// SetSecrets adds, replaces and (with a nil value) removes secrets, and returns the version that holds them.
func (c *Client) SetSecrets(ctx context.Context, app string, values map[string]*string) (version int64, after []Secret, err error) {
	var r struct {
		Version int64    `json:"version"`
		Secrets []Secret `json:"secrets"`
	}
	err = c.call(ctx, "set secrets of app "+app, http.MethodPost, appPath(app, "secrets"), nil,
		map[string]any{"values": values}, &r)
	return r.Version, r.Secrets, err
}

// Machines lists the machines of an app that still exist.
func (c *Client) Machines(ctx context.Context, app string) ([]Machine, error) {
	var r []Machine
	err := c.call(ctx, "list machines of app "+app, http.MethodGet, appPath(app, "machines"), nil, nil, &r)
	return r, err
}

// Machine returns one machine with its checks and events.
func (c *Client) Machine(ctx context.Context, app, id string) (Machine, error) {
	var m Machine
	err := c.call(ctx, "read machine "+id, http.MethodGet, appPath(app, "machines", id), nil, nil, &m)
	return m, err
}

// CreateMachine creates and starts a machine. A machine of that name makes it a Conflict with CodeMachineExists.
func (c *Client) CreateMachine(ctx context.Context, app string, in MachineInput) (Machine, error) {
	var m Machine
	err := c.call(ctx, "create machine "+in.Name, http.MethodPost, appPath(app, "machines"), nil, in, &m)
	return m, err
}

// UpdateMachine replaces the whole configuration of a machine and restarts it.
func (c *Client) UpdateMachine(ctx context.Context, app, id, nonce string, in MachineInput) (Machine, error) {
	var m Machine
	err := c.leased(ctx, "update machine "+id, http.MethodPost, appPath(app, "machines", id), nonce, nil, in, &m)
	return m, err
}

// DestroyMachine stops and removes a machine. One that is gone already is fine.
func (c *Client) DestroyMachine(ctx context.Context, app, id, nonce string) error {
	err := c.leased(ctx, "destroy machine "+id, http.MethodDelete, appPath(app, "machines", id), nonce,
		url.Values{"force": {"true"}}, nil, nil)
	if httpapi.Is(err, httpapi.NotFound) {
		return nil
	}
	return err
}

// StartMachine starts a stopped machine.
func (c *Client) StartMachine(ctx context.Context, app, id string) error {
	return c.call(ctx, "start machine "+id, http.MethodPost, appPath(app, "machines", id, "start"), nil, nil, nil)
}

// Cordon takes a machine out of the load balancer.
func (c *Client) Cordon(ctx context.Context, app, id, nonce string) error {
	return c.leased(ctx, "cordon machine "+id, http.MethodPost, appPath(app, "machines", id, "cordon"), nonce, nil, nil, nil)
}

// Uncordon puts a machine into the load balancer.
func (c *Client) Uncordon(ctx context.Context, app, id string) error {
	return c.call(ctx, "uncordon machine "+id, http.MethodPost, appPath(app, "machines", id, "uncordon"), nil, nil, nil)
}

// Wait blocks until the machine version has reached the state or the time is over; the latter is a Server error with
// status 408.
func (c *Client) Wait(ctx context.Context, app, id, version, state string, limit time.Duration) error {
	q := url.Values{"state": {state}, "timeout": {strconv.Itoa(max(1, int(limit/time.Second)))}}
	if version != "" {
		q.Set("version", version)
	}
	_, err := c.api.Do(ctx, httpapi.Request{
		Op: "wait for machine " + id + " to be " + state, Method: http.MethodGet,
		Path: appPath(app, "machines", id, "wait"), Query: q, Timeout: limit + 15*time.Second,
	}, nil)
	return err
}

// AcquireLease takes the machine's lease for ttl, or prolongs it when nonce is given.
func (c *Client) AcquireLease(ctx context.Context, app, id, nonce, description string, ttl time.Duration) (Lease, error) {
	var l Lease
	err := c.leased(ctx, "lease machine "+id, http.MethodPost, appPath(app, "machines", id, "lease"), nonce, nil,
		map[string]any{"ttl": int(ttl / time.Second), "description": description}, &l)
	return l, err
}

// Lease returns the lease that is held on a machine.
func (c *Client) Lease(ctx context.Context, app, id string) (Lease, error) {
	var l Lease
	err := c.call(ctx, "read the lease of machine "+id, http.MethodGet, appPath(app, "machines", id, "lease"), nil, nil, &l)
	return l, err
}

// ReleaseLease gives the lease back. One that has expired is fine.
func (c *Client) ReleaseLease(ctx context.Context, app, id, nonce string) error {
	err := c.leased(ctx, "release the lease of machine "+id, http.MethodDelete, appPath(app, "machines", id, "lease"), nonce, nil, nil, nil)
	if httpapi.Is(err, httpapi.NotFound) {
		return nil
	}
	return err
}

func (c *Client) leased(ctx context.Context, op, method, path, nonce string, q url.Values, body, out any) error {
	h := http.Header{}
	if nonce != "" {
		h.Set("fly-machine-lease-nonce", nonce)
	}
	_, err := c.api.Do(ctx, httpapi.Request{Op: op, Method: method, Path: path, Query: q, Header: h, Body: body}, out)
	return err
}

// UnmarshalJSON accepts the lease bare (as the document says) and wrapped in "data" (as the service answers).
func (l *Lease) UnmarshalJSON(data []byte) error {
	type bare Lease
	var w struct {
		bare
		Data *bare `json:"data"`
	}
	if err := json.Unmarshal(data, &w); err != nil {
		return err
	}
	*l = Lease(w.bare)
	if w.Data != nil {
		*l = Lease(*w.Data)
	}
	return nil
}
