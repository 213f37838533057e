package observability

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/orch-host/orch/sdk"
)

// GrafanaConfig says where Grafana is and who we are there.
type GrafanaConfig struct {
	URL      string     `json:"url,omitempty" jsonschema:"default http://localhost:3000"`
	User     string     `json:"user,omitempty" jsonschema:"default admin when there is a password"`
	Password sdk.Secret `json:"password,omitempty"`
	Token    sdk.Secret `json:"token,omitempty" jsonschema:"of a service account; goes before user and password"`
}

func (c GrafanaConfig) check() error { return checkURL("grafana.url", c.URL) }

// Datasource is what became of a datasource.
type Datasource struct {
	Status string `json:"status"` // created, updated or unchanged
	Name   string `json:"name"`
	URL    string `json:"url"`
}

type datasource struct {
	UID    string `json:"uid,omitempty"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Access string `json:"access"`
	URL    string `json:"url"`
}

// addLokiDatasource makes Loki a datasource named Loki. The params are the workflow's and are not looked at.
func (g *group) addLokiDatasource(ctx context.Context, _ any) (Datasource, error) {
	c := g.current()
	api := grafana{c.Grafana, strings.TrimSuffix(cmp.Or(c.Grafana.URL, "http://localhost:3000"), "/")}
	want := datasource{Name: "Loki", Type: "loki", Access: "proxy", URL: cmp.Or(c.Loki.URL, "http://localhost:3100")}
	done := Datasource{Status: "created", Name: want.Name, URL: want.URL}
	for range 2 {
		var have datasource
		code, err := api.call(ctx, http.MethodGet, "/api/datasources/name/"+url.PathEscape(want.Name), nil, &have)
		switch {
		case err != nil && code != http.StatusNotFound:
			return done, err
		case err == nil:
			want.UID = have.UID
			if done.Status = "unchanged"; have == want {
				return done, nil
			}
			done.Status = "updated"
			_, err = api.call(ctx, http.MethodPut, "/api/datasources/uid/"+url.PathEscape(have.UID), want, nil)
			return done, err
		}
		if code, err = api.call(ctx, http.MethodPost, "/api/datasources", want, nil); code != http.StatusConflict {
			return done, err
		} // somebody else was faster
	}
	return done, fmt.Errorf("add datasource %s to Grafana at %s: the name is taken and cannot be looked up", want.Name, api.base)
}

type grafana struct {
	GrafanaConfig
	base string
}

// call makes one request; the error of an answer that is no success comes with its code.
func (a grafana) call(ctx context.Context, method, path string, in, out any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if a.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.Token.Reveal())
	} else if a.Password != "" {
		req.SetBasicAuth(cmp.Or(a.User, "admin"), a.Password.Reveal())
	}
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("the Grafana at %s does not answer: %w; start it or set url in [%s.grafana]", a.base, err, settings)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch code := resp.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return code, sdk.NonRetryable(fmt.Errorf("the Grafana at %s refuses %s %s (%d): set token, or user and password, in [%s.grafana]", a.base, method, path, code, settings))
	case code/100 != 2:
		return code, fmt.Errorf("the Grafana at %s answers %s %s with %d: %.300s", a.base, method, path, code, b)
	case out != nil:
		return code, errors.Join(err, json.Unmarshal(b, out))
	}
	return resp.StatusCode, nil
}
