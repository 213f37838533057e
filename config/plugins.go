package config

import "fmt"

// Modes of [Plugins].Mode.
const (
	TrustStrict = "strict"
	TrustWarn   = "warn"
	TrustOff    = "off"
)

// Plugins is where plugins come from, what may run, and how they are swapped.
type Plugins struct {
	Dir          string            `toml:"dir" flag:"plugin-dir" path:"true" default:"plugins, in the state folder" doc:"Folder that is watched for plugin binaries."`
	Mode         string            `toml:"mode" flag:"plugin-mode" oneof:"strict warn off" doc:"What happens to a binary that the lock file does not hold. 'strict' refuses it, 'warn' runs it and says so, 'off' does not look."`
	Lock         string            `toml:"lock" path:"true" default:"plugins.lock, beside orch.toml; without a file, in the state folder" doc:"Lock file with name, version and digest of each plugin, as 'host plugin lock' writes it."`
	TrustedKeys  []string          `toml:"trusted_keys" check:"minisign" doc:"Public keys (minisign). When there is one, a plugin needs a signature by one of them in a file beside it, named as the plugin with '.minisig' added; in every mode. 'strict' wants it in the lock file as well."`
	Drain        Duration          `toml:"drain" min:"0s" doc:"How long activities may go on in the old version after a swap, before they are cancelled."`
	Grace        Duration          `toml:"grace" min:"0s" doc:"How long a cancelled activity may clean up before its process is ended."`
	Probation    Duration          `toml:"probation" min:"0s" doc:"How long a new version is watched after a swap. When it fails in that time, the version before it comes back."`
	StartTimeout Duration          `toml:"start_timeout" min:"100ms" doc:"How long a plugin may take from its start until it is ready."`
	Groups       map[string]Plugin `toml:",remain" doc:"Settings of one plugin group."`
}

// Plugin is the settings of one plugin group; a group without a table runs with the defaults.
type Plugin struct {
	// Group is the table's key.
	Group string `toml:"-"`

	Path          string         `toml:"path" path:"true" default:"the highest version in the plugin folder that 'version' allows" doc:"The binary to run."`
	Version       string         `toml:"version" check:"constraint" doc:"Versions that may run, such as '~1.4' or '>=1.2 <2'. Empty: any."`
	Env           []string       `toml:"env" check:"envname" doc:"Names of the environment variables that the plugin may see. It sees no others."`
	Memory        Bytes          `toml:"memory" min:"8MiB" zero:"true" doc:"Memory limit, such as '256MiB'. 0: none."`
	MaxConcurrent int            `toml:"max_concurrent" min:"0" doc:"Activities that may run in it at the same time. 0: no limit. While it is full, the services that need it take no further activity off their queue."`
	OpenFiles     int            `toml:"open_files" min:"0" doc:"Limit of open files. 0: that of the host."`
	RunAs         string         `toml:"run_as" check:"user" doc:"User, or 'user:group', to run it as. Needs a host that runs as root."`
	Drain         Duration       `toml:"drain" min:"0s" default:"that of [plugins]" doc:"How long activities may go on in the old version after a swap."`
	AllowBreaking bool           `toml:"allow_breaking" doc:"Let a swap through that drops an activity, asks for a new input or drops an output."`
	Disabled      bool           `toml:"disabled" doc:"Do not run this group."`
	Config        map[string]any `toml:"config" doc:"Handed to the plugin, which says what may be in it: see 'host plugin info'. Strings of the form 'env:NAME' and 'file:/path' are replaced by what they refer to at hand-over; 'literal:' in front of a string keeps it as it is."`
}

// GroupProblem tells why no [plugins.<group>] table can have the name of a group; "" when one can.
func GroupProblem(group string) string {
	plugins := shape().field("plugins").node
	switch {
	case plugins.field(group) != nil:
		return fmt.Sprintf("%q is a setting of [plugins] itself", group)
	case !tableName.MatchString(group) || len(group) > maxTableName:
		return fmt.Sprintf("%q is no name of a table: want letters, digits, and single '-' or '_' between them, %d at the most", group, maxTableName)
	}
	return ""
}
