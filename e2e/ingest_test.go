package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"
)

// countingSink is an OTLP/HTTP receiver that counts numbered lines, and a Grafana that takes datasources.
type countingSink struct {
	*httptest.Server
	mu     sync.Mutex
	seen   map[int]int
	labels map[string]string
}

func newCountingSink(t *testing.T) *countingSink {
	s := &countingSink{seen: map[int]int{}, labels: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *countingSink) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/datasources/name/"):
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message":"Data source not found"}`)
		return
	case r.URL.Path == "/api/datasources":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id":1,"name":"Loki","message":"Datasource added"}`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err == nil && r.Header.Get("Content-Encoding") == "gzip" {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(z)
		}
	}
	var req collector.ExportLogsServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &req)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable) // a request that was cut off is sent again
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rl := range req.ResourceLogs {
		for _, kv := range rl.Resource.GetAttributes() {
			s.labels[kv.Key] = kv.Value.GetStringValue()
		}
		for _, sl := range rl.ScopeLogs {
			for _, rec := range sl.LogRecords {
				num, _, _ := strings.Cut(rec.Body.GetStringValue(), " ")
				if n, err := strconv.Atoi(num); err == nil {
					s.seen[n]++
				}
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (s *countingSink) count() (distinct, duplicates int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.seen {
		duplicates += n - 1
	}
	return len(s.seen), duplicates
}

func (r *rig) arrived(s *countingSink, n int) {
	r.t.Helper()
	r.eventually(fmt.Sprintf("%d lines have arrived", n), func() error {
		if have, _ := s.count(); have < n {
			return fmt.Errorf("%d are there", have)
		}
		return nil
	})
}

// ingestSite is a host that ships one file of numbered lines to a sink.
type ingestSite struct {
	*rig
	sink  *countingSink
	file  *os.File
	total int // lines written
}

func newIngestSite(t *testing.T) *ingestSite {
	t.Helper()
	s := &ingestSite{sink: newCountingSink(t)}
	logs := t.TempDir()
	var err error
	if s.file, err = os.OpenFile(filepath.Join(logs, "app.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.file.Close() })
	s.rig = newRig(t, []string{bin("plugins", "observability")}, fmt.Sprintf(`
[plugins.observability.config.grafana]
url = %q

[plugins.observability.config.ingest]
docker = false

[plugins.observability.config.ship]
metrics_endpoint = "none"

[services.{service}]
workflow = "ApplicationStdoutIngestWorkflow"
params = { service_name = "{service}", roots = [%q], endpoint = %q, labels = { team = "shop" } }
`, s.sink.URL, logs, s.sink.URL))
	return s
}

func (s *ingestSite) write(lines int) {
	s.t.Helper()
	var b bytes.Buffer
	for range lines {
		fmt.Fprintf(&b, "%08d GET /cart 200 and some text to make the line as long as usual\n", s.total)
		s.total++
	}
	if _, err := s.file.Write(b.Bytes()); err != nil {
		s.t.Fatal(err)
	}
}

// ingest starts the service and wants it to ship.
func (s *ingestSite) ingest() {
	s.t.Helper()
	s.startService()
	want := "ingest started: discovered=1 enriched=1 status=shipping"
	if got := s.result(s.client(client.Options{}), s.service+"_1"); got != want {
		s.t.Fatalf("want the result %q, got %q", want, got)
	}
}

func TestStdoutIngestShipsAFileCompletelyAlsoWhenPluginAndHostAreKilled(t *testing.T) {
	s := newIngestSite(t)
	s.write(50_000)
	h := s.start()
	s.ingest()
	s.write(50_000)
	s.arrived(s.sink, s.total)

	rounds, lines := 1, 100_000
	if os.Getenv("ORCH_LONG") != "" {
		rounds, lines = 10, 25_000
	}
	for range rounds {
		s.write(lines)
		killProcess(t, s.pluginPid("observability"))
		s.write(lines)
		s.arrived(s.sink, s.total)

		s.write(lines)
		h.kill(t)
		s.write(lines)
		h = s.start()
		s.write(1000)
		s.arrived(s.sink, s.total)
	}

	have, dup := s.sink.count()
	t.Logf("%d lines written, %d arrived, %d of them more than once", s.total, have, dup)
	if have != s.total {
		t.Errorf("want %d lines, got %d", s.total, have)
	}
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	if s.sink.labels["team"] != "shop" || s.sink.labels["service.name"] == "" || s.sink.labels["log.file.name"] != "app.log" {
		t.Errorf("the labels are wrong: %v", s.sink.labels)
	}
}

func TestASwapInTheMiddleOfAShipmentLosesAndRepeatsNothing(t *testing.T) {
	s := newIngestSite(t)
	next := filepath.Join(t.TempDir(), "observability")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=9.9.9", "-o", next, "../cmd/plugins/observability")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the next version: %v\n%s", err, out)
	}
	s.write(10_000)
	s.start()
	s.ingest()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for s.total < 3_000_000 {
			s.write(2000)
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	time.Sleep(time.Second)
	install(t, next, filepath.Join(s.plugins, "observability"))
	s.until("the next version serves", "observability", serves("9.9.9"))
	s.eventually("the next version ships", func() error {
		if o := s.expect(0, "logs", "shippers"); !strings.Contains(o.stdout, "running") {
			return errors.New(o.stdout)
		}
		return nil
	})
	time.Sleep(time.Second)
	close(stop)
	<-done
	s.arrived(s.sink, s.total)
	have, dup := s.sink.count()
	t.Logf("%d lines written while versions were swapped: %d arrived, %d of them more than once", s.total, have, dup)
	if have != s.total || dup != 0 {
		t.Errorf("want %d lines, each once", s.total)
	}
	if o := s.expect(0, "logs", "stop", s.service); !strings.Contains(o.stdout, "stopped") {
		t.Errorf("%v", o)
	}
	if o := s.expect(0, "logs", "shippers"); !strings.Contains(o.stdout, "nothing is shipped") {
		t.Errorf("%v", o)
	}
}
