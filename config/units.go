package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Duration is a span of time; in a file "30s", "5m", "1h30m" or "30d".
type Duration = time.Duration

var days = regexp.MustCompile(`^([0-9]{1,6})d`)

// ParseDuration reads what [time.ParseDuration] reads, and days ("30d", "1d12h") before it. A day has 24 hours.
func ParseDuration(text string) (time.Duration, error) {
	var whole time.Duration
	rest := strings.TrimSpace(text)
	if m := days.FindStringSubmatch(rest); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > 36500 {
			return 0, fmt.Errorf("duration %q is longer than 100 years", text)
		}
		whole, rest = time.Duration(n)*24*time.Hour, rest[len(m[0]):]
		if rest == "" {
			return whole, nil
		}
		if rest[0] < '0' || rest[0] > '9' {
			return 0, durationError(text)
		}
	}
	part, err := time.ParseDuration(rest)
	if err != nil {
		return 0, durationError(text)
	}
	if part > math.MaxInt64-whole {
		return 0, fmt.Errorf("duration %q is longer than 100 years", text)
	}
	return whole + part, nil
}

func durationError(text string) error {
	return fmt.Errorf("%q is not a duration; write it like \"30s\", \"5m\", \"1h30m\" or \"30d\"", text)
}

// formatDuration writes d as [ParseDuration] reads it, without the zeros that time.Duration adds.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	if d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	s := d.String()
	s = strings.Replace(s, "m0s", "m", 1)
	return strings.Replace(s, "h0m", "h", 1)
}

// Bytes is an amount of memory; in a file "256MiB", "1.5GB" or a plain number of bytes.
type Bytes int64

var sizes = []struct {
	unit  string
	bytes float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"B", 1},
}

var size = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)$`)

// ParseBytes reads "256MiB", "1.5GB" or "1048576"; units are KiB to TiB (1024) and KB to TB (1000), in any case.
func ParseBytes(text string) (Bytes, error) {
	bad := fmt.Errorf("%q is not an amount of memory; write it like \"256MiB\" or \"1GiB\"", text)
	m := size.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, bad
	}
	factor := float64(0)
	for _, s := range sizes {
		if strings.EqualFold(m[2], s.unit) || m[2] == "" && s.unit == "B" {
			factor = s.bytes
		}
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil || factor == 0 {
		return 0, bad
	}
	if n*factor >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is more memory than there can be", text)
	}
	return Bytes(n * factor), nil
}

// UnmarshalText makes Bytes readable from text, such as a flag.
func (b *Bytes) UnmarshalText(text []byte) error {
	v, err := ParseBytes(string(text))
	if err == nil {
		*b = v
	}
	return err
}

// String writes the amount in the largest unit that divides it.
func (b Bytes) String() string {
	for i := 3; i >= 0; i-- {
		if unit := Bytes(sizes[i].bytes); b != 0 && b%unit == 0 {
			return strconv.FormatInt(int64(b/unit), 10) + sizes[i].unit
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}
