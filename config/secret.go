package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

// mask is what a secret looks like wherever it is printed.
const mask = "***"

// Secret is a value that must not be seen: a reference to an environment variable ("env:NAME") or to a file
// ("file:/path"), or the value itself. It never prints a value that it holds; a reference, which tells nothing, it does
// print. The zero Secret is unset.
type Secret struct{ text string }

// NewSecret makes a Secret of a reference or a literal, as written in the file.
func NewSecret(text string) Secret { return Secret{text} }

// IsZero tells whether nothing was set.
func (s Secret) IsZero() bool { return s.text == "" }

// Equal tells whether two secrets are written the same.
func (s Secret) Equal(other Secret) bool { return s.text == other.text }

// Reference is "env:NAME" or "file:/path", or "" for a literal.
func (s Secret) Reference() string {
	if isReference(s.text) {
		return s.text
	}
	return ""
}

// Resolve reads the value from this process's environment or from the file. The unset Secret resolves to "".
func (s Secret) Resolve() (string, error) { return s.ResolveWith(Resolver{}) }

// ResolveWith is Resolve with the places to look in.
func (s Secret) ResolveWith(r Resolver) (string, error) { return r.resolve(s.text) }

// String is the reference, or "***" for a literal, or "" when unset.
func (s Secret) String() string {
	if s.text == "" || isReference(s.text) {
		return s.text
	}
	return mask
}

// GoString keeps the value out of %#v.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format keeps the value out of every other verb; fmt would print the field for those that it does not know for text.
func (s Secret) Format(f fmt.State, verb rune) {
	out := s.String()
	switch {
	case verb == 'q':
		out = fmt.Sprintf("%q", out)
	case verb == 'v' && f.Flag('#'):
		out = s.GoString()
	}
	_, _ = io.WriteString(f, out)
}

// MarshalText writes what String prints.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON writes what String prints.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// LogValue logs what String prints.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// UnmarshalText takes the reference or the literal.
func (s *Secret) UnmarshalText(b []byte) error {
	s.text = string(b)
	return nil
}

var (
	_ fmt.Formatter  = Secret{}
	_ slog.LogValuer = Secret{}
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// isReference tells whether a string refers to a value that is kept elsewhere.
func isReference(s string) bool {
	if name, ok := strings.CutPrefix(s, "env:"); ok {
		return envName.MatchString(name)
	}
	file, ok := strings.CutPrefix(s, "file:")
	return ok && file != ""
}

var (
	camel      = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	secretWord = regexp.MustCompile(`(^|_)(password|passwd|passphrase|token|secret|credential|apikey|(api|private|access|secret|auth|encryption|signing)_?key)$`)
	secretBags = regexp.MustCompile(`(^|_)(passwords|secrets|credentials|api_keys)$|^tokens$`)
)

// namesSecret tells whether a key names a secret ("neo4j_password", "apiKey"), and namesSecrets whether it names a
// collection of them ("secrets").
func namesSecret(key string) bool  { return secretWord.MatchString(words(key)) }
func namesSecrets(key string) bool { return secretBags.MatchString(words(key)) }

func words(key string) string {
	return strings.NewReplacer("-", "_", ".", "_", " ", "_").Replace(strings.ToLower(camel.ReplaceAllString(key, "${1}_$2")))
}
