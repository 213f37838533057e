package shipper

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAFolderThatIsMountedAfterTheStartIsNotShippedAgain(t *testing.T) {
	sink := newSink(t)
	dir := filepath.Join(t.TempDir(), "disk")
	path := filepath.Join(dir, "app.log")
	r := &rotator{t: t, path: path, sink: sink}
	r.must(os.Mkdir(dir, 0o755))
	r.open(os.O_APPEND)
	o := testOptions(t, sink.URL)
	s := start(t, o, File{Path: path})
	r.write(100)
	r.must(sink.wait(r.n, 20*time.Second))
	stop(t, s)
	r.write(100) // a rotated file that was not read to its end is there later too
	r.shift()
	r.must(os.Rename(path, path+".1"))
	r.f.Close()
	r.open(os.O_APPEND)
	defer func() { r.f.Close() }()
	r.write(100)

	r.must(os.Rename(dir, dir+".away"))
	s = start(t, o, File{Path: path})
	eventually(t, "the path is looked at", func() bool { return s.Status().State == Running })
	time.Sleep(300 * time.Millisecond)
	stop(t, s)
	s = start(t, o, File{Path: path})
	eventually(t, "the path is looked at again", func() bool { return s.Status().State == Running })
	time.Sleep(300 * time.Millisecond)
	r.must(os.Rename(dir+".away", dir))
	r.write(100)
	r.must(sink.wait(r.n, 20*time.Second))
	eventually(t, "rotated files let go", func() bool { f := s.Status().Files[0]; return f.Rotated == 0 && f.LagBytes == 0 })
	stop(t, s)
	if got, dup, missing := sink.tally(r.n); got != r.n || dup != 0 {
		t.Errorf("%d of %d lines, %d twice, missing %v", got, r.n, dup, missing)
	}
}
