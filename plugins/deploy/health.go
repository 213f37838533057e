package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/orch-host/orch/sdk"
	"github.com/orch-host/orch/sdk/tracing"
)

// HealthInput is the input of check_deployment_health_activity.
type HealthInput struct {
	App
	URL      string       `json:"url,omitempty" jsonschema:"the deployed address; https, or http on this machine"`
	RepoURL  string       `json:"repo_url,omitempty" jsonschema:"the source repository, which is never the deployed address"`
	Deadline sdk.Duration `json:"health_deadline,omitempty" jsonschema:"how long to wait for good answers; default 5m"`
}

// Health is what check_deployment_health_activity reports.
type Health struct {
	Status       string `json:"status"` // healthy; planned in a dry run
	URL          string `json:"url"`
	StatusCode   int    `json:"status_code,omitempty"`
	Attempts     int    `json:"attempts"`
	LatencyMS    int64  `json:"latency_ms"`     // of the last good answer
	FirstOKAfter int64  `json:"first_ok_after"` // milliseconds until the first of the two good answers
}

const (
	healthyInARow = 2
	healthTimeout = 5 * time.Second
	healthBody    = 4 << 10
)

// sourceHosts serve code and dashboards, not deployments: their pages answer 200 whatever became of the deployment.
var sourceHosts = []string{"codeberg.org", "git.sr.ht", "dev.azure.com", "dashboard.render.com", "render.com", "railway.com", "railway.app", "fly.io",
	"hub.docker.com", "ghcr.io"}

// forges serve code on all of their subdomains (archives, raw files, gists); pages and applications have other domains.
var forges = []string{"github.com", "githubusercontent.com", "gitlab.com", "bitbucket.org"}

func servesSource(host string) bool {
	return slices.Contains(sourceHosts, strings.TrimPrefix(host, "www.")) ||
		slices.ContainsFunc(forges, func(f string) bool { return host == f || strings.HasSuffix(host, "."+f) })
}

