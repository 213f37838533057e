package container

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/orch-host/orch/sdk"
)

// Spec describes one container as it shall be. Whatever has a json name is
// part of its digest: a change of it replaces the container.
type Spec struct {
	// Service and Component say whose the container is. Required.
	Service   string `json:"service"`
	Component string `json:"component"`
	// Name of the container. Default <Service>-<Component>.
	Name string `json:"name"`
	// Image is a reference such as neo4j:5.26. Required. A local image is used
	// as it is; when its tag has moved to another image, the container is replaced.
	Image string `json:"image"`
	// ImageSetting is the configuration key of Image, for messages.
	ImageSetting string `json:"-"`

	Entrypoint []string `json:"entrypoint,omitempty"` // nil: the image's
	Cmd        []string `json:"cmd,omitempty"`        // nil: the image's
	User       string   `json:"user,omitempty"`       // uid[:gid]; "": the image's
	WorkingDir string   `json:"workdir,omitempty"`    // "": the image's

	Env map[string]string `json:"env,omitempty"`
	// SecretEnv are variables whose values nobody may see. Prefer a File with
	// Secret: whoever may use Docker can read a container's environment.
	SecretEnv map[string]sdk.Secret `json:"-"`
	// Files are copied into the container before it starts.
	Files []File `json:"-"`

	Ports   []Port   `json:"ports,omitempty"`
	Volumes []Volume `json:"volumes,omitempty"`
	// VolumePrefix begins the names of the volumes. Default: the container's
	// name; containers that take each other's place share theirs by it.
	VolumePrefix string            `json:"volume_prefix,omitempty"`
	Binds        []Bind            `json:"binds,omitempty"`
	Tmpfs        []string          `json:"tmpfs,omitempty"`
	Networks     []Network         `json:"networks,omitempty"` // none: Docker's default bridge
	ExtraHosts   []string          `json:"extra_hosts,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`

	Limits Limits `json:"limits,omitzero"`
	// Restart is Docker's restart policy: no, on-failure, always or
	// unless-stopped, the default.
	Restart string `json:"restart"`
	// HoldRestart leaves the restart policy off for now, so that an exit is seen
	// as one. An Ensure without it turns the policy on.
	HoldRestart bool `json:"-"`

	ReadOnlyRoot       bool     `json:"read_only_root,omitempty"`
	AllowNewPrivileges bool     `json:"allow_new_privileges,omitempty"` // default: no-new-privileges
	CapAdd             []string `json:"cap_add,omitempty"`
	CapDrop            []string `json:"cap_drop,omitempty"`
	Init               bool     `json:"init,omitempty"` // run Docker's init as process 1

	// StopTimeout is how long a stopping container has before it is killed,
	// rounded up to seconds. Default 10 s.
	StopTimeout time.Duration `json:"stop_timeout"`
	StopSignal  string        `json:"stop_signal,omitempty"` // "": the image's

	// Verify is the component's own check of its files, run in a throw-away
	// container of the same image before a container or a live file is replaced.
	// A failure is a [VerifyError].
	Verify *Command `json:"-"`
	// Reload has the running component take up its live files (see File.Live).
	// With it the restart policy unless-stopped is always: signals end the former.
	Reload func(ctx context.Context, c Running) error `json:"-"`

	// Ready asks the component itself, once, whether it can be used; nil error
	// is yes. An error that sdk.NonRetryable made is final. A nil func is
	// content with a running process.
	Ready func(ctx context.Context, at Endpoints) error `json:"-"`
	// ReadyTimeout is how long the component has to get ready. Default 2 min.
	ReadyTimeout time.Duration `json:"-"`
}

