package shipper

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// rotator writes numbered lines to path at full speed and rotates now and then.
type rotator struct {
	t       *testing.T
	path    string
	f       *os.File
	n       int
	appends bool
	gen     int
	shifted int
	first   int // line of the current file
	sink    *sink
}

func (r *rotator) open(flags int) {
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_CREATE|flags, 0o644)
	if err != nil {
		r.t.Fatal(err)
	}
	r.f, r.first = f, r.n
}

func (r *rotator) write(lines int) {
	writeLines(r.t, r.f, r.n, r.n+lines)
	r.n += lines
}

func (r *rotator) must(err error) {
	if err != nil {
		r.t.Helper()
		r.t.Fatal(err)
	}
}

// shift moves path.1 to path.2 and so on. Nothing is deleted: a file that was deleted between two looks cannot be read.
func (r *rotator) shift() {
	for i := r.shifted; i >= 1; i-- {
		r.must(os.Rename(fmt.Sprintf("%s.%d", r.path, i), fmt.Sprintf("%s.%d", r.path, i+1)))
	}
	r.shifted++
}

// seen waits until the reader knows the current file.
func (r *rotator) seen() {
	r.t.Helper()
	r.must(r.sink.waitFor(r.first, 20*time.Second))
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		return err
	}
	return dst.Close()
}

func gzipFile(from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	f, err := os.Create(from + ".gz")
	if err != nil {
		return err
	}
	z := gzip.NewWriter(f)
	if _, err := z.Write(b); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	f.Close()
	return os.Remove(from)
}

func TestNoLineIsLostWhenAFileIsRotatedWhileItIsWrittenAtFullSpeed(t *testing.T) {
	per, rounds := 2_000, 15
	if long() {
		per, rounds = 20_000, 60
	}
	cases := []struct {
		name   string
		rotate func(r *rotator)
	}{
		{"rename, writer opens the new file", func(r *rotator) {
			r.shift()
			r.must(os.Rename(r.path, r.path+".1"))
			r.f.Close()
			r.open(os.O_APPEND)
		}},
		{"rename, writer goes on in the old file for a while", func(r *rotator) {
			r.shift()
			r.must(os.Rename(r.path, r.path+".1"))
			r.write(500)
			r.f.Close()
			r.open(os.O_APPEND)
		}},
		{"rename twice in a row", func(r *rotator) {
			for range 2 {
				r.shift()
				r.must(os.Rename(r.path, r.path+".1"))
				r.f.Close()
				r.open(os.O_APPEND)
				r.write(300)
			}
		}},
		{"rename with dates", func(r *rotator) {
			r.gen++
			r.must(os.Rename(r.path, fmt.Sprintf("%s-2026010%d", r.path, r.gen)))
			r.f.Close()
			r.open(os.O_APPEND)
		}},
		{"rename and compress at once", func(r *rotator) {
			r.gen++
			r.seen()
			old := fmt.Sprintf("%s.%d", r.path, r.gen)
			r.must(os.Rename(r.path, old))
			r.f.Close()
			r.open(os.O_APPEND)
			r.must(gzipFile(old))
		}},
		{"delete and create", func(r *rotator) {
			r.seen()
			r.must(os.Remove(r.path))
			r.f.Close()
			r.open(os.O_APPEND)
		}},
		{"copytruncate", func(r *rotator) {
			r.shift()
			r.must(copyFile(r.path, r.path+".1"))
			r.must(os.Truncate(r.path, 0))
		}},
		{"copytruncate under a writer that does not append", func(r *rotator) {
			r.seen() // its copies begin with NULs all alike: those of two rotations between two looks cannot be told apart
			if r.appends {
				r.f.Close()
				r.open(0)
				_, err := r.f.Seek(0, io.SeekEnd)
				r.must(err)
				r.appends = false
			}
			r.shift()
			r.must(copyFile(r.path, r.path+".1"))
			r.must(os.Truncate(r.path, 0))
			r.first = r.n
		}},
		{"truncate after everything was read", func(r *rotator) {
			r.must(r.sink.wait(r.n, 20*time.Second))
			r.must(os.Truncate(r.path, 0))
		}},
		{"symbolic link switched", func(r *rotator) {
			r.gen++
			next := fmt.Sprintf("%s.d-%d", r.path, r.gen)
			r.must(os.WriteFile(next, nil, 0o644))
			r.must(os.Symlink(next, r.path+".new"))
			if st, err := os.Lstat(r.path); err == nil && st.Mode().IsRegular() {
				r.must(os.Rename(r.path, r.path+".d-0"))
			}
			r.must(os.Rename(r.path+".new", r.path))
			r.f.Close()
			r.open(os.O_APPEND)
		}},
	}
	for _, notify := range []bool{true, false} {
		for _, c := range cases {
			name := c.name + ", watched"
			if !notify {
				name = c.name + ", polled"
			}
			t.Run(name, func(t *testing.T) {
				sink := newSink(t)
				r := &rotator{t: t, path: filepath.Join(t.TempDir(), "app.log"), appends: true}
				r.open(os.O_APPEND)
				defer func() { r.f.Close() }()
				o := testOptions(t, sink.URL)
				o.DisableNotify = !notify
				s := start(t, o, File{Path: r.path})
				r.sink = sink
				r.write(1)
				r.must(sink.wait(1, 20*time.Second)) // what was rotated away before is nobody's
				began := time.Now()
				for range rounds {
					r.write(per)
					c.rotate(r)
					r.write(per / 4)
				}
				took := time.Since(began)
				if err := sink.wait(r.n, 30*time.Second); err != nil {
					t.Errorf("%v; status %+v", err, s.Status())
				}
				eventually(t, "rotated files let go", func() bool { f := s.Status().Files[0]; return f.Rotated == 0 && f.LagBytes == 0 })
				stop(t, s)
				got, dup, _ := sink.tally(r.n)
				m := s.Status().Metrics
				t.Logf("%d lines written in %s through %d rotations: %d lost, %d duplicates (%d rotated, %d truncated)",
					r.n, took.Round(time.Millisecond), rounds, r.n-got, dup, m.Rotations, m.Truncations)
				if repeats := c.name == "copytruncate under a writer that does not append"; dup > 0 && !repeats || len(sink.bodies) > 0 {
					t.Errorf("%d duplicates, %d torn lines: %.300q", dup, len(sink.bodies), sink.bodies)
				}
				if open := s.Status().Metrics.OpenFiles; open != 0 {
					t.Errorf("%d descriptors are left open", open)
				}
			})
		}
	}
}

