package main

import (
	"testing"

	"github.com/spf13/cobra"
)

func TestASettingGivenAfterASubcommandApplies(t *testing.T) {
	a := &app{}
	root := newRoot()
	a.root = root
	level := ""
	root.AddCommand(&cobra.Command{Use: "probe", RunE: func(*cobra.Command, []string) error {
		cfg, err := a.load()
		if err == nil {
			level = cfg.Host.LogLevel
		}
		return err
	}})
	root.SetArgs([]string{"probe", "--log-level", "debug"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if level != "debug" {
		t.Errorf("log level %q, want debug", level)
	}
}
