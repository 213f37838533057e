package observability

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"reflect"
	"time"

	"github.com/go-openapi/runtime"
	httptransport "github.com/go-openapi/runtime/client"
	"github.com/go-openapi/strfmt"
	dashboardsapi "github.com/grafana/grafana-openapi-client-go/client/dashboards"
	datasourcesapi "github.com/grafana/grafana-openapi-client-go/client/datasources"
	"github.com/grafana/grafana-openapi-client-go/models"

	"github.com/orch-host/orch/plugins/internal/password"
	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/tracing"
)

// Configured is what became of something in Grafana.
type Configured struct {
	Status string `json:"status" jsonschema:"created, updated or unchanged"`
	Name   string `json:"name"`
	URL    string `json:"url,omitempty" jsonschema:"a datasource's address, as Grafana reaches it"`
}

// GrafanaOutput of configure_grafana_activity.
type GrafanaOutput struct {
	Grafana     string       `json:"grafana"`
	Changed     bool         `json:"changed"`
	Datasources []Configured `json:"datasources"`
	Dashboards  []Configured `json:"dashboards"`
}

// configureGrafana is configure_grafana_activity. The params are the workflow's and are not looked at.
func (g *group) configureGrafana(ctx context.Context, _ any) (GrafanaOutput, error) {
	c := g.current()
	api, err := c.grafanaAPI(ctx)
	if err != nil {
		return GrafanaOutput{}, err
	}
	out := GrafanaOutput{Grafana: api.base}
	id, err := api.uids(ctx)
	if err != nil {
		return out, err
	}
	for _, want := range datasources(outsideStack(c), id) {
		done, err := api.ensureDatasource(ctx, want)
		if err != nil {
			return out, err
		}
		out.Datasources, out.Changed = append(out.Datasources, done), out.Changed || done.Status != "unchanged"
	}
	for _, d := range Dashboards() {
		done, err := api.ensureDashboard(ctx, d.UID, d.Title, d.Model(id))
		if err != nil {
			return out, err
		}
		out.Dashboards, out.Changed = append(out.Dashboards, done), out.Changed || done.Status != "unchanged"
	}
	return out, nil
}

// addLokiDatasource is add_loki_datasource_activity.
func (g *group) addLokiDatasource(ctx context.Context, _ any) (Configured, error) {
	c := g.current()
	api, err := c.grafanaAPI(ctx)
	if err != nil {
		return Configured{}, err
	}
	id, err := api.uids(ctx)
	if err != nil {
		return Configured{}, err
	}
	return api.ensureDatasource(ctx, datasources(outsideStack(c), id)[0])
}

// grafanaAPI is a Grafana that runs already.
type grafanaAPI struct {
	base        string
	datasources datasourcesapi.ClientService
	dashboards  dashboardsapi.ClientService
}

// grafanaAPI is the Grafana at grafana.url, else the stack's own.
func (c Config) grafanaAPI(ctx context.Context) (*grafanaAPI, error) {
	base := cmp.Or(c.Grafana.URL, c.local(cmp.Or(c.Grafana.Port, grafanaPort)))
	u, err := url.Parse(base)
	if err != nil {
		return nil, sdk.NonRetryable(fmt.Errorf("%s.grafana.url: %w", settings, err))
	}
	secret := c.Grafana.Password
	if secret == "" && c.Grafana.URL == "" {
		if secret, err = password.Read(grafanaPasswordFile(ctx, c.stack())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: tracing.Transport(&http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true})}
	transport := httptransport.NewWithClient(u.Host, u.Path+"/api", []string{u.Scheme}, client)
	switch {
	case c.Grafana.Token != "":
		transport.DefaultAuthentication = httptransport.BearerToken(c.Grafana.Token.Reveal())
	case secret != "":
		transport.DefaultAuthentication = httptransport.BasicAuth(c.Grafana.user(), secret.Reveal())
	}
	return &grafanaAPI{base: base, datasources: datasourcesapi.New(transport, strfmt.Default), dashboards: dashboardsapi.New(transport, strfmt.Default)}, nil
}

// uids are the ids of the datasources that are there already, by which links
// and dashboards refer to them, and our own for the others.
func (a *grafanaAPI) uids(ctx context.Context) (uids, error) {
	id := ownUIDs()
	for _, d := range datasources(addresses{}, ownUIDs()) {
		have, err := a.datasource(ctx, d.Name)
		if err != nil {
			return nil, err
		}
		if have != nil {
			id[d.Type] = have.UID
		}
	}
	return id, nil
}

// datasource looks one up by name; nil when there is none.
func (a *grafanaAPI) datasource(ctx context.Context, name string) (*models.DataSource, error) {
	found, err := a.datasources.GetDataSourceByNameWithParams(datasourcesapi.NewGetDataSourceByNameParamsWithContext(ctx).WithName(name))
	switch {
	case code(err) == http.StatusNotFound:
		return nil, nil
	case err != nil:
		return nil, a.explain("look for datasource "+name, err)
	}
	return found.Payload, nil
}