func TestAFileThatCameAndWentBeforeAMomentWithoutOneIsRead(t *testing.T) {
	sink := newSink(t)
	r := &rotator{t: t, path: filepath.Join(t.TempDir(), "app.log"), appends: true, sink: sink}
	o := testOptions(t, sink.URL)
	o.DisableNotify = true
	r.open(os.O_APPEND)
	r.write(10)
	s := start(t, o, File{Path: r.path})
	r.must(sink.wait(10, 20*time.Second))
	for i := range 2 { // the second file lives between two looks
		r.must(os.Rename(r.path, fmt.Sprintf("%s.%d", r.path, 2-i)))
		r.f.Close()
		if i == 0 {
			r.open(os.O_APPEND)
			r.write(10)
		}
	}
	eventually(t, "the path is seen to lead nowhere", func() bool { return s.Status().Files[0].Size == 0 })
	time.Sleep(200 * time.Millisecond)
	r.open(os.O_APPEND)
	defer func() { r.f.Close() }()
	r.write(10)
	r.must(sink.wait(r.n, 20*time.Second))
	stop(t, s)
	if got, dup, missing := sink.tally(r.n); got != r.n || dup != 0 {
		t.Errorf("%d of %d lines, %d twice, missing %v", got, r.n, dup, missing)
	}
}

func TestAFileThatWasMadeBeforeTheLinkWasSwitchedToItIsRead(t *testing.T) {
	t.Run("twice between two looks", func(t *testing.T) { switchTwice(t, false) })
	t.Run("the last file was taken to have its name", func(t *testing.T) { switchTwice(t, true) })
}

func switchTwice(t *testing.T, misnamed bool) {
	sink := newSink(t)
	r := &rotator{t: t, path: filepath.Join(t.TempDir(), "app.log"), appends: true, sink: sink}
	next := func(gen int) string {
		name := fmt.Sprintf("%s.d-%d", r.path, gen)
		r.must(os.WriteFile(name, nil, 0o644))
		return name
	}
	turn := func(name string) {
		r.must(os.Symlink(name, r.path+".new"))
		r.must(os.Rename(r.path+".new", r.path))
		if r.f != nil {
			r.f.Close()
		}
		r.open(os.O_APPEND)
		r.write(10)
	}
	turn(next(0))
	o := testOptions(t, sink.URL)
	o.DisableNotify, o.PollInterval = true, 300*time.Millisecond
	s := start(t, o, File{Path: r.path})
	r.must(sink.wait(10, 20*time.Second))
	one := next(1)
	time.Sleep(700 * time.Millisecond) // it has been there for a look or two
	if misnamed {
		s.tail.mu.Lock()
		s.tail.sources[r.path].real = one // as when the link is switched just after what it led to was opened
		s.tail.mu.Unlock()
	}
	turn(one)
	turn(next(2))
	defer func() { r.f.Close() }()
	r.must(sink.wait(r.n, 20*time.Second))
	stop(t, s)
	if got, dup, missing := sink.tally(r.n); got != r.n || dup != 0 {
		t.Errorf("%d of %d lines, %d twice, missing %v", got, r.n, dup, missing)
	}
}
