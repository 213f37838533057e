package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

// cable is the way from one host to Temporal.
type cable struct {
	port int

	mu    sync.Mutex
	gone  chan struct{} // closed while traffic passes
	conns map[net.Conn]bool
}

// newCable leads to the server on a port.
func newCable(t *testing.T, to int) *cable {
	t.Helper()
	port := freePort(t)
	return lay(t, listen(t, port), port, to)
}

// lay leads from a listener on a port to the server on another one.
func lay(t *testing.T, l net.Listener, port, to int) *cable {
	t.Helper()
	n := &cable{port: port, gone: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(n.gone)
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
			if err != nil {
				in.Close()
				continue
			}
			n.mu.Lock()
			n.conns[in], n.conns[out] = true, true
			n.mu.Unlock()
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				carrying.Go(func() { n.carry(way[0], way[1]) })
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		n.mend()
		n.mu.Lock()
		for c := range n.conns {
			c.Close()
		}
		n.mu.Unlock()
		carrying.Wait()
	})
	return n
}

func (n *cable) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		read, err := from.Read(buffer)
		if err != nil {
			return
		}
		n.mu.Lock()
		passes := n.gone
		n.mu.Unlock()
		<-passes
		if _, err := to.Write(buffer[:read]); err != nil {
			return
		}
	}
}

// cut lets nothing through any more, and says so to nobody.
func (n *cable) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone = make(chan struct{})
}

// mend lets through what was held up, and all that comes.
func (n *cable) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-n.gone:
	default:
		close(n.gone)
	}
}

// cutOff is a host whose way to Temporal can be cut, and one that is never cut off.
func cutOff(t *testing.T, pipeline string) (a, b *rig, way *cable, h *hosts) {
	t.Helper()
	temporal, _ := temporalOnly(t)
	way = newCable(t, temporal.port)
	h = newHosts(t, temporal.port, "[services.{p}]\npipeline = \"ledger\"\n", "a", "b")
	a, b = h.all[0], h.all[1]
	write(t, b.config, 0o600, strings.Replace(read(t, b.config), fmt.Sprintf("127.0.0.1:%d", temporal.port), fmt.Sprintf("127.0.0.1:%d", way.port), 1))
	for _, r := range h.all {
		write(t, r.dir+"/pipelines/ledger.yaml", 0o644, pipeline)
	}
	return a, b, way, h
}

// oneEntry is a pipeline that writes one line into the ledger.
const oneEntry = `
name: ledger
params: {properties: {ms: {type: integer}}}
steps:
  - activity: ledger_write
    input: {name: run, ms: "${{ params.ms }}"}
    timeout: 2m
    heartbeat: %s
    retry: {attempts: 5, initial: 200ms, max: 1s}
    save: entry
result: "${{ vars.entry }}"
`

// attempts are those of a run's activities, with how the one before failed.
func attempts(t *testing.T, c client.Client, id string) (n int32, failure string) {
	t.Helper()
	for it := c.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); it.HasNext(); {
		e, err := it.Next()
		if err != nil {
			t.Fatal(err)
		}
		if started := e.GetActivityTaskStartedEventAttributes(); started != nil {
			n, failure = started.GetAttempt(), started.GetLastFailure().GetMessage()
		}
	}
	return n, failure
}

func TestAnActivityGoesOnWhileTemporalCannotBeReachedForALittleWhile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ millis, cutAfter, cutFor int }{
		"in the middle":                 {14000, 2, 8},
		"when it ends, and long enough": {6000, 3, 15},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b, way, h := cutOff(t, fmt.Sprintf(oneEntry, "30s"))
			b.start()
			b.expect(0, "start", "-p", fmt.Sprintf("ms=%d", c.millis), h.prefix)
			time.Sleep(time.Duration(c.cutAfter) * time.Second)
			way.cut()
			time.Sleep(time.Duration(c.cutFor) * time.Second)
			way.mend()
			b.eventually("it ends", func() error {
				if o := b.host("status", "--json", h.prefix); !strings.Contains(o.stdout, `"completed"`) {
					return fmt.Errorf("%v", o)
				}
				return nil
			})
			if n, failure := attempts(t, a.client(client.Options{}), h.prefix+"_1"); n != 1 {
				t.Errorf("it took %d attempts: %s", n, failure)
			}
		})
	}
}

func TestAHostThatIsCutOffGivesItsActivityUpBeforeAnotherOneHasIt(t *testing.T) {
	t.Parallel()
	a, b, way, h := cutOff(t, fmt.Sprintf(oneEntry, "20s"))
	b.start()
	b.expect(0, "start", "-p", "ms=40000", h.prefix) // the line is written after 20 s
	time.Sleep(2 * time.Second)
	way.cut()
	a.start()
	a.eventually("the other host has done it", func() error {
		if o := a.host("status", "--json", h.prefix); !strings.Contains(o.stdout, `"completed"`) {
			return fmt.Errorf("%v", o)
		}
		return nil
	})
	lines := h.lines(t)
	if len(lines) != 1 || lines[0][1] != "a" {
		t.Errorf("the ledger: %v, want one line by host a", lines)
	}
	if n, failure := attempts(t, a.client(client.Options{}), h.prefix+"_1"); n != 2 {
		t.Errorf("it took %d attempts: %s", n, failure)
	}
}
