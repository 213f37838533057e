package proc

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLinesAreSplitWhereverTheWritesAreCut(t *testing.T) {
	long := strings.Repeat("l", MaxLine+10)
	full := strings.Repeat("f", MaxLine)
	text := "one\r\ntwo\n\n" + long + "\n" + full + "\nlast without newline"
	want := []string{"one", "two", "", long[:MaxLine] + " [cut: 10 bytes more]", full, "last without newline"}
	for _, step := range []int{1, 7, 4096, MaxLine, len(text)} {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			var got []string
			w := &lineWriter{emit: func(l []byte) { got = append(got, string(l)) }}
			for rest := text; rest != ""; {
				n := min(step, len(rest))
				if m, err := io.WriteString(w, rest[:n]); m != n || err != nil {
					t.Fatal(m, err)
				}
				rest = rest[n:]
			}
			w.Close()
			w.Close()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheTailKeepsTheEndAndTheReason(t *testing.T) {
	var tl tail
	tl.add([]byte("before"))
	tl.add([]byte("panic: the reason"))
	for i := range 20_000 {
		tl.add(fmt.Appendf(nil, "goroutine %d [running]:", i))
	}
	if s := tl.String(); len(s) != ringSize || !strings.HasSuffix(s, "goroutine 19999 [running]:\n") {
		t.Errorf("%d bytes, ending in %q", len(s), s[len(s)-40:])
	}
	if e := tl.excerpt(); !strings.HasPrefix(e, "panic: the reason\ngoroutine 0 ") || len(e) > excerptSize+3 {
		t.Errorf("excerpt of %d bytes begins %q", len(e), e[:40])
	}
}

func TestTheTellingLineIsTheOneThatExplains(t *testing.T) {
	tests := []struct{ name, output, want string }{
		{"nothing", "", ""},
		{"last line", "starting\ncannot bind port\n", "cannot bind port"},
		{"go panic", "log\npanic: boom\n\ngoroutine 1 [running]:\nmain.main()\n", "panic: boom"},
		{"last panic counts", "panic: first\n\ngoroutine 1 [running]:\nx\npanic: second\n\ngoroutine 2 [running]:\n", "panic: second"},
		{"a panic in a deferred call", "panic: first\n\tpanic: second\n\ngoroutine 1 [running]:\n", "panic: first"},
		{"runtime", "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [select]:\n", "fatal error: all goroutines are asleep - deadlock!"},
		{"python", "Traceback (most recent call last):\n  File \"x\"\nValueError: bad\n", "ValueError: bad"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tl tail
			for l := range strings.Lines(tt.output) {
				tl.add([]byte(strings.TrimSuffix(l, "\n")))
			}
			if got := tellingLine(tl.excerpt()); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// counter is a slog output that counts its lines.
type counter struct {
	mu    sync.Mutex
	lines []string
}

func (c *counter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, string(p))
	return len(p), nil
}

func TestForwardingIsBoundedAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &counter{}
		f := newForwarder(slog.New(slog.NewTextHandler(out, nil)), nil)
		go f.run()
		// Ten seconds of ten times the rate.
		for range 1000 {
			for range logRate / 10 {
				f.offer("stderr", []byte("x"))
			}
			time.Sleep(10 * time.Millisecond)
			synctest.Wait()
		}
		time.Sleep(2 * dropEvery)
		synctest.Wait()
		var forwarded, dropped, reports int
		for _, l := range out.lines {
			if _, after, ok := strings.Cut(l, "dropped_lines="); ok {
				var n int
				fmt.Sscan(after, &n)
				dropped += n
				reports++
				continue
			}
			forwarded++
		}
		offered := 1000 * logRate / 10
		if forwarded+dropped != offered {
			t.Errorf("%d forwarded and %d dropped of %d", forwarded, dropped, offered)
		}
		if most := logBurst + 10*logRate + logRate; forwarded > most || forwarded < 10*logRate {
			t.Errorf("%d forwarded, want %d to %d", forwarded, 10*logRate, most)
		}
		if reports < 5 || reports > 12 {
			t.Errorf("%d reports in 12 s", reports)
		}
		// A calm line passes again.
		f.offer("stderr", []byte("calm"))
		synctest.Wait()
		if last := out.lines[len(out.lines)-1]; !strings.Contains(last, "calm") {
			t.Errorf("last line %q", last)
		}
		f.close()
		<-f.done
	})
}

func TestRecordsOfTheUsualLoggersAreUnderstood(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"hclog", `{"@level":"trace","@message":"m","@module":"a.b"}`, "DEBUG m module=a.b"},
		{"slog", `{"time":"2025-01-02T03:04:05Z","level":"WARN","msg":"m","a":1,"b":{"c":[1]}}`, "WARN m a=1 b=map[c:[1]]"},
		{"slog between levels", `{"level":"INFO+2","msg":"m"}`, "INFO+2 m"},
		{"zerolog", `{"level":"fatal","message":"m"}`, "ERROR m"},
		{"unknown level", `{"level":"loud","msg":"m"}`, "INFO m"},
		{"json without a message", `{"a":1}`, `INFO {"a":1}`},
		{"broken json", `{"msg":`, `INFO {"msg":`},
		{"two objects", `{"msg":"a"}{"msg":"b"}`, `INFO {"msg":"a"}{"msg":"b"}`},
		{"prefix", "[ERROR] x", "ERROR [ERROR] x"},
		{"bracket that is no level", "[x] y", "INFO [x] y"},
		{"panic", "panic: x", "ERROR panic: x"},
		{"invalid utf-8", "a\xffb", "INFO a\uFFFDb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := parseLine([]byte(tt.line))
			got := rec.Level.String() + " " + rec.Message
			rec.Attrs(func(a slog.Attr) bool { got += " " + a.String(); return true })
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzHandshake(f *testing.F) {
	for _, s := range []string{"1|1|unix|/run/x/plugin1|grpc|", "1|1|unix|/run/x/../y|grpc", "||||", "1|1|tcp|:1|grpc", "9999999999999999999|1|unix|x|grpc", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		looksLikeHandshake([]byte(line))
		if err := checkHandshake(line, "/run/x"); err == nil && !strings.Contains(line, "/run/x/") {
			t.Errorf("accepted %q", line)
		} else if err != nil && len(err.Error()) > 600 {
			t.Errorf("a message of %d bytes for %q", len(err.Error()), line)
		}
	})
}

func FuzzLine(f *testing.F) {
	f.Add([]byte(`{"level":"INFO","msg":"m","time":"x"}`))
	f.Add([]byte("[WARN"))
	f.Fuzz(func(_ *testing.T, line []byte) {
		parseLine(line)
		parseStdio(line)
	})
}
