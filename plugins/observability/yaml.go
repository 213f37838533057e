package observability

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlProblem says where a text is not the YAML of an object, and quotes
// nothing of it: what is given as a template can be any file that this
// process may read, and failures are kept in Temporal's history.
type yamlProblem struct{ text string }

func (p yamlProblem) Error() string { return p.text }

var (
	yamlLine  = regexp.MustCompile(`^line \d+`)
	yamlTwice = regexp.MustCompile(`already defined at (line \d+)$`)
)

// unmarshalObject reads the YAML of an object.
func unmarshalObject(text []byte) (object, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil { // the notation alone, in the parser's words
		switch said := strings.TrimPrefix(err.Error(), "yaml: "); {
		case strings.HasPrefix(said, "unknown anchor"):
			return nil, yamlProblem{"an alias, *name, has no anchor, &name"}
		case yamlLine.MatchString(said):
			return nil, yamlProblem{said}
		default: // it leaves out the first line's number
			return nil, yamlProblem{"line 1: " + said}
		}
	}
	var o object
	err := doc.Decode(&o)
	var mismatch *yaml.TypeError
	switch {
	case err == nil:
		return o, nil
	case errors.As(err, &mismatch):
		var all []string
		for _, e := range mismatch.Errors {
			what := "want names with values, such as receivers:"
			if twice := yamlTwice.FindStringSubmatch(e); twice != nil {
				what = "the same key as in " + twice[1]
			}
			all = append(all, fmt.Sprintf("%s: %s", yamlLine.FindString(e), what))
		}
		return nil, yamlProblem{strings.Join(all, "; ")}
	}
	return nil, yamlProblem{"a value is not what its tag, !!name, says, or an anchor, &name, contains itself"}
}
