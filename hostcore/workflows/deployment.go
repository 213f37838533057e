package workflows

import (
	"fmt"
	"net/url"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	generateConfigs = "generate_deployment_configs_activity"
	checkHealth     = "check_deployment_health_activity"
)

// deployment is what the checks after a deploy need to know.
type deployment struct {
	params   object
	result   object // of the deploy step
	url      string // what was deployed, "" when the provider named none
	repoURL  string // the source repository, which is never what was deployed
	rollback string // the activity that goes back to the previous version
}

// deployParams readies the params of a deploy workflow.
func (f *flow) deployParams(arg Arg, service string) object {
	return f.params(arg).withDefault("service_name", service)
}

// verify checks that what was deployed is healthy, and goes back to the previous version when it is not. A dry run has
// deployed nothing, so there is nothing to check.
func (f *flow) verify(d deployment) {
	if f.ended() {
		return
	}
	if d.params.isTrue("dry_run") {
		f.progress.Skip(checkHealth)
		return
	}
	if problem := notDeployed(d.url, d.repoURL); problem != "" {
		f.refuse("NothingToCheck", "nothing to check: %s", problem)
		return
	}
	err := f.health(checkHealth, d.params.with("url", d.url))
	if err == nil {
		return
	}
	if temporal.IsCanceledError(err) {
		f.fail(err)
		return
	}
	outcome := f.rollBack(d)
	if f.ctx.Err() != nil { // canceled while it was going back: that is done, and the run ends canceled
		f.fail(f.ctx.Err())
		return
	}
	f.fail(temporal.NewApplicationErrorWithOptions(
		fmt.Sprintf("%s is not healthy: %s; %s", d.url, message(err), outcome),
		"Unhealthy", temporal.ApplicationErrorOptions{NonRetryable: true, Cause: err}))
}

// rollBack goes back to the previous version, where there is one and the params do not forbid it, and says what it did.
// It runs to its end even when the run is canceled meanwhile: a half-way version is worse than either.
func (f *flow) rollBack(d deployment) string {
	previous := d.result.text("previous_image")
	if previous == "" {
		previous = d.result.text("previous_deployment_id")
	}
	switch {
	case d.params.isFalse("rollback_on_failure"):
		return "not rolled back: rollback_on_failure is false"
	case !d.result.isTrue("changed"):
		return "not rolled back: this run changed nothing"
	case previous == "":
		return "not rolled back: there is no previous version"
	}
	ctx, cancel := workflow.NewDisconnectedContext(f.ctx)
	defer cancel()
	if _, err := f.execute(ctx, f.spec.timeout, d.rollback, d.params.merge(d.result)); err != nil {
		return fmt.Sprintf("rolling back to %s failed: %s", previous, message(err))
	}
	return "rolled back to " + previous
}

// notDeployed says why raw cannot be the address of what was deployed, "" when it can.
func notDeployed(raw, repoURL string) string {
	if raw == "" {
		return "the deploy step returned no deployment_url"
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Sprintf("the deployment_url %q is no http(s) address", raw)
	}
	if isRepositoryHost(strings.ToLower(u.Hostname())) || repoURL != "" && sameRepository(raw, repoURL) {
		return fmt.Sprintf("%s is the page of the source repository, not what was deployed", raw)
	}
	return ""
}

// isRepositoryHost knows the public forges. A forge of one's own is caught by comparing with the pushed repository.
func isRepositoryHost(host string) bool {
	for _, forge := range []string{"github.com", "gitlab.com", "bitbucket.org"} {
		if host == forge || strings.HasSuffix(host, "."+forge) {
			return true
		}
	}
	return false
}

func sameRepository(a, b string) bool {
	clean := func(s string) string {
		s = strings.ToLower(strings.TrimSuffix(strings.TrimRight(s, "/"), ".git"))
		_, rest, found := strings.Cut(s, "://")
		if !found {
			return s
		}
		return rest
	}
	return clean(a) == clean(b)
}
