package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/orch-host/orch/config"
)

func TestFlagsWinOverTheEnvironmentWhichWinsOverTheFileWhichWinsOverTheDefaults(t *testing.T) {
	path := write(t, `
[host]
log_level = "warn"
log_format = "json"
stop_grace = "1m"
`)
	c, err := config.Load(config.Options{
		Path:    path,
		Environ: []string{"ORCH_HOST__LOG_FORMAT=text", "ORCH_HOST__STOP_GRACE=2m"},
		Flags:   flags(t, "--stop-grace", "3m"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Host.Listen, c.Host.LogLevel, c.Host.LogFormat, c.Host.StopGrace}
	if diff := cmp.Diff([]any{"127.0.0.1:7070", "warn", "text", 3 * time.Minute}, got); diff != "" {
		t.Error(diff)
	}
	origins := []string{c.Origin("host.listen"), c.Origin("host.log_level"), c.Origin("host.log_format"), c.Origin("host.stop_grace")}
	if diff := cmp.Diff([]string{"default", "orch.toml:3:1", "ORCH_HOST__LOG_FORMAT", "--stop-grace"}, origins); diff != "" {
		t.Error(diff)
	}
	if c.IsSet("host.listen") || !c.IsSet("host.log_format") {
		t.Error("IsSet must tell what the user set from what is a default")
	}
}

func TestEveryKindOfValueIsReadFromTheFile(t *testing.T) {
	c := load(t, `
[temporal]
mode = "external"
address = "temporal.example.com:7233"
api_key = "env:KEY"
tls = { enabled = true, ca_file = "ca.pem" }

[temporal.embedded]
retention = "2d12h"

[plugins]
dir = "~/plugins"
drain = "5m"
trusted_keys = ["RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"]

[plugins.databases]
version = ">=1.2 <2"
memory = "256MiB"
env = ["HTTPS_PROXY"]
allow_breaking = true

[plugins.databases.config.neo4j]
password = "file:secrets/neo4j"
heap = 512
since = 2024-05-01

[services.chat]
workflow = "ChatSetupWorkflow"
params.context = "/srv/chat"
max_concurrency = 3

[dev.chat]
attach = "unix:/tmp/x"
`)
	dir := folder(t)
	enabled := true
	if diff := cmp.Diff(config.TLS{Enabled: &enabled, CAFile: filepath.Join(dir, "ca.pem")}, c.Temporal.TLS); diff != "" {
		t.Error(diff)
	}
	want := config.Plugin{
		Group: "databases", Version: ">=1.2 <2", Memory: 256 << 20, Env: []string{"HTTPS_PROXY"}, AllowBreaking: true, Drain: 5 * time.Minute,
		Config: map[string]any{"neo4j": map[string]any{
			"password": "file:" + filepath.Join(dir, "secrets/neo4j"), "heap": int64(512), "since": "2024-05-01",
		}},
	}
	if diff := cmp.Diff(want, c.Plugins.Groups["databases"]); diff != "" {
		t.Error(diff)
	}
	chat := config.Service{
		Name: "chat", Workflow: "ChatSetupWorkflow", Params: map[string]any{"context": "/srv/chat"}, MaxConcurrency: 3,
		TaskQueue: "chat-queue", WorkflowID: "chat_1", Namespace: "default", Placement: "any", WebUIURL: "http://localhost:8080",
	}
	if diff := cmp.Diff(chat, c.Services["chat"]); diff != "" {
		t.Error(diff)
	}
	got := []any{c.Temporal.APIKey.Reference(), c.Temporal.Embedded.Retention, c.Plugins.Dir, c.Plugins.Lock, c.Dev["chat"].Attach, c.Path}
	if diff := cmp.Diff([]any{"env:KEY", 60 * time.Hour, "/home/ann/plugins", filepath.Join(dir, "plugins.lock"), "unix:/tmp/x", filepath.Join(dir, "orch.toml")}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheEmbeddedServersAddressesFollowItsPorts(t *testing.T) {
	c := load(t, "[temporal.embedded]\nport = 7300\nui_port = 8300")
	if c.Temporal.Address != "localhost:7300" || c.Temporal.WebUI != "http://localhost:8300" {
		t.Errorf("address %s, web ui %s", c.Temporal.Address, c.Temporal.WebUI)
	}
}

func TestTLSIsOnAsSoonAsASettingNeedsIt(t *testing.T) {
	for text, want := range map[string]bool{
		``:                                  false,
		`api_key = "env:K"`:                 true,
		`tls.ca_file = "ca.pem"`:            true,
		`tls = { enabled = true }`:          true,
		"tls.enabled=false\ntls.ca_file=''": false,
		`tls.server_name = "t.example.com"`: true,
	} {
		if got := load(t, "[temporal]\n"+text).Temporal.UseTLS(); got != want {
			t.Errorf("%q: TLS %v, want %v", text, got, want)
		}
	}
}

func TestPathsAreRelativeToTheFileButThoseOfFlagsAndVariablesToTheWorkingFolder(t *testing.T) {
	write(t, "")
	dir := folder(t)
	if err := os.MkdirAll("etc", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("etc/orch.toml", []byte("[host]\nstate_dir = \"state\"\n[plugins]\nlock = \"../lock\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Options{Path: "etc/orch.toml", Environ: []string{"ORCH_PLUGINS__DIR=mine"}, Flags: flags(t, "--runtime-dir=/tmp/r")})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Host.StateDir, c.Plugins.Lock, c.Plugins.Dir, c.Host.RuntimeDir}
	if diff := cmp.Diff([]string{dir + "/etc/state", dir + "/lock", dir + "/mine", "/tmp/r"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheFileIsFoundByFlagThenVariableThenInTheUsualFolders(t *testing.T) {
	t.Chdir(t.TempDir())
	xdg := filepath.Join(folder(t), "xdg")
	place := func(name, level string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("host.name = \""+level+"\""), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	env := []string{"XDG_CONFIG_HOME=" + xdg}
	name := func(o config.Options) string {
		t.Helper()
		c, err := config.Load(o)
		if err != nil {
			t.Fatal(err)
		}
		return c.Host.Name
	}
	place(filepath.Join(xdg, "orch", "orch.toml"), "user")
	if got := name(config.Options{Environ: env}); got != "user" {
		t.Errorf("without a file here: %q", got)
	}
	place("orch.toml", "here")
	if got := name(config.Options{Environ: env}); got != "here" {
		t.Errorf("with a file here: %q", got)
	}
	env = append(env, "ORCH_CONFIG="+place("by-variable.toml", "variable"))
	if got := name(config.Options{Environ: env}); got != "variable" {
		t.Errorf("with a variable: %q", got)
	}
	fs := flags(t, "--config", place("by-flag.toml", "flag"))
	if got := name(config.Options{Environ: env, Flags: fs}); got != "flag" {
		t.Errorf("with a flag: %q", got)
	}
	if got := name(config.Options{Environ: env, Flags: fs, Path: place("by-path.toml", "path")}); got != "path" {
		t.Errorf("with a path: %q", got)
	}
}

func TestAFileThatIsNamedMustExist(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, o := range map[string]config.Options{
		"by flag":             {Flags: flags(t, "--config=gone.toml")},
		"by variable":         {Environ: []string{"ORCH_CONFIG=gone.toml"}},
		"by path, required":   {Path: "gone.toml", Required: true},
		"by nobody, required": {Required: true, Environ: []string{"XDG_CONFIG_HOME=/nowhere"}},
	} {
		p := problems(t, o)
		if len(p) != 1 || !strings.Contains(p[0].Error(), "host config init") {
			t.Errorf("%s: %v", name, p)
		}
	}
	c, err := config.Load(config.Options{Path: "gone.toml", Environ: []string{}})
	if err != nil || c.Path != "" || len(c.Services) == 0 {
		t.Errorf("a file that need not be there: %+v, %v", c, err)
	}
}

func TestAFolderInPlaceOfTheFileIsReportedAndDoesNotCountAsNoFile(t *testing.T) {
	dir := t.TempDir()
	if p := problems(t, config.Options{Path: dir}); len(p) != 1 || p[0].File != dir {
		t.Errorf("%v", p)
	}
}

func TestDefaultFoldersFollowTheEnvironment(t *testing.T) {
	c := load(t, "", "XDG_STATE_HOME=/s", "XDG_RUNTIME_DIR=/r")
	if c.Host.StateDir != "/s/orch" || c.Host.RuntimeDir != "/r/orch" || c.Plugins.Dir != "/s/orch/plugins" {
		t.Errorf("%+v %+v", c.Host, c.Plugins)
	}
	long := load(t, "", "XDG_RUNTIME_DIR=/"+strings.Repeat("r", 100))
	if len(long.Host.RuntimeDir) > 67 {
		t.Errorf("a default must leave room for sockets: %s", long.Host.RuntimeDir)
	}
}
