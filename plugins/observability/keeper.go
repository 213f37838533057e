package observability

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/orch-host/orch/plugins/observability/shipper"
)

// wish is a shipment as it is wanted, the contents of shipment.json.
type wish struct {
	Name    string          `json:"name"`
	Options shipper.Options `json:"options"`
	Files   []shipper.File  `json:"files"`
}

func (w wish) check() error {
	o := w.Options
	o.StateDir = "/"
	if _, err := shipper.New(o); err != nil {
		return err
	}
	return shipper.Check(w.Files...)
}

// keeper makes reality follow the wishes in the state folder. See the package's documentation.
type keeper struct {
	mu      sync.Mutex
	dir     string
	running map[string]*shipment // by folder
	again   time.Duration        // when a shipment that has failed is begun again; default 10s
	stop    chan struct{}
	done    chan struct{}
	ending  sync.WaitGroup // shippers whose wish another process took back
}

type shipment struct {
	wish  wish                // without its files: there may be ten thousand
	paths map[string]struct{} // of its files
	read  fs.FileInfo         // shipment.json as it was read
	sum   [sha256.Size]byte   // of its content
	ship  *shipper.Shipper    // nil: it cannot be started
	err   error
	begun time.Time
}

// failed says whether the shipment came to nothing, for a reason that may pass: a folder that cannot be read, a full
// disk, too many open files.
func (s *shipment) failed() bool {
	return s.err != nil || (s.ship != nil && s.ship.State() == shipper.Failed)
}

const wishFile = "shipment.json"

// folder is where a shipment's files are, whatever characters are in its name.
func (k *keeper) folder(name string) string {
	return filepath.Join(k.dir, hex.EncodeToString([]byte(name)))
}

// open takes up the shipments of the state folder; later calls do nothing.
func (k *keeper) open(state string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stop != nil {
		return nil
	}
	k.dir = filepath.Join(state, "shipments")
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of the log shipments: %w", err)
	}
	k.running, k.stop, k.done = map[string]*shipment{}, make(chan struct{}), make(chan struct{})
	k.follow()
	go k.loop()
	return nil
}

// loop looks for wishes that another process of the plugin wrote: during a swap there are two.
func (k *keeper) loop() {
	defer close(k.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-k.stop:
			return
		case <-tick.C:
			k.mu.Lock()
			k.follow()
			k.mu.Unlock()
		}
	}
}

// follow begins, changes and ends shippers until they are as the folder says.
func (k *keeper) follow() {
	found, err := filepath.Glob(filepath.Join(k.dir, "*", wishFile))
	if err != nil {
		return // only a bad pattern
	}
	for _, path := range found {
		dir := filepath.Dir(path)
		old := k.running[dir]
		again := old != nil && old.failed() && time.Since(old.begun) >= cmp.Or(k.again, 10*time.Second)
		st, err := os.Stat(path)
		if err != nil || (old != nil && !again && unchanged(old.read, st)) {
			continue // it was taken back, or is as it was
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // the next look will tell
		}
		if sum := sha256.Sum256(raw); old == nil || again || old.sum != sum {
			k.apply(dir, raw, sum)
		}
		k.running[dir].read = st // what was read is that or newer
	}
	for dir, s := range k.running {
		if !slices.Contains(found, filepath.Join(dir, wishFile)) {
			delete(k.running, dir)
			k.ending.Go(func() { k.end(context.Background(), s) }) // a next one of its name waits for its folder
		}
	}
}

// unchanged says whether a file that is only ever replaced is still the same.
func unchanged(before, now fs.FileInfo) bool {
	return before != nil && os.SameFile(before, now) && before.ModTime().Equal(now.ModTime()) && before.Size() == now.Size()
}

