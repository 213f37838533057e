package statuspage

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/orch-host/orch/hostcore/executor"
	"github.com/orch-host/orch/hostcore/shipping"
	"github.com/orch-host/orch/hostcore/supervisor"
	"github.com/orch-host/orch/hostcore/webtoken"
)

// Host is what the page shows and does.
type Host interface {
	// Services are all services; with the steps of those that run.
	Services(context.Context) ([]*executor.Status, error)
	Plugins() []supervisor.Status
	Problems() []string
	// Shipments are the log files that are shipped; nil without a plugin that does.
	Shipments(context.Context) ([]shipping.Shipment, error)
	// Hosts are those that share the work, and those that are away.
	Hosts(context.Context) ([]executor.HostState, error)
	Start(ctx context.Context, service string) error
	Stop(ctx context.Context, service string) error
	Rollback(plugin string) error
}

// Options of [New].
type Options struct {
	Name, Version string
	Token         *webtoken.Token // nil: the page is read-only
	Links         []Link
	// Private pages show nothing before the token has been entered.
	Private bool
	// TLS tells that the page is served over HTTPS: its cookies travel there only.
	TLS bool
}

// Link leads to another page.
type Link struct{ Name, URL string }

//go:embed assets
var assets embed.FS

// Page serves the status page.
type Page struct {
	host     Host
	o        Options
	live     *live
	sessions sessions
	messages messages
	page     *template.Template
	handler  http.Handler
}

// New makes the page. Close it at the end.
func New(h Host, o Options) *Page {
	p := &Page{host: h, o: o}
	p.page = template.Must(template.New("").Funcs(template.FuncMap{
		"ago": ago, "took": took, "join": func(all []string) string { return strings.Join(all, ", ") }, "csrf": func() template.HTML { return csrfField }, "clock": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}).ParseFS(assets, "assets/*.html"))
	p.sessions.secure = o.TLS
	p.live = newLive(p.render)
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		panic(err) // the folder is embedded
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.show)
	mux.HandleFunc("GET /status/live", func(w http.ResponseWriter, r *http.Request) {
		if o.Private && p.sessions.of(r) == nil {
			http.Error(w, "enter the token first", http.StatusForbidden)
			return
		}
		p.live.serve(w, r, &p.sessions)
	})
	for _, name := range []string{"style.css", "live.js"} {
		mux.Handle("GET /status/"+name, http.StripPrefix("/status/", http.FileServerFS(files)))
	}
	mux.HandleFunc("POST /status/login", p.login)
	mux.HandleFunc("POST /status/logout", p.logout)
	mux.HandleFunc("POST /status/services/{name}/start", p.act(h.Start))
	mux.HandleFunc("POST /status/services/{name}/stop", p.act(h.Stop))
	mux.HandleFunc("POST /status/plugins/{name}/rollback", p.act(func(_ context.Context, plugin string) error { return h.Rollback(plugin) }))
	p.handler = http.NewCrossOriginProtection().Handler(guarded(mux))
	return p
}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// Close ends the poller and all open connections.
func (p *Page) Close() { p.live.close() }

// guarded sets the headers that keep a browser from doing more than the page needs.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// view is what the templates show.
type view struct {
	Options
	Now      time.Time
	Services []*executor.Status
	Trouble  string // why the services are not shown
	Plugins  []supervisor.Status
	Shipping []shipping.Shipment
	Unknown  string // why the shipments are not shown
	Hosts    []executor.HostState
	Unlisted string // why the hosts are not shown
	Problems []string
	Write    bool // whoever looks may change things
	Login    bool // there is a token, and it has not been entered
	Closed   bool // nothing is shown before that
	Message  string
}

func (p *Page) view(ctx context.Context) view {
	v := view{Options: p.o, Now: time.Now(), Plugins: p.host.Plugins(), Problems: p.host.Problems()}
	var err error
	if v.Services, err = p.host.Services(ctx); err != nil {
		v.Trouble = err.Error()
	}
	if v.Shipping, err = p.host.Shipments(ctx); err != nil {
		v.Unknown = err.Error()
	}
	if v.Trouble != "" {
		return v // it is Temporal that knows the hosts too
	}
	hosts, err := p.host.Hosts(ctx)
	if err != nil {
		v.Unlisted = err.Error()
	}
	if len(hosts) > 1 || slices.ContainsFunc(hosts, func(h executor.HostState) bool { return !h.Here }) {
		v.Hosts = hosts
	}
	return v
}

// rendering is the changing part of the page, for those who may write and for others.
type rendering struct{ read, write []byte }

func (p *Page) render(ctx context.Context) rendering {
	v := p.view(ctx)
	read := p.execute("state.html", v)
	v.Write = true
	return rendering{read, p.execute("state.html", v)}
}

func (p *Page) execute(name string, v view) []byte {
	var out bytes.Buffer
	if err := p.page.ExecuteTemplate(&out, name, v); err != nil {
		return []byte(template.HTMLEscapeString(fmt.Sprintf("the page cannot be rendered: %v", err)))
	}
	return out.Bytes()
}

func (p *Page) show(w http.ResponseWriter, r *http.Request) {
	s := p.sessions.of(r)
	var v view
	if s == nil && p.o.Private {
		v = view{Options: p.o, Now: time.Now(), Closed: true}
	} else {
		v = p.view(r.Context())
	}
	v.Write = s != nil
	v.Login = p.o.Token != nil && s == nil
	v.Message = p.messages.find(r.URL.Query().Get("message"))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(s.fill(p.execute("page.html", v))) // a reader that has gone needs no answer
}

func (p *Page) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	switch err := p.o.Token.Check(r.Context(), r.PostFormValue("token")); {
	case errors.Is(err, webtoken.ErrBusy):
		http.Error(w, err.Error(), http.StatusTooManyRequests)
	case err != nil:
		p.back(w, r, "That is not the token of host.http_token.")
	default:
		p.sessions.open(w)
		p.back(w, r, "")
	}
}

func (p *Page) logout(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if s := p.sessions.of(r); s != nil && s.sent(r) {
		p.sessions.end(w, r)
	}
	p.back(w, r, "")
}

// act does something for whoever has entered the token. It is done to its end, also
// when the browser goes away meanwhile: a stop would be left between the
// cancellation and the clean-up.
func (p *Page) act(do func(ctx context.Context, name string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
		switch s := p.sessions.of(r); {
		case s == nil:
			http.Error(w, "enter the token first", http.StatusForbidden)
			return
		case !s.sent(r):
			http.Error(w, "this form is not of your session: reload the page", http.StatusForbidden)
			return
		}
		message := ""
		ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
		defer cancel()
		defer context.AfterFunc(p.live.ctx, cancel)()
		if err := do(ctx, r.PathValue("name")); err != nil {
			message = err.Error()
		}
		p.live.now()
		p.back(w, r, message)
	}
}

// back leads to the page, which shows the message there is.
func (p *Page) back(w http.ResponseWriter, r *http.Request, message string) {
	target := "/"
	if message != "" {
		target += "?" + url.Values{"message": {p.messages.keep(message)}}.Encode()
	}
	http.Redirect(w, r, target, http.StatusSeeOther)
}

func ago(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return time.Since(t).Round(time.Second).String() + " ago"
}

func took(ms int64) string { return (time.Duration(ms) * time.Millisecond).String() }
