package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orch-host/orch/hostcore/plugindoc"
	"github.com/orch-host/orch/sdk"
)

func (a *app) pluginDocs() *cobra.Command {
	return &cobra.Command{
		Use:   "docs NAME|BINARY",
		Short: "Print a plugin's settings and activities as Markdown, from its manifest",
		Long: `docs asks a plugin what it offers and prints it as Markdown: settings, activities,
their inputs and results. The argument is the name of a plugin of the running host
or, with a slash in it, the path of a binary, for which no host needs to run.`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, given []string) error {
			manifest, err := a.describe(c.Context(), given[0])
			if err != nil {
				return err
			}
			if a.json {
				return writeJSON(os.Stdout, manifest)
			}
			page, err := plugindoc.Markdown(manifest)
			if err != nil {
				return err
			}
			_, err = os.Stdout.Write(page)
			return err
		},
	}
}

// describe is the manifest, as "describe" prints it, of a binary or of a
// running plugin.
func (a *app) describe(ctx context.Context, which string) (json.RawMessage, error) {
	if strings.ContainsRune(which, os.PathSeparator) {
		i, _, done, err := openBinary(ctx, which, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		defer done()
		return sdk.DescribeJSON(i.Manifest)
	}
	_, host, err := a.host()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	m, err := host.Manifest(ctx, which)
	if err != nil {
		return nil, fmt.Errorf("%w (for a binary, give a path with a slash: ./%s)", err, which)
	}
	return m, nil
}
