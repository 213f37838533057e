package container

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/orch-host/orch/sdk"
)

// UnreachableError: no Docker engine answers at Host.
type UnreachableError struct {
	Host string // the address that was asked
	Hint string // what to do
	Err  error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no Docker engine answers at %s: %v; %s", e.Host, e.Err, e.Hint)
}

func (e *UnreachableError) Unwrap() error { return e.Err }

// ForeignError: an object that is not ours has the name that we need. It has
// been left alone.
type ForeignError struct {
	Kind  string // container, network or volume
	Name  string
	Owner string // who it belongs to, as far as its labels tell
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s %q exists and belongs to %s: it was left alone; rename or remove it (docker %s), or rename the service",
		e.Kind, e.Name, e.Owner, e.remedy())
}

func (e *ForeignError) remedy() string {
	if e.Kind == "container" {
		return "rename " + e.Name + " NEW-NAME"
	}
	return e.Kind + " rm " + e.Name
}

// ImageError: the image is not on the engine and cannot be pulled.
type ImageError struct {
	Image   string
	Setting string // the configuration key that names the image; "" when there is none
	Absent  bool   // the registry answered, and has no such image (for us)
	Err     error
}

func (e *ImageError) Error() string {
	msg := fmt.Sprintf("image %s is not on the Docker engine and cannot be pulled: %v; bring it with \"docker pull %s\"", e.Image, e.Err, e.Image)
	msg += " or, without a registry, \"make images\""
	if e.Setting != "" {
		msg += ", or name another one in " + e.Setting
	}
	return msg
}

func (e *ImageError) Unwrap() error { return e.Err }

// PortInUseError: another process or container listens where the container has to.
type PortInUseError struct {
	Name    string // the container that could not be started
	Addr    string // host ip:port
	Holder  string // the container that has the port; "" when it is some other process
	Setting string // the configuration key of the port
	Err     error
}

func (e *PortInUseError) Error() string {
	who := "another process"
	if e.Holder != "" {
		who = "container " + e.Holder
	}
	msg := fmt.Sprintf("container %s cannot be started: %s on the host is in use by %s; free the port", e.Name, e.Addr, who)
	if e.Setting != "" {
		msg += " or set another one in " + e.Setting
	}
	return msg
}

func (e *PortInUseError) Unwrap() error { return e.Err }

// SpecError: the spec, or something the user configured for it, cannot work.
type SpecError struct {
	Name    string // the container
	Problem string
	Err     error
}

func (e *SpecError) Error() string { return fmt.Sprintf("container %s: %s", e.Name, e.Problem) }

func (e *SpecError) Unwrap() error { return e.Err }

// VerifyError: the component itself refuses its configuration. Nothing has been
// changed.
type VerifyError struct {
	Name    string // the container
	Image   string
	Command string // the check
	Output  string // what it says, secrets taken out
}

func (e *VerifyError) Error() string {
	return fmt.Sprintf("container %s is left as it is: its new configuration is refused by %q of %s:\n%s", e.Name, e.Command, e.Image, strings.TrimSpace(e.Output))
}

// ExitedError: the container's process has ended before the component was ready.
type ExitedError struct {
	Name       string
	ExitCode   int
	OOMKilled  bool
	Reason     string // what the engine says, when it says something
	LogTail    string // the last lines of its log
	RolledBack bool
}

func (e *ExitedError) Error() string {
	msg := fmt.Sprintf("container %s exited with code %d before it was ready", e.Name, e.ExitCode)
	if e.OOMKilled {
		msg += " (out of memory: raise its memory limit)"
	}
	if e.Reason != "" {
		msg += ": " + e.Reason
	}
	return msg + rolledBack(e.RolledBack) + logTail(e.LogTail)
}

// NotReadyError: the container runs, but the component did not get ready in time.
type NotReadyError struct {
	Name       string
	After      time.Duration
	LogTail    string
	RolledBack bool
	Hint       string // what to do, when that is known
	Err        error  // what the last question got for an answer
}

