package container

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/docker/go-units"

	"github.com/orch-host/orch/sdk"
)

// DockerConfig is the docker table in a group's configuration.
type DockerConfig struct {
	Host string `json:"host,omitempty" jsonschema:"address of the Docker engine: unix:///path or tcp://host:port; default DOCKER_HOST or the local socket"`
}

// Group is what the components of one plugin share: the engine. The zero
// value talks to the engine that the environment names.
type Group struct {
	mu      sync.Mutex
	engine  *Engine
	host    string
	setting string
}

// Configure points the group at an engine; path is the docker table's place,
// such as plugins.databases.config.docker. Work in progress stays with the
// engine that it began with.
func (g *Group) Configure(c DockerConfig, path string) error {
	setting := path + ".host"
	e, err := New(Options{Host: c.Host, Setting: setting})
	if err != nil {
		return sdk.ConfigProblem("docker.host", "%v", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.engine != nil {
		_ = g.engine.Close() // its idle connections; those in use go on
	}
	g.engine, g.host, g.setting = e, c.Host, setting
	return nil
}

// Engine returns the group's engine.
func (g *Group) Engine() (*Engine, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.engine == nil {
		e, err := New(Options{Host: g.host, Setting: g.setting})
		if err != nil {
			return nil, err
		}
		g.engine = e
	}
	return g.engine, nil
}

// Close lets go of the connections, for sdk.Plugin.Close.
func (g *Group) Close(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.engine == nil {
		return nil
	}
	err := g.engine.Close()
	g.engine = nil
	return err
}

// ParseMemory reads an amount of memory such as "512m" or "2g"; "" is 0.
func ParseMemory(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := units.RAMInBytes(text)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q is not an amount of memory such as 512m or 2g", text)
	}
	if n < 6<<20 {
		return 0, fmt.Errorf("%q is less than Docker's minimum of 6m", text)
	}
	return n, nil
}

// CheckPort refuses what is no port; 0 is the default.
func CheckPort(path string, port int) error {
	if port < 0 || port > 65535 {
		return sdk.ConfigProblem(path, "%d is not a port between 1 and 65535", port)
	}
	return nil
}

// CheckMemory refuses what is no amount of memory.
func CheckMemory(path, text string) error {
	if _, err := ParseMemory(text); err != nil {
		return sdk.ConfigProblem(path, "%v", err)
	}
	return nil
}

// CheckBind refuses what is no IP address to bind to; "" is the default.
func CheckBind(path, ip string) error {
	if ip != "" && net.ParseIP(ip) == nil {
		return sdk.ConfigProblem(path, "%q is not an IP address such as 127.0.0.1 or 0.0.0.0", ip)
	}
	return nil
}

// ServiceNetwork is the name of the network that a service's containers share.
func ServiceNetwork(service string) string { return "orch-" + service }
