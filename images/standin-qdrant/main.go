// Command standin-qdrant stands in for Qdrant where its image cannot be had:
// it speaks what tells that Qdrant is ready, keeps collections by name, and
// stores no vectors.
//
//   - 6333: /, /livez, /healthz, /readyz, and /collections to list, make, show
//     and delete by name; the names are kept in /qdrant/storage.
//   - 6334: the gRPC health service.
//
// The API key of /qdrant/config/local.yaml or QDRANT__SERVICE__API_KEY is
// asked for as Qdrant does: everywhere but on the four health paths.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"
)

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	if err := run(); err != nil {
		log.Fatalf("stand-in for Qdrant: %v", err)
	}
	log.Print("Stopped.")
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log.Print("This is a stand-in for Qdrant. It stores no vectors.")
	key, err := apiKey("/qdrant/config/local.yaml")
	if err != nil {
		return err
	}
	store, err := openStore("/qdrant/storage")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", ":6334")
	if err != nil {
		return err
	}
	rpc := newGRPC(key)
	api := &http.Server{Addr: ":6333", Handler: handler(store, key), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- rpc.Serve(listener) }()
	go func() { failed <- api.ListenAndServe() }()
	log.Print("Qdrant HTTP listening on 6333, gRPC on 6334.")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	rpc.Stop()
	end, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := api.Shutdown(end); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// apiKey is the key that clients have to send; "": none.
func apiKey(file string) (string, error) {
	if key := os.Getenv("QDRANT__SERVICE__API_KEY"); key != "" {
		return key, nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var config struct {
		Service struct {
			APIKey string `yaml:"api_key"`
		} `yaml:"service"`
	}
	if err := yaml.Unmarshal(data, &config); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return config.Service.APIKey, nil
}
