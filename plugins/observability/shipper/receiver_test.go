package shipper

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"
)

func TestAReceiverInTroubleCostsNoLine(t *testing.T) {
	n := 100_000
	if long() {
		n = 1_000_000
	}
	hangUp := func(w http.ResponseWriter) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0) // a reset, not a close
			conn.Close()
		}
	}
	var limited atomic.Int64
	cases := []struct {
		name   string
		before func(n int64, w http.ResponseWriter, r *http.Request) bool
		retry  string
	}{
		{name: "503 on every 50th request", retry: "http_503", before: func(n int64, w http.ResponseWriter, _ *http.Request) bool {
			if n%50 == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return n%50 == 0
		}},
		{name: "429 with Retry-After", retry: "http_429", before: func(n int64, w http.ResponseWriter, _ *http.Request) bool {
			if n%40 == 0 && limited.Add(1) <= 2 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
			return false
		}},
		{name: "401 until the token is right", retry: "http_401", before: func(n int64, w http.ResponseWriter, _ *http.Request) bool {
			if n < 10 {
				w.WriteHeader(http.StatusUnauthorized)
			}
			return n < 10
		}},
		{name: "connections reset before the request is read", retry: "connection", before: func(n int64, w http.ResponseWriter, _ *http.Request) bool {
			if n%20 == 0 {
				hangUp(w)
			}
			return n%20 == 0
		}},
		{name: "slow receiver", before: func(n int64, _ http.ResponseWriter, _ *http.Request) bool {
			if n%10 == 0 {
				time.Sleep(50 * time.Millisecond)
			}
			return false
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			sink := newSink(t)
			sink.before = c.before
			path := filepath.Join(t.TempDir(), "app.log")
			writeLines(t, appendTo(t, path), 0, n)
			began := time.Now()
			s := start(t, testOptions(t, sink.URL), File{Path: path})
			if err := sink.wait(n, time.Minute); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			stop(t, s)
			got, dup, _ := sink.tally(n)
			m := s.Status().Metrics
			t.Logf("%d lines in %s: %d lost, %d duplicates, retries %v", n, took.Round(time.Millisecond), n-got, dup, m.Retries)
			if dup != 0 || (c.retry != "" && m.Retries[c.retry] == 0) {
				t.Errorf("%d duplicates, retries %v", dup, m.Retries)
			}
			if c.retry == "http_429" && took < time.Second {
				t.Errorf("Retry-After: 1 was not waited for: all was over in %s", took)
			}
		})
	}
}

func TestWhileTheReceiverIsDownReadingPausesAndRotatedFilesAreKept(t *testing.T) {
	down, lines := 2*time.Second, 3000
	if long() {
		down, lines = time.Minute, 110_000
	}
	var up atomic.Bool
	sink := newSink(t)
	sink.before = func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
		}
		return !up.Load()
	}
	r := &rotator{t: t, path: filepath.Join(t.TempDir(), "app.log"), sink: sink}
	r.open(os.O_APPEND)
	defer func() { r.f.Close() }()
	s := start(t, testOptions(t, sink.URL), File{Path: r.path})
	r.write(1)
	eventually(t, "the file is known", func() bool { st := s.Status(); return len(st.Files) == 1 && st.Files[0].Size > 0 })
	for until := time.Now().Add(down); time.Now().Before(until); time.Sleep(down / 10) {
		r.write(lines)
		eventually(t, "the new file is known", func() bool { return s.Status().Metrics.Rotations == uint64(r.gen) })
		r.must(os.Remove(r.path)) // only its descriptor is left
		r.gen++
		r.f.Close()
		r.open(os.O_APPEND)
		r.write(1)
		eventually(t, "the rotation is noticed", func() bool {
			st := s.Status()
			return st.Metrics.Rotations == uint64(r.gen) && st.Files[0].Size > 0
		})
	}
	if inMemory := s.Status().Metrics.Records; inMemory > 7000 {
		t.Errorf("%d records were read while nothing could be sent: more than the batches hold", inMemory)
	}
	up.Store(true)
	if err := sink.wait(r.n, time.Minute); err != nil {
		t.Fatal(err)
	}
	got, dup, _ := sink.tally(r.n)
	t.Logf("receiver down for %s, %d lines in %d deleted files: %d lost, %d duplicates", down, r.n, r.gen, r.n-got, dup)
}

func deadLettersOf(t *testing.T, o Options) (list []DeadLetter) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(o.StateDir, DeadLetterFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var d DeadLetter
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("dead letter %q: %v", line, err)
		}
		list = append(list, d)
	}
	return list
}

