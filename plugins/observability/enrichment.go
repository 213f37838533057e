package observability

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/orch-host/orch/sdk"
)

// LabelRule adds labels to the files whose path matches.
type LabelRule struct {
	Match  string            `json:"match" jsonschema:"glob of absolute paths, such as /srv/shop/**"`
	Labels map[string]string `json:"labels"`
}

// Enrichment is what is to be labelled; a file is a path or a discovered log.
type Enrichment struct {
	Files  []any             `json:"files"`
	Labels map[string]string `json:"labels,omitempty"`
}

// enrich gives each file its labels, and remembers them for the shipment.
func (g *group) enrich(ctx context.Context, in Enrichment) ([]Found, error) {
	c := g.current()
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("label logs with the host's name: %w", err)
	}
	all := make([]Found, 0, len(in.Files))
	for i, raw := range in.Files {
		var f Found
		if p, ok := raw.(string); ok {
			f.Path = p
		} else if b, err := json.Marshal(raw); err != nil || json.Unmarshal(b, &f) != nil {
			f.Path = ""
		}
		if !filepath.IsAbs(f.Path) {
			return nil, &sdk.Error{Type: sdk.TypeInvalidInput, NonRetryable: true, Message: fmt.Sprintf("label logs: file %d has no absolute path: %v", i+1, raw)}
		}
		labels := attributes(in.Labels)
		labels["host.name"] = cmp.Or(labels["host.name"], host)
		maps.Copy(labels, attributes(f.Labels))
		for _, r := range c.Rules {
			if matches(r.Match, "/", filepath.Clean(f.Path)) {
				maps.Copy(labels, attributes(r.Labels))
			}
		}
		if labels["service.name"] == "" {
			labels["service.name"] = cmp.Or(c.Ingest.ServiceName, sdk.GetInfo(ctx).Service, filepath.Base(filepath.Dir(f.Path)))
		}
		f.Labels = labels
		all = append(all, f)
	}
	return all, g.enriched.remember(ctx, sdk.StateDir(ctx), all)
}

// attributes turns labels into resource attributes: the usual short names get their semantic ones.
func attributes(labels map[string]string) map[string]string {
	long := map[string]string{"service": "service.name", "service_name": "service.name", "host": "host.name", "hostname": "host.name",
		"env": "deployment.environment", "environment": "deployment.environment", "container": "container.name"}
	all := make(map[string]string, len(labels)+2)
	for k, v := range labels {
		all[cmp.Or(long[k], k)] = v
	}
	return all
}

// enriched remembers what is known of files, by path, in a file of the state folder.
type enriched struct{ mu sync.Mutex }

func (e *enriched) load(dir string) (map[string]Found, error) {
	known := map[string]Found{}
	b, err := os.ReadFile(filepath.Join(dir, "enriched.json"))
	if os.IsNotExist(err) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &known)
	}
	if err != nil {
		return nil, fmt.Errorf("read the labels of logs: %w; delete the file and run the ingest again", err)
	}
	return known, nil
}

func (e *enriched) remember(ctx context.Context, dir string, files []Found) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	unlock, err := lockFile(ctx, filepath.Join(dir, "enriched.lock")) // during a swap there are two processes
	if err != nil {
		return fmt.Errorf("remember the labels of logs: %w", err)
	}
	defer unlock()
	known, err := e.load(dir)
	if err != nil {
		return err
	}
	maps.DeleteFunc(known, func(path string, _ Found) bool { _, err := os.Stat(path); return os.IsNotExist(err) })
	for _, f := range files {
		known[f.Path] = f
	}
	return writeJSON(filepath.Join(dir, "enriched.json"), known)
}

// lockFile waits until no other process holds the lock. The kernel frees it when its holder dies.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case err == nil:
			return func() { f.Close() }, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("lock %s, which another process holds: %w", path, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// writeJSON replaces a file in one step.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, b)
}

// replaceFile gives a file another content in one step.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) // after the renaming there is nothing of that name
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
