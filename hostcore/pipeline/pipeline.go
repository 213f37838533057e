package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
)

// TypePrefix begins the workflow type of every declared pipeline: the file database.yaml is started as pipeline/database.
const TypePrefix = "pipeline/"

// Pipeline is one valid definition, compiled and immutable. It is safe for use by many goroutines.
type Pipeline struct {
	def    *definition
	file   string
	raw    json.RawMessage // the normalised definition
	sha256 string
}

// Name is the name of the file without its ending.
func (p *Pipeline) Name() string { return p.def.name }

// Type is the workflow type that starts the pipeline.
func (p *Pipeline) Type() string { return TypePrefix + p.def.name }

// Description is what the file says the pipeline is for.
func (p *Pipeline) Description() string { return p.def.description }

// File is the file the definition came from, empty for one read back from a history.
func (p *Pipeline) File() string { return p.file }

// SHA256 is the hash of the normalised definition, in hex: it stays the same when only comments or layout change.
func (p *Pipeline) SHA256() string { return p.sha256 }

// Definition is the normalised definition as JSON, every default written out. It is what an execution pins.
func (p *Pipeline) Definition() json.RawMessage { return slices.Clone(p.raw) }

// ParamsSchema is the JSON Schema of the params, nil when the pipeline takes anything.
func (p *Pipeline) ParamsSchema() json.RawMessage {
	if p.def.params.raw == nil {
		return nil
	}
	return json.RawMessage(canonical(p.def.params.raw))
}

// Activities are the activity types the pipeline may call, compensation and failure handling included, sorted.
func (p *Pipeline) Activities() []string {
	var names []string
	walk(func(s *step) {
		if s.kind == kindActivity {
			names = append(names, s.activity)
		}
	}, p.def.steps, p.def.onFailure)
	slices.Sort(names)
	return slices.Compact(names)
}

// Parse reads one definition. file gives the pipeline its name and stands in problems. The error is a Problems value
// that lists everything that is wrong.
func Parse(file string, data []byte, o LoadOptions) (*Pipeline, error) {
	l, err := newLang()
	if err != nil {
		return nil, err
	}
	return parse(l, file, data, o)
}

func parse(l *lang, file string, data []byte, o LoadOptions) (*Pipeline, error) {
	name, ok := nameOf(file)
	if !ok {
		return nil, Problems{{File: file, Message: "the name of the file is the name of the pipeline",
			Hint: "begin with a lower-case letter and use a-z, 0-9, _ and -, at most 63: my-pipeline.yaml"}}
	}
	for _, taken := range o.Reserved {
		if strings.EqualFold(taken, name) || strings.EqualFold(taken, TypePrefix+name) {
			return nil, Problems{{File: file, Message: fmt.Sprintf("%q is the name of a built-in workflow", taken), Hint: "rename the file"}}
		}
	}
	if len(data) > maxFileSize {
		return nil, Problems{{File: file, Message: fmt.Sprintf("the file is larger than %d KiB", maxFileSize>>10), Hint: "split the pipeline"}}
	}
	v, src, problems := parseYAML(file, data)
	if len(problems) > 0 {
		problems.sort()
		return nil, problems
	}
	d := &decoder{lang: l, source: src}
	def := d.decode(v, name)
	problems = d.problems
	if def != nil && d.exprs <= maxExpressions && d.steps <= maxSteps {
		c := &checker{lang: l, source: src, def: def, catalog: o.Catalog}
		problems = append(problems, c.check()...)
	}
	if len(problems) > 0 {
		problems.sort()
		return nil, problems
	}
	p := compiled(def)
	p.file = file
	if len(p.raw) > maxFileSize {
		return nil, Problems{{File: file, Message: fmt.Sprintf("the definition is larger than %d KiB with its defaults written out", maxFileSize>>10),
			Hint: "split the pipeline"}}
	}
	return p, nil
}

// restore reads a normalised definition back.
func restore(l *lang, name string, raw json.RawMessage) (*Pipeline, error) {
	v, err := decodeJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("read the definition of pipeline %s: %w", name, err)
	}
	d := &decoder{lang: l}
	def := d.decode(v, name)
	if len(d.problems) > 0 {
		return nil, fmt.Errorf("read the definition of pipeline %s: %w", name, d.problems)
	}
	return compiled(def), nil
}

func compiled(def *definition) *Pipeline {
	raw := json.RawMessage(canonical(def.normal()))
	sum := sha256.Sum256(raw)
	return &Pipeline{def: def, raw: raw, sha256: hex.EncodeToString(sum[:])}
}

// nameOf is the pipeline name a file stands for.
func nameOf(file string) (string, bool) {
	base := path.Base(strings.ReplaceAll(file, "\\", "/"))
	ending := path.Ext(base)
	name := strings.TrimSuffix(base, ending)
	return name, (ending == ".yaml" || ending == ".yml") && namePattern.MatchString(name)
}
