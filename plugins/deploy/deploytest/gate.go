package deploytest

import (
	"net"
	"net/http"
	"sync"
	"testing"
)

// Gate stands in front of a fake: it counts calls, plays scripted faults and lets the plugin die.
type Gate struct {
	T testing.TB

	mu     sync.Mutex
	log    []string
	counts map[string]int
	faults []*Fault
	cutAt  int
	when   When
	dead   bool
	died   bool
	kill   func()
}

// When says on which side of the work a call is cut.
type When int

// The two sides.
const (
	BeforeWork When = iota // the request never arrived
	AfterWork              // the work is done, and nobody hears of it
)

// Fault is one thing that goes wrong.
type Fault struct {
	Op   string // e.g. "POST /apps"; for GraphQL the operation's name
	Nth  int    // the nth call of the operation, from 1; 0: the first
	Drop bool   // close the connection
	Work bool   // do the work first: the caller does not hear of it
	// Instead of Drop: an answer.
	Status int
	Header http.Header
	Body   string

	fired bool
}

// Script adds a fault.
func (g *Gate) Script(f *Fault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = append(g.faults, f)
}

// Fired reports whether all scripted faults have happened.
func (g *Gate) Fired() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.faults {
		if !f.fired {
			return false
		}
	}
	return true
}

// CutAt makes the plugin die at the nth call from now, from 1: that call gets no answer and no later one arrives, until
// Revive.
func (g *Gate) CutAt(n int, when When) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cutAt, g.when = len(g.log)+n, when
}

// KillAt calls kill at the nth call from now, from 1, before or after its work is done: that call gets no answer. Unlike
// with CutAt, calls that come after it are answered: they are those of the process that was started in its place.
func (g *Gate) KillAt(n int, when When, kill func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cutAt, g.when, g.kill = len(g.log)+n, when, kill
}

// Revive starts a new attempt, and reports whether the plugin had died before.
func (g *Gate) Revive() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	died := g.dead
	g.dead = false
	return died
}

// Dead reports whether the plugin has died in this attempt.
func (g *Gate) Dead() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dead
}

// Died reports whether the cut has happened at all.
func (g *Gate) Died() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.died
}

// Calls is the number of calls so far.
func (g *Gate) Calls() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.log)
}

// Count is how often an operation was carried out.
func (g *Gate) Count(op string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[op]
}

// Log lists the operations that arrived.
func (g *Gate) Log() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.log...)
}

// serve passes one call through. work writes the fake's answer.
func (g *Gate) serve(op string, w http.ResponseWriter, work func(*answer)) {
	g.mu.Lock()
	if g.dead {
		g.mu.Unlock()
		drop(w)
		return
	}
	if g.counts == nil {
		g.counts = map[string]int{}
	}
	g.log = append(g.log, op)
	cut := len(g.log) == g.cutAt
	kill := g.kill
	if cut {
		g.dead, g.died = kill == nil, true
	}
	nth := 1
	for _, x := range g.log[:len(g.log)-1] {
		if x == op {
			nth++
		}
	}
	var fault *Fault
	for _, f := range g.faults {
		if !f.fired && f.Op == op && max(f.Nth, 1) == nth {
			fault = f
			f.fired = true
		}
	}
	do := !(cut && g.when == BeforeWork) && (fault == nil || fault.Work)
	if do {
		g.counts[op]++
	}
	g.mu.Unlock()

	a := &answer{status: http.StatusOK, header: http.Header{}}
	if do {
		work(a)
	}
	switch {
	case cut:
		if kill != nil {
			kill()
		}
		drop(w)
	case fault == nil:
		a.write(w)
	case fault.Drop:
		drop(w)
	default:
		b := &answer{status: fault.Status, header: http.Header{}, body: []byte(fault.Body)}
		for k, v := range fault.Header {
			b.header[k] = v
		}
		b.write(w)
	}
}

// answer is what a fake says.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) write(w http.ResponseWriter) {
	for k, v := range a.header {
		w.Header()[k] = v
	}
	if w.Header().Get("Content-Type") == "" && len(a.body) > 0 {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// drop closes the connection without an answer, as a reset does.
func drop(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
