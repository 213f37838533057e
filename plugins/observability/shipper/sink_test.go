package shipper

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// sink is an OTLP/HTTP receiver that decodes every request with the official messages and counts what it acknowledged.
type sink struct {
	*httptest.Server
	t        testing.TB
	requests atomic.Int64
	// before may answer a request itself (true); n counts requests from 1 on.
	before func(n int64, w http.ResponseWriter, r *http.Request) bool
	// accept may answer after the request was decoded and before it is counted.
	accept func(records []*logs.LogRecord, w http.ResponseWriter) bool

	mu      sync.Mutex
	records int
	seen    map[int]int // by the number a line begins with
	bodies  []string    // of lines that do not begin with a number, and of all when keep is set
	full    []received
	keep    bool
	last    time.Time
}

type received struct {
	resource map[string]string
	record   *logs.LogRecord
}

func newSink(t testing.TB) *sink {
	s := &sink{t: t, seen: map[int]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := s.requests.Add(1)
	if s.before != nil && s.before(n, w, r) {
		return
	}
	req, err := decodeRequest(r)
	if err != nil {
		if r.Context().Err() == nil && !strings.Contains(err.Error(), "EOF") {
			s.t.Errorf("request %d cannot be decoded: %v", n, err)
		}
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if s.accept != nil {
		var all []*logs.LogRecord
		for _, rl := range req.ResourceLogs {
			for _, sl := range rl.ScopeLogs {
				all = append(all, sl.LogRecords...)
			}
		}
		if s.accept(all, w) {
			return
		}
	}
	s.count(req)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (s *sink) count(req *collector.ExportLogsServiceRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	for _, rl := range req.ResourceLogs {
		for _, sl := range rl.ScopeLogs {
			for _, rec := range sl.LogRecords {
				s.records++
				body := rec.Body.GetStringValue()
				num, _, _ := strings.Cut(body, " ")
				if n, err := strconv.Atoi(num); err == nil {
					s.seen[n]++
				} else if !s.keep {
					s.bodies = append(s.bodies, body)
				}
				if s.keep {
					s.bodies = append(s.bodies, body)
					s.full = append(s.full, received{attributesOf(rl.Resource.GetAttributes()), rec})
				}
			}
		}
	}
}

func attributesOf(kvs []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range kvs {
		m[kv.Key] = kv.Value.GetStringValue()
	}
	return m
}

func decodeRequest(r *http.Request) (*collector.ExportLogsServiceRequest, error) {
	body, err := decompress(r.Header.Get("Content-Encoding"), r.Body)
	if err != nil {
		return nil, err
	}
	req := &collector.ExportLogsServiceRequest{}
	switch ct := r.Header.Get("Content-Type"); ct {
	case "application/x-protobuf":
		err = proto.Unmarshal(body, req)
	case "application/json":
		if !json.Valid(body) {
			return nil, fmt.Errorf("invalid JSON: %.200s", body)
		}
		err = protojson.Unmarshal(body, req)
	default:
		err = fmt.Errorf("content type %q", ct)
	}
	return req, err
}

func decompress(kind string, r io.Reader) ([]byte, error) {
	switch kind {
	case "gzip":
		z, err := gzip.NewReader(r) // the standard library's: another implementation than the one that compressed
		if err != nil {
			return nil, err
		}
		return io.ReadAll(z)
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return io.ReadAll(z)
	}
	return io.ReadAll(r)
}

// tally says how the numbers 0..n-1 arrived.
func (s *sink) tally(n int) (distinct, duplicates int, missing []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range n {
		if c := s.seen[i]; c > 0 {
			distinct++
			duplicates += c - 1
		} else if len(missing) < 10 {
			missing = append(missing, i)
		}
	}
	return distinct, duplicates, missing
}

// wait waits until the numbers 0..n-1 have arrived.
func (s *sink) wait(n int, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; {
		s.mu.Lock()
		have := len(s.seen)
		s.mu.Unlock()
		if have >= n {
			return nil
		}
		if time.Now().After(deadline) {
			d, dup, missing := s.tally(n)
			return fmt.Errorf("%d of %d lines arrived within %s (%d duplicates); missing: %v ...", d, n, patience, dup, missing)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// waitBodies waits for n records and returns their bodies in the order of arrival; keep must be set.
func (s *sink) waitBodies(n int) []string {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		have := append([]string(nil), s.bodies...)
		s.mu.Unlock()
		if len(have) >= n {
			return have
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d of %d records arrived: %q", len(have), n, have)
		}
	}
}

// waitFor waits until line n has arrived.
func (s *sink) waitFor(n int, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		have := s.seen[n] > 0
		s.mu.Unlock()
		if have {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("line %d did not arrive within %s", n, patience)
		}
	}
}
