package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/tracing"
)

// The checks that verify_cloudflare_dependency_activity knows.
const (
	checkConnector = "connector"
	checkToken     = "token"
	checkTunnel    = "tunnel"
)

// CloudflareConfig says what the application needs of Cloudflare.
type CloudflareConfig struct {
	Checks    []string     `json:"checks,omitempty" jsonschema:"connector (cloudflared is connected), token (the API token is valid), tunnel (the named tunnel is up); default connector; an empty list when the application does not use Cloudflare"`
	Connector string       `json:"connector_url,omitempty" jsonschema:"readiness address of cloudflared; default http://127.0.0.1:20241/ready"`
	Account   string       `json:"account_id,omitempty" jsonschema:"account of the tunnel, and of an account-owned token"`
	Tunnel    string       `json:"tunnel,omitempty" jsonschema:"name or id of the tunnel"`
	Token     sdk.Secret   `json:"token,omitempty" jsonschema:"API token as env:NAME or file:/path"`
	API       string       `json:"api_url,omitempty" jsonschema:"default https://api.cloudflare.com/client/v4"`
	Wait      sdk.Duration `json:"wait,omitempty" jsonschema:"how long to wait for the connector or tunnel to come up; default 30s"`
}

// checks are the configured ones. No table at all means the connector; an empty
// list means none.
func (c CloudflareConfig) checks() []string {
	if c.Checks == nil {
		return []string{checkConnector}
	}
	return c.Checks
}

func (c CloudflareConfig) check() error {
	var problems []error
	for _, name := range c.Checks {
		switch name {
		case checkConnector:
		case checkToken:
			if c.Token == "" {
				problems = append(problems, sdk.ConfigProblem("cloudflare.token", "the check \"token\" needs it, as env:NAME or file:/path"))
			}
		case checkTunnel:
			if c.Token == "" || c.Account == "" || c.Tunnel == "" {
				problems = append(problems, sdk.ConfigProblem("cloudflare", "the check \"tunnel\" needs token, account_id and tunnel"))
			}
		default:
			problems = append(problems, sdk.ConfigProblem("cloudflare.checks", "%q is none of connector, token and tunnel", name))
		}
	}
	for key, text := range map[string]string{"cloudflare.connector_url": c.Connector, "cloudflare.api_url": c.API} {
		if u, err := url.Parse(text); text != "" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "") {
			problems = append(problems, sdk.ConfigProblem(key, "%q is not an http or https URL", text))
		}
	}
	if c.Wait < 0 {
		problems = append(problems, sdk.ConfigProblem("cloudflare.wait", "cannot be negative"))
	}
	return errors.Join(problems...)
}

// CloudflareOutput is what was found.
type CloudflareOutput struct {
	Action string            `json:"action" jsonschema:"checked, or skipped when no check is configured"`
	Checks map[string]string `json:"checks,omitempty" jsonschema:"what each check found"`
}

// verifyCloudflare reads only. The params are the workflow's and are not looked at.
func (g *group) verifyCloudflare(ctx context.Context, _ any) (CloudflareOutput, error) {
	c := g.current().Cloudflare
	out := CloudflareOutput{Action: "checked", Checks: map[string]string{}}
	for _, name := range c.checks() {
		probe := map[string]func(context.Context, func(string)) error{
			checkConnector: c.connector, checkToken: c.token, checkTunnel: c.tunnel,
		}[name]
		found := func(text string) { out.Checks[name] = text }
		err := ready.Poll(ctx, func(ctx context.Context) error { return probe(ctx, found) },
			ready.PollOptions{What: "Cloudflare's " + name, Timeout: cmp.Or(time.Duration(c.Wait), 30*time.Second)})
		if err != nil {
			var final *sdk.Error
			if !errors.As(err, &final) {
				err = fmt.Errorf("%w; when this application is not behind Cloudflare, set checks = [] in [%s.cloudflare]", err, settings)
			}
			return CloudflareOutput{}, err
		}
	}
	if len(out.Checks) == 0 {
		out.Action = "skipped"
		sdk.Logger(ctx).Warn("Cloudflare was not checked: no check is configured", "setting", settings+".cloudflare.checks")
	}
	return out, nil
}

