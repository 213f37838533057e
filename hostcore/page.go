package hostcore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/orch-host/orch/hostcore/admin"
	"github.com/orch-host/orch/hostcore/executor"
	"github.com/orch-host/orch/hostcore/shipping"
	"github.com/orch-host/orch/hostcore/statuspage"
	"github.com/orch-host/orch/hostcore/webtoken"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// pageHost is the host as the status page sees it.
type pageHost struct{ *Host }

var _ statuspage.Host = pageHost{}

// token is that of the HTTP address; nil when there is none.
func (h *Host) token() (*webtoken.Token, error) {
	if h.cfg.Host.Token.IsZero() {
		return nil, nil
	}
	token, err := h.cfg.Host.Token.Resolve()
	if err == nil && token == "" {
		err = errors.New("is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("host.http_token: %w", err)
	}
	return webtoken.New(token), nil
}

// web is the address of the pages, with the token where the address itself asks for it.
func (h *Host) web(token *webtoken.Token) (web admin.Web, err error) {
	c := h.cfg.Host
	web.Listen, web.Name = c.Listen, c.Name
	if c.Public() {
		web.Token = token
	}
	web.TLS, err = admin.TLS(c.TLS)
	return web, err
}

func (h *Host) statusPage(token *webtoken.Token) *statuspage.Page {
	c := h.cfg.Host
	o := statuspage.Options{Name: c.Name, Version: h.o.Version, Token: token, Private: c.Public(), TLS: c.TLS.CertFile != ""}
	if ui := h.cfg.Temporal.WebUI; ui != "" {
		o.Links = append(o.Links, statuspage.Link{Name: "Temporal", URL: ui})
	}
	for _, name := range slices.Sorted(maps.Keys(h.cfg.Host.Links)) {
		o.Links = append(o.Links, statuspage.Link{Name: name, URL: h.cfg.Host.Links[name].URL})
	}
	return statuspage.New(pageHost{h}, o)
}

var errStarting = errors.New("the host is starting: Temporal has not been reached yet")

// Services describes the services; those that run with their steps.
func (p pageHost) Services(ctx context.Context) ([]*executor.Status, error) {
	if p.reached() == nil {
		return nil, errStarting
	}
	e := p.Executor()
	all, err := e.Statuses(ctx)
	for i, st := range all {
		if st.State != "running" {
			continue
		}
		if now, err := e.Status(ctx, st.Service, ""); err == nil {
			all[i] = now
		}
	}
	return all, err
}

// Problems are what keeps the host from doing all that it is configured to do.
func (p pageHost) Problems() []string { return p.Ready().Problems }

// Shipments asks the plugin that ships log files on this host.
func (p pageHost) Shipments(ctx context.Context) ([]shipping.Shipment, error) {
	answer, err := p.ask(ctx, shipping.List)
	if answer == nil || err != nil {
		return nil, err
	}
	return shipping.Decode(answer)
}

// Hosts are those that share the work, and those that are away.
func (p pageHost) Hosts(ctx context.Context) ([]executor.HostState, error) {
	if p.reached() == nil {
		return nil, errStarting
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return p.Executor().Hosts(ctx)
}

// askTimeout bounds a question that the page can do without the answer of.
const askTimeout = 3 * time.Second

// ask calls an activity that only looks, without a workflow and without a trace in
// Temporal. nil when no plugin offers it.
func (p pageHost) ask(ctx context.Context, activity string) ([]byte, error) {
	route, ok := p.router.Acquire(activity)
	if !ok {
		return nil, nil
	}
	defer route.Instance.Release()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	start := &pluginv1.Start{Activity: activity, Info: &pluginv1.Info{Attempt: 1, Service: "status page"}}
	out, err := route.Instance.Execute(ctx, ctx, start, func() (pluginv1.Cancel_Reason, time.Duration) { return pluginv1.Cancel_TIMEOUT, 0 }, unheard{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", activity, err)
	}
	if len(out.GetOutput()) == 0 {
		return nil, nil
	}
	return out.GetOutput()[0].GetData(), nil
}

// unheard is nobody, to whom an attempt reports.
type unheard struct{}

func (unheard) Heartbeat([]*pluginv1.Payload) {}
func (unheard) Log(*pluginv1.Log)             {}
func (unheard) Progress(*pluginv1.Progress)   {}

// Start starts a service.
func (p pageHost) Start(ctx context.Context, service string) error {
	if p.reached() == nil {
		return errStarting
	}
	_, err := p.Executor().Start(ctx, service, executor.StartOptions{})
	return err
}

// Stop stops a service; its clean-up goes on after it has returned.
func (p pageHost) Stop(ctx context.Context, service string) error {
	if p.reached() == nil {
		return errStarting
	}
	_, err := p.Executor().Stop(ctx, service, executor.StopOptions{Grace: executor.DefaultStopGrace})
	return err
}

// Rollback brings back the version of a plugin that served before.
func (p pageHost) Rollback(plugin string) error {
	_, err := p.supervisor.Rollback(context.Background(), plugin)
	return err
}
