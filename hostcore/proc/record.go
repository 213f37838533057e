package proc

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// Keys under which the usual structured loggers write a record: hclog, slog,
// zap and zerolog.
var (
	levelKeys   = [...]string{"@level", "level"}
	messageKeys = [...]string{"@message", "msg", "message"}
	timeKeys    = [...]string{"@timestamp", "time", "ts", "timestamp"}
)

// parseLine makes a record of a line of output. JSON records keep their level,
// time and fields; of plain text a level prefix such as "[WARN]" is understood,
// and the first line of a panic is an error. Everything else is Info.
func parseLine(line []byte) slog.Record {
	if len(line) > 1 && line[0] == '{' {
		if rec, ok := parseJSON(line); ok {
			return rec
		}
	}
	level := slog.LevelInfo
	if isCrash(line) {
		level = slog.LevelError
	} else if rest, ok := bytes.CutPrefix(line, []byte("[")); ok {
		if name, _, ok := bytes.Cut(rest, []byte("]")); ok {
			if l, ok := parseLevel(string(name)); ok {
				level = l
			}
		}
	}
	return slog.NewRecord(time.Now(), level, strings.ToValidUTF8(string(line), "\uFFFD"), 0)
}

func parseJSON(line []byte) (slog.Record, bool) {
	var fields map[string]any
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if dec.Decode(&fields) != nil || dec.More() {
		return slog.Record{}, false
	}
	msg, ok := take(fields, messageKeys[:])
	if !ok {
		return slog.Record{}, false
	}
	level := slog.LevelInfo
	if name, ok := take(fields, levelKeys[:]); ok {
		if l, known := parseLevel(name); known {
			level = l
		}
	}
	at := time.Now()
	if stamp, ok := take(fields, timeKeys[:]); ok {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999Z0700"} {
			if t, err := time.Parse(layout, stamp); err == nil {
				at = t
				break
			}
		}
	}
	rec := slog.NewRecord(at, level, msg, 0)
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		v := fields[k]
		if n, ok := v.(json.Number); ok {
			v = n.String()
		}
		rec.AddAttrs(slog.Any(strings.TrimPrefix(k, "@"), v))
	}
	return rec, true
}

// take removes the first of the keys that holds a string and returns it.
func take(fields map[string]any, keys []string) (string, bool) {
	for _, k := range keys {
		if s, ok := fields[k].(string); ok {
			delete(fields, k)
			return s, true
		}
	}
	return "", false
}

func parseLevel(name string) (slog.Level, bool) {
	switch strings.ToLower(name) {
	case "trace", "debug":
		return slog.LevelDebug, true
	case "info", "notice":
		return slog.LevelInfo, true
	case "warn", "warning":
		return slog.LevelWarn, true
	case "error", "err", "fatal", "critical", "panic", "dpanic":
		return slog.LevelError, true
	}
	// slog writes levels between its own as "INFO+2".
	var l slog.Level
	if l.UnmarshalText([]byte(name)) == nil {
		return l, true
	}
	return 0, false
}
