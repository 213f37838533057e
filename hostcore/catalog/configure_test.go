package catalog

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/plugin/plugintest"
)

func TestAPluginThatRunsAsAnotherUserCanUseItsStateFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change the user")
	}
	o := folders(t, "a", "x")
	root := filepath.Dir(o.RuntimeDir)
	if err := os.Chmod(root, 0o755); err != nil { // as /var/lib
		t.Fatal(err)
	}
	state := filepath.Join(root, "orch")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	o.StateDir = filepath.Join(state, "plugin-state")
	o.Plugins.Groups = map[string]config.Plugin{"a": {RunAs: "65534:65534"}}
	p, err := plugintest.Start(plugintest.NewServer(plugintest.Manifest("a", "1.0.0", "x")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Crash)
	i, err := plugin.Connect(t.Context(), p, plugin.Binary{Source: "/plugins/a", Digest: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := New(o).Configure(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	as := func(script string) error {
		c := exec.Command("/bin/sh", "-c", script)
		c.Dir = "/"
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := c.CombinedOutput()
		t.Logf("%s: %s", script, out)
		return err
	}
	if err := as("echo kept >" + filepath.Join(o.StateDir, "a", "file")); err != nil {
		t.Errorf("it cannot write to its state folder: %v", err)
	}
	if as("ls "+state) == nil || as("ls "+o.StateDir) == nil {
		t.Error("it can look into the host's state folder")
	}
	if info, err := os.Stat(filepath.Join(o.StateDir, "a")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the plugin's own folder: %v, %v", info.Mode(), err)
	}
}

func TestAPluginThatNoTableCanConfigureIsNamed(t *testing.T) {
	for group, want := range map[string]string{"drain": "a setting of [plugins] itself", "a__b": "no name of a table", "databases": ""} {
		var out bytes.Buffer
		o := folders(t, group, "x")
		o.Logger = slog.New(slog.NewTextHandler(&out, nil))
		p, err := plugintest.Start(plugintest.NewServer(plugintest.Manifest(group, "1.0.0", "x")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Crash)
		i, err := plugin.Connect(t.Context(), p, plugin.Binary{Source: "/plugins/a", Digest: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if err := New(o).Configure(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); want == "" && got != "" || !strings.Contains(got, want) || want != "" && !strings.Contains(got, "plugin="+group) {
			t.Errorf("%s: the log has %q", group, got)
		}
	}
}
