package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore/executor"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "status [SERVICE]",
		Short:             "Show where the services stand; with a service, its steps",
		Args:              args(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeServices,
		RunE: func(c *cobra.Command, given []string) error {
			_, e, done, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			defer done()
			if len(given) == 1 {
				return a.statusOne(c, e, given[0])
			}
			all, err := e.Statuses(c.Context())
			if err != nil {
				return err
			}
			if a.json {
				return writeJSON(os.Stdout, all)
			}
			t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
			fmt.Fprintln(t, "SERVICE\tSTATE\tSTARTED\tTOOK\tRESULT")
			for _, st := range all {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", st.Service, st.State, when(st.Started), took(st), cmp.Or(st.Error, st.Result))
			}
			return t.Flush()
		},
	}
}

func (a *app) statusOne(c *cobra.Command, e *executor.Executor, name string) error {
	st, err := e.Status(c.Context(), name, "")
	if err != nil {
		return err
	}
	if a.json {
		return writeJSON(os.Stdout, st)
	}
	if st.State == executor.NeverStarted {
		fmt.Printf("%s has never been started: host start %s\n", name, name)
		return nil
	}
	show := newSteps(os.Stdout, false)
	show.live = false
	show.update(st)
	if st.Ended() {
		show.verdict(st)
		return nil
	}
	fmt.Printf("running since %s\n%s\n", st.Started.Local().Format(time.DateTime), st.WebUI)
	return nil
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

func took(st *executor.Status) string {
	switch {
	case st.Started.IsZero():
		return "-"
	case st.Closed.IsZero():
		return time.Since(st.Started).Round(time.Second).String()
	}
	return st.Closed.Sub(st.Started).Round(10 * time.Millisecond).String()
}

func (a *app) servicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "services",
		Short: "List the configured services",
		Args:  args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			if a.json {
				return writeJSON(os.Stdout, cfg.Redacted()["services"])
			}
			t := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
			fmt.Fprintln(t, "SERVICE\tWORKFLOW\tTASK QUEUE\tDESCRIPTION")
			for _, name := range slices.Sorted(maps.Keys(cfg.Services)) {
				s := cfg.Services[name]
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", name, cmp.Or(s.WorkflowType(), "then "+strings.Join(s.Then, ", ")), s.TaskQueue, s.Description)
			}
			return t.Flush()
		},
	}
}
