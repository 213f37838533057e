package ready

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/orch-host/orch/sdk"
)

// GRPCOptions of [GRPCHealth].
type GRPCOptions struct {
	Service  string            // the service that is asked for; "": the server as a whole
	Metadata map[string]string // such as an API key
	Refused  string            // as HTTPOptions.Refused, for Unauthenticated and PermissionDenied
}

// GRPCHealth asks the standard gRPC health service at addr (host:port).
func GRPCHealth(addr string, o GRPCOptions) Probe {
	return func(ctx context.Context) error {
		if addr == "" {
			return errors.New("grpc: the port is not published")
		}
		conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
		if err != nil {
			return fmt.Errorf("grpc at %s: %w", addr, err)
		}
		defer conn.Close()
		ctx = metadata.NewOutgoingContext(ctx, metadata.New(o.Metadata))
		resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: o.Service})
		if err != nil {
			if code := status.Code(err); o.Refused != "" && (code == codes.Unauthenticated || code == codes.PermissionDenied) {
				return sdk.NonRetryable(fmt.Errorf("grpc at %s: %s: %s", addr, code, o.Refused))
			}
			return fmt.Errorf("grpc health at %s: %w", addr, err)
		}
		if resp.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			return fmt.Errorf("grpc health at %s: %s", addr, resp.GetStatus())
		}
		return nil
	}
}
