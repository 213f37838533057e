package deploy

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
	"github.com/orch-host/orch/sdk"
)

// setFlySecrets stages the app's secrets: running machines get them with the next deployment. Fly tells digests only,
// so whether a value differs is seen by comparing the digests before and after.
func (d *deployer) setFlySecrets(ctx context.Context, in FlyInput) (Result, error) {
	s := d.settings()
	res, err := d.stageFlySecrets(ctx, s, in)
	return res, fail(err)
}

func (d *deployer) stageFlySecrets(ctx context.Context, s *settings, in FlyInput) (Result, error) {
	if err := in.check(); err != nil {
		return Result{}, err
	}
	res := Result{Platform: "flyio", AppName: in.AppName, DryRun: in.DryRun}
	values, err := s.secrets(in.App)
	if err != nil {
		return res, err
	}
	if len(values) == 0 && len(in.UnsetSecrets) == 0 {
		return res, nil
	}
	if s.Fly.Token == "" {
		return res, notConfigured("fly.token")
	}
	before, err := s.fly.Secrets(ctx, in.AppName)
	if err != nil && !(in.DryRun && httpapi.Is(err, httpapi.NotFound)) {
		return res, err
	}
	had := map[string]bool{}
	for _, b := range before {
		had[b.Name] = true
	}
	body := map[string]*string{}
	for _, name := range sorted(values) {
		v := values[name]
		body[name] = &v
		res.Plan = append(res.Plan, map[bool]string{true: "replace secret ", false: "add secret "}[had[name]]+name)
	}
	for _, name := range in.UnsetSecrets {
		if _, both := values[name]; both || !envName.MatchString(name) {
			return res, invalid("unset_secrets: %q is no name, or is also in secret_refs", name)
		}
		if had[name] {
			body[name] = nil
			res.Plan = append(res.Plan, "remove secret "+name)
		}
	}
	if in.DryRun || len(body) == 0 {
		return res, nil
	}
	version, after, err := s.fly.SetSecrets(ctx, in.AppName, body)
	if err != nil {
		return res, err
	}
	if after == nil {
		if after, err = s.fly.Secrets(ctx, in.AppName); err != nil {
			return res, err
		}
	}
	res.SecretsVersion = version
	res.Changed = !slices.Equal(secretsState(before), secretsState(after))
	rememberSecretsVersion(ctx, in.AppName, version)
	sdk.Heartbeat(ctx, map[string]any{"secrets_version": version})
	return res, nil
}

// The version is a hint that makes a new machine wait for the secrets to reach its host. The workflow does not carry it
// from step to step, so it is kept beside the plugin; without it Fly serves what the host knows.
func secretsVersionFile(ctx context.Context, app string) string {
	return filepath.Join(sdk.StateDir(ctx), "fly-secrets", app+".json")
}

func rememberSecretsVersion(ctx context.Context, app string, version int64) {
	data, _ := json.Marshal(map[string]int64{"version": version})
	if _, err := writeFile(secretsVersionFile(ctx, app), data, 0o600); err != nil {
		sdk.Logger(ctx).Warn("the version of the secrets could not be kept", "app", app, "error", err)
	}
}

func rememberedSecretsVersion(ctx context.Context, app string) int64 {
	var v struct{ Version int64 }
	data, err := os.ReadFile(secretsVersionFile(ctx, app))
	if err != nil || json.Unmarshal(data, &v) != nil || strings.Contains(app, "/") {
		return 0
	}
	return v.Version
}
