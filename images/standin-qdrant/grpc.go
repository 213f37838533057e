package main

import (
	"context"
	"crypto/subtle"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// newGRPC is a server with the health service alone; Qdrant asks for the key
// there too.
func newGRPC(key string) *grpc.Server {
	check := func(ctx context.Context) error {
		md, _ := metadata.FromIncomingContext(ctx)
		got := append(md.Get("api-key"), "")
		if key != "" && subtle.ConstantTimeCompare([]byte(got[0]), []byte(key)) != 1 {
			return status.Error(codes.PermissionDenied, "Must provide an API key or an Authorization bearer token")
		}
		return nil
	}
	s := grpc.NewServer(
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := check(ctx); err != nil {
				return nil, err
			}
			return next(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := check(ss.Context()); err != nil {
				return err
			}
			return next(srv, ss)
		}),
	)
	healthpb.RegisterHealthServer(s, health.NewServer())
	return s
}
