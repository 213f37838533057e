package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// sinkProc is the sink's process as seen from the benchmark. The sink prints its port, then a line when all have come.
type sinkProc struct {
	cmd *exec.Cmd
	url string
	out *bufio.Scanner
	in  io.Closer
}

func startSink(lines int) (*sinkProc, error) {
	cmd, err := child("sink", "SHIP_LINES="+strconv.Itoa(lines))
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &sinkProc{cmd: cmd, out: bufio.NewScanner(out), in: in}
	if !s.out.Scan() {
		return nil, fmt.Errorf("the sink did not start")
	}
	s.url = s.out.Text()
	return s, nil
}

// wait waits until all lines have come.
func (s *sinkProc) wait(patience time.Duration) error {
	done := make(chan bool, 1)
	go func() { done <- s.out.Scan() }()
	select {
	case ok := <-done:
		if !ok {
			return fmt.Errorf("the sink ended before all lines had come")
		}
		return nil
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		return fmt.Errorf("not all lines came within %s", patience)
	}
}

func (s *sinkProc) stop() {
	s.in.Close()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// runSink counts records and prints when there are SHIP_LINES of them.
func runSink() error {
	want, err := strconv.ParseInt(os.Getenv("SHIP_LINES"), 10, 64)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", ln.Addr())
	var total atomic.Int64
	var once sync.Once
	counters := sync.Pool{New: func() any { return new(counter) }}
	return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := counters.Get().(*counter)
		defer counters.Put(c)
		n, err := c.records(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		if r.Header.Get("Content-Type") == "application/json" {
			_, _ = w.Write([]byte("{}"))
		}
		if total.Add(n) >= want {
			once.Do(func() { fmt.Println("all") })
		}
	}))
}

// counter counts the records of one request at a time. What it needs is used
// again, so that the sink takes as little as it can of the processors that it
// shares with what is measured.
type counter struct {
	buf, plain []byte
	gz         *gzip.Reader
	zs         *zstd.Decoder
}

func (c *counter) records(r *http.Request) (_ int64, err error) {
	var body io.Reader = r.Body
	switch r.Header.Get("Content-Encoding") {
	case "gzip":
		if c.gz == nil {
			c.gz = new(gzip.Reader)
		}
		body, err = c.gz, c.gz.Reset(r.Body)
	case "zstd":
		if c.zs == nil {
			c.zs, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
		}
	}
	if err != nil {
		return 0, err
	}
	if c.buf, err = readAll(body, c.buf[:0]); err != nil {
		return 0, err
	}
	b := c.buf
	if r.Header.Get("Content-Encoding") == "zstd" {
		if c.plain, err = c.zs.DecodeAll(b, c.plain[:0]); err != nil {
			return 0, err
		}
		b = c.plain
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		if !json.Valid(b) {
			return 0, fmt.Errorf("invalid JSON")
		}
		return int64(strings.Count(string(b), `"timeUnixNano"`)), nil
	}
	return countProto(b, 0)
}

// readAll appends all of r to b.
func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, make([]byte, max(64<<10, cap(b)))...)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// countProto counts log records: request.1 -> resource logs.2 -> scope logs.2.
func countProto(b []byte, depth int) (total int64, err error) {
	wanted := [...]uint64{1<<3 | 2, 2<<3 | 2, 2<<3 | 2}[depth]
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 || key&7 != 2 {
			return total, fmt.Errorf("unexpected field %d at depth %d", key, depth)
		}
		size, m := binary.Uvarint(b[n:])
		if m <= 0 || size > uint64(len(b)-n-m) {
			return total, fmt.Errorf("field %d is cut off", key)
		}
		data := b[n+m : n+m+int(size)]
		if b = b[n+m+int(size):]; key == wanted {
			if depth == 2 {
				total++
				continue
			}
			inner, err := countProto(data, depth+1)
			if total += inner; err != nil {
				return total, err
			}
		}
	}
	return total, nil
}
