package config

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/pflag"
)

// FlagKey is the annotation of a flag that holds the key path it sets, so that a command can add flags of its own:
//
//	fs.SetAnnotation("queue", config.FlagKey, []string{"services.chat.task_queue"})
const FlagKey = "orch.key"

// Names of the flags of [BindFlags] that are not settings themselves.
const (
	flagFile = "config"
	flagSet  = "set"
)

// BindFlags adds --config, one flag for each setting that is often given on the command line, and --set for all others.
// [Load] reads them from [Options].Flags.
func BindFlags(fs *pflag.FlagSet) {
	fs.String(flagFile, "", "configuration file (default: $ORCH_CONFIG, ./orch.toml, ~/.config/orch/orch.toml, /etc/orch/orch.toml)")
	fs.StringArray(flagSet, nil, "any setting by its key path, such as services.chat.task_queue=chat-queue (repeatable)")
	shape().eachField("", func(path string, f *field) {
		if f.flag == "" {
			return
		}
		usage, _, _ := strings.Cut(plain(f.doc), ". ")
		if len(f.oneof) > 0 {
			usage = strings.Join(f.oneof, "|") + ": " + usage
		}
		fs.String(f.flag, "", fmt.Sprintf("%s [%s]", strings.TrimSuffix(usage, "."), path))
		_ = fs.SetAnnotation(f.flag, FlagKey, []string{path}) // fails for a flag that does not exist only
	})
}

// eachField visits the fields with a fixed key path, in the order of the types.
func (n *node) eachField(prefix string, visit func(path string, f *field)) {
	for _, f := range n.fields {
		path := strings.TrimPrefix(prefix+"."+f.key, ".")
		visit(path, f)
		if f.node.kind == table {
			f.node.eachField(path, visit)
		}
	}
}

// flagLayer reads the flags that were given and carry [FlagKey], and --set.
func flagLayer(fs *pflag.FlagSet, root *node, r *report, s source) *source {
	s.values, s.places = map[string]any{}, origins{}
	if fs == nil {
		return &s
	}
	fs.VisitAll(func(f *pflag.Flag) { // not Visit: a subcommand that parsed a flag of its parent marks the flag only
		if !f.Changed {
			return
		}
		from := place{file: "--" + f.Name}
		if f.Name == flagSet {
			if all, ok := f.Value.(pflag.SliceValue); ok {
				for _, assignment := range all.GetSlice() {
					s.assign(assignment, root, r)
				}
			}
			return
		}
		for _, path := range f.Annotations[FlagKey] {
			value := f.Value.String()
			if all, ok := f.Value.(pflag.SliceValue); ok {
				value = strings.Join(all.GetSlice(), ",")
			}
			s.setPath(path, value, from, root, r)
		}
	})
	return &s
}

// assign is one --set path=value.
func (s *source) assign(assignment string, root *node, r *report) {
	path, value, ok := strings.Cut(assignment, "=")
	if !ok {
		r.add(place{file: "--set"}, nil, fmt.Sprintf("expected path=value, found %q", shorten(assignment)), "such as --set host.log_level=debug")
		return
	}
	s.setPath(strings.TrimSpace(path), value, place{file: "--set " + strings.TrimSpace(path)}, root, r)
}

func (s *source) setPath(path, value string, from place, root *node, r *report) {
	keys, ok := splitKeys(path)
	if !ok || len(keys) > maxDepth {
		r.add(from, nil, fmt.Sprintf("%q is not a key path", shorten(path)), "such as services.chat.task_queue")
		return
	}
	n, p := root, (*keyPath)(nil)
	for i, key := range keys {
		p = p.key(key)
		f, named := n.field(key), n.named()
		switch {
		case f != nil:
			n = f.node
		case n.kind == free:
		case named != nil && i+1 < len(keys):
			n = named
		default:
			r.add(from, p, "unknown key", didYouMean(key, n.keys()))
			return
		}
	}
	if n.kind == table || n.kind == dict {
		r.add(from, p, "is a table, not a setting", "")
		return
	}
	s.set(keys, n, value, from, r)
}

// splitKeys takes a key path apart by the rules of TOML: bare or quoted keys with dots between them.
func splitKeys(path string) ([]string, bool) {
	p := unstable.Parser{}
	p.Reset([]byte(path + " = 0"))
	if strings.ContainsAny(path, "\r\n") || !p.NextExpression() || p.Expression().Kind != unstable.KeyValue {
		return nil, false
	}
	var keys []string
	for it := p.Expression().Key(); it.Next(); {
		keys = append(keys, string(it.Node().Data))
	}
	return keys, p.Expression().Value().Kind == unstable.Integer
}

// plain takes the marks of code out of a doc text.
func plain(doc string) string { return strings.ReplaceAll(doc, "'", "") }
