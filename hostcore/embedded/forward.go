package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

const longestLine = 64 << 10

// forward reads log lines until EOF. JSON lines keep their level and fields;
// other text (a panic, the Go runtime) is worth a warning. Everything goes to
// tail as well.
func forward(r io.Reader, tail io.Writer, log *slog.Logger) {
	in := bufio.NewReaderSize(r, longestLine)
	for {
		line, more, err := in.ReadLine()
		if len(line) > 0 {
			_, _ = tail.Write(append(slices.Clone(line), '\n'))
			logLine(line, log)
		}
		for more && err == nil { // the rest of an overlong line
			_, more, err = in.ReadLine()
		}
		if err != nil {
			return
		}
	}
}

func logLine(line []byte, log *slog.Logger) {
	ctx := context.Background()
	var fields map[string]any
	level := slog.LevelWarn
	name, isJSON := "", false
	if json.Unmarshal(line, &fields) == nil {
		name, isJSON = fields[slog.LevelKey].(string)
	}
	if !isJSON || level.UnmarshalText([]byte(name)) != nil {
		log.Log(ctx, slog.LevelWarn, strings.TrimSpace(string(line)))
		return
	}
	if !log.Enabled(ctx, level) {
		return
	}
	msg, _ := fields[slog.MessageKey].(string)
	for _, known := range []string{slog.LevelKey, slog.MessageKey, slog.TimeKey} {
		delete(fields, known)
	}
	attrs := make([]slog.Attr, 0, len(fields))
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		attrs = append(attrs, slog.Any(key, fields[key]))
	}
	log.LogAttrs(ctx, level, msg, attrs...)
}
