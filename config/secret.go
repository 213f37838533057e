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

// secretLike are further keys whose values are not printed. They may hold other things too ("auth", "dsn"), so nothing is
// refused for them.
var secretLike = regexp.MustCompile(`(password|passwd|passphrase|pwd)s?$|(^|_)(pass|auth|authorization|credentials?|dsns?|conn(ection)?_?str(ing)?s?)$`)

// hides tells whether what stands under a key is not printed.
func hides(key string) bool {
	return namesSecret(key) || namesSecrets(key) || secretLike.MatchString(words(key))
}

var (
	authority = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#:@]*:`)                                                                                      // of "postgres://user:password@host/db", up to the password
	port      = regexp.MustCompile(`^[0-9]*([/?#,]|$)`)                                                                                                           // or of "http://host:80/path", up to the port
	bareDSN   = regexp.MustCompile(`^([^\s:/@]+:)\S+(@[a-z0-9]*\()`)                                                                                              // "user:password@tcp(host:3306)/db"
	assigned  = regexp.MustCompile(`(?i)((?:pass|password|passwd|passphrase|pwd|secret|token|auth|(?:api|access|account|secret)[_-]?key)=)('[^']*'|[^\s;&,'"]+)`) // "host=db password=..."
)

// maskText masks the passwords that stand within a text: in URLs, and in the notations of connection strings.
func maskText(s string) string {
	if s == "" || isReference(s) {
		return s
	}
	s = bareDSN.ReplaceAllString(s, "${1}"+mask+"${2}")
	var out strings.Builder
	at, begins := 0, authority.FindAllStringIndex(s, -1)
	for i, begin := range begins {
		rest := s[begin[1]:]
		if i+1 < len(begins) {
			rest = s[begin[1]:begins[i+1][0]]
		}
		if space := strings.IndexAny(rest, " \t\r\n"); space >= 0 {
			rest = rest[:space]
		}
		if port.MatchString(rest) {
			continue
		}
		end := -1
		if path := strings.IndexAny(rest, "/?#"); path >= 0 {
			end = strings.LastIndex(rest[:path], "@")
		}
		if end < 0 {
			end = strings.LastIndex(rest, "@") // a password that should have been escaped
		}
		if end >= 0 {
			out.WriteString(s[at:begin[1]] + mask)
			at = begin[1] + end
		}
	}
	return assigned.ReplaceAllString(out.String()+s[at:], "${1}"+mask)
}

func words(key string) string {
	return strings.NewReplacer("-", "_", ".", "_", " ", "_").Replace(strings.ToLower(camel.ReplaceAllString(key, "${1}_$2")))
}
