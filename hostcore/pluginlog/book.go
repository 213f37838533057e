package pluginlog

import (
	"context"
	"slices"
	"sync"
	"time"
)

// What is kept.
const (
	MaxLines   = 2000
	MaxBytes   = 1 << 20
	MaxPlugins = 256
)

// Line is one record.
type Line struct {
	Seq     uint64            `json:"seq"` // rises over all plugins of a host's life
	Time    time.Time         `json:"time"`
	Level   string            `json:"level"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
}

func (l *Line) size() int {
	n := 64 + len(l.Message)
	for k, v := range l.Fields {
		n += len(k) + len(v)
	}
	return n
}

// Book holds the records.
type Book struct {
	mu      sync.Mutex
	seq     uint64
	rings   map[string]*ring
	written chan struct{} // closed at the next write
}

// ring is the records of one plugin, oldest first.
type ring struct {
	lines []Line
	bytes int
}

// NewBook makes an empty book.
func NewBook() *Book {
	return &Book{rings: map[string]*ring{}, written: make(chan struct{})}
}

func (b *Book) add(plugin string, l Line) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rings[plugin]
	if r == nil {
		if len(b.rings) >= MaxPlugins {
			delete(b.rings, b.silent())
		}
		r = &ring{}
		b.rings[plugin] = r
	}
	b.seq++
	l.Seq = b.seq
	r.lines = append(r.lines, l)
	r.bytes += l.size()
	drop := 0
	for len(r.lines)-drop > MaxLines || (r.bytes > MaxBytes && len(r.lines)-drop > 1) {
		r.bytes -= r.lines[drop].size()
		r.lines[drop] = Line{} // the array lives on until append moves it
		drop++
	}
	r.lines = r.lines[drop:]
	close(b.written)
	b.written = make(chan struct{})
}

// silent is the plugin whose last record is the oldest; b.mu is held.
func (b *Book) silent() string {
	oldest, name := uint64(0), ""
	for n, r := range b.rings {
		if last := r.lines[len(r.lines)-1].Seq; name == "" || last < oldest {
			oldest, name = last, n
		}
	}
	return name
}

// Read returns the records of a plugin, known under several names, with a Seq
// above after; the latest n of them, or all for n <= 0.
func (b *Book) Read(names []string, after uint64, n int) []Line {
	lines, _ := b.read(names, after, n)
	return lines
}

func (b *Book) read(names []string, after uint64, n int) ([]Line, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []Line{}
	for i, name := range names {
		if r := b.rings[name]; r != nil && !slices.Contains(names[:i], name) {
			from, _ := slices.BinarySearchFunc(r.lines, after+1, func(l Line, seq uint64) int {
				return int(int64(l.Seq) - int64(seq))
			})
			all = append(all, r.lines[from:]...)
		}
	}
	slices.SortFunc(all, func(a, b Line) int { return int(int64(a.Seq) - int64(b.Seq)) })
	if n > 0 && len(all) > n {
		all = all[len(all)-n:]
	}
	return all, b.written
}

// Await is Read, but waits until there is something or ctx ends.
func (b *Book) Await(ctx context.Context, names []string, after uint64, n int) []Line {
	for {
		lines, written := b.read(names, after, n)
		if len(lines) > 0 {
			return lines
		}
		select {
		case <-written:
		case <-ctx.Done():
			return lines
		}
	}
}

// Has says whether there is a record of the plugin.
func (b *Book) Has(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rings[name] != nil
}
