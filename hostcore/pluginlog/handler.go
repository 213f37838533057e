package pluginlog

import (
	"context"
	"log/slog"
	"strings"
)

// PluginKey is the attribute that names the plugin a record is about.
const PluginKey = "plugin"

// handler copies records about plugins on their way to next.
type handler struct {
	next   slog.Handler
	book   *Book
	plugin string
	prefix string
	fields map[string]string // not changed once set
}

var _ slog.Handler = (*handler)(nil)

// Handler stands in front of next.
func (b *Book) Handler(next slog.Handler) slog.Handler { return &handler{next: next, book: b} }

// Enabled is also true for records that only the book wants.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.plugin != "" && level >= slog.LevelDebug || h.next.Enabled(ctx, level)
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	plugin, fields := h.plugin, h.fields
	copied := false
	r.Attrs(func(a slog.Attr) bool {
		if !copied {
			fields, copied = clone(fields, r.NumAttrs()), true
		}
		if name := put(fields, h.prefix, a); name != "" {
			plugin = name
		}
		return true
	})
	if plugin != "" {
		h.book.add(plugin, Line{Time: r.Time, Level: strings.ToLower(r.Level.String()), Message: r.Message, Fields: fields})
	}
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	to := *h
	to.next, to.fields = h.next.WithAttrs(attrs), clone(h.fields, len(attrs))
	for _, a := range attrs {
		if name := put(to.fields, h.prefix, a); name != "" {
			to.plugin = name
		}
	}
	return &to
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	to := *h
	to.next, to.prefix = h.next.WithGroup(name), h.prefix+name+"."
	return &to
}

func clone(fields map[string]string, more int) map[string]string {
	to := make(map[string]string, len(fields)+more)
	for k, v := range fields {
		to[k] = v
	}
	return to
}

// put writes an attribute as text; the plugin's name is returned instead.
func put(fields map[string]string, prefix string, a slog.Attr) string {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range v.Group() {
			put(fields, prefix, inner)
		}
		return ""
	}
	if prefix == "" && a.Key == PluginKey {
		return v.String()
	}
	fields[prefix+a.Key] = v.String()
	return ""
}
