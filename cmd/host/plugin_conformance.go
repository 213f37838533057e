package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore/conformance"
)

func (a *app) pluginTest() *cobra.Command {
	var o conformance.Options
	var cases, settings string
	c := &cobra.Command{
		Use:   "test BINARY",
		Short: "Try a plugin binary, in any language, against the rules of the host",
		Long: `test starts the binary as the host would and checks what the host relies on:
handshake, manifest, configuration, execution, cancellation, drain, and that
nothing of it is left. No host needs to run.

Activities that the manifest calls idempotent are run with an input made up from
their schema; --no-samples turns that off. Others are run only when the cases
file says with what. It is a YAML or JSON list:

  - activity: greet
    input: {name: Ada}              # or args: [...] for several arguments
    expect: {message: "Hello, Ada!"} # further keys are allowed
  - activity: greet
    input: {name: ""}
    fails: InvalidInput             # the failure's type
  - activity: greet_all
    input: {names: [Ada, Bob], pause: 1m}
    cancel: true                    # runs long: is cancelled and has to answer

The exit code is 1 when a case failed.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, given []string) error {
			o.Binary = given[0]
			if cases != "" {
				data, err := os.ReadFile(cases)
				if err != nil {
					return &usageError{fmt.Errorf("read --cases: %w", err)}
				}
				if o.Cases, err = conformance.ParseCases(data); err != nil {
					return &usageError{fmt.Errorf("--cases %s: %w", cases, err)}
				}
			}
			var err error
			if o.Settings, err = readSettings(settings); err != nil {
				return err
			}
			if !a.json {
				o.Progress = printCase
			}
			r, err := conformance.Run(c.Context(), o)
			var unknown *conformance.UnknownCaseError
			if errors.As(err, &unknown) {
				return &usageError{fmt.Errorf("--only: %w", err)}
			}
			if err != nil {
				return err
			}
			if a.json {
				if err := writeJSON(os.Stdout, r); err != nil {
					return err
				}
			} else {
				fmt.Printf("%s %s: %d passed, %d failed, %d skipped\n", r.Plugin, r.Version, r.Passed, r.Failed, r.Skipped)
			}
			if !r.OK() {
				return &shownError{exitFailed}
			}
			return nil
		},
	}
	c.Flags().StringVar(&cases, "cases", "", "YAML or JSON file with calls and their outcomes")
	c.Flags().StringVar(&settings, "settings", "", "YAML or JSON file with the plugin's configuration table (default: made up from its schema)")
	c.Flags().StringSliceVar(&o.Only, "only", nil, "ids of the cases to run, such as cancel-twice or execute (default: all)")
	c.Flags().BoolVar(&o.NoSamples, "no-samples", false, "run no activity with a made-up input")
	c.Flags().DurationVar(&o.Grace, "grace", 10*time.Second, "how long it may take to react to a cancellation, SIGTERM or the end of the host")
	c.Flags().DurationVar(&o.Timeout, "timeout", 30*time.Second, "limit of a start and of one attempt")
	return c
}

var caseMarks = map[conformance.Status]string{conformance.Pass: "✓", conformance.Fail: "✗", conformance.Skip: "–"}

func printCase(r conformance.Result) {
	fmt.Printf("%s %s  (%s)\n", caseMarks[r.Status], r.Name, r.ID)
	if r.Detail != "" {
		fmt.Printf("    %s\n", r.Detail)
	}
}
