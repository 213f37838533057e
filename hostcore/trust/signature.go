package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"aead.dev/minisign"

	"github.com/orch-host/orch/hostcore/store"
)

// SignatureSuffix is added to a plugin's path to find its detached signature,
// as minisign itself names it.
const SignatureSuffix = ".minisig"

// maxSignature bounds a signature file; a real one has some 300 bytes.
const maxSignature = 64 << 10

// SignatureError is a binary without a valid signature by a trusted key.
type SignatureError struct {
	Path   string   // the plugin's file
	Wanted []string // ids of the trusted keys
	Found  string   // what there is instead
	Err    error
}

func (e *SignatureError) Error() string {
	fix := fmt.Sprintf("sign it with \"minisign -Sm %s\"", e.Path)
	if e.Err != nil {
		fix = e.Err.Error() + "; " + fix
	}
	return fmt.Sprintf("%s is not signed by a key of plugins.trusted_keys: wanted a signature by %s in %s, found %s; %s, or add the signer's public key to plugins.trusted_keys",
		e.Path, strings.Join(e.Wanted, " or "), e.Path+SignatureSuffix, e.Found, fix)
}

// Unwrap returns why the signature could not be read, if that is the reason.
func (e *SignatureError) Unwrap() error { return e.Err }

// signers are the keys of which one has to have signed each plugin.
type signers []minisign.PublicKey

// parseKeys reads the keys of plugins.trusted_keys, each the second line of a
// minisign .pub file.
func parseKeys(texts []string) (signers, error) {
	var keys signers
	for i, text := range texts {
		var key minisign.PublicKey
		if err := key.UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("plugins.trusted_keys[%d]: %q is no minisign public key (the line that starts with RW in the .pub file): %w", i, text, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (s signers) ids() []string {
	var ids []string
	for _, k := range s {
		ids = append(ids, fmt.Sprintf("key %016X", k.ID()))
	}
	return ids
}

// verify checks the signature beside source over the stored copy, which is what
// will be executed.
func (s signers) verify(e store.Entry, source string) error {
	refuse := func(found string, err error) error {
		return &SignatureError{Path: source, Wanted: s.ids(), Found: found, Err: err}
	}
	text, err := readSmall(source + SignatureSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return refuse("no such file", nil)
	}
	if err != nil {
		return refuse("a file that cannot be read", err)
	}
	var sig minisign.Signature
	if err := sig.UnmarshalText(text); err != nil {
		return refuse("something that is no minisign signature", err)
	}
	content, err := os.ReadFile(e.Path)
	if err != nil {
		return fmt.Errorf("read the stored copy of %s to check its signature: %w", source, err)
	}
	for _, key := range s {
		if key.ID() != sig.KeyID {
			continue
		}
		if minisign.Verify(key, content, text) {
			return nil
		}
		return refuse(fmt.Sprintf("one by key %016X that is not for this content (sha256 %s)", sig.KeyID, e.Digest), nil)
	}
	return refuse(fmt.Sprintf("one by key %016X", sig.KeyID), nil)
}

func readSmall(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSignature {
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", path, maxSignature)
	}
	return os.ReadFile(path)
}