func (e *NotReadyError) Error() string {
	msg := fmt.Sprintf("container %s is not ready after %s: %v", e.Name, e.After.Round(100*time.Millisecond), e.Err)
	if e.Hint != "" {
		msg += "; " + e.Hint
	}
	return msg + rolledBack(e.RolledBack) + logTail(e.LogTail)
}

func (e *NotReadyError) Unwrap() error { return e.Err }

// notTakenUpError: the component did not take up its new live files. What it
// says, a refused connection for example, is about itself and not about the engine.
type notTakenUpError struct {
	name string
	err  error
	back error // why the files of before could not be put back
}

func (e *notTakenUpError) Error() string {
	if e.back != nil {
		return fmt.Sprintf("container %s does not take up its new configuration: %v; and the previous one could not be put back: %v", e.name, e.err, e.back)
	}
	return fmt.Sprintf("container %s does not take up its new configuration, and goes on with the previous one: %v", e.name, e.err)
}

func (e *notTakenUpError) Unwrap() []error { return []error{e.err, e.back} }

func rolledBack(yes bool) string {
	if yes {
		return "; the previous container has been put back"
	}
	return ""
}

func logTail(lines string) string {
	if lines == "" {
		return "; its log is empty"
	}
	return "; its last log lines:\n" + lines
}

// Failure types of this package, for workflows to decide by.
const (
	TypeUnreachable = "DockerUnreachable"
	TypeForeign     = "ForeignObject"
	TypeImage       = "ImageMissing"
	TypePortInUse   = "PortInUse"
	TypeSpec        = "InvalidContainer"
	TypeVerify      = "InvalidConfiguration"
	TypeExited      = "ContainerExited"
	TypeNotReady    = "NotReady"
)

// Failure gives an error of this package the type and retry advice with which
// an activity returns it. Other errors pass unchanged, as retryable ones.
func Failure(err error) error {
	var (
		unreachable *UnreachableError
		foreign     *ForeignError
		image       *ImageError
		port        *PortInUseError
		spec        *SpecError
		verify      *VerifyError
		exited      *ExitedError
		notReady    *NotReadyError
	)
	f := &sdk.Error{Message: "", Err: err}
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unreachable):
		f.Type, f.RetryAfter = TypeUnreachable, 5*time.Second
	case errors.As(err, &foreign):
		f.Type, f.NonRetryable = TypeForeign, true
	case errors.As(err, &image):
		f.Type, f.NonRetryable = TypeImage, image.Absent
	case errors.As(err, &port):
		f.Type = TypePortInUse
	case errors.As(err, &spec):
		f.Type, f.NonRetryable = TypeSpec, true
	case errors.As(err, &verify):
		f.Type, f.NonRetryable = TypeVerify, true
	case errors.As(err, &exited):
		f.Type = TypeExited
	case errors.As(err, &notReady):
		f.Type = TypeNotReady
		var e *sdk.Error
		if errors.As(notReady.Err, &e) {
			f.NonRetryable = e.NonRetryable
		}
	default:
		return err
	}
	return f
}

// errRace: another caller was faster; look again.
var errRace = errors.New("the container changed meanwhile")

// raced tells whether err means that the world is not as it was when we looked.
func raced(err error) bool {
	return !ofComponent(err) && (errors.Is(err, errRace) || cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err))
}

// ofComponent tells whether err carries the component's errors, not the engine's.
func ofComponent(err error) bool {
	var notReady *NotReadyError
	var notTakenUp *notTakenUpError
	return errors.As(err, &notReady) || errors.As(err, &notTakenUp)
}

// outage tells whether err means that the engine went away.
func outage(err error) bool {
	if err == nil || ofComponent(err) {
		return false
	}
	var netErr *net.OpError
	return client.IsErrConnectionFailed(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &netErr)
}

// daemonMessage is the engine's own text, without the client's prefix.
func daemonMessage(err error) string {
	return strings.TrimSpace(strings.TrimPrefix(err.Error(), "Error response from daemon: "))
}
