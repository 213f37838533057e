package e2e

import (
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"

	"github.com/orch-host/orch/bench/load"
	"github.com/orch-host/orch/hostcore/supervisor"
)

func TestWithTrustedKeysOnlySignedVersionsTakeOver(t *testing.T) {
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := public.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	r := newRig(t, nil, loadService)
	r.setPlugins(fmt.Sprintf("trusted_keys = [%q]", lines[len(lines)-1]))
	sign := func(binary []byte) {
		write(t, filepath.Join(r.plugins, "load.minisig"), 0o600, string(minisign.Sign(private, binary)))
	}
	first, second := variant(t, load.Identity{Version: "1.0.0"}), variant(t, load.Identity{Version: "1.1.0"})
	sign(first)
	r.put("load", first)
	r.start()
	pid := r.pluginPid("load")

	r.put("load", second)
	p := r.until("a version with the signature of another is refused", "load", func(p supervisor.Status) bool { return p.Rejected != nil })
	for _, want := range []string{fmt.Sprintf("wanted a signature by key %016X", public.ID()), "not for this content", "minisign -Sm"} {
		if !strings.Contains(p.Error, want) {
			t.Errorf("want an error that says %q, got %q", want, p.Error)
		}
	}
	if p.Pid != pid {
		t.Errorf("want version 1.0.0 to go on as process %d, got %+v", pid, p)
	}
	sign(second)
	r.until("it takes over once its signature is there", "load", serves("1.1.0"))
}
