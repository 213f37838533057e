package deploy

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"

	"github.com/orch-host/orch/plugins/deploy/deploytest"
	"github.com/orch-host/orch/sdk/pluginv1"
)

// stuck is a git server that never answers, beside a REST API that does.
func stuck(t *testing.T) (*httptest.Server, chan struct{}) {
	asked, stop := make(chan struct{}, 8), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, ".git/") {
			asked <- struct{}{}
			<-stop
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"full_name":"acme/shop","default_branch":"main"}`)
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(stop) })
	return s, asked
}

func TestAPushThatIsCancelledIsReportedAsCancelled(t *testing.T) {
	s, asked := stuck(t)
	r := newRun(t, map[string]any{"github": map[string]any{"token": canaryToken, "api_url": s.URL, "git_url": s.URL}}, alive{})
	a := begin(r, "push_to_github_activity", "w", "r", pushIn(nil))
	<-asked
	a.Cancel(pluginv1.Cancel_REQUESTED, 20*time.Second)
	if o := a.Wait(); o.Failure == nil || !o.Failure.GetCanceled() {
		t.Errorf("cancelled, and yet %v", o.Failure)
	}
}

// slowDocker has the image, and pushes it for ever.
type slowDocker struct {
	dockerAPI
	pushing chan struct{}
}

// tagging is a Docker that never comes to an end with a tag.
type tagging struct{ slowDocker }

func (d tagging) ImageTag(ctx context.Context, _, _ string) error {
	close(d.pushing)
	<-ctx.Done()
	return ctx.Err()
}

func (slowDocker) Close() error                                   { return nil }
func (slowDocker) ImageTag(context.Context, string, string) error { return nil }
func (d slowDocker) ImagePush(ctx context.Context, _ string, _ image.PushOptions) (io.ReadCloser, error) {
	close(d.pushing)
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAnImageThatIsBeingPushedCanBeCancelled(t *testing.T) {
	for name, kind := range map[string]func(slowDocker) dockerAPI{
		"while it is tagged": func(d slowDocker) dockerAPI { return tagging{d} },
		"while it is pushed": func(d slowDocker) dockerAPI { return d },
	} {
		t.Run(name, func(t *testing.T) {
			f := deploytest.NewFly(t, findSpecs(t), canaryToken)
			f.AddApp("shop")
			e := deploytest.NewDocker(t, findSpecs(t), "sha256:"+strings.Repeat("ab", 32))
			real, err := engine(e.Server)
			if err != nil {
				t.Fatal(err)
			}
			pushing := make(chan struct{})
			d := newDeployer(fast())
			d.docker = func() (dockerAPI, error) { return kind(slowDocker{real, pushing}), nil }
			r := newRunWith(t, d, flyConfig(f), f)
			a := begin(r, "deploy_to_flyio_activity", "w", "r", flyApp(map[string]any{"image": "shop:dev"}))
			<-pushing
			a.Cancel(pluginv1.Cancel_REQUESTED, 20*time.Second)
			if o := a.Wait(); o.Failure == nil || !o.Failure.GetCanceled() {
				t.Errorf("cancelled, and yet %v", o.Failure)
			}
		})
	}
}
