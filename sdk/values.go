package sdk

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// Secret is a value that never prints: fmt, slog and JSON show "***". A
// configuration field of this type receives the resolved value of a reference
// such as env:NAME or file:/path.
//
// Keep it in exported fields: fmt may call no method of a value in an unexported
// one, so %v of a struct that has a Secret there prints the value, as it does
// after a conversion to string.
type Secret string

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// Format hides the value under every verb. String alone would not: fmt prints
// the value itself under a verb that is not for text.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, s.GoString()) // whoever reads f learns of it
		return
	}
	if strings.ContainsRune("vsqxX", verb) {
		_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), s.String())
		return
	}
	_, _ = fmt.Fprintf(f, "%%!%c(sdk.Secret=%s)", verb, s.String())
}

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the value.
func (s Secret) GoString() string { return fmt.Sprintf("sdk.Secret(%q)", s.String()) }

// LogValue hides the value.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON hides the value.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Duration is a time.Duration that JSON and configuration write as text such
// as "30s" or "5m".
type Duration time.Duration

// MarshalText writes the duration as time.Duration.String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration takes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 30s or 5m", text)
	}
	*d = Duration(v)
	return nil
}
