package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// SaveManifest keeps what the binary says about itself. The description belongs
// to the content, so it never has to be asked for again.
func (s *Store) SaveManifest(digest string, m *pluginv1.Manifest) error {
	if _, err := s.Get(digest); err != nil {
		return err
	}
	data, err := protojson.MarshalOptions{Multiline: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("cache manifest of %s: %w", digest, err)
	}
	if err := writeWhole(filepath.Join(s.dir, digest, manifestName), data); err != nil {
		return fmt.Errorf("cache manifest of %s: %w", digest, err)
	}
	return nil
}

// Manifest returns the cached manifest, or false when there is none or it
// cannot be read: the plugin is asked again then.
func (s *Store) Manifest(digest string) (*pluginv1.Manifest, bool, error) {
	dir, err := s.entryDir(digest)
	if err != nil {
		return nil, false, err
	}
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read cached manifest: %w", err)
	}
	m := &pluginv1.Manifest{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, m); err != nil {
		return nil, false, nil //nolint:nilerr // a damaged cache is no cache
	}
	return m, true, nil
}
