package chat

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/sdktest"
)

// cloudflare answers as cloudflared's readiness endpoint and Cloudflare's API
// document it, after refusing as often as it is told.
func cloudflare(t *testing.T, down int, tunnel string) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		n := 4
		if down > 0 {
			down, n = down-1, 0
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, `{"status":200,"readyConnections":%d,"connectorId":"c"}`, n)
	})
	mux.HandleFunc("GET /client/v4/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer canary-good-token" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"success":false,"errors":[{"code":1000,"message":"Invalid API Token"}],"result":null}`)
			return
		}
		switch strings.TrimPrefix(r.URL.Path, "/client/v4") {
		case "/user/tokens/verify", "/accounts/acme/tokens/verify":
			fmt.Fprint(w, `{"success":true,"errors":[],"result":{"id":"t","status":"active"}}`)
		case "/accounts/acme/cfd_tunnel":
			fmt.Fprintf(w, `{"success":true,"errors":[],"result":[{"id":"1","name":"other","status":"down"},{"id":"2","name":"chat","status":%q}]}`, tunnel)
		default:
			http.NotFound(w, r)
		}
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestCloudflareIsCheckedAsConfigured(t *testing.T) {
	for _, tt := range []struct {
		name    string
		down    int
		tunnel  string
		config  map[string]any
		want    string // in the answer, or in the failure
		refused bool
	}{
		{"the connector by default", 0, "", map[string]any{}, `"connector":"4 connections"`, false},
		{"a connector that comes up while it is waited for", 2, "", map[string]any{}, `"connector":"4 connections"`, false},
		{"a connector that stays down", 1000, "", map[string]any{"wait": "3s"}, "0 connections to Cloudflare", true},
		{"nothing when told so", 1000, "", map[string]any{"checks": []string{}}, `"action":"skipped"`, false},
		{"a user's token", 0, "", map[string]any{"checks": []string{"token"}, "token": "canary-good-token"}, `"token":"active"`, false},
		{"an account's token and its tunnel", 0, "healthy", map[string]any{"checks": []string{"token", "tunnel"}, "token": "canary-good-token", "account_id": "acme", "tunnel": "chat"}, `"tunnel":"healthy"`, false},
		{"a degraded tunnel is good enough", 0, "degraded", map[string]any{"checks": []string{"tunnel"}, "token": "canary-good-token", "account_id": "acme", "tunnel": "chat"}, `"tunnel":"degraded"`, false},
		{"a wrong token", 0, "", map[string]any{"checks": []string{"token"}, "token": "canary-bad-token"}, "Invalid API Token", true},
		{"a tunnel that is not there", 0, "", map[string]any{"checks": []string{"tunnel"}, "token": "canary-good-token", "account_id": "acme", "tunnel": "nope"}, `no tunnel "nope"`, true},
		{"a tunnel that is down", 0, "down", map[string]any{"checks": []string{"tunnel"}, "token": "canary-good-token", "account_id": "acme", "tunnel": "chat", "wait": "3s"}, "is down", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := cloudflare(t, tt.down, tt.tunnel)
			tt.config["connector_url"], tt.config["api_url"] = s.URL+"/ready", s.URL+"/client/v4"
			h := sdktest.Start(t, Plugin("0.0.1"), sdktest.Config(map[string]any{"cloudflare": tt.config}))
			o := h.Execute(sdktest.Call{Activity: "verify_cloudflare_dependency_activity", Args: []any{map[string]any{}}})
			text := ""
			if o.Failure != nil {
				text = o.Failure.Message
			} else {
				var raw map[string]any
				if err := o.Decode(&raw); err != nil {
					t.Fatal(err)
				}
				j, err := json.Marshal(raw)
				if err != nil {
					t.Fatal(err)
				}
				text = string(j)
			}
			if (o.Failure != nil) != tt.refused || !strings.Contains(text, tt.want) {
				t.Errorf("%s, want %q", text, tt.want)
			}
			if strings.Contains(text, "canary") {
				t.Errorf("the token is shown: %s", text)
			}
		})
	}
}

func TestConfigurationThatCannotWorkIsRefusedWithItsKey(t *testing.T) {
	for key, c := range map[string]Config{
		"bind: ":                       {Bind: "localhost"},
		"build.context: ":              {Build: BuildConfig{Context: "src"}},
		"build.max_context: ":          {Build: BuildConfig{MaxContext: "lots"}},
		"build.args.GITHUB_TOKEN: ":    {Build: BuildConfig{Args: map[string]string{"GITHUB_TOKEN": "x"}}},
		"app.env.OPENAI_API_KEY: ":     {App: AppConfig{Env: map[string]string{"OPENAI_API_KEY": "x"}}},
		"app.host_port: ":              {App: AppConfig{HostPort: 70000}},
		"app.restart: ":                {App: AppConfig{Restart: "sometimes"}},
		"app.volumes.data: ":           {App: AppConfig{Volumes: map[string]string{"data": "data"}}},
		"health.path: ":                {Health: HealthConfig{Path: "healthz"}},
		"cloudflare.checks: ":          {Cloudflare: CloudflareConfig{Checks: []string{"dns"}}},
		"cloudflare.token: ":           {Cloudflare: CloudflareConfig{Checks: []string{"token"}}},
		"cloudflare.connector_url: ":   {Cloudflare: CloudflareConfig{Connector: "cloudflared:20241"}},
		"ai_proxy.files: ":             {AIProxy: ProxyConfig{Files: map[string]string{"config.yaml": ""}}},
		"ai_proxy.env.MASTER_API_KEY:": {AIProxy: ProxyConfig{Env: map[string]string{"MASTER_API_KEY": "x"}}},
	} {
		if err := c.check(); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("error %v, want one that begins with %q", err, key)
		}
	}
	if err := (Config{}).check(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestASecretThatBeginsAnotherLeavesNothingOfItInATextEither(t *testing.T) {
	for range 20 { // the order of a map
		c := Config{App: AppConfig{SecretEnv: map[string]sdk.Secret{"SHORT": "canary", "LONG": "canary-and-more", "OTHER": "some-canary"}}}
		if got := c.redact("with canary-and-more, some-canary and canary"); got != "with ***, *** and ***" {
			t.Fatalf("got %q", got)
		}
	}
}
