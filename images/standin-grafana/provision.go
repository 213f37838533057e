package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// provision reads the provisioning files. Like Grafana it does not start with
// one that it cannot read, and takes $NAME for a variable and $$ for a dollar.
func (s *state) provision(dir string) error {
	var sources struct {
		APIVersion  int      `yaml:"apiVersion"`
		Datasources []object `yaml:"datasources"`
	}
	if err := each(filepath.Join(dir, "datasources", "*.yaml"), &sources, func() error {
		for _, d := range sources.Datasources {
			for _, key := range []string{"name", "type"} {
				if v, _ := d[key].(string); v == "" {
					return fmt.Errorf("a datasource without %s", key)
				}
			}
			readOnly := d["editable"] != true
			delete(d, "editable")
			s.insert(expand(d).(object), readOnly)
		}
		return nil
	}); err != nil {
		return err
	}
	var providers struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type, Folder string
			Options            struct{ Path string }
		} `yaml:"providers"`
	}
	return each(filepath.Join(dir, "dashboards", "*.yaml"), &providers, func() error {
		for _, p := range providers.Providers {
			if p.Type != "file" || p.Options.Path == "" {
				return fmt.Errorf("provider %q: want type file with options.path", p.Name)
			}
			files, err := filepath.Glob(filepath.Join(p.Options.Path, "*.json"))
			if err != nil {
				return err
			}
			for _, f := range files {
				text, err := os.ReadFile(f)
				if err != nil {
					return err
				}
				var d object
				if err := json.Unmarshal(text, &d); err != nil {
					return fmt.Errorf("%s: %w", f, err)
				}
				uid, _ := d["uid"].(string)
				if title, _ := d["title"].(string); uid == "" || title == "" {
					return fmt.Errorf("%s: a dashboard without uid or title", f)
				}
				s.insertDashboard(uid, d, true)
			}
		}
		return nil
	})
}

// each reads the files of a glob into v, one after the other.
func each(glob string, v any, then func() error) error {
	files, err := filepath.Glob(glob)
	if err != nil {
		return err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil {
			err = yaml.Unmarshal(text, v)
		}
		if err == nil {
			err = then()
		}
		if err != nil {
			return fmt.Errorf("provisioning %s: %w", f, err)
		}
	}
	return nil
}

func expand(v any) any {
	switch v := v.(type) {
	case string:
		return os.Expand(strings.ReplaceAll(v, "$$", "\x00"), os.Getenv)
	case object:
		for k, e := range v {
			v[k] = dollars(expand(e))
		}
		return v
	case []any:
		for i, e := range v {
			v[i] = dollars(expand(e))
		}
		return v
	}
	return v
}

func dollars(v any) any {
	if text, ok := v.(string); ok {
		return strings.ReplaceAll(text, "\x00", "$")
	}
	return v
}
