package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore/scaffold"
)

func (a *app) pluginNew() *cobra.Command {
	o := scaffold.Options{}
	c := &cobra.Command{
		Use:   "new DIR",
		Short: "Make the folder of a new plugin that builds, passes its tests and can be changed",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, given []string) error {
			o.Dir = given[0]
			if o.SDK == "" && !strings.Contains(version, "-") {
				o.SDK = "v" + version // the SDK of this host; a development build has no released one
			}
			files, err := scaffold.Write(o)
			var usage *scaffold.UsageError
			if errors.As(err, &usage) {
				return &usageError{err}
			}
			if err != nil {
				return err
			}
			if a.json {
				return writeJSON(os.Stdout, map[string]any{"dir": o.Dir, "files": files})
			}
			for _, f := range files {
				fmt.Println(filepath.Join(given[0], f))
			}
			fmt.Printf("\nnext: cd %s, then make test and make check; README.md says what to change\n", given[0])
			return nil
		},
	}
	c.Flags().StringVar(&o.Lang, "lang", "go", "language: go or python")
	c.Flags().StringVar(&o.Name, "name", "", "name of the plugin (default: that of the folder)")
	c.Flags().StringVar(&o.Module, "module", "", "Go module path (default: example.com/<name>)")
	c.Flags().StringVar(&o.SDK, "sdk", "", "version of the Go SDK, or the folder of a checkout of Orch (default: that of this host, or the latest)")
	return c
}