// sameRepository knows a forge of one's own by the repository that the input names.
func sameRepository(u *url.URL, repo string) bool {
	r, err := url.Parse(repo)
	if err != nil || r.Hostname() == "" {
		return false
	}
	path := func(u *url.URL) string {
		return strings.ToLower(strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git"))
	}
	return strings.EqualFold(u.Hostname(), r.Hostname()) && path(u) == path(r)
}

// healthState is carried from attempt to attempt. The time is what was spent on looking: while nobody looks, because the
// host is away, an application must not grow unhealthy.
type healthState struct {
	Spent    sdk.Duration `json:"spent"`
	Attempts int          `json:"attempts"`
}

// checkHealth asks the deployed address until it answers 2xx twice in a row.
func (d *deployer) checkHealth(ctx context.Context, in HealthInput) (Health, error) {
	target, err := in.target()
	if err != nil {
		return Health{}, err
	}
	if in.DryRun {
		return Health{Status: "planned", URL: target.String()}, nil
	}
	s := d.settings()
	began := time.Now()
	limit := time.Duration(in.Deadline)
	if limit <= 0 {
		limit = 5 * time.Minute
	}
	out := Health{URL: target.String()}
	if last, ok := sdk.LastHeartbeat[healthState](ctx); ok && last.Spent > 0 {
		began, out.Attempts = began.Add(-time.Duration(last.Spent)), last.Attempts
	}
	ends := began.Add(limit)
	if dl := sdk.GetInfo(ctx).Deadline; !dl.IsZero() && dl.Add(-15*time.Second).Before(ends) {
		ends = dl.Add(-15 * time.Second)
	}
	client := healthClient(target)
	defer client.CloseIdleConnections()
	inARow := 0
	var firstOK time.Time
	for {
		out.Attempts++
		sdk.Heartbeat(ctx, healthState{sdk.Duration(time.Since(began)), out.Attempts})
		p := probe(ctx, client, target)
		if p.ok() {
			if inARow++; inARow == 1 {
				firstOK = time.Now()
			}
			out.StatusCode, out.LatencyMS = p.status, p.latency.Milliseconds()
			if inARow >= healthyInARow {
				out.Status, out.FirstOKAfter = "healthy", firstOK.Sub(began).Milliseconds()
				return out, nil
			}
		} else {
			inARow = 0
		}
		if cancelled(ctx) {
			return Health{}, context.Cause(ctx)
		}
		sdk.Progress(ctx, fmt.Sprintf("%s answers: %s", target, s.redact.String(p.String())), 0, 0)
		// A good answer gets its second look, also at the very end: what is well is not to be rolled back.
		if inARow == 0 && !time.Now().Add(d.pacing().health).Before(ends) {
			return Health{}, final(typeUnhealthy, "%s is not healthy after %d attempts in %s: the last answer was %s%s",
				target, out.Attempts, time.Since(began).Round(time.Second), s.redact.String(p.String()), p.hint(in.HealthPath))
		}
		if err := sleep(ctx, d.pacing().health); err != nil {
			return Health{}, err
		}
	}
}

// target is the address to ask. What cannot be the deployment is refused, because a 200 from it would prove nothing.
func (in HealthInput) target() (*url.URL, error) {
	if strings.TrimSpace(in.URL) == "" {
		return nil, final(typeUnhealthy, "there is no deployed URL to check, so nothing shows that the deployment works")
	}
	u, err := url.Parse(strings.TrimSpace(in.URL))
	if err != nil || u.Hostname() == "" || u.User != nil {
		return nil, invalid("url is not the address of a deployment")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if servesSource(host) || strings.HasSuffix(u.Path, ".git") || sameRepository(u, in.RepoURL) {
		return nil, final(typeUnhealthy, "%s is the address of a repository or a dashboard, not of the deployment; a page there says nothing about its health", u.Redacted())
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(host)) {
		return nil, invalid("url %s: use https", u.Redacted())
	}
	path := in.HealthPath
	if path == "" {
		path = "/"
	}
	if !strings.HasPrefix(path, "/") {
		return nil, invalid("health_path %q: begin with a slash", path)
	}
	ref, err := url.Parse(path)
	if err != nil || ref.Host != "" {
		return nil, invalid("health_path %q is not a path", path)
	}
	joined := u.JoinPath(ref.Path)
	joined.RawQuery, joined.Fragment = ref.RawQuery, ""
	return joined, nil
}

// errElsewhere stops a redirect that leaves the deployment.
var errElsewhere = errors.New("redirects to another host")

func healthClient(target *url.URL) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true // a kept connection would ask the same, perhaps leaving, instance twice
	return &http.Client{
		Transport: tracing.Transport(t),
		Timeout:   healthTimeout,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if req.URL.Host != target.Host || req.URL.Scheme != target.Scheme {
				return errElsewhere
			}
			if len(via) >= 5 {
				return errors.New("redirects in a circle")
			}
			return nil
		},
	}
}

type probed struct {
	status  int
	latency time.Duration
	err     error
}

func (p probed) ok() bool { return p.err == nil && p.status >= 200 && p.status < 300 }

func (p probed) String() string {
	if p.err != nil {
		return p.err.Error()
	}
	return fmt.Sprintf("HTTP %d", p.status)
}

// hint says what a person can do about the last answer.
func (p probed) hint(path string) string {
	switch {
	case p.status == http.StatusUnauthorized || p.status == http.StatusForbidden:
		return "; the path asks for a login: set health_path to a public one"
	case p.status == http.StatusNotFound:
		return fmt.Sprintf("; does the application serve %s? Set health_path to a path that answers 200", firstOf(path, "/"))
	case p.status >= 300 && p.status < 400, errors.Is(p.err, errElsewhere):
		return "; set health_path to a path that answers 200 without a redirect"
	}
	return ""
}

func probe(ctx context.Context, client *http.Client, target *url.URL) probed {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return probed{err: err}
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return probed{err: err}
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, healthBody) // never kept
	return probed{status: resp.StatusCode, latency: time.Since(began)}
}
