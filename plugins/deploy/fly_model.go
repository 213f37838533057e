package deploy

import (
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/orch-host/orch/plugins/deploy/internal/fly"
)

// FlySettings are the inputs that only Fly.io takes.
type FlySettings struct {
	Org             string   `json:"org,omitempty" jsonschema:"Fly organisation slug; default: the configured one, else personal"`
	Strategy        string   `json:"strategy,omitempty" jsonschema:"rolling (default) or bluegreen"`
	FallbackRegions []string `json:"fallback_regions,omitempty" jsonschema:"tried in order when the region has no room"`
	MemoryMB        int      `json:"memory_mb,omitempty" jsonschema:"default 256"`
	CPUs            int      `json:"cpus,omitempty" jsonschema:"default 1"`
	CPUKind         string   `json:"cpu_kind,omitempty" jsonschema:"shared (default) or performance"`
	AutoStop        string   `json:"auto_stop,omitempty" jsonschema:"off (default), stop or suspend idle machines"`
	MinMachines     int      `json:"min_machines_running,omitempty"`
	SecretsVersion  int64    `json:"secrets_version,omitempty" jsonschema:"result of set_flyio_secrets_activity"`
	UnsetSecrets    []string `json:"unset_secrets,omitempty" jsonschema:"names of app secrets to remove"`
}

// FlyInput is the input of the Fly.io activities.
type FlyInput struct {
	App
	FlySettings
	// The workflow reads the same key for its own rollback after the health check.
	RollbackOnFailure *bool  `json:"rollback_on_failure,omitempty" jsonschema:"bring the previous image back when the new one does not run; default true"`
	PreviousImage     string `json:"previous_image,omitempty" jsonschema:"rollback: the image to bring back"`
}

func (f *FlySettings) check() error {
	if f.Strategy == "" {
		f.Strategy = "rolling"
	}
	if f.Strategy != "rolling" && f.Strategy != "bluegreen" {
		return invalid("strategy %q: use rolling or bluegreen", f.Strategy)
	}
	if f.AutoStop == "" {
		f.AutoStop = "off"
	}
	if !slices.Contains([]string{"off", "stop", "suspend"}, f.AutoStop) {
		return invalid("auto_stop %q: use off, stop or suspend", f.AutoStop)
	}
	if f.CPUKind == "" {
		f.CPUKind = "shared"
	}
	if f.CPUKind != "shared" && f.CPUKind != "performance" {
		return invalid("cpu_kind %q: use shared or performance", f.CPUKind)
	}
	if f.CPUs == 0 {
		f.CPUs = 1
	}
	if f.MemoryMB == 0 {
		f.MemoryMB = 256
	}
	if !slices.Contains([]int{1, 2, 4, 8, 16}, f.CPUs) || f.MemoryMB < 256 || f.MemoryMB%256 != 0 {
		return invalid("cpus %d, memory_mb %d: use 1, 2, 4, 8 or 16 and a multiple of 256", f.CPUs, f.MemoryMB)
	}
	if f.MinMachines < 0 {
		return invalid("min_machines_running %d is negative", f.MinMachines)
	}
	return nil
}

func (in *FlyInput) check() error {
	if err := in.App.check(); err != nil {
		return err
	}
	return in.FlySettings.check()
}

// Metadata keys of our machines. The first two are flyctl's, which lets it manage them too.
const (
	flyPlatform    = "fly_platform_version"
	flyGroup       = "fly_process_group"
	flyWant        = "orch_want"
	flyDeploy      = "orch_deploy_id"
	flyRunKey      = "orch_run"
	flyPrevious    = "orch_previous_image"
	groupApp       = "app"
	groupRelease   = "fly_app_release_command"
	checkInterval  = "15s"
	checkTimeout   = "5s"
	checkGrace     = "10s"
	restartRetries = 10
)

// machineConfig is the part of a machine's configuration that we own, metadata left out.
func (in FlyInput) machineConfig(image string) map[string]any {
	env := map[string]any{}
	for k, v := range in.Env {
		env[k] = v
	}
	return map[string]any{
		"image":   image,
		"env":     env,
		"guest":   map[string]any{"cpu_kind": in.CPUKind, "cpus": in.CPUs, "memory_mb": in.MemoryMB},
		"restart": map[string]any{"policy": "on-failure", "max_retries": restartRetries},
		"services": []any{map[string]any{
			"protocol": "tcp", "internal_port": in.Port,
			"autostop": in.AutoStop, "autostart": true, "min_machines_running": in.MinMachines,
			"ports": []any{
				map[string]any{"port": 443, "handlers": []any{"tls", "http"}},
				map[string]any{"port": 80, "handlers": []any{"http"}, "force_https": true},
			},
			"checks": []any{map[string]any{"type": "http", "method": "GET", "path": in.HealthPath, "port": in.Port,
				"interval": checkInterval, "timeout": checkTimeout, "grace_period": checkGrace}},
		}},
	}
}

