package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

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

func TestStdoutIngestShipsAFileCompletelyAlsoWhenPluginAndHostAreKilled(t *testing.T) {
	sink := newCountingSink(t)
	logs := t.TempDir()
	f, err := os.OpenFile(filepath.Join(logs, "app.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	total := 0
	write := func(lines int) {
		var b bytes.Buffer
		for range lines {
			fmt.Fprintf(&b, "%08d GET /cart 200 and some text to make the line as long as usual\n", total)
			total++
		}
		if _, err := f.Write(b.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, []string{bin("plugins", "observability")}, fmt.Sprintf(`
[plugins.observability.config.grafana]
url = %q

[plugins.observability.config.ingest]
docker = false

[services.{service}]
workflow = "ApplicationStdoutIngestWorkflow"
params = { service_name = "{service}", roots = [%q], endpoint = %q, labels = { team = "shop" } }
`, sink.URL, logs, sink.URL))
	write(50_000)
	h := r.start()
	r.startService()
	want := "ingest started: discovered=1 enriched=1 status=shipping"
	if got := r.result(r.client(client.Options{}), r.service+"_1"); got != want {
		t.Fatalf("want the result %q, got %q", want, got)
	}
	write(50_000)
	r.arrived(sink, total)

	write(100_000)
	old := r.pluginPid("observability")
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	write(100_000)
	r.arrived(sink, total)

	write(100_000)
	h.kill(t)
	write(100_000)
	r.start()
	write(1000)
	r.arrived(sink, total)

	have, dup := sink.count()
	t.Logf("%d lines written, %d arrived, %d of them more than once", total, have, dup)
	if have != total {
		t.Errorf("want %d lines, got %d", total, have)
	}
	sink.mu.Lock()
	defer sink.mu.Unlock()
	if sink.labels["team"] != "shop" || sink.labels["service.name"] == "" || sink.labels["log.file.name"] != "app.log" {
		t.Errorf("the labels are wrong: %v", sink.labels)
	}
}
