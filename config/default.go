package config

import (
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Limits of a unix socket's path: sun_path has 108 bytes with the closing zero. Socket names below the runtime folder,
// with the private folder of a plugin, need 40 of them.
const (
	maxSocketPath = 107
	socketNames   = 40
	maxRuntimeDir = maxSocketPath - socketNames
)

// Default is the configuration of a host that was told nothing, without services. The folders follow this process's
// environment.
func Default() *Config {
	c := defaults(os.LookupEnv)
	c.fill()
	return c
}

// defaults are the constant defaults, and those that come from the machine. What follows from other settings is left
// to fill.
func defaults(lookup func(string) (string, bool)) *Config {
	name, err := os.Hostname()
	if message, _ := checks["name"](name); err != nil || message != "" {
		name = "localhost"
	}
	return &Config{
		Temporal: Temporal{
			Mode:      ModeEmbedded,
			Namespace: "default",
			Embedded:  Embedded{Port: 7233, UIPort: 8080, Retention: 720 * time.Hour},
		},
		Host: Host{
			Name:        name,
			ForgetAfter: 24 * time.Hour,
			StateDir:    stateDir(lookup),
			RuntimeDir:  runtimeDir(lookup),
			Listen:      "127.0.0.1:7070",
			Traces:      100,
			LogLevel:    "info",
			LogFormat:   "auto",
			StopGrace:   30 * time.Second,
		},
		Plugins: Plugins{
			Mode: TrustStrict,
			// The longest activity of the shipped workflows may take 15 minutes, and a swap must not cut it.
			Drain:        15 * time.Minute,
			Grace:        30 * time.Second,
			Probation:    time.Minute,
			StartTimeout: 30 * time.Second,
		},
	}
}

func stateDir(lookup func(string) (string, bool)) string {
	if dir, _ := lookup("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "orch")
	}
	if os.Getuid() == 0 {
		return "/var/lib/orch"
	}
	return filepath.Join(homeOf(lookup), ".local", "state", "orch")
}

func runtimeDir(lookup func(string) (string, bool)) string {
	if dir, _ := lookup("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		if dir = filepath.Join(dir, "orch"); len(dir) <= maxRuntimeDir {
			return dir
		}
	}
	if os.Getuid() == 0 {
		return "/run/orch"
	}
	return "/tmp/orch-" + strconv.Itoa(os.Getuid())
}

// fill sets what follows from other settings, where the user did not set it.
func (c *Config) fill() {
	t := &c.Temporal
	if t.Address == "" {
		t.Address = "localhost:7233"
		if t.Mode == ModeEmbedded {
			t.Address = "localhost:" + strconv.Itoa(t.Embedded.Port)
		}
	}
	if t.WebUI == "" {
		t.WebUI = "http://localhost:8080"
		if t.Mode == ModeEmbedded {
			t.WebUI = "http://localhost:" + strconv.Itoa(t.Embedded.UIPort)
		}
	}
	if t.Embedded.Binary == "" {
		t.Embedded.Binary = "devserver"
		if exe, err := os.Executable(); err == nil {
			t.Embedded.Binary = filepath.Join(filepath.Dir(exe), "devserver")
		}
	}
	p := &c.Plugins
	if p.Dir == "" {
		p.Dir = filepath.Join(c.Host.StateDir, "plugins")
	}
	if p.Lock == "" {
		p.Lock = filepath.Join(c.Host.StateDir, "plugins.lock")
		if c.Path != "" {
			p.Lock = filepath.Join(filepath.Dir(c.Path), "plugins.lock")
		}
	}
	if c.Host.Pipelines == "" {
		c.Host.Pipelines = filepath.Join(c.Host.StateDir, "pipelines")
		if c.Path != "" {
			c.Host.Pipelines = filepath.Join(filepath.Dir(c.Path), "pipelines")
		}
	}
	for group, plugin := range p.Groups {
		plugin.Group = group
		if !c.IsSet(at("plugins", group, "drain").String()) {
			plugin.Drain = p.Drain
		}
		p.Groups[group] = plugin
	}
	for name, s := range c.Services {
		s.Name = name
		s.fill(c.Temporal)
		c.Services[name] = s
	}
}

func (s *Service) fill(t Temporal) {
	orDefault := func(v *string, value string) {
		if *v == "" {
			*v = value
		}
	}
	orDefault(&s.TaskQueue, s.Name+"-queue")
	orDefault(&s.WorkflowID, s.Name+"_1")
	orDefault(&s.Namespace, t.Namespace)
	orDefault(&s.WebUIURL, t.WebUI)
	orDefault(&s.Placement, PlacementAny)
}
