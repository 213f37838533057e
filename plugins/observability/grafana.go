package observability

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/orch-host/orch/plugins/internal/container"
	"github.com/orch-host/orch/plugins/internal/password"
	"github.com/orch-host/orch/plugins/internal/ready"
	"github.com/orch-host/orch/sdk"
)

const (
	grafanaPort         = 3000
	grafanaUID          = 472 // of the image's user
	grafanaProvisioning = "/etc/grafana/provisioning"
	grafanaDashboards   = "/etc/grafana/orch-dashboards"
	grafanaData         = "/var/lib/grafana"
	grafanaSecret       = "/run/secrets/grafana_admin"
)

// GrafanaConfig is the table [plugins.observability.config.grafana]: the
// stack's own Grafana and, with url, one that runs elsewhere.
type GrafanaConfig struct {
	Common
	Port     int        `json:"port,omitempty" jsonschema:"port of the web interface on the host; default 3000"`
	URL      string     `json:"url,omitempty" jsonschema:"the Grafana that configure_grafana_activity and add_loki_datasource_activity set up; default the stack's own"`
	User     string     `json:"user,omitempty" jsonschema:"administrator; default admin"`
	Password sdk.Secret `json:"password,omitempty" jsonschema:"of the administrator, as env:NAME or file:/path; default for the stack's own: generated once and kept in a file that only the host's user can read"`
	Token    sdk.Secret `json:"token,omitempty" jsonschema:"of a service account of the Grafana at url; goes before user and password"`
}

func (c GrafanaConfig) check() error {
	problems := []error{c.Common.check("grafana"), container.CheckPort("grafana.port", c.Port), checkURL("grafana.url", c.URL)}
	if p := c.Password.Reveal(); p != "" && (len(p) < 5 || strings.Contains(p, "\n")) {
		problems = append(problems, sdk.ConfigProblem("grafana.password", "Grafana wants at least 5 characters, on one line"))
	}
	return errors.Join(problems...)
}

func (c GrafanaConfig) user() string { return cmp.Or(c.User, "admin") }

// grafana gives its component, with a start activity of that name.
func (g *group) grafana(start string) container.Component {
	c := g.component(grafanaName, "Grafana", grafanaPart)
	c.StartName = start
	c.Purged = func(ctx context.Context, stack string) error { return password.Forget(grafanaPasswordFile(ctx, stack)) }
	return c
}

func grafanaPasswordFile(ctx context.Context, stack string) string {
	return filepath.Join(sdk.StateDir(ctx), "passwords", stack+"-grafana")
}

func grafanaPart(ctx context.Context, c Config) (part, error) {
	secret, secretFile := c.Grafana.Password, ""
	if secret == "" {
		var err error
		secretFile = grafanaPasswordFile(ctx, c.stack())
		if secret, err = password.Generated(secretFile); err != nil {
			return part{}, err
		}
	}
	files, err := provisioning()
	if err != nil {
		return part{}, err
	}
	files = append(files, container.File{Path: grafanaSecret, Content: []byte(secret.Reveal()), UID: grafanaUID, Secret: true})
	return part{
		name: grafanaName, table: "grafana", common: c.Grafana.Common,
		image: "grafana/grafana:12.1.0",
		env: map[string]string{
			"GF_PATHS_DATA": grafanaData + "/data", "GF_SECURITY_ADMIN_USER": c.Grafana.user(), "GF_SECURITY_ADMIN_PASSWORD__FILE": grafanaSecret, "GF_USERS_ALLOW_SIGN_UP": "false",
			"GF_ANALYTICS_REPORTING_ENABLED": "false", "GF_ANALYTICS_CHECK_FOR_UPDATES": "false", "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
			"GF_NEWS_NEWS_FEED_ENABLED": "false", "GF_PLUGINS_PREINSTALL_DISABLED": "true",
		},
		uid: grafanaUID, data: grafanaData, files: files,
		ports: []port{{container: grafanaPort, host: cmp.Or(c.Grafana.Port, grafanaPort), setting: "port"}},
		ready: func(ctx context.Context, at container.Endpoints) error {
			base := "http://" + at.Addr(grafanaPort)
			return ready.All(ready.HTTP(base+"/api/health", ready.HTTPOptions{}), ready.HTTP(base+"/api/org", ready.HTTPOptions{
				Username: c.Grafana.user(), Password: secret,
				Refused: "its volume was made with another administrator or password: set " + settings + ".grafana.user and .password to those, or delete_grafana_container with purge",
			}))(ctx)
		},
		urls:    []container.URL{{Name: "http", Scheme: "http", Port: grafanaPort}},
		secrets: secretFile,
	}, nil
}

// provisioning are the files by which our own Grafana knows its datasources
// and dashboards from the first moment on.
func provisioning() ([]container.File, error) {
	var list []object
	for _, d := range datasources(insideStack(), ownUIDs()) {
		list = append(list, object{
			"name": d.Name, "type": d.Type, "uid": d.UID, "access": d.Access, "url": d.URL, "isDefault": d.Type == "prometheus",
			"editable": false, "jsonData": escaped(d.JSONData),
		})
	}
	sources, err := configFile(grafanaProvisioning+"/datasources/orch.yaml", object{"apiVersion": 1, "datasources": list})
	if err != nil {
		return nil, err
	}
	provider, err := configFile(grafanaProvisioning+"/dashboards/orch.yaml", object{"apiVersion": 1, "providers": []object{{
		"name": "orch", "type": "file", "folder": dashboardFolder, "allowUiUpdates": false, "options": object{"path": grafanaDashboards},
	}}})
	if err != nil {
		return nil, err
	}
	files := []container.File{sources, provider}
	for _, d := range Dashboards() {
		text, err := json.MarshalIndent(d.Model(ownUIDs()), "", " ")
		if err != nil {
			return nil, fmt.Errorf("write dashboard %s: %w", d.UID, err)
		}
		files = append(files, container.File{Path: grafanaDashboards + "/" + d.UID + ".json", Content: text})
	}
	return files, nil
}

// escaped doubles the dollars of strings, which provisioning files take for variables.
func escaped(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "$", "$$")
	case object:
		all := object{}
		for k, e := range v {
			all[k] = escaped(e)
		}
		return all
	case []object:
		all := make([]any, len(v))
		for i, e := range v {
			all[i] = escaped(e)
		}
		return all
	}
	return v
}
