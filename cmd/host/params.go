package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// params are the arguments of a start: a file, then single values over it.
type params struct {
	pairs []string
	file  string
}

func (p *params) bind(c *cobra.Command) {
	c.Flags().StringArrayVarP(&p.pairs, "param", "p", nil, "a parameter as key=value; the value is JSON where it is valid JSON, else text (repeatable)")
	c.Flags().StringVar(&p.file, "params", "", "a JSON file with an object of parameters")
}

func (p *params) read() (map[string]any, error) {
	all := map[string]any{}
	if p.file != "" {
		data, err := os.ReadFile(p.file)
		if err != nil {
			return nil, &usageError{fmt.Errorf("read --params: %w", err)}
		}
		if err := json.Unmarshal(data, &all); err != nil {
			return nil, &usageError{fmt.Errorf("--params %s does not hold a JSON object: %w", p.file, err)}
		}
		if all == nil {
			return nil, &usageError{fmt.Errorf("--params %s does not hold a JSON object: found null", p.file)}
		}
	}
	for _, pair := range p.pairs {
		key, text, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, &usageError{fmt.Errorf("--param %q is not key=value", pair)}
		}
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			v = text
		}
		all[key] = v
	}
	return all, nil
}