// connector asks cloudflared's readiness endpoint, which answers 200 while it
// has a connection to Cloudflare and 503 while it has none (cloudflared,
// metrics/readiness.go).
func (c CloudflareConfig) connector(ctx context.Context, found func(string)) error {
	at := cmp.Or(c.Connector, "http://127.0.0.1:20241/ready")
	var status struct {
		Connections int    `json:"readyConnections"`
		Connector   string `json:"connectorId"`
	}
	code, err := get(ctx, at, "", &status)
	switch {
	case err != nil:
		return fmt.Errorf("cloudflared does not answer at %s (start it with --metrics, or set connector_url): %w", at, err)
	case code != http.StatusOK || status.Connections == 0:
		return fmt.Errorf("cloudflared at %s has %d connections to Cloudflare (status %d)", at, status.Connections, code)
	}
	found(fmt.Sprintf("%d connections", status.Connections))
	return nil
}

// answer is the envelope of Cloudflare's API.
type answer[T any] struct {
	Success bool `json:"success"`
	Errors  []struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
	Result T `json:"result"`
}

func (a answer[T]) problem() string {
	var all []string
	for _, e := range a.Errors {
		all = append(all, fmt.Sprintf("%s (%d)", e.Message, e.Code))
	}
	return cmp.Or(strings.Join(all, "; "), "no reason given")
}

func (c CloudflareConfig) base() string {
	return strings.TrimSuffix(cmp.Or(c.API, "https://api.cloudflare.com/client/v4"), "/")
}

// token verifies the API token: a user's, or an account's when there is an account_id.
func (c CloudflareConfig) token(ctx context.Context, found func(string)) error {
	at := c.base() + "/user/tokens/verify"
	if c.Account != "" {
		at = c.base() + "/accounts/" + url.PathEscape(c.Account) + "/tokens/verify"
	}
	var a answer[struct {
		Status string `json:"status"`
	}]
	code, err := get(ctx, at, c.Token, &a)
	switch {
	case err != nil:
		return err
	case code/100 == 5 || code == http.StatusTooManyRequests:
		return fmt.Errorf("the Cloudflare API answers %d", code)
	case code != http.StatusOK || !a.Success:
		return sdk.NonRetryable(fmt.Errorf("the Cloudflare API refuses the token (status %d): %s; make a new one and set %s.cloudflare.token", code, a.problem(), settings))
	case a.Result.Status != "active":
		return sdk.NonRetryable(fmt.Errorf("the Cloudflare API token is %s; make a new one and set %s.cloudflare.token", a.Result.Status, settings))
	}
	found(a.Result.Status)
	return nil
}

type tunnelState struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"` // inactive, degraded, healthy, down
}

// tunnel looks at the named tunnel.
func (c CloudflareConfig) tunnel(ctx context.Context, found func(string)) error {
	at := c.base() + "/accounts/" + url.PathEscape(c.Account) + "/cfd_tunnel?is_deleted=false&per_page=1000"
	var a answer[[]tunnelState]
	code, err := get(ctx, at, c.Token, &a)
	switch {
	case err != nil:
		return err
	case code/100 == 5 || code == http.StatusTooManyRequests:
		return fmt.Errorf("the Cloudflare API answers %d", code)
	case code != http.StatusOK || !a.Success:
		return sdk.NonRetryable(fmt.Errorf("the Cloudflare API does not list the tunnels of account %s (status %d): %s; the token needs the permission Cloudflare Tunnel: Read", c.Account, code, a.problem()))
	}
	i := slices.IndexFunc(a.Result, func(t tunnelState) bool { return t.Name == c.Tunnel || t.ID == c.Tunnel })
	if i < 0 {
		return sdk.NonRetryable(fmt.Errorf("account %s has no tunnel %q: set %s.cloudflare.tunnel", c.Account, c.Tunnel, settings))
	}
	switch status := a.Result[i].Status; status {
	case "healthy":
	case "degraded":
		sdk.Logger(ctx).Warn("the Cloudflare tunnel is degraded", "tunnel", c.Tunnel)
	default:
		return fmt.Errorf("the Cloudflare tunnel %s is %s: start cloudflared for it", c.Tunnel, status)
	}
	found(a.Result[i].Status)
	return nil
}

// get reads a JSON answer; one that is none leaves into as it is.
func get(ctx context.Context, at string, token sdk.Secret, into any) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, sdk.NonRetryable(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	client := &http.Client{Transport: tracing.Transport(&http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true})}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return 0, fmt.Errorf("read the answer of %s: %w", req.URL.Host, err)
	}
	if err := json.Unmarshal(text, into); err != nil && resp.StatusCode == http.StatusOK {
		return 0, fmt.Errorf("%s answers with something that is no JSON: %w", req.URL.Host, err)
	}
	return resp.StatusCode, nil
}