// ensureDatasource makes a datasource, or corrects the one of that name.
// Provisioned ones are read-only: whoever provisioned them decides.
func (a *grafanaAPI) ensureDatasource(ctx context.Context, want datasource) (Configured, error) {
	done := Configured{Status: "unchanged", Name: want.Name, URL: want.URL}
	for range 2 {
		have, err := a.datasource(ctx, want.Name)
		switch {
		case err != nil:
			return done, err
		case have == nil:
			_, err := a.datasources.AddDataSourceWithParams(datasourcesapi.NewAddDataSourceParamsWithContext(ctx).WithBody(&models.AddDataSourceCommand{
				Name: want.Name, Type: want.Type, UID: want.UID, Access: models.DsAccess(want.Access), URL: want.URL, JSONData: want.JSONData,
			}))
			if code(err) == http.StatusConflict { // somebody else was faster
				continue
			}
			done.Status = "created"
			return done, a.explain("add datasource "+want.Name, err)
		case have.ReadOnly:
			done.URL = have.URL
			return done, nil
		case have.Type == want.Type && string(have.Access) == want.Access && have.URL == want.URL && holds(have.JSONData, want.JSONData):
			return done, nil
		}
		data, _ := normal(have.JSONData).(object)
		if data == nil {
			data = object{}
		}
		merge(data, want.JSONData, false)
		// Grafana takes what an update leaves out for off: what the datasource has
		// beside ours goes back with it. Secrets that are left out stay.
		_, err = a.datasources.UpdateDataSourceByUIDWithParams(datasourcesapi.NewUpdateDataSourceByUIDParamsWithContext(ctx).WithUID(have.UID).WithBody(&models.UpdateDataSourceCommand{
			Name: want.Name, Type: want.Type, UID: have.UID, Access: models.DsAccess(want.Access), URL: want.URL, JSONData: data,
			IsDefault: have.IsDefault, BasicAuth: have.BasicAuth, BasicAuthUser: have.BasicAuthUser, WithCredentials: have.WithCredentials,
			User: have.User, Database: have.Database,
		}))
		done.Status = "updated"
		return done, a.explain("correct datasource "+want.Name, err)
	}
	return done, fmt.Errorf("add datasource %s to the Grafana at %s: the name is taken and cannot be looked up", want.Name, a.base)
}

// ensureDashboard makes a dashboard, or corrects the one with that id.
func (a *grafanaAPI) ensureDashboard(ctx context.Context, uid, title string, want object) (Configured, error) {
	done := Configured{Status: "created", Name: title}
	found, err := a.dashboards.GetDashboardByUIDWithParams(dashboardsapi.NewGetDashboardByUIDParamsWithContext(ctx).WithUID(uid))
	switch {
	case err != nil && code(err) != http.StatusNotFound:
		return done, a.explain("look for dashboard "+uid, err)
	case err == nil:
		done.Status = "unchanged"
		if m := found.Payload.Meta; m != nil && m.Provisioned || holds(found.Payload.Dashboard, want) {
			return done, nil
		}
		done.Status = "updated"
	}
	_, err = a.dashboards.PostDashboardWithParams(dashboardsapi.NewPostDashboardParamsWithContext(ctx).WithBody(&models.SaveDashboardCommand{
		Dashboard: want, Overwrite: true, Message: "orch",
	}))
	return done, a.explain("save dashboard "+uid, err)
}

// holds tells whether have has everything that want has; Grafana adds to what it is given.
func holds(have, want any) bool {
	h, hok := normal(have).(object)
	w, wok := normal(want).(object)
	if !hok || !wok {
		return reflect.DeepEqual(normal(have), normal(want))
	}
	for k, v := range w {
		if !holds(h[k], v) {
			return false
		}
	}
	return true
}

// normal is v as JSON gives it back.
func normal(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return v
	}
	var out any
	if json.Unmarshal(text, &out) != nil {
		return v
	}
	return out
}

// code is the status of an answer that is an error; 0 when there was none.
func code(err error) int {
	var status runtime.ClientResponseStatus
	if errors.As(err, &status) {
		for _, c := range []int{401, 403, 404, 409, 412, 422} {
			if status.IsCode(c) {
				return c
			}
		}
	}
	return 0
}

func (a *grafanaAPI) explain(doing string, err error) error {
	var status runtime.ClientResponseStatus
	switch c := code(err); {
	case err == nil:
		return nil
	case c == http.StatusUnauthorized || c == http.StatusForbidden:
		return sdk.NonRetryable(fmt.Errorf("%s: the Grafana at %s refuses it (%d): set token, or user and password, in [%s.grafana]", doing, a.base, c, settings))
	case errors.As(err, &status):
		return fmt.Errorf("%s: the Grafana at %s answers: %w", doing, a.base, err)
	}
	return fmt.Errorf("%s: the Grafana at %s does not answer: %w; start it (start_grafana_container) or set url in [%s.grafana]", doing, a.base, err, settings)
}
