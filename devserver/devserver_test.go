package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// The tests run this very program: the test binary acts as the devserver when
// its first argument is a devserver flag.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "--db" || os.Args[1] == "version") {
		main()
	}
	os.Exit(m.Run())
}

const patience = 90 * time.Second

// devserver is one child process.
type devserver struct {
	t      *testing.T
	cmd    *exec.Cmd
	ready  readyMessage
	parent *os.File
	stderr *bytes.Buffer
	done   chan struct{}
	err    error
}

func start(t *testing.T, args ...string) *devserver {
	t.Helper()
	readyR, readyW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	parentR, parentW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := &devserver{t: t, parent: parentW, stderr: &bytes.Buffer{}, done: make(chan struct{})}
	d.cmd = exec.Command(os.Args[0], append(args, "--ready-fd", "3", "--parent-fd", "4")...)
	d.cmd.ExtraFiles = []*os.File{readyW, parentR}
	d.cmd.Stderr = d.stderr
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = readyW.Close()
	_ = parentR.Close()
	go func() {
		defer close(d.done)
		d.err = d.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.done
		_ = parentW.Close()
	})
	if err := readyR.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(readyR).ReadBytes('\n')
	_ = readyR.Close()
	if err != nil {
		t.Fatalf("no ready line: %v", err)
	}
	if err := json.Unmarshal(line, &d.ready); err != nil {
		t.Fatalf("ready line %q: %v", line, err)
	}
	return d
}

// serving starts a devserver that must come up.
func serving(t *testing.T, args ...string) *devserver {
	t.Helper()
	d := start(t, args...)
	if d.ready.Error != nil {
		t.Fatalf("not started: %s", d.ready.Error.Message)
	}
	return d
}

// exit waits for the end and returns the exit code.
func (d *devserver) exit() int {
	d.t.Helper()
	select {
	case <-d.done:
	case <-time.After(patience):
		d.t.Fatal("the devserver does not end")
	}
	return d.cmd.ProcessState.ExitCode()
}

// log is what it wrote; only after exit.
func (d *devserver) log() string { return d.stderr.String() }

func port(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

func dial(t *testing.T, address string) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: address, Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// twoSteps waits for a signal between its two activities.
func twoSteps(ctx workflow.Context) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	var first, second string
	if err := workflow.ExecuteActivity(ctx, "echo", "one").Get(ctx, &first); err != nil {
		return "", err
	}
	workflow.GetSignalChannel(ctx, "go on").Receive(ctx, nil)
	if err := workflow.ExecuteActivity(ctx, "echo", "two").Get(ctx, &second); err != nil {
		return "", err
	}
	return first + " " + second, nil
}

func echo(_ context.Context, s string) (string, error) { return s, nil }

func work(t *testing.T, c client.Client) {
	t.Helper()
	w := worker.New(c, "q", worker.Options{})
	w.RegisterWorkflow(twoSteps)
	w.RegisterActivity(echo)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

func TestAWorkflowGoesOnAfterTheServerWasKilled(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := []string{"--db", filepath.Join(t.TempDir(), "t.db"), "--port", port(t), "--ui-port", "0"}
	first := serving(t, args...)
	c := dial(t, first.ready.Frontend)
	work(t, c)
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "w", TaskQueue: "q"}, "twoSteps")
	if err != nil {
		t.Fatal(err)
	}
	awaitActivity(ctx, t, c, run)

	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.exit()
	serving(t, args...)
	if err := c.SignalWorkflow(ctx, "w", run.GetRunID(), "go on", nil); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := run.Get(ctx, &got); err != nil || got != "one two" {
		t.Errorf("got %q, %v; want the run of before to end with %q", got, err, "one two")
	}
}

func awaitActivity(ctx context.Context, t *testing.T, c client.Client, run client.WorkflowRun) {
	t.Helper()
	events := c.GetWorkflowHistory(ctx, run.GetID(), run.GetRunID(), true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.GetEventType() == enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED {
			return
		}
	}
	t.Fatal("the first activity did not complete")
}

func TestTheServerStopsInOrderAndInSilence(t *testing.T) {
	for name, stop := range map[string]func(*devserver) error{
		"on SIGTERM":                 func(d *devserver) error { return d.cmd.Process.Signal(syscall.SIGTERM) },
		"on SIGINT":                  func(d *devserver) error { return d.cmd.Process.Signal(syscall.SIGINT) },
		"when the parent is no more": func(d *devserver) error { return d.parent.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := filepath.Join(t.TempDir(), "t.db")
			d := serving(t, "--db", db, "--port", port(t), "--ui-port", port(t))
			c := dial(t, d.ready.Frontend)
			if _, err := c.CheckHealth(context.Background(), &client.CheckHealthRequest{}); err != nil {
				t.Fatal(err)
			}
			if err := stop(d); err != nil {
				t.Fatal(err)
			}
			if code := d.exit(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			if d.log() != "" {
				t.Errorf("it was not silent:\n%s", d.log())
			}
			left, err := filepath.Glob(db + "*")
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{db, db + ".lock", db + ".version"}; strings.Join(left, " ") != strings.Join(want, " ") {
				t.Errorf("files left %v, want %v", left, want)
			}
		})
	}
}

