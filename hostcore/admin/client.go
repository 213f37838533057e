package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/orch-host/orch/hostcore/bridge"
	"github.com/orch-host/orch/hostcore/supervisor"
)

// Client talks to the host whose runtime folder it was made for.
type Client struct {
	socket string
	uid    int // who asks
	http   http.Client
}

// NewClient makes a client; nothing is opened until the first call.
func NewClient(runtimeDir string) *Client {
	c := &Client{socket: filepath.Join(runtimeDir, SocketName), uid: os.Geteuid()}
	c.http.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", c.socket)
		if err != nil {
			return nil, err
		}
		if err := c.check(conn); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return conn, nil
	}}
	return c
}

// check refuses a host of another user: the folder may be one that anybody can
// make, such as one below /tmp, and what a host answers is acted upon. Root may
// talk to every host.
func (c *Client) check(conn net.Conn) error {
	if c.uid == 0 {
		return nil
	}
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return fmt.Errorf("ask who serves %s: %w", c.socket, err)
	}
	var peer *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); cerr != nil || err != nil {
		return fmt.Errorf("ask who serves %s: %w", c.socket, errors.Join(cerr, err))
	}
	if int(peer.Uid) != c.uid {
		return fmt.Errorf("%s is served by another user (user id %d): set host.runtime_dir to a folder of your own", c.socket, peer.Uid)
	}
	return nil
}

// NotRunningError says that no host answers on the socket.
type NotRunningError struct {
	Socket string
	Err    error
}

func (e *NotRunningError) Error() string {
	return fmt.Sprintf("no host is running here (looked for it at %s): start one with \"host\", or name its orch.toml with --config", e.Socket)
}

func (e *NotRunningError) Unwrap() error { return e.Err }

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) call(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://host"+path, nil)
	if err != nil {
		return fmt.Errorf("ask the host for %s: %w", path, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			return &NotRunningError{Socket: c.socket, Err: err}
		}
		return fmt.Errorf("ask the host for %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read to the end or the error says why not
	if resp.StatusCode != http.StatusOK {
		var f failure
		if json.NewDecoder(resp.Body).Decode(&f) != nil || f.Error == "" {
			return fmt.Errorf("the host answered %s to %s %s", resp.Status, method, path)
		}
		return errors.New(f.Error)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("read the host's answer to %s: %w", path, err)
	}
	return nil
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var v T
	err := c.call(ctx, http.MethodGet, path, &v)
	return v, err
}

// Info is who the host is.
func (c *Client) Info(ctx context.Context) (Info, error) { return get[Info](ctx, c, "/v1/host") }

// Ready is whether the host does all that it is configured to do.
func (c *Client) Ready(ctx context.Context) (Ready, error) { return get[Ready](ctx, c, "/v1/ready") }

// Queues is how the host serves each service.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	return get[[]Queue](ctx, c, "/v1/queues")
}

// Attempts are the activity attempts that run now.
func (c *Client) Attempts(ctx context.Context) ([]bridge.Running, error) {
	return get[[]bridge.Running](ctx, c, "/v1/attempts")
}

// Events are the latest changes of plugins, the oldest first.
func (c *Client) Events(ctx context.Context) ([]supervisor.Event, error) {
	return get[[]supervisor.Event](ctx, c, "/v1/events")
}

// Plugins is how every plugin stands.
func (c *Client) Plugins(ctx context.Context) ([]supervisor.Status, error) {
	return get[[]supervisor.Status](ctx, c, "/v1/plugins")
}

// Manifest is what a running plugin says about itself, as JSON.
func (c *Client) Manifest(ctx context.Context, plugin string) (json.RawMessage, error) {
	return get[json.RawMessage](ctx, c, "/v1/plugins/"+url.PathEscape(plugin)+"/manifest")
}

// Reload looks at the plugin folder again; "" is for every plugin.
func (c *Client) Reload(ctx context.Context, plugin string) ([]supervisor.Result, error) {
	var r []supervisor.Result
	err := c.call(ctx, http.MethodPost, "/v1/plugins/reload?name="+url.QueryEscape(plugin), &r)
	return r, err
}

// Rollback goes back to a plugin's version before.
func (c *Client) Rollback(ctx context.Context, plugin string) (supervisor.Result, error) {
	var r supervisor.Result
	err := c.call(ctx, http.MethodPost, "/v1/plugins/"+url.PathEscape(plugin)+"/rollback", &r)
	return r, err
}
