// Command ship measures the log shipper against a sink that only counts: wall time from process start to the last line
// at the sink, CPU time, peak memory. Shipper and sink run in processes of their own, started from this binary, on the
// same machine. Variants alternate within a round, so that a busy machine touches all of them.
//
//	go run ./bench/ship -lines 2500000 -size 200 -rounds 3
//	go run ./bench/ship -idle 10000          # CPU of a shipper with 10,000 files in which nothing happens
//	go run ./bench/ship -files 1000          # the same lines, spread over 1000 files
//	go run ./bench/ship -external 'otelcol none=otelcol --config none.yaml'
//
// An external program is started with SHIP_ENDPOINT, SHIP_FILES (a glob) and SHIP_STATE in its environment, and stopped
// when the last line has arrived.
package main