// overlay puts our part over what a machine has: what we do not own (volumes, files, foreign metadata) stays.
func overlay(existing, ours map[string]any, metadata map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range existing {
		out[k] = v
	}
	for k, v := range ours {
		out[k] = v
	}
	md := map[string]any{}
	if old, ok := existing["metadata"].(map[string]any); ok {
		for k, v := range old {
			md[k] = v
		}
	}
	for k, v := range metadata {
		md[k] = v
	}
	out["metadata"] = md
	return out
}

// secretsState is a short name for names and digests, so that changed secrets make a machine stale.
func secretsState(secrets []fly.Secret) []string {
	out := make([]string, len(secrets))
	for i, s := range secrets {
		out[i] = s.Name + "=" + s.Digest
	}
	slices.Sort(out)
	return out
}

type flyToml struct {
	App           string            `toml:"app"`
	PrimaryRegion string            `toml:"primary_region,omitempty"`
	Build         *flyTomlBuild     `toml:"build,omitempty"`
	Deploy        flyTomlDeploy     `toml:"deploy"`
	Env           map[string]string `toml:"env,omitempty"`
	HTTPService   flyTomlHTTP       `toml:"http_service"`
	VM            []flyTomlVM       `toml:"vm"`
}

type flyTomlBuild struct {
	Image string `toml:"image"`
}

type flyTomlDeploy struct {
	Strategy       string `toml:"strategy"`
	ReleaseCommand string `toml:"release_command,omitempty"`
	WaitTimeout    string `toml:"wait_timeout"`
}

type flyTomlHTTP struct {
	InternalPort int            `toml:"internal_port"`
	ForceHTTPS   bool           `toml:"force_https"`
	AutoStop     string         `toml:"auto_stop_machines"`
	AutoStart    bool           `toml:"auto_start_machines"`
	MinMachines  int            `toml:"min_machines_running"`
	Checks       []flyTomlCheck `toml:"checks"`
}

type flyTomlCheck struct {
	GracePeriod string `toml:"grace_period"`
	Interval    string `toml:"interval"`
	Timeout     string `toml:"timeout"`
	Method      string `toml:"method"`
	Path        string `toml:"path"`
}

type flyTomlVM struct {
	CPUKind string `toml:"cpu_kind"`
	CPUs    int    `toml:"cpus"`
	Memory  string `toml:"memory"`
}

// flyToml renders fly.toml, which flyctl reads; the activities themselves send machineConfig. Secrets are named in a
// comment, because fly.toml has no place for them.
func (in FlyInput) flyToml() ([]byte, error) {
	t := flyToml{
		App: in.AppName, PrimaryRegion: in.Region, Env: in.Env,
		Deploy: flyTomlDeploy{Strategy: in.Strategy, ReleaseCommand: in.ReleaseCommand, WaitTimeout: goDuration(in.Timeout)},
		HTTPService: flyTomlHTTP{InternalPort: in.Port, ForceHTTPS: true, AutoStop: in.AutoStop, AutoStart: true, MinMachines: in.MinMachines,
			Checks: []flyTomlCheck{{GracePeriod: checkGrace, Interval: checkInterval, Timeout: checkTimeout, Method: "GET", Path: in.HealthPath}}},
		VM: []flyTomlVM{{CPUKind: in.CPUKind, CPUs: in.CPUs, Memory: megabytes(in.MemoryMB)}},
	}
	if in.Image != "" {
		t.Build = &flyTomlBuild{Image: in.Image}
	}
	data, err := toml.Marshal(t)
	if err != nil {
		return nil, err
	}
	refs, err := in.refs()
	if err != nil {
		return nil, err
	}
	var head strings.Builder
	head.WriteString("# Written by orch from the deployment's inputs; edits are overwritten.\n")
	if len(refs) > 0 {
		head.WriteString("# Secrets (set apart from this file): " + strings.Join(sorted(refs), ", ") + "\n")
	}
	return append([]byte(head.String()), data...), nil
}
