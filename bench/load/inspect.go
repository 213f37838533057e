package load

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// state is what a host holds of the system.
type state struct {
	children   []string // command lines
	sockets    []string // folders in the runtime folder
	files      int      // open descriptors
	goroutines int
}

// inspect looks at the host when nothing runs in it.
func inspect(ctx context.Context, o Options) (state, error) {
	info, err := o.Host.Info(ctx)
	if err != nil {
		return state{}, err
	}
	var s state
	if s.children, err = childrenOf(info.Pid); err != nil {
		return s, err
	}
	entries, err := os.ReadDir(o.Runtime)
	if err != nil {
		return s, fmt.Errorf("look at the runtime folder: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			s.sockets = append(s.sockets, e.Name())
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", info.Pid))
	if err != nil {
		return s, fmt.Errorf("count the host's descriptors: %w", err)
	}
	s.files = len(files)
	s.goroutines, err = goroutines(ctx, info.Listen)
	return s, err
}

// settledAfter waits until the host holds no more than before, or long enough
// to say that it will not.
func settledAfter(ctx context.Context, o Options, before state) (state, error) {
	for end := time.Now().Add(time.Minute); ; {
		after, err := inspect(ctx, o)
		if err != nil || len(before.leaked(after, o.Swaps)) == 0 || time.Now().After(end) {
			return after, err
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return after, err
		}
	}
}

// leaked lists what there is more of. Processes and sockets are counted; of
// descriptors and goroutines, which the host's own connections come and go
// with, less than one for every second swap is no leak of the swaps.
func (s state) leaked(now state, swaps int) []string {
	var leaks []string
	if len(now.children) > len(s.children) {
		leaks = append(leaks, fmt.Sprintf("processes: %v, were %v", now.children, s.children))
	}
	if len(now.sockets) > len(s.sockets) {
		leaks = append(leaks, fmt.Sprintf("socket folders: %v, were %v", now.sockets, s.sockets))
	}
	slack := max(4, swaps/2)
	if now.files > s.files+slack {
		leaks = append(leaks, fmt.Sprintf("descriptors: %d, were %d", now.files, s.files))
	}
	if now.goroutines > s.goroutines+slack {
		leaks = append(leaks, fmt.Sprintf("goroutines: %d, were %d", now.goroutines, s.goroutines))
	}
	return leaks
}

func childrenOf(pid int) ([]string, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var children []string
	for _, path := range stats {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, ok := strings.Cut(string(data), ") ")
		if fields := strings.Fields(rest); !ok || len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline")) // only to name it
		children = append(children, strings.ReplaceAll(strings.Trim(string(cmdline), "\x00"), "\x00", " "))
	}
	slices.Sort(children)
	return children, nil
}

// goroutines reads the host's own count off its metrics.
func goroutines(ctx context.Context, listen string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("read the host's metrics: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it is only read
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			return strconv.Atoi(n)
		}
	}
	return 0, fmt.Errorf("the metrics at %s do not count goroutines", listen)
}
