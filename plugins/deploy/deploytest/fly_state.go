package deploytest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// FlyMachine is a machine as a test sees it.
type FlyMachine struct {
	ID, Name, State, Image string
	Cordoned, Leased       bool
	Meta                   map[string]any
	Config                 map[string]any
}

// Apps lists the apps.
func (f *Fly) Apps() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for n := range f.apps {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// IPs is the number of addresses of an app.
func (f *Fly) IPs(app string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.apps[app].ips)
}

// Secret is the value of an app's secret.
func (f *Fly) Secret(app, name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.apps[app].secrets[name]
}

// Machines lists the machines of an app.
func (f *Fly) Machines(app string) []FlyMachine {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []FlyMachine
	if f.apps[app] == nil {
		return nil
	}
	for _, m := range f.apps[app].machines {
		md, _ := m.config["metadata"].(obj)
		out = append(out, FlyMachine{m.id, m.name, m.state, m.config["image"].(string), m.cordoned, m.lease != nil && time.Now().Before(m.lease.expires), md, m.config})
	}
	return out
}

// AddApp makes an app exist.
func (f *Fly) AddApp(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.apps[name] = &flyApp{name: name, secrets: map[string]string{}}
}

// AddMachine makes a started machine exist.
func (f *Fly) AddMachine(app, name string, config map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq++
	a := f.apps[app]
	a.machines = append(a.machines, &flyMachine{id: "old-" + name, name: name, state: "started", config: config, instance: "01OLD"})
}

// HoldLease has somebody else hold the lease of every machine of an app.
func (f *Fly) HoldLease(app, description string, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.apps[app].machines {
		m.lease = &flyLeaseState{nonce: "theirs", description: description, expires: time.Now().Add(d)}
	}
}

// Edit changes a machine's state from outside.
func (f *Fly) Edit(app, state string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.apps[app].machines {
		m.state = state
	}
}

func digest(v string) string {
	sum := sha256.Sum256([]byte("fly" + v))
	return hex.EncodeToString(sum[:8])
}
