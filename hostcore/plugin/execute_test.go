package plugin_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/hostcore/plugin"
	"github.com/orch-host/orch/hostcore/plugin/plugintest"
	"github.com/orch-host/orch/sdk/pluginv1"
)

type stream = grpc.BidiStreamingServer[pluginv1.ExecuteRequest, pluginv1.ExecuteEvent]

// events keeps what an attempt reported.
type events struct{ log []string }

func (e *events) Heartbeat(d []*pluginv1.Payload) {
	text := "beat"
	for _, p := range d {
		text += " " + string(p.GetData())
	}
	e.log = append(e.log, text)
}
func (e *events) Log(l *pluginv1.Log)           { e.log = append(e.log, "log "+l.GetMessage()) }
func (e *events) Progress(p *pluginv1.Progress) { e.log = append(e.log, "progress "+p.GetMessage()) }

// attempt is one call of a plugin that plays execution.
type attempt struct {
	*plugin.Instance
	process *plugintest.Process
	events  events
	input   string
}

func begin(t *testing.T, execution func(stream) error) *attempt {
	t.Helper()
	s := plugintest.NewServer(plugintest.Manifest("a", "1.2.3", "x"))
	s.Execution = execution
	p, err := plugintest.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Crash)
	i, err := plugin.Connect(t.Context(), p, plugin.Binary{Source: "/plugins/a", Digest: "0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	if !i.Acquire() {
		t.Fatal("it takes no attempt")
	}
	return &attempt{Instance: i, process: p, input: "in"}
}

// run executes; soft is cancelled after cancelAfter, when that is not 0.
func (a *attempt) run(t *testing.T, cancelAfter time.Duration) (*pluginv1.Result, error) {
	soft, cancel := context.WithCancel(t.Context())
	defer cancel()
	if cancelAfter > 0 {
		time.AfterFunc(cancelAfter, cancel)
	}
	defer a.Release()
	return a.Execute(t.Context(), soft, &pluginv1.Start{Activity: "x", Input: []*pluginv1.Payload{{Data: []byte(a.input)}}},
		func() (pluginv1.Cancel_Reason, time.Duration) { return pluginv1.Cancel_REQUESTED, 5 * time.Second }, &a.events)
}

func result(data string) *pluginv1.ExecuteEvent {
	return &pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Result{Result: &pluginv1.Result{Output: []*pluginv1.Payload{{Data: []byte(data)}}}}}
}

// awaitCancel returns the cancellation that the host sends.
func awaitCancel(s stream) (*pluginv1.Cancel, error) {
	for {
		req, err := s.Recv()
		if err != nil {
			return nil, err
		}
		if c := req.GetCancel(); c != nil {
			return c, nil
		}
	}
}

func TestAnAttemptReportsInOrderAndAnswers(t *testing.T) {
	a := begin(t, func(s stream) error {
		req, err := s.Recv()
		if err != nil || string(req.GetStart().GetInput()[0].GetData()) != "in" {
			return errors.New("no input")
		}
		for _, e := range []*pluginv1.ExecuteEvent{
			{Event: &pluginv1.ExecuteEvent_Heartbeat{Heartbeat: &pluginv1.Heartbeat{Details: []*pluginv1.Payload{{Data: []byte("7")}}}}},
			{Event: &pluginv1.ExecuteEvent_Log{Log: &pluginv1.Log{Message: "hello"}}},
			{Event: &pluginv1.ExecuteEvent_Progress{Progress: &pluginv1.Progress{Message: "half"}}},
			result("out"),
		} {
			if err := s.Send(e); err != nil {
				return err
			}
		}
		return nil
	})
	res, err := a.run(t, 0)
	if err != nil || string(res.GetOutput()[0].GetData()) != "out" {
		t.Errorf("%v, %v", res, err)
	}
	if got := strings.Join(a.events.log, ", "); got != "beat 7, log hello, progress half" {
		t.Errorf("reported: %s", got)
	}
}

func TestHowAnAttemptEndsWithoutAResult(t *testing.T) {
	tests := []struct {
		name      string
		execution func(stream) error
		check     func(err error) bool
	}{
		{"the plugin says why", func(s stream) error {
			return s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Failure{Failure: &pluginv1.Failure{Type: "Full", Message: "disk full"}}})
		}, func(err error) bool {
			var f *plugin.FailureError
			return errors.As(err, &f) && f.GetType() == "Full" && err.Error() == "disk full"
		}},
		{"the stream ends with no verdict", func(s stream) error { return nil }, func(err error) bool {
			var c *plugin.CrashError
			return errors.As(err, &c) && c.Version == "1.2.3" && strings.Contains(err.Error(), "without a result")
		}},
		{"the plugin answers with a gRPC error", func(s stream) error { return errors.New("odd") }, func(err error) bool {
			return err != nil && strings.Contains(err.Error(), "odd")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := begin(t, tt.execution)
				if res, err := a.run(t, 0); res != nil || !tt.check(err) {
					t.Errorf("%v, %T %v", res, err, err)
				}
			})
		})
	}
}

func TestACrashUnderAnAttemptIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := begin(t, func(s stream) error { <-s.Context().Done(); return s.Context().Err() })
		time.AfterFunc(time.Second, a.process.Crash)
		var c *plugin.CrashError
		_, err := a.run(t, 0)
		if !errors.As(err, &c) || c.Plugin != "a" || c.Exit == nil || c.Exit.Code != 2 || !strings.Contains(err.Error(), "exited with code 2") {
			t.Errorf("%T %v", err, err)
		}
	})
}

func TestACrashIsToldAlsoWhenTheConnectionWasClosedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := begin(t, func(s stream) error { <-s.Context().Done(); return s.Context().Err() })
		time.AfterFunc(time.Second, func() {
			_ = a.process.Conn().Close()
			a.process.Crash()
		})
		var c *plugin.CrashError
		if _, err := a.run(t, 0); !errors.As(err, &c) || !strings.Contains(err.Error(), "exited with code 2") {
			t.Errorf("%T %v", err, err)
		}
	})
}

func TestACancelledAttemptMayCleanUpAndStillAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := begin(t, func(s stream) error {
			c, err := awaitCancel(s)
			if err != nil || c.GetReason() != pluginv1.Cancel_REQUESTED || c.GetGrace().AsDuration() != 5*time.Second {
				return errors.New("no soft cancellation came")
			}
			time.Sleep(4 * time.Second)
			return s.Send(result("cleaned"))
		})
		began := time.Now()
		res, err := a.run(t, time.Second)
		if err != nil || string(res.GetOutput()[0].GetData()) != "cleaned" || time.Since(began) != 5*time.Second {
			t.Errorf("%v, %v after %s", res, err, time.Since(began))
		}
	})
}

func TestAnAttemptThatDoesNotAnswerItsCancellationIsCutAfterTheGrace(t *testing.T) {
	for name, input := range map[string]string{"with a small input": "in", "with an input that it never reads": strings.Repeat("x", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := begin(t, func(s stream) error { <-s.Context().Done(); return s.Context().Err() })
				a.input = input
				time.AfterFunc(time.Hour, a.process.Crash) // else the test would never end
				began := time.Now()
				var cut *plugin.CutError
				if _, err := a.run(t, time.Second); !errors.As(err, &cut) || time.Since(began) != 6*time.Second {
					t.Errorf("%T %v after %s", err, err, time.Since(began))
				}
			})
		})
	}
}

func TestADrainAsksRunningAttemptsToGiveUpWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reason := make(chan pluginv1.Cancel_Reason, 1)
		a := begin(t, func(s stream) error {
			c, err := awaitCancel(s)
			if err != nil {
				return err
			}
			reason <- c.GetReason()
			return s.Send(&pluginv1.ExecuteEvent{Event: &pluginv1.ExecuteEvent_Failure{Failure: &pluginv1.Failure{Canceled: true, NextRetryDelay: durationpb.New(0)}}})
		})
		reports := make(chan plugin.DrainReport, 1)
		go func() { reports <- a.Drain(t.Context(), 30*time.Second, 5*time.Second) }()
		began := time.Now()
		_, err := a.run(t, 0)
		var f *plugin.FailureError
		if !errors.As(err, &f) || !f.GetCanceled() || <-reason != pluginv1.Cancel_DRAIN || time.Since(began) != 30*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if r := <-reports; r.Canceled != 1 || r.Cut != 0 || a.process.Running() || a.Acquire() {
			t.Errorf("%+v, running %v", r, a.process.Running())
		}
	})
}

func TestAManifestThatCannotWorkIsRefused(t *testing.T) {
	valid := func() *pluginv1.Manifest { return plugintest.Manifest("a", "1.0.0", "x") }
	tests := []struct {
		name   string
		change func(m *pluginv1.Manifest)
		want   string // empty: it is accepted
	}{
		{"a good one", func(*pluginv1.Manifest) {}, ""},
		{"a version with a v", func(m *pluginv1.Manifest) { m.Version = "v1.0.0" }, ""},
		{"a contract suffix", func(m *pluginv1.Manifest) { m.Activities[0].Name = "x@2" }, ""},
		{"no name", func(m *pluginv1.Manifest) { m.Name = "" }, "name"},
		{"a name that is a path", func(m *pluginv1.Manifest) { m.Name = "../x" }, "name"},
		{"no group", func(m *pluginv1.Manifest) { m.Group = "" }, "group"},
		{"no semantic version", func(m *pluginv1.Manifest) { m.Version = "1.0" }, "semantic version"},
		{"no activity", func(m *pluginv1.Manifest) { m.Activities = nil }, "no activity"},
		{"a dot in an activity's name", func(m *pluginv1.Manifest) { m.Activities[0].Name = "a.b" }, "no dot"},
		{"one activity twice", func(m *pluginv1.Manifest) { m.Activities = append(m.Activities, m.Activities[0]) }, "twice"},
		{"a schema that is no JSON", func(m *pluginv1.Manifest) { m.Activities[0].InputSchema = []byte("{") }, "not JSON"},
		{"too many activities", func(m *pluginv1.Manifest) {
			for len(m.Activities) < 100_000 {
				m.Activities = append(m.Activities, m.Activities[0])
			}
		}, "more than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := valid()
			tt.change(m)
			err := plugin.CheckManifest(m)
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
