package server

import (
	"context"
	"log/slog"
	"os"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// logger passes Temporal's log lines on to slog. Fatal and Panic end the
// process, as the callers expect.
type logger struct {
	slog *slog.Logger
	exit func(code int)
}

var (
	_ log.Logger     = logger{}
	_ log.WithLogger = logger{}
)

func newLogger(l *slog.Logger) logger { return logger{slog: l, exit: os.Exit} }

func (l logger) Debug(msg string, tags ...tag.Tag)  { l.log(slog.LevelDebug, msg, tags) }
func (l logger) Info(msg string, tags ...tag.Tag)   { l.log(slog.LevelInfo, msg, tags) }
func (l logger) Warn(msg string, tags ...tag.Tag)   { l.log(slog.LevelWarn, msg, tags) }
func (l logger) Error(msg string, tags ...tag.Tag)  { l.log(slog.LevelError, msg, tags) }
func (l logger) DPanic(msg string, tags ...tag.Tag) { l.log(slog.LevelError, msg, tags) }

func (l logger) Panic(msg string, tags ...tag.Tag) {
	l.log(slog.LevelError, msg, tags)
	panic(msg)
}

func (l logger) Fatal(msg string, tags ...tag.Tag) {
	l.log(slog.LevelError, "fatal: "+msg, tags)
	l.exit(1)
}

func (l logger) With(tags ...tag.Tag) log.Logger {
	return logger{slog: slog.New(l.slog.Handler().WithAttrs(attrs(tags))), exit: l.exit}
}

func (l logger) log(level slog.Level, msg string, tags []tag.Tag) {
	ctx := context.Background()
	if l.slog.Enabled(ctx, level) {
		l.slog.LogAttrs(ctx, level, msg, attrs(tags)...)
	}
}

func attrs(tags []tag.Tag) []slog.Attr {
	out := make([]slog.Attr, len(tags))
	for i, t := range tags {
		out[i] = slog.Any(t.Key(), t.Value())
	}
	return out
}
