package config

import "net"

// Config is everything a host can be told, complete: every default is filled in.
type Config struct {
	Temporal Temporal           `toml:"temporal" doc:"How to reach Temporal, or how to run it on this machine."`
	Host     Host               `toml:"host" doc:"The host process: its folders, its HTTP address, its log."`
	Plugins  Plugins            `toml:"plugins" doc:"Where plugins come from and what they may do. Each table below it, such as [plugins.databases], holds the settings of one plugin group."`
	Services map[string]Service `toml:"services" doc:"What can be started and stopped, one table for each service, such as [services.chat]."`
	Dev      map[string]Dev     `toml:"dev" doc:"For plugin developers: one table for each plugin group that runs outside of the host, such as under a debugger."`

	// Path is the absolute path of the file that was loaded; empty when there was none and the built-in one applied.
	Path string `toml:"-"`

	origins origins
}

// Modes of [Temporal].Mode.
const (
	ModeEmbedded = "embedded"
	ModeExternal = "external"
)

// Temporal says how to reach the workflow engine.
type Temporal struct {
	Mode       string `toml:"mode" flag:"temporal-mode" oneof:"embedded external" doc:"Which Temporal server to use. 'embedded': the host starts its own on this machine and keeps it in the state folder. 'external': connect to the one at 'address'."`
	Address    string `toml:"address" flag:"temporal-address" check:"address" default:"localhost:7233" doc:"Host and port of the Temporal frontend. In mode 'embedded' it follows 'embedded.port'."`
	Namespace  string `toml:"namespace" flag:"temporal-namespace" check:"name" doc:"Temporal namespace of the services that name none."`
	APIKey     Secret `toml:"api_key" doc:"API key for Temporal Cloud or a server that asks for one. Turns TLS on."`
	Profile    string `toml:"profile" doc:"Profile of the Temporal client configuration (temporal.toml) to start from. The settings here go before it."`
	ConfigFile string `toml:"config_file" path:"true" doc:"The Temporal client configuration to read the profile from. Default: where the Temporal CLI keeps it."`
	WebUI      string `toml:"web_ui" check:"url" default:"http://localhost:8080" doc:"Address of the Temporal Web UI, for links that people follow. In mode 'embedded' it follows 'embedded.ui_port'."`
	TLS        TLS    `toml:"tls" doc:"TLS to the Temporal server."`

	Encryption Encryption `toml:"encryption" doc:"Encryption of what is stored in Temporal: arguments, results, heartbeats, the messages of failures."`

	Embedded Embedded `toml:"embedded" doc:"The server of mode 'embedded'."`
}

// TLS is the client side of a TLS connection.
type TLS struct {
	Enabled    *bool  `toml:"enabled" default:"true as soon as another TLS setting or the API key is set" doc:"Turn TLS on or off."`
	CertFile   string `toml:"cert_file" path:"true" doc:"Client certificate (PEM) for mutual TLS."`
	KeyFile    string `toml:"key_file" path:"true" doc:"Private key (PEM) of the client certificate."`
	CAFile     string `toml:"ca_file" path:"true" doc:"Certificate authorities (PEM) to trust. Default: those of the system."`
	ServerName string `toml:"server_name" doc:"Name that the certificate of the server must carry, when it is not the host of the address."`
}

// UseTLS tells whether to connect with TLS: as set, or because another setting makes no sense without it.
func (t Temporal) UseTLS() bool {
	if t.TLS.Enabled != nil {
		return *t.TLS.Enabled
	}
	return t.TLS.CertFile != "" || t.TLS.KeyFile != "" || t.TLS.CAFile != "" || t.TLS.ServerName != "" || !t.APIKey.IsZero()
}

// Encryption keeps what is stored in Temporal from the server and its database.
type Encryption struct {
	KeyID string                   `toml:"key_id" check:"name" doc:"Id of the key that encrypts: the name of a table in 'keys'. Empty: nothing is encrypted, and what was encrypted before is still read."`
	Keys  map[string]EncryptionKey `toml:"keys" doc:"A key, under its id. To rotate, add one on every host, then change 'key_id'; a key stays until no history needs it."`
	Token Secret                   `toml:"endpoint_token" doc:"When set, the HTTP endpoints serve POST /codec/decode to whoever sends it as a bearer token, for the Web UI and the temporal command."`
}

// EncryptionKey is one of several keys.
type EncryptionKey struct {
	Key Secret `toml:"key" doc:"32 bytes in base64 (openssl rand -base64 32), as 'env:NAME' or 'file:/path'."`
}

// Embedded is the server that the host runs itself in mode embedded.
type Embedded struct {
	Binary    string   `toml:"binary" path:"true" default:"devserver, beside the host binary" doc:"The program that holds the server and its Web UI."`
	Port      int      `toml:"port" min:"1" max:"65535" doc:"Port of the frontend on 127.0.0.1."`
	UIPort    int      `toml:"ui_port" min:"1" max:"65535" doc:"Port of the Web UI on 127.0.0.1."`
	Retention Duration `toml:"retention" min:"1h" doc:"How long the histories of closed workflows are kept."`
}

