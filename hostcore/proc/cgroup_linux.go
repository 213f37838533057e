package proc

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Cgroups is the part of the cgroup v2 tree that was delegated to this host.
// Every plugin gets a group of its own in it: the kernel then holds its memory
// limit, and killing the group reaches children that left the process group.
type Cgroups struct {
	dir       string
	memoryErr error // why memory cannot be limited, nil if it can
}

// OpenCgroups finds the host's own cgroup and prepares it for children. It
// fails, saying why, where cgroup v2 is not delegated to this process (systemd:
// Delegate=yes); the host goes on without then. To enable controllers it moves
// the host's process into a leaf group, as cgroup v2 demands.
func OpenCgroups() (*Cgroups, error) {
	mount, err := cgroup2Mount()
	if err != nil {
		return nil, err
	}
	own, err := ownCgroup()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(mount, own)
	if err := checkDelegated(dir, own); err != nil {
		return nil, err
	}
	g := &Cgroups{dir: dir}
	g.memoryErr = g.enableMemory()
	g.sweep()
	return g, nil
}

// MemoryErr says why memory cannot be limited in these cgroups; nil if it can.
func (g *Cgroups) MemoryErr() error { return g.memoryErr }

func cgroup2Mount() (string, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", fmt.Errorf("look for cgroup v2: %w", err)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		before, after, ok := strings.Cut(sc.Text(), " - ")
		if fields := strings.Fields(before); ok && len(fields) >= 5 && strings.HasPrefix(after, "cgroup2 ") {
			return fields[4], nil
		}
	}
	return "", errors.New("no cgroup v2 file system is mounted")
}

func ownCgroup() (string, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", fmt.Errorf("look for the own cgroup: %w", err)
	}
	for line := range strings.Lines(string(data)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return path, nil
		}
	}
	return "", errors.New("this process is in no cgroup v2 group")
}

// checkDelegated refuses a group that we could write to only because we are
// root: it is the service manager's, which marks what it hands over.
func checkDelegated(dir, own string) error {
	if err := errors.Join(unix.Access(dir, unix.W_OK), unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK)); err != nil {
		return fmt.Errorf("the cgroup %s is not delegated to this user: %w", own, err)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	for _, attr := range []string{"trusted.delegate", "user.delegate"} {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(dir, attr, value); err == nil && n == 1 && value[0] == '1' {
			return nil
		}
	}
	if _, err := os.Stat("/run/systemd/system"); own == "/" && err != nil {
		return nil // the root of a container, or of a machine without systemd
	}
	return fmt.Errorf("the cgroup %s is not delegated to this process (systemd: Delegate=yes)", own)
}

func (g *Cgroups) enableMemory() error {
	has, err := os.ReadFile(filepath.Join(g.dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read the controllers: %w", err)
	}
	if !slices.Contains(strings.Fields(string(has)), "memory") {
		return errors.New("the memory controller is not in cgroup v2 here")
	}
	if err := g.enterLeaf(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(g.dir, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
		return fmt.Errorf("enable the memory controller: %w", err)
	}
	return nil
}

// enterLeaf moves this group's processes into a leaf: a group with children
// that have controllers may hold none itself. The root of the tree may.
func (g *Cgroups) enterLeaf() error {
	if _, err := os.Stat(filepath.Join(g.dir, "cgroup.type")); err != nil {
		return nil
	}
	leaf := filepath.Join(g.dir, "host")
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make a leaf cgroup for the host: %w", err)
	}
	procs, err := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	if err != nil {
		return fmt.Errorf("list the cgroup: %w", err)
	}
	for _, pid := range strings.Fields(string(procs)) {
		err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte(pid), 0)
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("move process %s into a leaf cgroup: %w", pid, err)
		}
	}
	return nil
}

// sweep removes the groups that dead hosts left.
func (g *Cgroups) sweep() {
	entries, err := os.ReadDir(g.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		name, ours := strings.CutPrefix(e.Name(), "orch-")
		if o, ok := parseOwner(name); ours && ok && !o.alive() {
			(&cgroup{path: filepath.Join(g.dir, e.Name())}).remove()
		}
	}
}

// cgroup is the group of one plugin process. The nil group does nothing.
type cgroup struct {
	path      string
	dir       *os.File
	memoryErr error
}

func (g *Cgroups) newGroup(memory int64) (*cgroup, error) {
	if g == nil {
		return nil, nil
	}
	o := owner{pid: os.Getpid(), start: processStart(os.Getpid())}
	path, err := os.MkdirTemp(g.dir, "orch-"+o.prefix()+"*")
	if err != nil {
		return nil, fmt.Errorf("make its cgroup: %w", err)
	}
	c := &cgroup{path: path, memoryErr: g.memoryErr}
	if c.dir, err = os.Open(path); err != nil {
		_ = unix.Rmdir(path)
		return nil, fmt.Errorf("open its cgroup: %w", err)
	}
	if memory > 0 && c.memoryErr == nil {
		c.memoryErr = errors.Join(
			c.write("memory.max", strconv.FormatInt(memory, 10)),
			c.write("memory.oom.group", "1"))
		// Absent where the kernel does not account swap.
		_ = c.write("memory.swap.max", "0")
	}
	return c, nil
}

func (c *cgroup) write(file, value string) error {
	if err := os.WriteFile(filepath.Join(c.path, file), []byte(value), 0); err != nil {
		return fmt.Errorf("set %s: %w", file, err)
	}
	return nil
}

func (c *cgroup) fd() int {
	if c == nil {
		return -1
	}
	return int(c.dir.Fd())
}

// kill ends every process in the group. It returns false when there is none to
// do that: no cgroup, or a kernel before 5.14.
func (c *cgroup) kill() bool {
	return c != nil && c.write("cgroup.kill", "1") == nil
}

func (c *cgroup) oomKilled() bool {
	if c == nil {
		return false
	}
	events, err := os.ReadFile(filepath.Join(c.path, "memory.events"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(events)) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok && n != "0" {
			return true
		}
	}
	return false
}

// remove ends who is left in the group and removes it. A group that is still
// emptying is left to the next host's sweep.
func (c *cgroup) remove() {
	if c == nil {
		return
	}
	c.kill()
	if c.dir != nil {
		_ = c.dir.Close()
	}
	retry(func() bool { return !errors.Is(unix.Rmdir(c.path), unix.EBUSY) })
}
