package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
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

func TestAServiceThatOnlyStartsOthersIsStartedWithWait(t *testing.T) {
	file := filepath.Join(t.TempDir(), "orch.toml")
	text := "[temporal]\nmode = 'external'\naddress = '127.0.0.1:1'\n[services.one]\nworkflow = 'DatabasePipelineWorkflow'\n[services.both]\nthen = ['one']\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	root := newRoot()
	root.SetArgs([]string{"--config", file, "start", "both"})
	err := root.ExecuteContext(t.Context())
	if exitCode(err) != exitUsage || !strings.Contains(err.Error(), "host start --wait both") {
		t.Errorf("exit code %d, want %d: %v", exitCode(err), exitUsage, err)
	}
}
