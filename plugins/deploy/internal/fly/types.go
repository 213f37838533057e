package fly

import (
	"encoding/json"
	"strings"
)

type createApp struct {
	Name string `json:"name"`
	Org  string `json:"org_slug"`
}

// App is a Fly app.
type App struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Organization struct {
		Name string `json:"name"`
		Slug string `json:"slug"`
	} `json:"organization"`
	Status string `json:"status"`
}

// IP is an address of an app.
type IP struct {
	IP     string `json:"ip"`
	Shared bool   `json:"shared"`
	Region string `json:"region"`
}

// Private reports whether the address is reachable inside the organisation only (Flycast).
func (i IP) Private() bool { return strings.HasPrefix(strings.ToLower(i.IP), "fd") }

// V6 reports whether the address is an IPv6 one.
func (i IP) V6() bool { return strings.Contains(i.IP, ":") }

// Secret is the name and digest of a secret.
type Secret struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// Lease is an exclusive right to change a machine.
type Lease struct {
	Nonce       string `json:"nonce"`
	Owner       string `json:"owner"`
	Description string `json:"description"`
	ExpiresAt   int64  `json:"expires_at"` // seconds since 1970
	Version     string `json:"version"`
}

// MachineInput creates or updates a machine.
type MachineInput struct {
	Name                    string         `json:"name,omitempty"`
	Region                  string         `json:"region,omitempty"`
	Config                  map[string]any `json:"config"`
	CurrentVersion          string         `json:"current_version,omitempty"` // compare-and-set on update
	MinSecretsVersion       int64          `json:"min_secrets_version,omitempty"`
	SkipServiceRegistration bool           `json:"skip_service_registration,omitempty"`
}

// Machine is a Fly machine. Config keeps every key the service sent, so that an update does not lose one.
type Machine struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	State      string         `json:"state"`
	Region     string         `json:"region"`
	InstanceID string         `json:"instance_id"` // the version of its configuration
	Config     map[string]any `json:"config"`
	Checks     []Check        `json:"checks"`
	Events     []Event        `json:"events"`
}

// Check is the state of one health check.
type Check struct {
	Name   string `json:"name"`
	Status string `json:"status"` // passing, warning, critical
	Output string `json:"output"`
}

// Event is something that happened to a machine.
type Event struct {
	Type      string          `json:"type"`
	Status    string          `json:"status"`
	Source    string          `json:"source"`
	Timestamp int64           `json:"timestamp"` // milliseconds since 1970
	Request   json.RawMessage `json:"request"`
}

// Image returns the image of the machine's configuration.
func (m Machine) Image() string { s, _ := m.Config["image"].(string); return s }

// Meta returns a metadata value.
func (m Machine) Meta(key string) string {
	md, _ := m.Config["metadata"].(map[string]any)
	s, _ := md[key].(string)
	return s
}

// HasMounts reports whether a volume is attached.
func (m Machine) HasMounts() bool { v, _ := m.Config["mounts"].([]any); return len(v) > 0 }

// ExitCode returns the code of the newest exit event.
func (m Machine) ExitCode() (code int, known bool) {
	var at int64 = -1
	for _, e := range m.Events {
		var r struct {
			Plain   *exitEvent `json:"exit_event"`
			Monitor *struct {
				Exit *exitEvent `json:"exit_event"`
			} `json:"MonitorEvent"`
		}
		if len(e.Request) == 0 || json.Unmarshal(e.Request, &r) != nil {
			continue
		}
		x := r.Plain
		if x == nil && r.Monitor != nil {
			x = r.Monitor.Exit
		}
		if x != nil && x.ExitCode != nil && e.Timestamp > at {
			at, code, known = e.Timestamp, *x.ExitCode, true
		}
	}
	return code, known
}

type exitEvent struct {
	ExitCode *int `json:"exit_code"`
}