func (k *keeper) apply(dir string, raw []byte, sum [sha256.Size]byte) {
	next := &shipment{sum: sum, begun: time.Now()}
	old := k.running[dir]
	k.running[dir] = next
	next.err = json.Unmarshal(raw, &next.wish)
	files := next.wish.Files
	next.wish.Files, next.paths = nil, make(map[string]struct{}, len(files))
	for _, f := range files {
		next.paths[f.Path] = struct{}{}
	}
	if next.err == nil {
		next.wish.Options.StateDir = dir
		if old != nil && old.ship != nil && !old.failed() && reflect.DeepEqual(old.wish.Options, next.wish.Options) {
			next.ship = old.ship
			next.err = next.ship.AddFiles(files...)
			next.ship.RemoveFiles(slices.DeleteFunc(slices.Collect(maps.Keys(old.paths)), next.has)...)
			return
		}
	}
	if old != nil {
		k.end(context.Background(), old)
	}
	if next.err == nil {
		next.begin(files)
	}
	if next.err != nil && (old == nil || old.err == nil || old.err.Error() != next.err.Error()) {
		slog.Error("log shipment cannot be started", "folder", dir, "error", next.err)
	}
}

func (s *shipment) begin(files []shipper.File) {
	o := s.wish.Options
	o.Logger = slog.Default().With("shipment", s.wish.Name)
	ship, err := shipper.New(o)
	if err == nil {
		err = ship.AddFiles(files...)
	}
	if err == nil {
		err = ship.Start()
	}
	if s.err = err; err == nil {
		s.ship = ship
	}
}

func (s *shipment) has(path string) bool {
	_, has := s.paths[path]
	return has
}

// end stops a shipper. What its receiver does not take within five seconds is sent by the next one.
func (k *keeper) end(ctx context.Context, s *shipment) {
	if s.ship == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.ship.Stop(ctx); err != nil {
		slog.Warn("log shipment ended before all was delivered; the rest is sent when it begins again", "shipment", s.wish.Name, "error", err)
	}
}

var errNotOpen = errors.New("log shipments: the plugin has not been configured yet; try again")

// wishFor makes w the wish of its name and follows it.
func (k *keeper) wishFor(w wish) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stop == nil {
		return errNotOpen
	}
	dir := k.folder(w.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of shipment %s: %w", w.Name, err)
	}
	if err := writeJSON(filepath.Join(dir, wishFile), w); err != nil {
		return err
	}
	if s := k.running[dir]; s != nil && s.failed() {
		s.begun = time.Time{} // the reason may be gone
	}
	k.follow()
	if s := k.running[dir]; s != nil {
		return s.err
	}
	return nil
}

// forget takes a wish back and says whether there was one.
func (k *keeper) forget(ctx context.Context, name string) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stop == nil {
		return false, errNotOpen
	}
	dir := k.folder(name)
	if err := os.Remove(filepath.Join(dir, wishFile)); errors.Is(err, os.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("stop shipment %s: %w", name, err)
	}
	if s := k.running[dir]; s != nil {
		k.end(ctx, s)
		delete(k.running, dir)
	}
	return true, nil
}

func (k *keeper) list() []Listed {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := []Listed{}
	for _, dir := range slices.Sorted(maps.Keys(k.running)) {
		s := k.running[dir]
		l := Listed{Name: s.wish.Name}
		if s.ship != nil {
			l.Status = s.ship.Status()
		}
		if s.err != nil {
			l.Error = s.err.Error()
		}
		all = append(all, l)
	}
	return all
}

// close ends all shippers, at once, and leaves the wishes for the next process.
func (k *keeper) close(ctx context.Context) error {
	k.mu.Lock()
	if k.stop == nil {
		k.mu.Unlock()
		return nil
	}
	select {
	case <-k.stop:
		k.mu.Unlock()
		return nil
	default:
		close(k.stop)
	}
	k.mu.Unlock()
	<-k.done
	k.mu.Lock()
	defer k.mu.Unlock()
	var all sync.WaitGroup
	for _, s := range k.running {
		all.Go(func() { k.end(ctx, s) })
	}
	all.Wait()
	k.ending.Wait()
	clear(k.running)
	return nil
}