func TestASecondServerOnOneDatabaseIsRefused(t *testing.T) {
	db := filepath.Join(t.TempDir(), "t.db")
	first := serving(t, "--db", db, "--port", port(t), "--ui-port", "0")
	second := start(t, "--db", db, "--port", port(t), "--ui-port", "0")
	e := second.ready.Error
	if e == nil || e.Kind != "locked" || e.Pid != first.cmd.Process.Pid || e.Address != first.ready.Frontend {
		t.Fatalf("got %+v, want a refusal that names process %d at %s", e, first.cmd.Process.Pid, first.ready.Frontend)
	}
	if code := second.exit(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if !strings.Contains(second.log(), "in use by process "+strconv.Itoa(first.cmd.Process.Pid)) {
		t.Errorf("it said: %s", second.log())
	}
}

func TestABusyFrontendPortIsNamedWithTheSettingThatChangesIt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, busy, _ := net.SplitHostPort(l.Addr().String())
	d := start(t, "--db", filepath.Join(t.TempDir(), "t.db"), "--port", busy, "--ui-port", "0")
	e := d.ready.Error
	if e == nil || e.Kind != "port" {
		t.Fatalf("got %+v, want an error of kind port", e)
	}
	for _, want := range []string{"127.0.0.1:" + busy, "is taken", "--port", "temporal.embedded.port"} {
		if !strings.Contains(e.Message, want) {
			t.Errorf("the message lacks %q: %s", want, e.Message)
		}
	}
	if code := d.exit(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

func TestABusyUIPortDoesNotStopTheServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, busy, _ := net.SplitHostPort(l.Addr().String())
	d := serving(t, "--db", filepath.Join(t.TempDir(), "t.db"), "--port", port(t), "--ui-port", busy)
	if d.ready.UI != "" || !strings.Contains(d.ready.UIReason, "127.0.0.1:"+busy+" is taken") {
		t.Errorf("ui %q, reason %q; want no UI because of port %s", d.ready.UI, d.ready.UIReason, busy)
	}
}

func TestTheUIServesItsPageAndTheWorkflows(t *testing.T) {
	d := serving(t, "--db", filepath.Join(t.TempDir(), "t.db"), "--port", port(t), "--ui-port", port(t))
	for _, path := range []string{"/", "/api/v1/namespaces/default/workflows"} {
		res, err := http.Get(d.ready.UI + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("%s: %s, %d bytes, %v", path, res.Status, len(body), err)
		}
	}
}

func TestAnExistingDatabaseGetsTheNewSettings(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args := []string{"--db", filepath.Join(t.TempDir(), "t.db"), "--port", port(t), "--ui-port", "0"}
	first := serving(t, args...)
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	first.exit()
	d := serving(t, append(args, "--retention", "48h", "--search-attribute", "Team=Keyword", "--namespace", "default", "--namespace", "team")...)
	c := dial(t, d.ready.Frontend)
	for _, ns := range []string{"default", "team"} {
		got, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: ns})
		if err != nil {
			t.Fatal(err)
		}
		if r := got.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(); r != 48*time.Hour {
			t.Errorf("namespace %s keeps workflows for %s, want 48h", ns, r)
		}
	}
	attrs, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ServiceName", "PluginVersion", "Team"} {
		if attrs.GetCustomAttributes()[name] != enums.INDEXED_VALUE_TYPE_KEYWORD {
			t.Errorf("search attribute %s is missing: %v", name, attrs.GetCustomAttributes())
		}
	}
	_, err = c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: "ServiceName = 'a' AND Team = 'b'"})
	if err != nil {
		t.Errorf("query by the attributes: %v", err)
	}
}

func TestAStopDuringTheStartIsObeyed(t *testing.T) {
	dir := t.TempDir()
	readyR, readyW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer readyR.Close()
	cmd := exec.Command(os.Args[0], "--db", filepath.Join(dir, "t.db"), "--port", port(t), "--ui-port", "0", "--ready-fd", "3", "--parent-fd", "4")
	parentR, parentW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{readyW, parentR}
	_ = parentW.Close() // the parent is dead before the child looks
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = readyW.Close()
	_ = parentR.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v, want success", err)
	}
}

func TestADescriptorThatWasNotPassedIsAnError(t *testing.T) {
	out, err := exec.Command(os.Args[0], "--db", filepath.Join(t.TempDir(), "t.db"), "--ready-fd", "77").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "--ready-fd 77 was not passed") {
		t.Errorf("got %v: %s", err, out)
	}
}

func TestTheVersionCommandNamesWhatIsInside(t *testing.T) {
	out, err := exec.Command(os.Args[0], "version").Output()
	if err != nil || !strings.Contains(string(out), "Temporal server 1.") || !strings.Contains(string(out), "Web UI 2.") {
		t.Errorf("got %q, %v", out, err)
	}
}

var _ sdklog.Logger = quiet{}

// quiet drops the SDK's lines about the server that the tests kill.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
