package proc

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// image is the file as the kernel is asked to execute it.
type image struct {
	path string
	fd   int
}

// executable names the file for the child. A child that changes its user may
// not be able to walk to the file (the store is private to the host), so it
// executes the host's open descriptor; close-on-exec keeps it from the plugin.
func executable(path string, cred *syscall.Credential) (image, error) {
	if cred == nil {
		return image{path: path, fd: -1}, nil
	}
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return image{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return image{path: fmt.Sprintf("/proc/self/fd/%d", fd), fd: fd}, nil
}

func (i image) close() {
	if i.fd >= 0 {
		_ = unix.Close(i.fd)
	}
}

// explainExec turns the kernel's refusal into what is wrong with the file.
func explainExec(path string, cred *syscall.Credential, err error) error {
	if pathErr, ok := errors.AsType[*os.PathError](err); ok {
		err = pathErr.Err // the path is named by the *StartError
	}
	head := make([]byte, 256)
	n := 0
	if f, openErr := os.Open(path); openErr == nil {
		n, _ = f.Read(head)
		_ = f.Close()
	}
	head = head[:n]
	switch {
	case errors.Is(err, fs.ErrNotExist) && bytes.HasPrefix(head, []byte("#!")):
		interpreter, _, _ := strings.Cut(string(head[2:]), "\n")
		if cred != nil {
			return fmt.Errorf("%w: a script cannot be run as another user from the private store (interpreter %s): %w",
				ErrWrongFormat, strings.TrimSpace(interpreter), err)
		}
		return fmt.Errorf("%w: it is a script and its interpreter %q is missing: %w",
			ErrWrongFormat, strings.TrimSpace(interpreter), err)
	case errors.Is(err, fs.ErrNotExist) && bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return fmt.Errorf("%w: its dynamic loader is missing; build it for this system or with CGO_ENABLED=0: %w",
			ErrWrongFormat, err)
	case errors.Is(err, unix.ENOEXEC):
		return fmt.Errorf("%w: %s: %w", ErrWrongFormat, describeFormat(path, head), err)
	case errors.Is(err, fs.ErrPermission):
		return explainPermission(path, err)
	}
	return err
}

func explainPermission(path string, err error) error {
	info, statErr := os.Stat(path)
	switch {
	case statErr != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%w: it is a folder: %w", ErrNotExecutable, err)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%w: chmod +x %s: %w", ErrNotExecutable, path, err)
	}
	return fmt.Errorf("%w by this user (mode %s), or its file system is mounted noexec: %w",
		ErrNotExecutable, info.Mode().Perm(), err)
}

func describeFormat(path string, head []byte) string {
	if len(head) == 0 {
		return "it is empty"
	}
	if f, err := elf.Open(path); err == nil {
		defer func() { _ = f.Close() }()
		return fmt.Sprintf("it is built for %s, this machine is %s", machine(f.Machine), runtime.GOARCH)
	}
	switch {
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return "its ELF header is broken or cut off"
	case bytes.HasPrefix(head, []byte("MZ")):
		return "it is a Windows program"
	case bytes.HasPrefix(head, []byte{0xcf, 0xfa, 0xed, 0xfe}), bytes.HasPrefix(head, []byte{0xca, 0xfe, 0xba, 0xbe}):
		return "it is a macOS program"
	}
	return "it is neither a program nor a script with a #! line"
}

// machine names an ELF machine as Go does, where Go has a name for it.
func machine(m elf.Machine) string {
	switch m {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_386:
		return "386"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_RISCV:
		return "riscv64"
	case elf.EM_PPC64:
		return "ppc64le"
	case elf.EM_S390:
		return "s390x"
	}
	return m.String()
}