// File is a file with its content, copied into the container.
type File struct {
	Path    string      `json:"path"` // absolute
	Content []byte      `json:"-"`
	Mode    fs.FileMode `json:"mode"` // default 0644, 0400 for a secret
	UID     int         `json:"uid"`
	GID     int         `json:"gid"`
	Secret  bool        `json:"secret"` // its content and each of its lines are kept out of errors
	// Live files may change while the container runs: another content does not
	// replace the container; it is verified, written, and taken up by Spec.Reload.
	// They cannot be in a volume or below a read-only root.
	Live bool `json:"live,omitempty"`
}

// Dir is a folder that the container's user owns: volumes belong to root until
// the image says otherwise.
func Dir(path string, uid, gid int) File {
	return File{Path: path, Mode: fs.ModeDir | 0o750, UID: uid, GID: gid}
}

// Command is what to run in a container.
type Command struct {
	Entrypoint []string // nil: the image's
	Cmd        []string
}

// Running is a container that runs.
type Running struct {
	Name   string
	At     Endpoints
	Signal func(ctx context.Context, name string) error // sends its process a signal such as SIGHUP, which does not end it
}

// Port publishes a port of the container on the host.
type Port struct {
	Container int    `json:"container"`
	Host      int    `json:"host"`               // 0: Docker picks a free one
	HostIP    string `json:"host_ip"`            // default 127.0.0.1
	Protocol  string `json:"protocol,omitempty"` // tcp, the default, or udp
	Setting   string `json:"-"`                  // configuration key of Host, for messages
}

// Address is host:port under which this machine reaches the published port.
func (p Port) Address() string {
	ip := net.ParseIP(p.HostIP)
	if ip == nil || ip.IsUnspecified() {
		return net.JoinHostPort(localhost, strconv.Itoa(p.Host))
	}
	return net.JoinHostPort(p.HostIP, strconv.Itoa(p.Host))
}

func (p Port) key() string { return fmt.Sprintf("%d/%s", p.Container, cmp.Or(p.Protocol, "tcp")) }

// Volume is a named volume. It is called <container name>-<Name> (see
// Spec.VolumePrefix), belongs to
// the component, and outlives the container unless it is purged.
type Volume struct {
	Name     string `json:"name"`
	Path     string `json:"path"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// Bind shows a folder or file of the engine's host in the container.
type Bind struct {
	Source   string `json:"source"`
	Path     string `json:"path"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// Network is a bridge network that the container is in. It is made when it is
// missing and removed with its last container.
type Network struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"` // names of the container in it, beside its own
	// Shared networks belong to all services; others to the container's service.
	Shared bool `json:"shared,omitempty"`
}

// Limits of a container; zero is unlimited.
type Limits struct {
	Memory int64   `json:"memory,omitempty"` // bytes
	CPUs   float64 `json:"cpus,omitempty"`
	PIDs   int64   `json:"pids,omitempty"`
}

// Endpoints tells where a container's ports are reached from here: host:port
// by container port, such as "7474/tcp".
type Endpoints map[string]string

// Addr is host:port of a TCP port of the container; "" when it is not published.
func (e Endpoints) Addr(containerPort int) string { return e[fmt.Sprintf("%d/tcp", containerPort)] }

func (s Spec) owner() owner { return owner{s.Service, s.Component} }

// volumeName is the Docker name of a volume of the spec.
func (s Spec) volumeName(v Volume) string { return cmp.Or(s.VolumePrefix, s.Name) + "-" + v.Name }

