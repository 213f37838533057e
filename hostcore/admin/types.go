package admin

import (
	"context"
	"time"

	"github.com/orch-host/orch/hostcore/bridge"
	"github.com/orch-host/orch/hostcore/pluginlog"
	"github.com/orch-host/orch/hostcore/supervisor"
)

// Info is who the host is.
type Info struct {
	Name      string    `json:"name"`
	Version   string    `json:"version"`
	Pid       int       `json:"pid"`
	Started   time.Time `json:"started"`
	Config    string    `json:"config,omitempty"` // path of orch.toml
	StateDir  string    `json:"state_dir"`
	PluginDir string    `json:"plugin_dir"`
	Listen    string    `json:"listen,omitempty"` // HTTP address, as bound
	TLS       bool      `json:"tls,omitempty"`    // it speaks HTTPS
	Temporal  Temporal  `json:"temporal"`
}

// Temporal is the server that the host works with.
type Temporal struct {
	Mode      string `json:"mode"`
	Address   string `json:"address"`
	Namespace string `json:"namespace"`
	WebUI     string `json:"web_ui,omitempty"`
	Pid       int    `json:"pid,omitempty"` // of the embedded server
}

// Queue is how the host serves a service.
type Queue struct {
	Service   string   `json:"service"`
	TaskQueue string   `json:"task_queue"`
	Workflow  string   `json:"workflow"`
	Ready     bool     `json:"ready"`             // activities are polled
	Missing   []string `json:"missing,omitempty"` // activities that no plugin offers now
	Error     string   `json:"error,omitempty"`
}

// Ready is whether the host does all that it is configured to do.
type Ready struct {
	Ready    bool     `json:"ready"`
	Problems []string `json:"problems,omitempty"`
}

// Backend is the host behind the API.
type Backend interface {
	Info() Info
	Ready() Ready
	Queues() []Queue
	Attempts() []bridge.Running
	Events() []supervisor.Event
	Plugins() []supervisor.Status
	Manifest(plugin string) ([]byte, error) // as "describe" prints it
	Logs(context.Context, LogQuery) ([]pluginlog.Line, error)
	Reload(plugin string) []supervisor.Result
	Rollback(plugin string) (supervisor.Result, error)
}
