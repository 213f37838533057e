package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore/executor"
)

func (a *app) activityCommand() *cobra.Command {
	c := &cobra.Command{Use: "activity", Short: "Run single activities", Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	var input, queue string
	var timeout time.Duration
	run := &cobra.Command{
		Use:   "run NAME",
		Short: "Run one activity with retries and history, and print its result",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, given []string) error {
			var value any
			if input != "" {
				data, err := os.ReadFile(input)
				if err != nil {
					return &usageError{fmt.Errorf("read --input: %w", err)}
				}
				if err := json.Unmarshal(data, &value); err != nil {
					return &usageError{fmt.Errorf("--input %s is not JSON: %w", input, err)}
				}
			}
			result, err := a.activity(c, executor.ActivityOptions{Name: given[0], TaskQueue: queue, Input: value, Timeout: timeout})
			if err != nil {
				return err
			}
			return writeJSON(os.Stdout, result)
		},
	}
	run.Flags().StringVar(&input, "input", "", "JSON file with the activity's input")
	run.Flags().StringVar(&queue, "task-queue", "", "queue to run it on (default: that of a service whose workflow uses it)")
	run.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "limit of one attempt")
	c.AddCommand(run)
	return c
}
