package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/orch-host/orch/config"
)

// readSettings reads a plugin's configuration table from a YAML or JSON file;
// nil without one.
func readSettings(path string) (map[string]any, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, &usageError{fmt.Errorf("read --settings: %w", err)}
	}
	table := map[string]any{}
	if err := yaml.Unmarshal(data, &table); err != nil {
		return nil, &usageError{fmt.Errorf("--settings %s does not hold a table: %w", path, err)}
	}
	return table, nil
}

// settingsFor is what a plugin of the group is configured with: the file given,
// else the group's table of orch.toml.
func (a *app) settingsFor(group, path string) ([]byte, string, error) {
	cfg, err := a.load()
	if err != nil {
		return nil, "", err
	}
	g := cfg.Plugins.Groups[group]
	g.Group = group
	if path != "" {
		if g.Config, err = readSettings(path); err != nil {
			return nil, "", err
		}
	}
	table, err := g.ResolveConfig(config.Resolver{})
	if err != nil {
		return nil, "", &usageError{err}
	}
	return table, cfg.Host.LogLevel, nil
}

// readInput takes JSON, "@file" or "-" for stdin, as JSON.
func readInput(given string) (json.RawMessage, error) {
	var text []byte
	var err error
	switch {
	case given == "":
		return nil, nil
	case given == "-":
		text, err = os.ReadFile("/dev/stdin")
	case strings.HasPrefix(given, "@"):
		text, err = os.ReadFile(given[1:])
	case json.Valid([]byte(given)):
		text = []byte(given)
	default: // a file, as "host activity run --input" takes it
		if text, err = os.ReadFile(given); err != nil {
			return nil, &usageError{fmt.Errorf("--input %s is neither JSON nor a file that can be read: %w", given, err)}
		}
	}
	if err != nil {
		return nil, &usageError{fmt.Errorf("read --input: %w", err)}
	}
	if !json.Valid(text) {
		return nil, &usageError{fmt.Errorf("--input %s does not hold JSON", given)}
	}
	return bytes.TrimSpace(text), nil
}

// fieldsText is a record's fields as " key=value", sorted.
func fieldsText(fields map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&b, " %s=%s", k, fields[k])
	}
	return b.String()
}
