package sdk

import (
	"context"
	"fmt"
	"regexp"
)

// Version of this SDK, as reported in the manifest.
const Version = "0.1.0"

// Plugin describes a plugin: what it is called, what it can do, how it is
// configured. The zero value of every optional field is a working default.
type Plugin struct {
	// Group names the orch.toml table [plugins.<group>] that configures the
	// plugin. Default: Name.
	Group string
	// Name identifies the plugin on a host; two files with the same name are
	// two versions of one plugin. Required: letters, digits, "-" and "_".
	Name string
	// Version is the semantic version of the plugin. Required.
	Version string
	// Doc is one paragraph for people.
	Doc string
	// Config receives the configuration table; nil: the plugin takes none.
	Config Configurer
	// Activities are what the plugin offers. At least one.
	Activities []ActivityDef
	// Ready, when set, is called after each accepted configuration and again
	// every second until it returns nil; until then no attempt is sent. Each
	// call has thirty seconds; a panic is taken for an error.
	Ready func(context.Context) error
	// Close, when set, runs once after the last attempt has ended and before
	// the process exits. It has ten seconds. Attempts that were cut and have
	// not returned two seconds later are not waited for.
	Close func(context.Context) error
}

var (
	pluginNameRE   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,62}$`)
	activityNameRE = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_/-]{0,126}(@[0-9]+)?$`)
	versionRE      = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
)

// withDefaults fills the optional fields and reports what makes the
// description unusable.
func (p Plugin) withDefaults() (Plugin, error) {
	if p.Group == "" {
		p.Group = p.Name
	}
	for _, name := range []string{p.Name, p.Group} {
		if !pluginNameRE.MatchString(name) {
			return p, fmt.Errorf("plugin name %q: want a letter, then letters, digits, \"-\" or \"_\"", name)
		}
	}
	if !versionRE.MatchString(p.Version) {
		return p, fmt.Errorf("plugin %s: version %q is not a semantic version such as 1.2.0", p.Name, p.Version)
	}
	if len(p.Activities) == 0 {
		return p, fmt.Errorf("plugin %s offers no activity", p.Name)
	}
	seen := map[string]bool{}
	for _, a := range p.Activities {
		switch {
		case a.err != nil:
			return p, fmt.Errorf("activity %q: %w", a.name, a.err)
		case !activityNameRE.MatchString(a.name):
			return p, fmt.Errorf("activity name %q: want letters, digits, \"_\", \"-\" or \"/\" and no dot (Temporal's replay check ignores what stands before a dot)", a.name)
		case seen[a.name]:
			return p, fmt.Errorf("plugin %s lists activity %q twice", p.Name, a.name)
		}
		seen[a.name] = true
	}
	return p, nil
}