// Host is the host process itself.
type Host struct {
	Name        string          `toml:"name" check:"name" default:"the host name of the machine" doc:"Name of this host among several: in status, in metrics, and where a placement names it."`
	Labels      []string        `toml:"labels" check:"label" doc:"Labels that a placement of a service can ask for, such as 'gpu' or 'zone=eu'."`
	ForgetAfter Duration        `toml:"forget_after" min:"1m" max:"8760h" doc:"How long a host that has gone away is still one of the hosts that a service with placement = \"all\" runs on: a run waits for it, and fails when it does not come. 'host hosts' lists the hosts, 'host hosts forget' takes one out at once."`
	StateDir    string          `toml:"state_dir" flag:"state-dir" path:"true" default:"$XDG_STATE_HOME/orch or ~/.local/state/orch; for root /var/lib/orch" doc:"Folder of everything that must survive a restart: the embedded database, the plugin store, generated passwords."`
	RuntimeDir  string          `toml:"runtime_dir" flag:"runtime-dir" path:"true" default:"$XDG_RUNTIME_DIR/orch or /tmp/orch-<uid>; for root /run/orch" doc:"Folder of the sockets. Must be short, 67 bytes at the most, since the path of a socket is limited to 107."`
	Listen      string          `toml:"listen" flag:"listen" check:"listen" doc:"Address of the HTTP endpoints (health, metrics, status page). One that other machines reach needs 'tls' and 'http_token'. Port 0 takes a free one; empty turns them off."`
	TLS         ServerTLS       `toml:"tls" doc:"TLS of the HTTP endpoints."`
	Token       Secret          `toml:"http_token" doc:"When set, whoever enters it on the status page may start and stop services and roll plugins back; without it the page is read-only. Where 'listen' is not a loopback address, the page and the metrics (as a bearer token) ask everybody for it. As 'env:NAME' or 'file:/path'."`
	OTLP        string          `toml:"otlp_endpoint" check:"url" doc:"Base URL of an OTLP/HTTP receiver, such as 'http://localhost:4318', that gets the metrics of this host every 15 s, and the traces of its workflows, activities and plugins. Empty: none."`
	Traces      int             `toml:"trace_percent" min:"0" max:"100" doc:"How many of the traces that begin on this host are kept, in percent. 0: none."`
	Links       map[string]Link `toml:"links" doc:"Links on the status page, such as [host.links.Grafana]."`
	LogLevel    string          `toml:"log_level" flag:"log-level" oneof:"debug info warn error" doc:"The least important lines to log."`
	LogFormat   string          `toml:"log_format" flag:"log-format" oneof:"auto text json" doc:"How log lines look. 'auto' is text on a terminal and JSON elsewhere."`
	Pipelines   string          `toml:"pipelines_dir" path:"true" default:"pipelines, beside orch.toml; without a file, in the state folder" doc:"Folder with declared pipelines: each <name>.yaml is the workflow type 'pipeline/<name>'."`
	StopGrace   Duration        `toml:"stop_grace" flag:"stop-grace" min:"0s" doc:"How long running activities may go on when the host is asked to stop; 0s: they are cancelled at once."`
}

// ServerTLS is the server side of TLS. A renewed certificate is taken up without a restart.
type ServerTLS struct {
	CertFile     string `toml:"cert_file" path:"true" doc:"Certificate (PEM), with its chain."`
	KeyFile      string `toml:"key_file" path:"true" doc:"Private key (PEM) of the certificate."`
	ClientCAFile string `toml:"client_ca_file" path:"true" doc:"Certificate authorities (PEM) of clients. When set, only clients with a certificate of theirs get an answer, health included."`
}

// Public tells whether other machines reach the HTTP endpoints.
func (h Host) Public() bool {
	host, _, err := net.SplitHostPort(h.Listen)
	ip := net.ParseIP(host)
	return err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// Link leads from the status page to another one.
type Link struct {
	URL string `toml:"url" check:"url" doc:"Address of the page."`
}

// Dev attaches the host to a plugin that somebody else started.
type Dev struct {
	Attach string `toml:"attach" doc:"Where the plugin serves, as it printed it: 'unix:/path' or 'host:port'. It replaces the binary of that group."`
}

// Origin tells where the value at a key path such as "temporal.address" comes from: "orch.toml:12:1",
// "ORCH_TEMPORAL__ADDRESS", "--temporal-address", or "default" when nobody set it.
func (c *Config) Origin(path string) string {
	if at, ok := c.origins[path]; ok {
		return at.String()
	}
	return "default"
}

// IsSet tells whether the user set the value at a key path in any source.
func (c *Config) IsSet(path string) bool {
	_, ok := c.origins[path]
	return ok
}
