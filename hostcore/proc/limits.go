package proc

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// LimitState tells about one limit that was asked for.
type LimitState struct {
	Name  string // "memory" or "open files"
	Value uint64 // what was asked for, bytes or descriptors
	By    string // what holds it: "cgroup", "GOMEMLIMIT", "RLIMIT_DATA", "RLIMIT_NOFILE"
	Err   error  // why it is not in force, nil if it is
}

// String is one line for people.
func (l LimitState) String() string {
	if l.Err != nil {
		return fmt.Sprintf("%s %d: not in force (%s): %v", l.Name, l.Value, l.By, l.Err)
	}
	return fmt.Sprintf("%s %d by %s", l.Name, l.Value, l.By)
}

// dataSlack is what the data-segment fallback allows over twice the memory: it
// counts address space that was ever mapped writable, not pages in use.
const dataSlack = 256 << 20

// credential resolves Limits.RunAs.
func credential(runAs string) (*syscall.Credential, error) {
	if runAs == "" {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("run as user %q: only a host that runs as root can do that", runAs)
	}
	if uid, gid, err := numericUser(runAs); err == nil {
		return &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{}}, nil
	}
	if name, group, ok := strings.Cut(runAs, ":"); ok {
		return namedCredential(runAs, name, group)
	}
	u, err := user.Lookup(runAs)
	if err != nil {
		u, err = user.LookupId(runAs)
	}
	if err != nil {
		return nil, fmt.Errorf("run as user %q: there is no such user", runAs)
	}
	uid, gid, err := numericUser(u.Uid + ":" + u.Gid)
	if err != nil {
		return nil, fmt.Errorf("run as user %q: %w", runAs, err)
	}
	cred := &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{}}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("run as user %q: look up its groups: %w", runAs, err)
	}
	for _, g := range groups {
		if id, err := strconv.ParseUint(g, 10, 32); err == nil {
			cred.Groups = append(cred.Groups, uint32(id))
		}
	}
	return cred, nil
}

// namedCredential resolves "user:group", each a name or a number. The process
// is in that group alone.
func namedCredential(runAs, name, group string) (*syscall.Credential, error) {
	uid, gid := name, group
	if u, err := user.Lookup(name); err == nil {
		uid = u.Uid
	}
	if g, err := user.LookupGroup(group); err == nil {
		gid = g.Gid
	}
	u, g, err := numericUser(uid + ":" + gid)
	if err != nil {
		return nil, fmt.Errorf("run as user %q: there is no such user or group", runAs)
	}
	return &syscall.Credential{Uid: u, Gid: g, Groups: []uint32{}}, nil
}

// numericUser parses "uid:gid".
func numericUser(s string) (uid, gid uint32, err error) {
	us, gs, ok := strings.Cut(s, ":")
	if !ok {
		return 0, 0, errors.New("not uid:gid")
	}
	u, err1 := strconv.ParseUint(us, 10, 32)
	g, err2 := strconv.ParseUint(gs, 10, 32)
	return uint32(u), uint32(g), errors.Join(err1, err2)
}
