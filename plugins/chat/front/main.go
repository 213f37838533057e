package front

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Places inside the front's container.
const (
	StateDir = "/state" // a volume
	Port     = 8080
)

const socketName = "control.sock"

// Main is the front's command line, the arguments after "front":
//
//	serve [-listen :8080] [-dir /state]               runs it
//	status [-dir /state]                              prints its Status as JSON
//	switch -target HOST:PORT [-drain 30s] [-dir ...]  switches, waits, prints its Status
//
// It returns the exit code.
func Main(args []string) int {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: front serve|status|switch")
		return 2
	}
	flags := flag.NewFlagSet("front "+args[0], flag.ContinueOnError)
	dir := flags.String("dir", StateDir, "folder of the state and the control socket")
	listen := flags.String("listen", ":"+strconv.Itoa(Port), "address to serve on")
	target := flags.String("target", "", "host:port to switch to")
	drain := flags.Duration("drain", 30*time.Second, "how long requests to other targets may take to end")
	if err := flags.Parse(args[1:]); err != nil {
		return 2
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	var err error
	switch args[0] {
	case "serve":
		err = Serve(ctx, *listen, *dir)
	case "status":
		err = ask(ctx, *dir, http.MethodGet, "/status", os.Stdout)
	case "switch":
		query := url.Values{"target": {*target}, "drain": {drain.String()}}
		err = ask(ctx, *dir, http.MethodPost, "/switch?"+query.Encode(), os.Stdout)
	default:
		err = fmt.Errorf("unknown command %q", args[0])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "front:", err)
		return 1
	}
	return 0
}

// Serve runs a front until ctx ends. Whoever may use the socket in dir, which
// is in the container alone, may switch it.
func Serve(ctx context.Context, listen, dir string) error {
	f, err := New(dir)
	if err != nil {
		return err
	}
	socket := filepath.Join(dir, socketName)
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the control socket of before: %w", err)
	}
	control, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	public, err := net.Listen("tcp", listen)
	if err != nil {
		return errors.Join(err, control.Close())
	}
	servers := map[*http.Server]net.Listener{
		{Handler: f, ReadHeaderTimeout: 30 * time.Second}:           public,
		{Handler: f.control(), ReadHeaderTimeout: 10 * time.Second}: control,
	}
	failed := make(chan error, len(servers))
	for s, l := range servers {
		go func() { failed <- s.Serve(l) }()
	}
	fmt.Fprintf(os.Stderr, "front: serving on %s, target %q\n", public.Addr(), f.Status().Target)
	left := len(servers)
	select {
	case err = <-failed:
		left--
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	var ending sync.WaitGroup
	for s := range servers { // at once: a switch that drains holds up the control server alone
		ending.Go(func() {
			if s.Shutdown(last) != nil {
				_ = s.Close()
			}
		})
	}
	ending.Wait()
	for range left {
		if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
	}
	return err
}

// control is what the commands status and switch talk to.
func (f *Front) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, f.Status(), nil) })
	mux.HandleFunc("POST /switch", func(w http.ResponseWriter, r *http.Request) {
		target := r.FormValue("target")
		drain, err := time.ParseDuration(r.FormValue("drain"))
		if _, _, splitErr := net.SplitHostPort(target); err != nil || splitErr != nil {
			http.Error(w, fmt.Sprintf("want a target as host:port and a drain time, got %q and %q", target, r.FormValue("drain")), http.StatusBadRequest)
			return
		}
		s, err := f.Switch(r.Context(), target, drain)
		answer(w, s, err)
	})
	return mux
}

func answer(w http.ResponseWriter, s Status, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s)
}

// ask makes one request to the front that serves in dir and prints its answer.
func ask(ctx context.Context, dir, method, path string, out io.Writer) error {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(dir, socketName))
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://front"+path, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(string(text))
	}
	_, err = out.Write(text)
	return err
}
