package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/orch-host/orch/plugins/observability/shipper"
)

// runShipper is the shipper's process: it ships SHIP_FILES until it is killed.
func runShipper() error {
	number := func(name string, fallback int) int {
		if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
			return n
		}
		return fallback
	}
	o := shipper.Options{
		Endpoint: os.Getenv("SHIP_ENDPOINT"), StateDir: os.Getenv("SHIP_STATE"),
		Compression: shipper.Compression(os.Getenv("SHIP_COMPRESSION")), Encoding: shipper.Encoding(os.Getenv("SHIP_ENCODING")),
		CompressionLevel: number("SHIP_LEVEL", 1), BatchLines: number("SHIP_BATCH", 1000), Senders: number("SHIP_SENDERS", 2),
		FlushInterval: 200 * time.Millisecond,
	}
	s, err := shipper.New(o)
	if err != nil {
		return err
	}
	paths, err := filepath.Glob(os.Getenv("SHIP_FILES"))
	if err != nil || len(paths) == 0 {
		return fmt.Errorf("no files match %q: %w", os.Getenv("SHIP_FILES"), err)
	}
	files := make([]shipper.File, len(paths))
	for i, p := range paths {
		files[i] = shipper.File{Path: p, Attributes: map[string]string{"service.name": "bench"}}
	}
	if err := s.AddFiles(files...); err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	select {}
}
