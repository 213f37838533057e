package pluginv1

// The handshake between host and plugin, as go-plugin defines it: the host
// starts "<binary> serve" with the cookie in the environment, the plugin
// answers with one line "1|<protocol version>|unix|<socket>|grpc|" and serves
// the Plugin service on that socket. A plugin in any language needs no more
// than these values.
const (
	// MagicCookieKey and MagicCookieValue are the environment variable by which
	// a plugin sees that a host started it. It is a courtesy to people who run
	// the binary by hand, not a secret.
	MagicCookieKey   = "ORCH_PLUGIN"
	MagicCookieValue = "a7a7ff220e81089d2aa12c20bccad60a36e11ad98088d4f0510f30f8d50a534e"

	// ProtocolVersion is the wire major: 1 is package orch.plugin.v1.
	ProtocolVersion = 1

	// PluginName is the one entry of go-plugin's plugin set.
	PluginName = "orch"

	// ServeArg is the argument with which the host starts a plugin to serve.
	ServeArg = "serve"
)

// Descriptors that the host hands to the plugin. They are named in the
// environment rather than fixed, so that a plugin started by hand or by another
// host does not write into a descriptor that means something else.
const (
	// EnvHandshakeFD holds the number of the descriptor on which the handshake
	// line is expected. It leaves stdout free for the plugin's own prints, which
	// become log lines. A plugin that does not know it writes the line to stdout.
	EnvHandshakeFD = "ORCH_HANDSHAKE_FD"

	// EnvLivenessFD holds the number of a descriptor that reads EOF when the host
	// is gone, however it went. The plugin closes its listener and exits then. It
	// must be marked close-on-exec, or grandchildren hold it open.
	EnvLivenessFD = "ORCH_LIVENESS_FD"
)
