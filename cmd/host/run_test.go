package main

import (
	"errors"
	"testing"

	"github.com/orch-host/orch/config"
	"github.com/orch-host/orch/hostcore/executor"
)

func TestParametersOfAServiceThatOnlyStartsOthersAreRefused(t *testing.T) {
	cfg := config.Default()
	cfg.Services = map[string]config.Service{"both": {Name: "both", Then: []string{"one", "two"}}}
	err := (&app{}).startAll(t.Context(), executor.New(cfg, nil), "both", executor.StartOptions{Params: map[string]any{"a": 1}})
	var usage *usageError
	if !errors.As(err, &usage) {
		t.Errorf("got %v, want a wrong command line", err)
	}
}
