package deploy

import (
	"fmt"
	"testing"
)

func TestRenderFindsAServiceBehindManyOfASimilarName(t *testing.T) {
	f, r := newRender(t)
	for i := range 45 {
		f.AddService(fmt.Sprintf("shop-%d", i))
	}
	var res Result
	r.must("deploy_to_render_activity", renderApp(nil), &res)
	r.must("deploy_to_render_activity", renderApp(map[string]any{"image": "ghcr.io/acme/shop:v2"}), &res)
	if len(f.Services()) != 46 || !res.Changed || res.PreviousImage != "ghcr.io/acme/shop:v1" {
		t.Errorf("%d services, %+v", len(f.Services()), res)
	}
}

func TestRenderReadsAllVariables(t *testing.T) {
	f, r := newRender(t)
	env := map[string]string{}
	for i := range 250 {
		env[fmt.Sprintf("V%03d", i)] = "x"
	}
	r.must("deploy_to_render_activity", renderApp(map[string]any{"env": env}), nil)
	var res Result
	before := f.Count(opRenderEnv)
	r.must("deploy_to_render_activity", renderApp(map[string]any{"env": env}), &res)
	if res.Changed || f.Count(opRenderEnv) != before {
		t.Errorf("%d variables were set again: %+v", f.Count(opRenderEnv)-before, res)
	}
}

func TestRailwayFindsAServiceBehindManyOthers(t *testing.T) {
	f, r := newRailway(t)
	for i := range 120 {
		f.AddService("shop", fmt.Sprintf("part-%d", i))
	}
	var res Result
	r.must("create_railway_project_activity", railwayApp(nil), &res)
	r.must("create_railway_project_activity", railwayApp(nil), &res)
	if n := f.Count("serviceCreate"); n != 1 || res.Changed {
		t.Errorf("%d services were created: %+v", n, res)
	}
}
