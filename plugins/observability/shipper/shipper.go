package shipper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ErrStarted is returned by Start when it was called before.
var ErrStarted = errors.New("the shipper was started already; make a new one")

// Shipper tails files and sends their lines. See the package documentation for its lifecycle.
type Shipper struct {
	o     Options
	tail  *tailer
	stats *stats
	dead  deadLetters
	slots slots

	entries []entry // of the last checkpoint, for their memory

	stopOnce sync.Once
	done     chan struct{}      // closed when all goroutines have ended
	abort    context.CancelFunc // ends senders that are in the middle of a request
	ctx      context.Context

	mu         sync.Mutex
	state      State
	since      time.Time
	failed     error
	savedAt    time.Time
	saveErr    error
	savedLines uint64 // records read whose offsets were acknowledged when the last checkpoint was taken
	saves      uint64
	saveFails  uint64
	saved      uint64 // committer.version of the last checkpoint
}

// New checks the options. The error names every option that is wrong.
func New(o Options) (*Shipper, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	var enc encoder = protoEncoder{}
	if o.Encoding == JSON {
		enc = jsonEncoder{}
	}
	s := &Shipper{o: o, state: Created, since: time.Now(), done: make(chan struct{}), stats: newStats(o.Logger),
		dead:  deadLetters{path: filepath.Join(o.StateDir, DeadLetterFile), max: o.DeadLetterMaxBytes},
		slots: slots{dir: o.StateDir}}
	s.tail = newTailer(&s.o, enc)
	s.ctx, s.abort = context.WithCancel(context.Background())
	return s, nil
}

func (s *Shipper) enter(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.since = state, time.Now()
}

// Start makes the state folder and begins in the background: on standby until the folder is free, then reading and
// sending. It does not wait for any of that. The error says that the folder cannot be made, or ErrStarted.
func (s *Shipper) Start() error {
	s.mu.Lock()
	if s.state != Created {
		s.mu.Unlock()
		return ErrStarted
	}
	s.state, s.since = Standby, time.Now()
	s.mu.Unlock()
	if err := os.MkdirAll(s.o.StateDir, 0o700); err != nil {
		s.fail(fmt.Errorf("make state folder of the log shipper: %w", err))
		close(s.done)
		return s.failed
	}
	go s.main()
	return nil
}

func (s *Shipper) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.since, s.failed = Failed, time.Now(), err
	s.o.Logger.Error("log shipping failed", "error", err)
}

// main is the owner of all other goroutines.
func (s *Shipper) main() {
	defer close(s.done)
	unlock, err := lockDir(s.o.StateDir, s.tail.quit)
	if err != nil {
		s.fail(err)
		return
	}
	if unlock == nil {
		s.enter(Stopped)
		return
	}
	defer unlock()
	entries, notes, err := s.slots.load()
	if err != nil {
		s.fail(err)
		return
	}
	s.tail.watch = newWatcher(s.o.DisableNotify, s.tail.poke)
	defer s.tail.watch.close()
	s.tail.activate(entries, notes)
	s.enter(Running)

	comps := make([]*compressor, s.o.Senders)
	for i := range comps {
		if comps[i], err = newCompressor(s.o.Compression, s.o.CompressionLevel); err != nil {
			s.fail(err)
			return
		}
	}
	client := s.o.Client
	if client == nil {
		client = newClient(&s.o)
		defer client.CloseIdleConnections()
	}
	var senders sync.WaitGroup
	for _, comp := range comps {
		snd := &sender{o: &s.o, client: client, enc: s.tail.enc, comp: comp, dead: &s.dead, stats: s.stats}
		senders.Go(func() { snd.run(s.ctx, s.tail.work, s.tail.commits) })
	}
	stopSaving := make(chan struct{})
	var saver sync.WaitGroup
	saver.Go(func() { s.saveLoop(stopSaving) })

	s.tail.run()
	s.enter(Stopping)
	senders.Wait()
	close(stopSaving)
	saver.Wait()
	s.save(true)
	s.tail.closeAll()
	s.enter(Stopped)
}

func newClient(o *Options) *http.Client {
	tr := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		MaxIdleConnsPerHost: o.Senders, MaxConnsPerHost: o.Senders,
		IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		WriteBufferSize: 64 << 10, DisableCompression: true,
	}
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// AddFiles begins to tail files, or changes the settings of files that are tailed already, without a gap. A file that
// was tailed before goes on from its checkpoint. Nothing is added when one of them is invalid.
func (s *Shipper) AddFiles(files ...File) error {
	list := make([]*settings, len(files))
	var errs []error
	var like *settings
	for i, f := range files {
		var err error
		if list[i], err = s.o.settingsFor(f, like); err != nil {
			errs = append(errs, err)
			continue
		}
		like = list[i]
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	s.tail.add(list)
	return nil
}

// RemoveFiles stops tailing: each file is read to where it ends now, and its offset is kept for the case that it is
// added again. Paths that are not tailed are ignored. Status lists a file until its last line is acknowledged.
func (s *Shipper) RemoveFiles(paths ...string) {
	s.tail.remove(paths)
}

// Stop ends reading, delivers what was read, writes the last checkpoint and frees the state folder. When ctx ends
// before that, requests in flight are given up; their lines are sent again by the next shipper. Stop may be called
// more than once.
func (s *Shipper) Stop(ctx context.Context) error {
	s.mu.Lock()
	if s.state == Created {
		s.state = Stopped
		s.mu.Unlock()
		close(s.done)
		s.abort()
		return nil
	}
	s.mu.Unlock()
	s.stopOnce.Do(func() { close(s.tail.quit) })
	var err error
	select {
	case <-s.done:
	case <-ctx.Done():
		err = fmt.Errorf("stop log shipping before everything was delivered: %w", context.Cause(ctx))
	}
	s.abort()
	<-s.done
	return err
}
