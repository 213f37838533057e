package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
)

// webUI is the running Web UI.
type webUI struct {
	server *uiserver.Server
	done   chan struct{}
	url    string
}

// startUI serves the Web UI and returns when it answers. The port is probed
// before, because ui-server ends the process when it cannot listen.
func startUI(ctx context.Context, ip string, port int, frontend string) (ui *webUI, err error) {
	if err := probePort(ip, port, "Web UI", "ui-port", "temporal.embedded.ui_port"); err != nil {
		return nil, err
	}
	host := ip
	if strings.Contains(ip, ":") {
		host = "[" + ip + "]"
	}
	defer func() {
		// ui-server's constructor reports a bad configuration by panic.
		if p := recover(); p != nil {
			ui, err = nil, fmt.Errorf("set up the Web UI: %v", p)
		}
	}()
	ui = &webUI{
		server: uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
			TemporalGRPCAddress: frontend,
			Host:                host,
			Port:                port,
			EnableUI:            true,
			HideLogs:            true,
			DisableNewsFetch:    true, // no call to the internet
			CORS:                uiconfig.CORS{CookieInsecure: true},
		})),
		done: make(chan struct{}),
		url:  "http://" + join(reachable(ip), port),
	}
	go func() {
		defer close(ui.done)
		_ = ui.server.Start()
	}()
	if err := ui.awaitHealthy(ctx); err != nil {
		ui.stop()
		return nil, err
	}
	return ui, nil
}

func (u *webUI) awaitHealthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url+"/healthz", nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("health answer %s", res.Status)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the Web UI at %s: %w", u.url, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (u *webUI) stop() {
	if u != nil {
		u.server.Stop()
		<-u.done
	}
}
