package pipeline

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/encoding/protojson"
)

func silent() log.Logger {
	return log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
}

func recorded(t *testing.T, name string) *historypb.History {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	h := &historypb.History{}
	if err := protojson.Unmarshal(data, h); err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return h
}

// replay runs the interpreter over a history, as a host does that takes the run over.
func replay(t *testing.T, h *historypb.History, files map[string]string) error {
	t.Helper()
	r := worker.NewWorkflowReplayer()
	declared(t, files)(r)
	return r.ReplayWorkflowHistory(silent(), h)
}

func TestRecordedHistoriesReplay(t *testing.T) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		seen++
		for state, files := range map[string]map[string]string{
			"while the file is as it was":     {"everything.yaml": everything},
			"after the file has changed":      {"everything.yaml": edited},
			"after the file has been removed": {},
		} {
			t.Run(e.Name()+" "+state, func(t *testing.T) {
				if err := replay(t, recorded(t, e.Name()), files); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if seen < 3 {
		t.Errorf("testdata holds %d histories, 3 are expected", seen)
	}
}

func TestAReplayWouldNoticeAnotherDefinition(t *testing.T) {
	h := recorded(t, "everything_completed.json")
	for _, e := range h.Events {
		m := e.GetMarkerRecordedEventAttributes()
		if m.GetMarkerName() != "SideEffect" {
			continue
		}
		for _, p := range m.Details["data"].GetPayloads() {
			p.Data = []byte(strings.ReplaceAll(string(p.Data), `"activity":"configure"`, `"activity":"reconfigure"`))
		}
	}
	if err := replay(t, h, nil); err == nil {
		t.Error("a history replays with a definition that calls other activities")
	}
}

func TestTheDefinitionIsRecordedWithItsVersions(t *testing.T) {
	set := load(t, map[string]string{"everything.yaml": everything})
	p, _ := set.Get("everything")
	for _, e := range recorded(t, "everything_completed.json").Events {
		m := e.GetMarkerRecordedEventAttributes()
		if m.GetMarkerName() != "SideEffect" {
			continue
		}
		for _, payload := range m.Details["data"].GetPayloads() {
			for _, want := range []string{`"schemaVersion":1`, `"interpreterVersion":1`, `"sha256":"` + p.SHA256() + `"`, `"name":"everything"`} {
				if !strings.Contains(string(payload.Data), want) {
					t.Errorf("the marker does not hold %s: %.200s", want, payload.Data)
				}
			}
			return
		}
	}
	t.Error("the history has no side effect")
}
