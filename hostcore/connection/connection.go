// Package connection makes Temporal clients from the configuration. The
// ecosystem's own client configuration (TEMPORAL_* variables, temporal.toml
// profiles) is read first; what orch.toml sets goes before it.
package connection

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/orch-host/orch/config"
)

// dialTimeout bounds the first contact with the server.
const dialTimeout = 5 * time.Second

// Clients holds one client per namespace over one connection.
type Clients struct {
	options client.Options
	leases  *leases
	mu      sync.Mutex
	base    client.Client
	open    map[string]client.Client
}

// UnreachableError says that no Temporal server answered.
type UnreachableError struct {
	Address  string
	Embedded bool
	Err      error
}

func (e *UnreachableError) Error() string {
	fix := "check temporal.address (and temporal.tls) in orch.toml"
	if e.Embedded {
		fix = "the embedded server runs inside the host: start it with \"host\" or \"host run\""
	}
	return fmt.Sprintf("no Temporal server answers at %s: %s (%v)", e.Address, fix, shortest(e.Err))
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// shortest is the innermost error, which says what happened without the layers.
func shortest(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// Telemetry is who listens to what clients and their workers do. The zero value
// is nobody.
type Telemetry struct {
	Metrics      client.MetricsHandler
	Interceptors []interceptor.ClientInterceptor
}

// Dial connects to the server that cfg names. The address that was used is
// c.Options().HostPort.
func Dial(ctx context.Context, cfg config.Temporal, set func(path string) bool, logger *slog.Logger, t Telemetry) (*Clients, error) {
	o, err := Options(cfg, set)
	if err != nil {
		return nil, err
	}
	o.Logger = sdklog.NewStructuredLogger(logger)
	o.MetricsHandler, o.Interceptors = t.Metrics, t.Interceptors
	// A connection that has died in silence is replaced before the attempts of
	// this host are given to another one, 30 s; pings more often than every 10 s
	// are refused by the server.
	o.ConnectionOptions.KeepAliveTime, o.ConnectionOptions.KeepAliveTimeout = 12*time.Second, 8*time.Second
	held := newLeases()
	o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(held.intercept))
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	base, err := client.DialContext(ctx, o)
	if err != nil {
		return nil, &UnreachableError{Address: o.HostPort, Embedded: cfg.Mode == config.ModeEmbedded, Err: err}
	}
	return &Clients{options: o, leases: held, base: base, open: map[string]client.Client{o.Namespace: base}}, nil
}

// Options are the client options for cfg; set says which keys of orch.toml the
// user has set.
func Options(cfg config.Temporal, set func(path string) bool) (client.Options, error) {
	o, err := serverOptions(cfg, set)
	if err != nil {
		return o, err
	}
	c, err := Codec(cfg.Encryption)
	if err != nil {
		return o, err
	}
	if c != nil {
		o.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c)
		o.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
			DataConverter: o.DataConverter, EncodeCommonAttributes: true,
		})
	}
	return o, nil
}

// serverOptions say where the server is and how it is talked to.
func serverOptions(cfg config.Temporal, set func(path string) bool) (client.Options, error) {
	o := client.Options{HostPort: cfg.Address, Namespace: cfg.Namespace}
	if cfg.Mode == config.ModeEmbedded {
		return o, nil // its own server: nothing from outside applies
	}
	o, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{ConfigFilePath: cfg.ConfigFile, ConfigFileProfile: cfg.Profile})
	if err != nil {
		return o, fmt.Errorf("read the Temporal client configuration (temporal.profile %q): %w", cfg.Profile, err)
	}
	if o.HostPort == "" || set("temporal.address") {
		o.HostPort = cfg.Address
	}
	if o.Namespace == "" || set("temporal.namespace") {
		o.Namespace = cfg.Namespace
	}
	if !cfg.APIKey.IsZero() {
		key, err := cfg.APIKey.Resolve()
		if err != nil {
			return o, fmt.Errorf("temporal.api_key: %w", err)
		}
		o.Credentials = client.NewAPIKeyStaticCredentials(key)
	}
	if cfg.UseTLS() {
		if o.ConnectionOptions.TLS, err = tlsConfig(cfg.TLS); err != nil {
			return o, err
		}
	}
	return o, nil
}

func tlsConfig(t config.TLS) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.tls: load the client certificate %s with key %s: %w", t.CertFile, t.KeyFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("temporal.tls.ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("temporal.tls.ca_file: %s holds no PEM certificate", t.CAFile)
		}
	}
	return c, nil
}

// Address is where the server answers.
func (c *Clients) Address() string { return c.options.HostPort }

// For is the client of a namespace; "" is the default one.
func (c *Clients) For(namespace string) (client.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if namespace == "" {
		return c.base, nil
	}
	if cl, ok := c.open[namespace]; ok {
		return cl, nil
	}
	o := c.options
	o.Namespace = namespace
	cl, err := client.NewClientFromExisting(c.base, o)
	if err != nil {
		return nil, fmt.Errorf("open namespace %s: %w", namespace, err)
	}
	c.open[namespace] = cl
	return cl, nil
}

// Message is what a failure of a history says.
func (c *Clients) Message(f *failurepb.Failure) string {
	if f == nil || c.options.DataConverter == nil {
		return f.GetMessage()
	}
	f = proto.CloneOf(f)
	converter.DecodeCommonFailureAttributes(c.options.DataConverter, f)
	return f.GetMessage()
}

// Lease is when the server gives up an attempt, by its task token, that it does
// not hear from, and the heartbeat timeout that this comes from. ok is false when
// it expects no heartbeats.
func (c *Clients) Lease(token []byte) (end time.Time, timeout time.Duration, ok bool) {
	return c.leases.heartbeatEnd(token)
}

// Decode reads a value that one of these clients has written.
func (c *Clients) Decode(p *commonpb.Payload, into any) error {
	return cmp.Or(c.options.DataConverter, converter.GetDefaultDataConverter()).FromPayload(p, into)
}

// Close ends all clients.
func (c *Clients) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ns, cl := range c.open {
		if cl != c.base {
			cl.Close()
		}
		delete(c.open, ns)
	}
	c.base.Close()
}
