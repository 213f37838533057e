// Package plugindoc writes a plugin's reference page from its manifest. The
// same manifest always gives the same bytes, so that a page can be kept in a
// repository and compared in CI.
package plugindoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// manifest is what "describe" prints.
type manifest struct {
	Group      string          `json:"group"`
	Name       string          `json:"name"`
	Version    string          `json:"version"`
	Doc        string          `json:"doc"`
	SDK        string          `json:"sdk"`
	Language   string          `json:"language"`
	Config     json.RawMessage `json:"config"`
	Activities []activity      `json:"activities"`
}

type activity struct {
	Name          string          `json:"name"`
	Doc           string          `json:"doc"`
	Contract      int             `json:"contract"`
	Idempotent    bool            `json:"idempotent"`
	StartToClose  string          `json:"start_to_close"`
	Heartbeat     string          `json:"heartbeat"`
	MaxConcurrent int             `json:"max_concurrent"`
	Input         json.RawMessage `json:"input"`
	Output        json.RawMessage `json:"output"`
}

// Markdown writes the page of a manifest, given as "describe" prints it.
func Markdown(described []byte) ([]byte, error) {
	var m manifest
	if err := json.Unmarshal(described, &m); err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s %s\n\n", m.Name, m.Version)
	if m.Doc != "" {
		fmt.Fprintf(&b, "%s\n\n", m.Doc)
	}
	fmt.Fprintf(&b, "Group `%s`, written in %s with SDK %s.\n\n", m.Group, orDash(m.Language), orDash(m.SDK))
	if err := settings(&b, m); err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, "## Activities\n\n")
	for _, a := range m.Activities {
		fmt.Fprintf(&b, "- [`%s`](#%s)\n", a.Name, anchor(a.Name))
	}
	for _, a := range m.Activities {
		if err := a.write(&b); err != nil {
			return nil, fmt.Errorf("activity %s: %w", a.Name, err)
		}
	}
	return b.Bytes(), nil
}

func settings(b *bytes.Buffer, m manifest) error {
	fmt.Fprintf(b, "## Settings\n\n")
	fields, err := fieldsOf(m.Config)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	if len(fields) == 0 {
		fmt.Fprintf(b, "It takes none.\n\n")
		return nil
	}
	table(b, fields)
	fmt.Fprintf(b, "```toml\n[plugins.%s.config]\n", m.Group)
	for _, f := range fields {
		if f.depth > 0 {
			continue
		}
		mark := "# "
		if f.required {
			mark = ""
		}
		fmt.Fprintf(b, "%s%s = %s\n", mark, f.path, f.example)
	}
	fmt.Fprintf(b, "```\n\n")
	return nil
}

func (a activity) write(b *bytes.Buffer) error {
	fmt.Fprintf(b, "\n### %s\n\n", a.Name)
	if a.Doc != "" {
		fmt.Fprintf(b, "%s\n\n", a.Doc)
	}
	fmt.Fprintf(b, "%s\n\n", strings.Join(a.rules(), " "))
	for _, part := range []struct {
		title  string
		schema json.RawMessage
	}{{"Input", a.Input}, {"Result", a.Output}} {
		fields, err := fieldsOf(part.schema)
		if err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(part.title), err)
		}
		if len(fields) == 0 {
			fmt.Fprintf(b, "%s: %s.\n\n", part.title, typeOf(part.schema))
			continue
		}
		fmt.Fprintf(b, "%s:\n\n", part.title)
		table(b, fields)
	}
	return nil
}

// rules are what a workflow's author has to know of the activity.
func (a activity) rules() []string {
	rules := []string{"Not idempotent: a second attempt may act again."}
	if a.Idempotent {
		rules[0] = "Idempotent: a second attempt has no further effect."
	}
	if a.StartToClose != "" {
		rules = append(rules, "Suggested limit of one attempt: "+a.StartToClose+".")
	}
	if a.Heartbeat != "" {
		rules = append(rules, "Suggested heartbeat timeout: "+a.Heartbeat+".")
	}
	if a.MaxConcurrent > 0 {
		rules = append(rules, fmt.Sprintf("At most %d at the same time.", a.MaxConcurrent))
	}
	if a.Contract > 1 {
		rules = append(rules, fmt.Sprintf("Contract %d.", a.Contract))
	}
	return rules
}

func table(b *bytes.Buffer, fields []field) {
	fmt.Fprintf(b, "| field | type | required | meaning |\n|---|---|---|---|\n")
	for _, f := range fields {
		required := ""
		if f.required {
			required = "yes"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", cell(f.path), cell(f.kind), required, cell(f.doc))
	}
	fmt.Fprintln(b)
}

// cell keeps a text inside its cell of a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

func orDash(s string) string {
	if s == "" {
		return "an unnamed version"
	}
	return s
}

// anchor is the fragment that renderers give to a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '_' || r == '-' || (r >= '0' && r <= '9') || (r >= 'a' && r <= 'z'):
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r == ' ':
			return '-'
		}
		return -1
	}, heading)
}
