// Command standin-neo4j stands in for Neo4j where its image cannot be had: it
// speaks what tells that Neo4j is ready, and stores no graph.
//
//   - 7687: the Bolt handshake; every message after it is answered by a FAILURE
//     that says what this is.
//   - 7474: the discovery document at /, and the transaction endpoint
//     /db/{name}/tx/commit, which takes the password and no statement.
//
// As with the real image, the first start puts the password of NEO4J_AUTH_PATH
// or NEO4J_AUTH into /data, and later starts keep what is there.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	if err := run(); err != nil {
		log.Fatalf("stand-in for Neo4j: %v", err)
	}
	log.Print("Stopped.")
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log.Print("This is a stand-in for Neo4j. It stores no graph.")
	auth, err := initialAuth("/data")
	if err != nil {
		return err
	}
	bolt, err := net.Listen("tcp", ":7687")
	if err != nil {
		return err
	}
	go serveBolt(bolt)
	api := &http.Server{Addr: ":7474", Handler: handler(auth), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- api.ListenAndServe() }()
	log.Print("Bolt enabled on 0.0.0.0:7687.")
	log.Print("Started.")
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	_ = bolt.Close()
	end, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := api.Shutdown(end); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
