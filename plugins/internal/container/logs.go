package container

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	dcontainer "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

const (
	tailLines   = 20
	tailLineLen = 400
	// tailSize keeps an error with a tail in it below the 4 KB that Temporal keeps
	// of a failure that is tried again; of a larger one nothing is shown.
	tailSize = 2400

	logLooks = 5 // at an empty log; one that prints nothing costs this many pauses
	logPause = 100 * time.Millisecond
	// startLag is how much later than a container's first lines the engine may
	// note its start: it writes them down before it has heard of it.
	startLag = 2 * time.Second
)

// tail returns the last lines of the container's log since its last start, without the spec's
// secrets and control characters; a log that cannot be read says so.
func (e *Engine) tail(ctx context.Context, s Spec, c *snapshot) string {
	text, err := e.settledLogs(ctx, c)
	if err != nil {
		return fmt.Sprintf("(the log cannot be read: %v)", err)
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	for i, line := range lines {
		line = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && r != '\t' {
				return -1
			}
			return r
		}, strings.ToValidUTF8(s.redact(line), "?"))
		if r := []rune(line); len(r) > tailLineLen {
			line = string(r[:tailLineLen]) + "..."
		}
		lines[i] = line
	}
	size := 0
	for i := len(lines) - 1; i >= 0; i-- {
		if size += len(lines[i]) + 1; size > tailSize {
			lines = lines[i+1:]
			break
		}
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// settledLogs reads the log until two looks at it agree: the engine tells of a
// container's end before it has written down the last that it printed.
func (e *Engine) settledLogs(ctx context.Context, c *snapshot) (string, error) {
	since := c.state.StartedAt
	if at, err := time.Parse(time.RFC3339Nano, since); err == nil && !at.IsZero() {
		since = at.Add(-startLag).Format(time.RFC3339Nano)
	}
	text, err := e.logs(ctx, c.id, tailLines, since)
	for looks := 0; err == nil && looks < logLooks; looks++ {
		if sleep(ctx, logPause) != nil {
			return text, nil
		}
		before := text
		if text, err = e.logs(ctx, c.id, tailLines, since); text == before && text != "" {
			break
		}
	}
	return text, err
}

// logs returns the last lines of standard output and error since a time.
func (e *Engine) logs(ctx context.Context, id string, last int, since string) (string, error) {
	body, err := e.api.ContainerLogs(ctx, id, dcontainer.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(last), Since: since})
	if err != nil {
		return "", err
	}
	defer body.Close()
	var buf bytes.Buffer
	if _, err := stdcopy.StdCopy(&buf, &buf, io.LimitReader(body, 1<<20)); err != nil && buf.Len() == 0 {
		return "", err
	}
	return buf.String(), nil
}
