// Package router maps activity names to the running plugin that serves them.
//
// The table is immutable and replaced as a whole, so that a lookup is one
// atomic load and a swap of several names is seen at once or not at all. A
// lookup takes a reference; a plugin that drains refuses references, and the
// lookup then looks again: the switch has already put another one in place.
package router

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// Route is where an activity goes.
type Route struct {
	Instance *plugin.Instance
	Spec     *pluginv1.ActivitySpec
}

// Router is the table. The zero value is not usable; see New.
type Router struct {
	table   atomic.Pointer[table]
	writing sync.Mutex
}

type table struct {
	routes  map[string]Route
	changed chan struct{} // closed when the next table is in place
}

// New makes an empty router.
func New() *Router {
	r := &Router{}
	r.table.Store(&table{routes: map[string]Route{}, changed: make(chan struct{})})
	return r
}

// TakenError says that a name already belongs to another plugin.
type TakenError struct {
	Activity string
	By       plugin.Binary
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("activity %q is already offered by plugin %s from %s: two plugins cannot offer one name, remove or rename one",
		e.Activity, e.By.Manifest.GetName(), e.By.Source)
}

// Switch puts next's activities in place of those of the plugin with the same
// name, in one step. Nothing changes when a name belongs to another plugin.
func (r *Router) Switch(next *plugin.Instance) error {
	return r.replace(next.Manifest.GetName(), next)
}

// Withdraw removes the routes to i; routes to its successor stay.
func (r *Router) Withdraw(i *plugin.Instance) {
	r.writing.Lock()
	defer r.writing.Unlock()
	old := r.table.Load()
	routes := maps.Clone(old.routes)
	maps.DeleteFunc(routes, func(_ string, route Route) bool { return route.Instance == i })
	if len(routes) != len(old.routes) {
		r.put(old, routes)
	}
}

func (r *Router) replace(name string, next *plugin.Instance) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	old := r.table.Load()
	routes := maps.Clone(old.routes)
	maps.DeleteFunc(routes, func(_ string, route Route) bool { return route.Instance.Manifest.GetName() == name })
	for _, spec := range next.Manifest.GetActivities() {
		if taken, ok := routes[spec.GetName()]; ok {
			return &TakenError{Activity: spec.GetName(), By: taken.Instance.Binary}
		}
		routes[spec.GetName()] = Route{Instance: next, Spec: spec}
	}
	r.put(old, routes)
	return nil
}

func (r *Router) put(old *table, routes map[string]Route) {
	r.table.Store(&table{routes: routes, changed: make(chan struct{})})
	close(old.changed)
}

// Acquire finds the plugin for an activity and takes a reference, which the
// caller gives back with Instance.Release.
func (r *Router) Acquire(activity string) (Route, bool) {
	for {
		t := r.table.Load()
		route, ok := t.routes[activity]
		if !ok {
			return Route{}, false
		}
		if route.Instance.Acquire() {
			return route, true
		}
		if r.table.Load() == t {
			return Route{}, false // draining with no successor
		}
	}
}

// Changed is closed when the table that is in place now has been replaced.
func (r *Router) Changed() <-chan struct{} { return r.table.Load().changed }

// Await is Acquire that waits for the activity to be offered.
func (r *Router) Await(ctx context.Context, activity string) (Route, bool) {
	for {
		changed := r.Changed()
		if route, ok := r.Acquire(activity); ok {
			return route, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Route{}, false
		}
	}
}

// Missing lists those of the activities that nothing offers, sorted.
func (r *Router) Missing(activities []string) []string {
	routes := r.table.Load().routes
	var missing []string
	for _, a := range activities {
		if _, ok := routes[a]; !ok {
			missing = append(missing, a)
		}
	}
	slices.Sort(missing)
	return missing
}

// Lookup finds an activity's route without taking a reference.
func (r *Router) Lookup(activity string) (Route, bool) {
	route, ok := r.table.Load().routes[activity]
	return route, ok
}

// Activities lists all names that are offered, sorted.
func (r *Router) Activities() []string {
	return slices.Sorted(maps.Keys(r.table.Load().routes))
}

// Offers says whether a plugin of the group serves.
func (r *Router) Offers(group string) bool {
	for _, route := range r.table.Load().routes {
		if route.Instance.Manifest.GetGroup() == group {
			return true
		}
	}
	return false
}
