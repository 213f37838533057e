package pipeline

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
)

// maxRestored is how many definitions that are no longer on disk are kept compiled for the executions that pinned them.
const maxRestored = 256

// Registry holds the set that new executions start from. It is safe for use by many goroutines; swapping the set never
// disturbs a running execution.
type Registry struct {
	current atomic.Pointer[Set]
	lang    *lang

	mu       sync.Mutex
	restored map[string]*Pipeline // by hash
	order    []string             // of restored, oldest first
}

// NewRegistry makes a registry that begins with the set, which must not be nil.
func NewRegistry(s *Set) *Registry {
	r := &Registry{lang: s.lang, restored: map[string]*Pipeline{}}
	r.current.Store(s)
	return r
}

// Current is the set that new executions start from.
func (r *Registry) Current() *Set { return r.current.Load() }

// Swap makes s the set that new executions start from and gives the one before.
func (r *Registry) Swap(s *Set) *Set { return r.current.Swap(s) }

// Reload loads dir and swaps. A file that is broken now keeps its last valid definition, a file that is gone takes its
// pipeline with it. The error tells what is wrong; when the folder cannot be read at all nothing changes.
func (r *Registry) Reload(dir string, o LoadOptions) error {
	s, err := Load(dir, o)
	var problems Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	r.Swap(s.keeping(r.Current()))
	return err
}

// pinned is what a run records in its history at its first step: from then on it needs no file.
type pinned struct {
	SchemaVersion      int             `json:"schemaVersion"`
	InterpreterVersion int             `json:"interpreterVersion"`
	Name               string          `json:"name"`
	SHA256             string          `json:"sha256,omitempty"`
	Definition         json.RawMessage `json:"definition,omitempty"`
	// Refused is set when there is nothing to run: the type of the failure, and what it says.
	Refused string `json:"refused,omitempty"`
	Message string `json:"message,omitempty"`
}

// pin finds the definition for a workflow type.
func (r *Registry) pin(workflowType string) pinned {
	s := r.Current()
	name, ours := strings.CutPrefix(workflowType, TypePrefix)
	out := pinned{SchemaVersion: SchemaVersion, InterpreterVersion: InterpreterVersion, Name: name}
	if p, ok := s.Get(name); ok && ours {
		out.SHA256, out.Definition = p.sha256, p.raw
		return out
	}
	if problems, ok := s.Broken(name); ok && ours {
		out.Refused, out.Message = ErrInvalidPipeline, "pipeline "+name+" is not usable: "+problems.Error()
		return out
	}
	out.Refused = ErrUnknownPipeline
	out.Message = "no workflow type " + workflowType + " is known here; known pipelines: " + s.known()
	if near := didYouMean(name, s.Names()); strings.HasPrefix(near, "did") {
		out.Message += "; " + near
	}
	return out
}

// plan gives the compiled form of a pinned definition: the one on disk while it is the same, else one restored from the
// history and kept.
func (r *Registry) plan(p pinned) (*Pipeline, error) {
	if now, ok := r.Current().Get(p.Name); ok && now.sha256 == p.SHA256 {
		return now, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if kept, ok := r.restored[p.SHA256]; ok {
		return kept, nil
	}
	restored, err := restore(r.lang, p.Name, p.Definition)
	if err != nil {
		return nil, err
	}
	if len(r.order) == maxRestored {
		delete(r.restored, r.order[0])
		r.order = r.order[1:]
	}
	r.restored[p.SHA256], r.order = restored, append(r.order, p.SHA256)
	return restored, nil
}