func TestRefusedRecordsAreSetAsideWithTheReason(t *testing.T) {
	for _, enc := range []Encoding{Protobuf, JSON} {
		t.Run(string(enc), func(t *testing.T) {
			sink := newSink(t)
			sink.accept = func(records []*logs.LogRecord, w http.ResponseWriter) bool {
				if len(records) > 10 {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
					return true
				}
				for _, r := range records {
					if strings.Contains(r.Body.GetStringValue(), `poison "quoted"`) {
						http.Error(w, "entry is poisonous", http.StatusBadRequest)
						return true
					}
				}
				return false
			}
			path := filepath.Join(t.TempDir(), "app.log")
			f := appendTo(t, path)
			writeLines(t, f, 0, 100)
			if _, err := f.WriteString("this is poison \"quoted\"\n"); err != nil {
				t.Fatal(err)
			}
			o := testOptions(t, sink.URL)
			o.Encoding = enc
			s := start(t, o, File{Path: path})
			eventually(t, "everything acknowledged or set aside", func() bool { return s.Status().Metrics.LinesAcked == 101 })
			m := s.Status().Metrics
			letters := deadLettersOf(t, o)
			t.Logf("refusals %v, retries %v, %d dead letters", m.Refusals, m.Retries, len(letters))
			found := false
			for _, d := range letters {
				if d.Reason != "http_400" || d.Detail != "entry is poisonous" || d.File != path {
					t.Errorf("dead letter %+v", d)
				}
				found = found || d.Body == `this is poison "quoted"` && d.Offset == 100*int64(len(pad)+9)
			}
			if got, _, _ := sink.tally(100); !found || got+len(letters) != 101 || m.Refusals["http_400"] != uint64(len(letters)) || m.Retries["http_413"] == 0 {
				t.Errorf("%d arrived, %d dead letters, poison among them: %v, metrics %+v", got, len(letters), found, m)
			}
		})
	}
}

func TestPartialSuccessIsCounted(t *testing.T) {
	sink := newSink(t)
	sink.accept = func(_ []*logs.LogRecord, w http.ResponseWriter) bool {
		b, _ := proto.Marshal(&collector.ExportLogsServiceResponse{PartialSuccess: &collector.ExportLogsPartialSuccess{
			RejectedLogRecords: 3, ErrorMessage: "three were too old"}})
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(b)
		return true
	}
	path := filepath.Join(t.TempDir(), "app.log")
	writeLines(t, appendTo(t, path), 0, 100)
	o := testOptions(t, sink.URL)
	s := start(t, o, File{Path: path})
	eventually(t, "acknowledged", func() bool { return s.Status().Metrics.LinesAcked == 100 })
	letters := deadLettersOf(t, o)
	if m := s.Status().Metrics; m.Refusals["partial_success"] != 3 || len(letters) != 1 || letters[0].Records != 3 || letters[0].Detail != "three were too old" {
		t.Errorf("refusals %v, dead letters %+v", m.Refusals, letters)
	}
}

func TestTheCheckpointDiskBeingFullDoesNotStopShipping(t *testing.T) {
	n := 5000
	if long() {
		n = 1_000_000
	}
	sink := newSink(t)
	path := filepath.Join(t.TempDir(), "app.log")
	f := appendTo(t, path)
	writeLines(t, f, 0, 1000)
	o := testOptions(t, sink.URL)
	s := start(t, o, File{Path: path})
	eventually(t, "a checkpoint", func() bool { return s.Status().Metrics.Checkpoints > 0 && s.Status().Metrics.DuplicatesBound == 0 })
	var full atomic.Bool
	full.Store(true)
	write := func(p string, fill filler) error {
		if full.Load() {
			return &os.PathError{Op: "write", Path: p, Err: syscall.ENOSPC}
		}
		return writeSlot(p, fill)
	}
	s.slots.write.Store(&write)
	writeLines(t, f, 1000, n)
	if err := sink.wait(n, time.Minute); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the failure shows", func() bool {
		st := s.Status()
		return st.CheckpointError != "" && st.Metrics.CheckpointFails > 0 && st.Metrics.DuplicatesBound >= uint64(n-1000)
	})
	t.Logf("full: %s; at most %d lines would repeat", s.Status().CheckpointError, s.Status().Metrics.DuplicatesBound)
	full.Store(false)
	eventually(t, "recovery", func() bool { st := s.Status(); return st.CheckpointError == "" && st.Metrics.DuplicatesBound == 0 })
}
