package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Identity is what a variant of the plugin says of itself and how it behaves.
type Identity struct {
	Name    string // default "load"
	Version string // default "1.0.0"
	Mode    string // see the plugin's doc; default "good"
}

// identityText is the text in the binary that Variant exchanges. The plugin's
// main.go holds the same.
var identityText = regexp.MustCompile(`orch load plugin\|[a-z0-9.|_-]{64}\|`)

// Build compiles the plugin of this package into the file to. root is the top
// of the repository.
func Build(ctx context.Context, root, to string) error {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, "./bench/load/plugin")
	c.Dir = root
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build the load plugin: %w\n%s", err, out)
	}
	return nil
}

// Variant returns the binary with another identity.
func Variant(binary []byte, id Identity) ([]byte, error) {
	text := fmt.Sprintf("%s|%s|%s|", or(id.Name, "load"), or(id.Version, "1.0.0"), or(id.Mode, "good"))
	if len(text) > 64 {
		return nil, fmt.Errorf("the identity %q is longer than 64 bytes", text)
	}
	found := identityText.FindAllIndex(binary, -1)
	if len(found) != 1 {
		return nil, fmt.Errorf("the binary holds the identity %d times: it is not the load plugin", len(found))
	}
	changed := bytes.Clone(binary)
	copy(changed[found[0][0]:], "orch load plugin|"+text+strings.Repeat("-", 64-len(text)))
	return changed, nil
}

// Install puts a binary in its place in one step.
func Install(path string, binary []byte) error {
	aside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	return errors.Join(os.WriteFile(aside, binary, 0o755), os.Rename(aside, path))
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
