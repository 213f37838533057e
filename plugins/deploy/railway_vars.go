package deploy

import (
	"context"
	"maps"
	"strconv"
	"strings"

	"github.com/orch-host/orch/plugins/deploy/internal/httpapi"
)

// setRailwayVars sets the service's variables without starting a deployment. Values are compared in memory; only names
// are reported.
func (d *deployer) setRailwayVars(ctx context.Context, in RailwayInput) (Result, error) {
	s := d.settings()
	res := Result{Platform: "railway", DryRun: in.DryRun, Plan: []string{}}
	err := d.ensureRailwayVars(ctx, s, in, &res)
	return res, fail(err)
}

func (d *deployer) ensureRailwayVars(ctx context.Context, s *settings, in RailwayInput, res *Result) error {
	if err := in.check(); err != nil {
		return err
	}
	res.AppName = in.AppName
	want, err := s.railwayVariables(in)
	if err != nil {
		return err
	}
	t, found, err := s.railwayTarget(ctx, in, res)
	if err != nil {
		return err
	}
	var have map[string]string
	if found {
		if have, err = s.railway.Variables(ctx, t); err != nil {
			return err
		}
	}
	change := map[string]string{}
	for _, name := range sorted(want) {
		old, had := have[name]
		if had && old == want[name] {
			continue
		}
		change[name] = want[name]
		res.Plan = append(res.Plan, map[bool]string{true: "replace variable ", false: "add variable "}[had]+name)
	}
	if in.DryRun || len(change) == 0 {
		return nil
	}
	if err := s.railway.SetVariables(ctx, t, change); err != nil {
		return err
	}
	res.Changed = true
	return nil
}

// railwayVariables are the variables of the service: plain ones, secrets, and the port that Railway's proxy talks to.
func (s *settings) railwayVariables(in RailwayInput) (map[string]string, error) {
	out, err := s.secrets(in.App)
	if err != nil {
		return nil, err
	}
	maps.Copy(out, in.Env)
	if _, given := out["PORT"]; !given {
		out["PORT"] = strconv.Itoa(in.Port)
	}
	for name, v := range out {
		if strings.Contains(v, "${{") && !in.AllowReferences {
			return nil, final(string(httpapi.Invalid), "railway: the value of %s holds a ${{ reference, which Railway would replace with another service's variable; set allow_references if that is meant", name)
		}
	}
	return out, nil
}
