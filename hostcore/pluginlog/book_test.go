package pluginlog

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func messages(lines []Line) string {
	var all []string
	for _, l := range lines {
		all = append(all, l.Message)
	}
	return strings.Join(all, " ")
}

func TestRecordsOfAPluginAreKeptWithTheirFields(t *testing.T) {
	var out bytes.Buffer
	b := NewBook()
	log := slog.New(b.Handler(slog.NewTextHandler(&out, nil)))
	log.With("plugin", "a").WithGroup("g").Info("one", "k", 1, slog.Group("in", "deep", true))
	log.Warn("two", "plugin", "a", "error", fmt.Errorf("broken"))
	log.With("plugin", "a").Debug("three")
	log.With("plugin", "b").Info("other")
	log.Info("nobody's")
	lines := b.Read([]string{"a"}, 0, 0)
	if got := messages(lines); got != "one two three" {
		t.Fatalf("got %q", got)
	}
	if f := lines[0].Fields; f["g.k"] != "1" || f["g.in.deep"] != "true" || len(f) != 2 {
		t.Errorf("fields of the first: %v", f)
	}
	if l := lines[1]; l.Level != "warn" || l.Fields["error"] != "broken" || l.Time.IsZero() {
		t.Errorf("the second: %+v", l)
	}
	if strings.Contains(out.String(), "three") || strings.Count(out.String(), "\n") != 4 {
		t.Errorf("the host's own log was changed:\n%s", out.String())
	}
	if !b.Has("b") || b.Has("c") {
		t.Error("Has is wrong")
	}
}

func TestSeveralNamesOfAPluginAreReadInOrderAndOnce(t *testing.T) {
	b := NewBook()
	for i, name := range []string{"file", "plugin", "file", "plugin"} {
		b.add(name, Line{Message: fmt.Sprint(i)})
	}
	if got := messages(b.Read([]string{"plugin", "file", "plugin"}, 0, 0)); got != "0 1 2 3" {
		t.Errorf("got %q", got)
	}
	if got := messages(b.Read([]string{"plugin", "file"}, 2, 0)); got != "2 3" {
		t.Errorf("after the second: got %q", got)
	}
	if got := messages(b.Read([]string{"plugin", "file"}, 0, 1)); got != "3" {
		t.Errorf("the latest: got %q", got)
	}
}

func TestWhatIsKeptIsBounded(t *testing.T) {
	b := NewBook()
	for i := range MaxLines + 10 {
		b.add("lines", Line{Message: fmt.Sprint(i)})
	}
	if lines := b.Read([]string{"lines"}, 0, 0); len(lines) != MaxLines || lines[0].Message != "10" {
		t.Errorf("%d lines, the first %q", len(lines), lines[0].Message)
	}
	for range 40 {
		b.add("bytes", Line{Message: strings.Repeat("x", MaxBytes/10)})
	}
	if lines := b.Read([]string{"bytes"}, 0, 0); len(lines) != 9 {
		t.Errorf("%d lines of a tenth of the limit each", len(lines))
	}
	b.add("huge", Line{Message: strings.Repeat("x", 2*MaxBytes)})
	if lines := b.Read([]string{"huge"}, 0, 0); len(lines) != 1 {
		t.Errorf("the latest line has to stay, whatever its size: %d", len(lines))
	}
	for i := range MaxPlugins {
		b.add(fmt.Sprint("p", i), Line{})
	}
	if b.Has("lines") || b.Has("huge") || !b.Has("p0") || len(b.rings) != MaxPlugins {
		t.Errorf("%d plugins are kept, or not the latest", len(b.rings))
	}
}

func TestAwaitReturnsWithTheNextRecordOrAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBook()
		var wg sync.WaitGroup
		var got []Line
		wg.Go(func() { got = b.Await(t.Context(), []string{"a"}, 0, 0) })
		synctest.Wait()
		b.add("b", Line{Message: "not this"})
		synctest.Wait()
		b.add("a", Line{Message: "this"})
		wg.Wait()
		if messages(got) != "this" {
			t.Errorf("got %q", messages(got))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if got := b.Await(ctx, []string{"a"}, got[0].Seq, 0); len(got) != 0 {
			t.Errorf("got %v at the end of the wait", got)
		}
	})
}

func TestWritersAndReadersDoNotDisturbEachOther(t *testing.T) {
	b := NewBook()
	log := slog.New(b.Handler(slog.DiscardHandler)).With("plugin", "a")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 1000 {
				log.Info("line", "i", i)
				b.Read([]string{"a"}, 0, 10)
			}
		})
	}
	wg.Wait()
	if n := len(b.Read([]string{"a"}, 2000, 0)); n != 2000 {
		t.Errorf("%d lines after the 2000th", n)
	}
}
