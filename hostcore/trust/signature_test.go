package trust

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aead.dev/minisign"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/store"
)

func newKey(t *testing.T) (minisign.PublicKey, minisign.PrivateKey) {
	t.Helper()
	public, private, err := minisign.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

func keyText(t *testing.T, key minisign.PublicKey) string {
	t.Helper()
	text, err := key.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

func TestSignaturesDecideWhatMayRun(t *testing.T) {
	public, private := newKey(t)
	second, secondPrivate := newKey(t)
	_, stranger := newKey(t)
	content := []byte("a plugin")
	prehashed := func(key minisign.PrivateKey, content []byte) []byte {
		r := minisign.NewReader(bytes.NewReader(content))
		if _, err := new(bytes.Buffer).ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		return r.Sign(key)
	}
	forged := minisign.SignWithComments(private, content, "timestamp:1", "x")
	forged = bytes.Replace(forged, []byte("timestamp:1"), []byte("timestamp:2"), 1)
	tests := []struct {
		name      string
		signature []byte // nil: none
		want      string // part of the error; empty: it may run
	}{
		{"signed by a trusted key", minisign.Sign(private, content), ""},
		{"signed by the other trusted key", minisign.Sign(secondPrivate, content), ""},
		{"signed over the hash, as minisign does by default", prehashed(private, content), ""},
		{"not signed", nil, "found no such file"},
		{"signed by a stranger", minisign.Sign(stranger, content), fmt.Sprintf("found one by key %016X", stranger.ID())},
		{"signed for another content", minisign.Sign(private, []byte("another plugin")), "not for this content (sha256 d1ge57)"},
		{"with a trusted comment that was changed", forged, "not for this content"},
		{"with a signature that is none", []byte("RW"), "something that is no minisign signature"},
		{"with a signature of a gigabyte", bytes.Repeat([]byte("x"), maxSignature+1), "no regular file of at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			stored, source := filepath.Join(dir, "stored"), filepath.Join(dir, "plugin")
			if err := os.WriteFile(stored, content, 0o700); err != nil {
				t.Fatal(err)
			}
			if tt.signature != nil {
				if err := os.WriteFile(source+SignatureSuffix, tt.signature, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			v := NewVerifier(config.Plugins{Mode: config.TrustOff, TrustedKeys: []string{keyText(t, public), keyText(t, second)}}, slog.New(slog.DiscardHandler))
			err := v.Verify(store.Entry{Digest: "d1ge57", Path: stored}, source)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var signature *SignatureError
			if !errors.As(err, &signature) {
				t.Fatalf("want a *SignatureError, got %v", err)
			}
			for _, part := range []string{tt.want, fmt.Sprintf("key %016X or key %016X", public.ID(), second.ID()), "minisign -Sm " + source, "plugins.trusted_keys"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("want an error that says %q, got %q", part, err)
				}
			}
		})
	}
}

func TestAKeyThatIsNoneLetsNothingRun(t *testing.T) {
	v := NewVerifier(config.Plugins{Mode: config.TrustOff, TrustedKeys: []string{"RWx"}}, slog.New(slog.DiscardHandler))
	if err := v.Verify(store.Entry{}, "plugin"); err == nil || !strings.Contains(err.Error(), "plugins.trusted_keys[0]") {
		t.Errorf("got %v", err)
	}
}

func TestASignedPluginStillNeedsItsPlaceInTheLockFileInStrictMode(t *testing.T) {
	public, private := newKey(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "plugin")
	if err := errors.Join(os.WriteFile(path, []byte("a plugin"), 0o700), os.WriteFile(path+SignatureSuffix, minisign.Sign(private, []byte("a plugin")), 0o600)); err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(config.Plugins{Mode: config.TrustStrict, Lock: filepath.Join(dir, "plugins.lock"), TrustedKeys: []string{keyText(t, public)}}, slog.New(slog.DiscardHandler))
	var untrusted *UntrustedError
	if err := v.Verify(store.Entry{Digest: "d1ge57", Path: path}, path); !errors.As(err, &untrusted) {
		t.Errorf("want an *UntrustedError, got %v", err)
	}
}
