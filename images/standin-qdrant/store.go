package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// store keeps the names of collections in a file.
type store struct {
	mu   sync.Mutex
	path string
	list []string
}

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &store{path: filepath.Join(dir, "collections.json")}
	data, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &s.list)
	}
	return s, err
}

func (s *store) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

func (s *store) has(name string) bool { return slices.Contains(s.names(), name) }

func (s *store) add(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.list, name) {
		return fmt.Errorf("Wrong input: Collection `%s` already exists!", name) //nolint:staticcheck // Qdrant's own text
	}
	s.list = append(s.list, name)
	slices.Sort(s.list)
	return s.save()
}

func (s *store) remove(name string) (had bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.list, name)
	if i < 0 {
		return false, nil
	}
	s.list = slices.Delete(s.list, i, i+1)
	return true, s.save()
}

func (s *store) save() error {
	data, err := json.Marshal(s.list)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(s.path+".new", s.path)
}
