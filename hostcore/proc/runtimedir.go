package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxSocketPath is the room for a path in sockaddr_un on Linux, less the
// terminating zero; macOS has 103.
const maxSocketPath = 107

// socketName is the longest name that go-plugin's server gives its socket.
const socketName = "plugin4294967295"

// socketDir is the private folder of one process. Its name carries the host's
// process, so that Sweep can tell whose it is, and it stays locked while the
// host lives: the lock tells the truth even where process ids do not, between
// two containers that share the folder.
type socketDir struct {
	path string
	lock *os.File
}

func newSocketDir(runtimeDir string, uid, gid int) (*socketDir, error) {
	mode := fs.FileMode(0o700)
	if uid >= 0 {
		mode = 0o711 // the other user has to pass, not to look
	}
	if err := os.MkdirAll(runtimeDir, mode); err != nil {
		return nil, fmt.Errorf("make the runtime folder: %w", err)
	}
	root, err := filepath.Abs(runtimeDir)
	if err != nil {
		return nil, fmt.Errorf("resolve the runtime folder: %w", err)
	}
	if err := checkRuntimeDir(root, uid); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(root, owner{pid: os.Getpid(), start: processStart(os.Getpid())}.prefix()+"*")
	if err != nil {
		return nil, fmt.Errorf("make a socket folder: %w", err)
	}
	d := &socketDir{path: path}
	if err := d.claim(uid, gid); err != nil {
		d.remove()
		return nil, err
	}
	return d, nil
}

func checkRuntimeDir(root string, uid int) error {
	// MkdirTemp adds up to ten digits to the prefix.
	longest := filepath.Join(root, owner{pid: os.Getpid(), start: processStart(os.Getpid())}.prefix()+"4294967295", socketName)
	if len(longest) > maxSocketPath {
		return fmt.Errorf("the runtime folder %s is too long: a socket in it would need %d bytes and a unix socket's path holds %d; choose one at least %d bytes shorter, such as /run/orch",
			root, len(longest), maxSocketPath, len(longest)-maxSocketPath)
	}
	if err := CheckRuntimeDir(root); err != nil {
		return err
	}
	if uid >= 0 {
		return letPass(root)
	}
	return nil
}

// CheckRuntimeDir refuses a folder in which somebody else could exchange a
// socket: one that others may write to, or that another user has made first,
// as anybody can below /tmp.
func CheckRuntimeDir(dir string) error {
	for _, look := range []func(string) (fs.FileInfo, error){os.Lstat, os.Stat} { // the link, if it is one, and the folder
		info, err := look(dir)
		if err != nil {
			return fmt.Errorf("look at the runtime folder: %w", err)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
			return fmt.Errorf("the runtime folder %s belongs to another user (uid %d, the host is %d): set host.runtime_dir to a folder of its own", dir, st.Uid, os.Geteuid())
		}
		if perm := info.Mode(); perm.IsDir() && perm&0o022 != 0 && perm&fs.ModeSticky == 0 {
			return fmt.Errorf("the runtime folder %s is writable by others: chmod go-w %s", dir, dir)
		}
	}
	return nil
}

func (d *socketDir) claim(uid, gid int) error {
	f, err := os.Open(d.path)
	if err != nil {
		return fmt.Errorf("open the socket folder: %w", err)
	}
	d.lock = f
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("lock the socket folder %s: %w", d.path, err)
	}
	if uid >= 0 {
		if err := os.Chown(d.path, uid, gid); err != nil {
			return fmt.Errorf("give the socket folder to the plugin's user: %w", err)
		}
	}
	return nil
}

func (d *socketDir) remove() {
	// What cannot be removed now is removed by the next Sweep.
	_ = os.RemoveAll(d.path)
	if d.lock != nil {
		_ = d.lock.Close()
	}
}

// owner is the host process that a folder or cgroup belongs to. The start time
// tells it from a later process with the same id.
type owner struct {
	pid   int
	start uint64 // in the kernel's ticks since boot; 0 where unknown
}

func (o owner) prefix() string {
	return strconv.Itoa(o.pid) + "-" + strconv.FormatUint(o.start, 36) + "-"
}

func parseOwner(name string) (owner, bool) {
	parts := strings.Split(name, "-")
	if len(parts) < 3 {
		return owner{}, false
	}
	pid, err1 := strconv.Atoi(parts[0])
	start, err2 := strconv.ParseUint(parts[1], 36, 64)
	return owner{pid, start}, err1 == nil && err2 == nil && pid > 0
}

func (o owner) alive() bool {
	if err := unix.Kill(o.pid, 0); errors.Is(err, unix.ESRCH) {
		return false
	}
	return processStart(o.pid) == o.start
}

// Sweep removes the socket folders that dead hosts left in runtimeDir and
// returns their paths. Folders of living hosts, and anything that is not a
// socket folder, stay. A missing runtimeDir is no error.
func Sweep(runtimeDir string) ([]string, error) {
	entries, err := os.ReadDir(runtimeDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sweep the runtime folder: %w", err)
	}
	var removed []string
	var errs []error
	for _, e := range entries {
		o, ok := parseOwner(e.Name())
		if !ok || !e.IsDir() || o.alive() {
			continue
		}
		path := filepath.Join(runtimeDir, e.Name())
		if held(path) {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			errs = append(errs, fmt.Errorf("sweep %s: %w", path, err))
			continue
		}
		removed = append(removed, path)
	}
	return removed, errors.Join(errs...)
}

// held says whether some process still has the folder locked.
func held(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}
