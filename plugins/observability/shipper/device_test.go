package shipper

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestADeviceThatHasAnotherNumberAfterARebootIsNotShippedAgain(t *testing.T) {
	sink := newSink(t)
	path := filepath.Join(t.TempDir(), "app.log")
	r := &rotator{t: t, path: path, sink: sink}
	r.open(os.O_APPEND)
	defer func() { r.f.Close() }()
	o := testOptions(t, sink.URL)
	s := start(t, o, File{Path: path})
	r.write(100)
	r.must(sink.wait(r.n, 20*time.Second))
	stop(t, s)
	kept := slots{dir: o.StateDir}
	entries, _, err := kept.load()
	r.must(err)
	for i := range entries {
		entries[i].Dev += 7
	}
	r.must(kept.save(entries, time.Now()))
	r.write(100)
	s = start(t, o, File{Path: path})
	r.must(sink.wait(r.n, 20*time.Second))
	stop(t, s)
	if got, dup, missing := sink.tally(r.n); got != r.n || dup != 0 {
		t.Errorf("%d of %d lines, %d twice, missing %v", got, r.n, dup, missing)
	}
}
