package shipper

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		runChild()
		return
	}
	goleak.VerifyTestMain(m)
}

// long says whether the long rounds were asked for.
func long() bool { return os.Getenv("ORCH_LONG") != "" }

func testOptions(t testing.TB, endpoint string) Options {
	return Options{Endpoint: endpoint, StateDir: filepath.Join(t.TempDir(), "state"), FlushInterval: 20 * time.Millisecond,
		MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond, RotatedGrace: 300 * time.Millisecond,
		PartialTimeout: -1, SweepInterval: 200 * time.Millisecond, PollInterval: 20 * time.Millisecond,
		CheckpointInterval: 50 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil))}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Logf("%s", b[:max(0, len(b)-1)])
	return len(b), nil
}

// start runs a shipper over files until the test ends.
func start(t testing.TB, o Options, files ...File) *Shipper {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddFiles(files...); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t testing.TB, s *Shipper) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

const pad = " the quick brown fox jumps over the lazy dog, INFO level=info request handled in 12.3ms status=200"

// writeLines appends the numbered lines from..to-1.
func writeLines(t testing.TB, w io.Writer, from, to int) {
	t.Helper()
	var b []byte
	for i := from; i < to; i++ {
		b = fmt.Appendf(b, "%08d%s\n", i, pad)
		if len(b) > 1<<16 || i == to-1 {
			if _, err := w.Write(b); err != nil {
				t.Fatal(err)
			}
			b = b[:0]
		}
	}
}

func appendTo(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// eventually waits for cond; what says what it waits for.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen within 30s: %s", what)
		}
	}
}

func TestEveryLineArrivesOnceInEveryEncodingAndCompression(t *testing.T) {
	const n = 20_000
	for _, enc := range []Encoding{Protobuf, JSON} {
		for _, comp := range []Compression{None, Gzip, Zstd} {
			t.Run(string(enc)+" "+string(comp), func(t *testing.T) {
				sink := newSink(t)
				path := filepath.Join(t.TempDir(), "app.log")
				f := appendTo(t, path)
				writeLines(t, f, 0, n/2)
				o := testOptions(t, sink.URL)
				o.Encoding, o.Compression = enc, comp
				s := start(t, o, File{Path: path, Attributes: map[string]string{"service.name": "shop"}})
				writeLines(t, f, n/2, n)
				if err := sink.wait(n, time.Minute); err != nil {
					t.Fatal(err)
				}
				eventually(t, "all acknowledged", func() bool { return s.Status().Metrics.LinesAcked == n })
				stop(t, s)
				_, dup, _ := sink.tally(n)
				m := s.Status().Metrics
				t.Logf("%d lines, %d duplicates, %d requests, %d bytes encoded, %d on the wire", n, dup, m.Batches, m.EncodedBytes, m.WireBytes)
				if dup != 0 || sink.records != n {
					t.Errorf("%d records for %d lines", sink.records, n)
				}
			})
		}
	}
}

func TestAShipperGoesOnWhereTheOneBeforeStopped(t *testing.T) {
	sink := newSink(t)
	path := filepath.Join(t.TempDir(), "app.log")
	f := appendTo(t, path)
	o := testOptions(t, sink.URL)
	total := 0
	for round := range 4 {
		writeLines(t, f, total, total+1000)
		total += 1000
		s := start(t, o, File{Path: path})
		if err := sink.wait(total, time.Minute); err != nil {
			t.Fatal(err)
		}
		stop(t, s)
		if _, dup, _ := sink.tally(total); dup != 0 {
			t.Fatalf("round %d: %d duplicates", round, dup)
		}
	}
}

func TestNamesThatAreNotUTF8DoNotSpoilARequest(t *testing.T) {
	for _, enc := range []Encoding{Protobuf, JSON} {
		t.Run(string(enc), func(t *testing.T) {
			sink := newSink(t)
			path := filepath.Join(t.TempDir(), "app-\xff.log")
			writeLines(t, appendTo(t, path), 0, 10)
			o := testOptions(t, sink.URL)
			o.Encoding = enc
			start(t, o, File{Path: path, Attributes: map[string]string{"service.name": "sh\xffop", "te\xffam": "a"}})
			if err := sink.wait(10, 10*time.Second); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestARecordFromTheFutureIsSentUnderTheTimeAtWhichItWasRead(t *testing.T) {
	sink := newSink(t)
	sink.keep = true
	path := filepath.Join(t.TempDir(), "app.log")
	f := appendTo(t, path)
	now := time.Now()
	ahead := now.Add(5 * time.Hour).UTC().Format(time.RFC3339)
	for _, at := range []string{ahead, now.Add(time.Minute).UTC().Format(time.RFC3339)} {
		if _, err := fmt.Fprintf(f, "%s INFO hello\n", at); err != nil {
			t.Fatal(err)
		}
	}
	o := testOptions(t, sink.URL)
	o.TooOld.After = 24 * time.Hour
	start(t, o, File{Path: path})
	sink.waitBodies(2)
	first, second := sink.full[0].record, sink.full[1].record
	if at := time.Unix(0, int64(first.TimeUnixNano)); at.After(now.Add(time.Minute)) || first.ObservedTimeUnixNano != first.TimeUnixNano ||
		attributesOf(first.Attributes)[attrOriginal] != ahead {
		t.Errorf("sent under %s, attributes %v", at, first.Attributes)
	}
	if at := time.Unix(0, int64(second.TimeUnixNano)); !at.After(now.Add(58*time.Second)) || len(second.Attributes) != 0 {
		t.Errorf("a clock that is a minute ahead: sent under %s, attributes %v", at, second.Attributes)
	}
}

func TestFilesThatWaitForTheReceiverCauseNoCheckpoints(t *testing.T) {
	sink := newSink(t)
	sink.before = func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	path := filepath.Join(t.TempDir(), "app.log")
	writeLines(t, appendTo(t, path), 0, 10)
	o := testOptions(t, sink.URL)
	s := start(t, o, File{Path: path})
	eventually(t, "read", func() bool { return s.Status().Metrics.Records == 10 })
	s.RemoveFiles(path)
	eventually(t, "removing", func() bool { return s.Status().Files[0].Removing })
	time.Sleep(300 * time.Millisecond)
	before := s.Status().Metrics.Checkpoints
	time.Sleep(time.Second)
	if after := s.Status().Metrics.Checkpoints; after != before {
		t.Errorf("%d checkpoints in a second in which nothing happened", after-before)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Stop(ctx) // there is nobody to deliver to
}
