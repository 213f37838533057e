// Package pluginv1 is the wire contract between the Orch host and its plugins,
// major version 1: the .proto file and the Go code generated from it.
package pluginv1

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative plugin.proto
