package sdk

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// maxLogText bounds one log message; longer ones are cut and say so.
const maxLogText = 32 << 10

type levelVar = slog.LevelVar

// attemptHandler sends an attempt's records over its stream.
type attemptHandler struct {
	attempt *attempt
	prefix  string
	attrs   []slog.Attr // already prefixed
}

var _ slog.Handler = (*attemptHandler)(nil)

func (h *attemptHandler) Enabled(_ context.Context, l slog.Level) bool {
	return h.attempt.level == nil || l >= h.attempt.level.Level()
}

func (h *attemptHandler) Handle(_ context.Context, r slog.Record) error {
	fields := make(map[string]string, len(h.attrs)+r.NumAttrs())
	for _, a := range h.attrs {
		addField(fields, "", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		addField(fields, h.prefix, a)
		return true
	})
	message := r.Message
	if len(message) > maxLogText {
		message = message[:maxLogText]
		fields["truncated"] = "true"
	}
	h.attempt.log(&pluginv1.Log{Level: strings.ToLower(r.Level.String()), Message: validText(message), Fields: fields})
	return nil
}

func addField(fields map[string]string, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, child := range v.Group() {
			addField(fields, prefix, child)
		}
		return
	}
	text := v.String()
	if len(text) > maxLogText {
		text = text[:maxLogText] + "..."
	}
	fields[validText(prefix+a.Key)] = validText(text)
}

func (h *attemptHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		a.Key = h.prefix + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

func (h *attemptHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	next := *h
	next.prefix += name + "."
	return &next
}

// validText replaces what is no UTF-8, which a wire message cannot carry: one
// stray byte, say of another program's output in an error, would end the stream
// and take the verdict along.
func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// processLogger writes one JSON object a line, which the host parses.
func processLogger(w io.Writer, level *levelVar) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}