var nameRE = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,200}$`)

// ContainerName is the name of a component's container.
func ContainerName(service, component string) string { return service + "-" + component }

// normalized fills the defaults and refuses what cannot work.
func (s Spec) normalized() (Spec, error) {
	s.Name = cmp.Or(s.Name, ContainerName(s.Service, s.Component))
	s.Restart = cmp.Or(s.Restart, "unless-stopped")
	if s.Reload != nil {
		s = s.signalled()
	}
	s.StopTimeout = cmp.Or(s.StopTimeout, 10*time.Second)
	s.ReadyTimeout = cmp.Or(s.ReadyTimeout, 2*time.Minute)
	bad := func(format string, args ...any) (Spec, error) {
		return s, &SpecError{Name: s.Name, Problem: fmt.Sprintf(format, args...)}
	}
	if err := checkRef(s.Service, s.Component, s.Name); err != nil {
		return s, err
	}
	if strings.TrimSpace(s.Image) == "" {
		if s.ImageSetting != "" {
			return bad("no image: set %s", s.ImageSetting)
		}
		return bad("no image")
	}
	s.Ports = append([]Port(nil), s.Ports...)
	taken := map[string]bool{}
	for i := range s.Ports {
		p := &s.Ports[i]
		p.HostIP, p.Protocol = cmp.Or(p.HostIP, localhost), cmp.Or(p.Protocol, "tcp")
		switch host := fmt.Sprintf("%s:%d/%s", p.HostIP, p.Host, p.Protocol); {
		case p.Container < 1 || p.Container > 65535 || p.Host < 0 || p.Host > 65535:
			return bad("port %d:%d is not between 1 and 65535%s", p.Host, p.Container, in(p.Setting))
		case net.ParseIP(p.HostIP) == nil:
			return bad("bind address %q is not an IP address", p.HostIP)
		case p.Host != 0 && taken[host]:
			return bad("port %s is given twice%s", host, in(p.Setting))
		default:
			taken[host] = true
		}
	}
	s.Files = append([]File(nil), s.Files...)
	for i := range s.Files {
		f := &s.Files[i]
		if f.Mode == 0 {
			f.Mode = 0o644
			if f.Secret {
				f.Mode = 0o400
			}
		}
		if !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path || f.Path == "/" {
			return bad("file path %q is not absolute and clean", f.Path)
		}
		if f.Live && (s.ReadOnlyRoot || s.inVolume(f.Path) || s.Reload == nil || f.Mode.IsDir()) {
			return bad("live file %s: want a Reload, and no volume or read-only root", f.Path)
		}
		if s.ReadOnlyRoot && path.Dir(f.Path) == "/" {
			return bad("file %s: with a read-only root a file cannot be in / itself", f.Path)
		}
	}
	for _, v := range s.Volumes {
		if !nameRE.MatchString(v.Name) || !path.IsAbs(v.Path) {
			return bad("volume %q at %q: want a name and an absolute path", v.Name, v.Path)
		}
	}
	for _, n := range s.Networks {
		if !nameRE.MatchString(n.Name) {
			return bad("network name %q: want letters, digits, \"_\", \".\" or \"-\"", n.Name)
		}
	}
	for name := range s.Labels {
		if reservedLabel(name) {
			return bad("label %s is reserved", name)
		}
	}
	if s.Limits.Memory < 0 || s.Limits.CPUs < 0 || s.Limits.PIDs < 0 {
		return bad("limits cannot be negative")
	}
	return s, nil
}

// signalled is the spec of a container that is sent signals. Docker takes each of
// them for a manual stop, after which unless-stopped restarts nothing, neither
// after a crash nor at boot (github.com/moby/moby/issues/41302); it leaves always
// alone where the container says which signal is meant to stop it. Engine.Stop
// sees to it that a stopped container stays so.
func (s Spec) signalled() Spec {
	if s.Restart == "unless-stopped" {
		s.Restart = "always"
	}
	s.StopSignal = cmp.Or(s.StopSignal, "SIGTERM")
	return s
}

func in(setting string) string {
	if setting == "" {
		return ""
	}
	return " (" + setting + ")"
}

// checkRef refuses names that Docker would.
func checkRef(service, component, name string) error {
	if service == "" {
		return &SpecError{Name: cmp.Or(name, component), Problem: "no service_name given"}
	}
	for _, n := range []string{service, component, name} {
		if !nameRE.MatchString(n) {
			return &SpecError{Name: name, Problem: fmt.Sprintf("%q cannot be part of a container name: want letters, digits, \"_\", \".\" or \"-\"", n)}
		}
	}
	return nil
}
