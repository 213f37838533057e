package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/orch-host/orch/devserver/internal/database"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/temporal"
)

// Version is the version of the embedded Temporal server.
const Version = headers.ServerVersion

// selfTestLimit bounds the start-up probe. After a kill the server first reads
// its queues again, which takes about two seconds; a broken database takes
// for ever.
const selfTestLimit = 60 * time.Second

// Options configure Start.
type Options struct {
	// IP is the listen address of the frontend and the Web UI.
	IP string
	// Port is the frontend's, UIPort the Web UI's; 0 means no Web UI.
	Port, UIPort int
	// Namespaces exist after Start, with the retention and search attributes.
	Namespaces       []string
	Retention        time.Duration
	SearchAttributes map[string]enumspb.IndexedValueType
	// Logger receives the server's log lines.
	Logger *slog.Logger
	// Stopping is called before services that were started are taken down
	// again because the start failed.
	Stopping func()
}

// Server is a running Temporal server.
type Server struct {
	temporal temporal.Server
	ui       *webUI
	uiReason string
	address  string
}

// Start runs the server on db and returns when it does work. Its errors are
// *PortError, *UnusableError or what Temporal says.
func Start(ctx context.Context, db *database.Database, opts Options) (*Server, error) {
	if err := probePort(opts.IP, opts.Port, "Temporal frontend", "port", "temporal.embedded.port"); err != nil {
		return nil, err
	}
	if err := db.EnsureNamespaces(ctx, opts.Namespaces, database.NamespaceSpec{
		Cluster: clusterName, Retention: opts.Retention, SearchAttributes: opts.SearchAttributes,
	}); err != nil {
		return nil, err
	}
	where, err := newLayout(opts.IP, opts.Port)
	if err != nil {
		return nil, err
	}
	s := &Server{address: where.frontendAddress}
	s.temporal, err = build(where, db.Config(), newLogger(opts.Logger))
	if err != nil {
		return nil, fmt.Errorf("set up the Temporal server: %w", err)
	}
	if err := s.temporal.Start(); err != nil {
		opts.Stopping()
		return nil, errors.Join(fmt.Errorf("start the Temporal server: %w", err), s.temporal.Stop())
	}
	if err := s.prove(ctx, db.Path()); err != nil {
		opts.Stopping()
		return nil, errors.Join(err, s.temporal.Stop())
	}
	s.startUI(ctx, opts)
	return s, nil
}

func build(where layout, store *config.SQL, log logger) (temporal.Server, error) {
	conf := serverConfig(where, store)
	authorizer, err := authorization.GetAuthorizerFromConfig(&conf.Global.Authorization)
	if err != nil {
		return nil, err
	}
	claims, err := authorization.GetClaimMapperFromConfig(&conf.Global.Authorization, log)
	if err != nil {
		return nil, err
	}
	return temporal.NewServer(
		temporal.WithConfig(conf),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(where.hosts()),
		temporal.WithLogger(log),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithDynamicConfigClient(dynamicConfig()),
	)
}

func (s *Server) prove(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, selfTestLimit)
	defer cancel()
	if err := selfTest(ctx, s.address); err != nil {
		if errors.Is(context.Cause(ctx), context.Canceled) {
			return err
		}
		return &UnusableError{Path: path, Err: err}
	}
	return nil
}

func (s *Server) startUI(ctx context.Context, opts Options) {
	if opts.UIPort == 0 {
		s.uiReason = "switched off (port 0)"
		return
	}
	ui, err := startUI(ctx, opts.IP, opts.UIPort, s.address)
	if err != nil {
		s.uiReason = err.Error()
		opts.Logger.Warn("serving without the Web UI", "error", err)
		return
	}
	s.ui = ui
}

// Address is the frontend, host:port, as a client on this machine dials it.
func (s *Server) Address() string { return s.address }

// UI is the URL of the Web UI, or empty with the reason why there is none.
func (s *Server) UI() (url, reason string) {
	if s.ui == nil {
		return "", s.uiReason
	}
	return s.ui.url, ""
}

// Stop takes the Web UI and the services down and waits for them.
func (s *Server) Stop() error {
	s.ui.stop()
	return s.temporal.Stop()
}
