package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
)

const referenceHead = `# Configuration reference

<!-- Generated from the types in config/. Change the doc tags there, then run: go test ./config -run Reference -update -->

A host reads ` + "`orch.toml`" + `: the file named by ` + "`--config`" + ` or ` + "`$ORCH_CONFIG`" + `, or else the first of ` + "`./orch.toml`" + `,
` + "`~/.config/orch/orch.toml`" + ` (` + "`$XDG_CONFIG_HOME`" + `) and ` + "`/etc/orch/orch.toml`" + `. Without any file the built-in one applies;
` + "`host config init`" + ` writes it out, ` + "`host config check`" + ` says what is wrong in yours, and ` + "`host config schema`" + ` prints the
JSON Schema for your editor.

**Order.** Defaults < file < environment < flags.

**Environment.** ` + "`ORCH_`" + ` and the key path in capitals, with a double underscore between the levels: ` + "`ORCH_HOST__LOG_LEVEL=debug`" + `,
` + "`ORCH_SERVICES__CHAT__TASK_QUEUE=chat-queue`" + `. In names that you choose, ` + "`-`" + ` is written ` + "`_`" + ` as well: ` + "`ORCH_SERVICES__LOGS_PIPELINE__...`" + `
means ` + "`logs-pipeline`" + ` when the file has it; a name that the file does not have is taken in lower case. Lists are separated by
commas, or are JSON; values below ` + "`params`" + ` and ` + "`config`" + ` are JSON where they can be, and text otherwise. An empty variable counts as not
set. A variable that means no setting is an error, except ` + "`ORCH_CONFIG`" + ` and ` + "`ORCH_SPECS`" + `.

**Flags.** Some settings have one of their own, listed below; ` + "`--set services.chat.task_queue=chat-queue`" + ` sets any.

**Temporal's own settings.** ` + "`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS_*`" + ` and the profiles in
` + "`temporal.toml`" + ` are used in mode ` + "`external`" + `, below everything that is set here and above the defaults.

**Notation.** Durations: ` + "`30s`, `5m`, `1h30m`, `30d`" + `. Memory: ` + "`256MiB`, `1GB`" + `, or a number of bytes. Relative paths start at the folder of
the file (in variables and flags: at the working folder), and ` + "`~`" + ` is the home folder; nothing else is expanded, and nothing inside of
` + "`params`" + ` and ` + "`config`" + ` except references.

**Secrets** are references, ` + "`env:NAME`" + ` or ` + "`file:/path`" + `, read at the moment they are needed. They are required in ` + "`params`" + `, which
become part of a workflow's history.
`

// Reference is docs/configuration.md: every setting with its type, default, limits, variable and flag.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString(referenceHead)
	referenceTable(&b, shape(), "", reflect.ValueOf(constants()))
	return b.Bytes()
}

// referenceTable writes the keys of a table, then the tables in it.
func referenceTable(b *bytes.Buffer, n *node, path string, v reflect.Value) {
	var tables []*field
	for _, f := range n.fields {
		if f.node.kind == table || f.node.kind == dict {
			tables = append(tables, f)
			continue
		}
		key := path + "." + f.key
		fmt.Fprintf(b, "\n### `%s`\n\n%s\n\n", strings.TrimPrefix(key, "."), code(f.doc))
		facts := []string{f.notation()}
		if d := f.documented(v.Field(f.index)); d != "" {
			facts = append(facts, "default "+d)
		}
		facts = append(facts, "`"+prefix+envPath(key)+"`")
		if f.flag != "" {
			facts = append(facts, "`--"+f.flag+"`")
		}
		fmt.Fprintf(b, "%s\n", strings.Join(facts, " · "))
	}
	for _, f := range tables {
		name := strings.TrimPrefix(path+"."+f.key, ".")
		if f.node.kind == dict {
			name += ".<name>"
			fmt.Fprintf(b, "\n## `[%s]`\n\n%s\n", name, code(f.doc))
			referenceTable(b, f.node.elem, name, reflect.New(v.Field(f.index).Type().Elem()).Elem())
			continue
		}
		fmt.Fprintf(b, "\n## `[%s]`\n\n%s\n", name, code(f.doc))
		referenceTable(b, f.node, name, v.Field(f.index))
	}
	if n.rest != nil {
		name := path + ".<group>"
		fmt.Fprintf(b, "\n## `[%s]`\n\nSettings of one plugin group. A group without a table runs with the defaults.\n", name)
		referenceTable(b, n.rest, name, reflect.ValueOf(Plugin{}))
	}
}

// notation is the type and the limits, for people.
func (f *field) notation() string {
	var s string
	switch f.node.kind {
	case number:
		s = "whole number"
	case toggle:
		s = "true or false"
	case span:
		s = "duration"
	case amount:
		s = "memory"
	case list:
		s = "list of strings"
	case free:
		return "table"
	case secret:
		return "secret"
	default:
		s = "string"
		if f.path {
			s = "path"
		}
		if len(f.oneof) > 0 {
			s = "`" + strings.Join(f.oneof, "`, `") + "`"
		}
	}
	switch {
	case f.max != "":
		s += ", " + f.min + " to " + f.max
	case f.min != "" && f.min != "0" && f.min != "0s":
		s += ", " + f.min + " or more"
	}
	return s
}

func (f *field) documented(v reflect.Value) string {
	if f.fallback != "" {
		return code(f.fallback)
	}
	if d := f.constant(v); d != "" {
		return "`" + d + "`"
	}
	return ""
}

// envPath is a key path as the rest of a variable's name.
func envPath(path string) string {
	var parts []string
	for key := range strings.SplitSeq(strings.TrimPrefix(path, "."), ".") {
		parts = append(parts, envPart(key))
	}
	return strings.Join(parts, separator)
}

// code turns the quotes of a doc text into marks of code, and keeps placeholders from being read as HTML.
func code(doc string) string {
	var b strings.Builder
	for i, part := range strings.Split(doc, "'") {
		if i%2 == 1 {
			b.WriteString("`" + part + "`")
			continue
		}
		b.WriteString(strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(part))
	}
	return b.String()
}
