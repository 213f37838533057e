// Package redact removes known secret values from text that leaves the plugin: errors, log lines, build logs.
package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"sort"
	"strings"
)

// Mask stands where a secret was.
const Mask = "***"

// minLen keeps short values ("1", "true") from turning every message into asterisks. A value this short is no secret.
const minLen = 6

// Set is an immutable set of secret values. The zero value redacts nothing.
type Set struct {
	values   []string
	replacer *strings.Replacer
}

// New makes a set of the given values and of the forms in which they travel: URL-escaped, base64, and JSON-quoted.
func New(values ...string) *Set {
	seen := map[string]bool{}
	s := &Set{}
	add := func(v string) {
		if len(v) >= minLen && !seen[v] {
			seen[v] = true
			s.values = append(s.values, v)
		}
	}
	for _, v := range values {
		if len(v) < minLen {
			continue
		}
		add(v)
		for _, line := range strings.Split(v, "\n") {
			add(strings.TrimSpace(line))
		}
		add(url.QueryEscape(v))
		add(url.PathEscape(v))
		add(base64.StdEncoding.EncodeToString([]byte(v)))
		add(base64.URLEncoding.EncodeToString([]byte(v)))
		for _, html := range []bool{false, true} { // Go's own JSON writes <, > and & as \u003c and so on
			add(quoted(v, html))
		}
	}
	// The longest first: a value that contains another must not leave its tail behind.
	sort.Slice(s.values, func(i, j int) bool {
		if len(s.values[i]) != len(s.values[j]) {
			return len(s.values[i]) > len(s.values[j])
		}
		return s.values[i] < s.values[j]
	})
	pairs := make([]string, 0, 2*len(s.values))
	for _, v := range s.values {
		pairs = append(pairs, v, Mask)
	}
	s.replacer = strings.NewReplacer(pairs...)
	return s
}

// quoted is the value as it stands between the quotes of a JSON text.
func quoted(v string, html bool) string {
	var buf strings.Builder
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(html)
	if enc.Encode(v) != nil {
		return v
	}
	return strings.TrimSuffix(buf.String()[1:], "\"\n")
}

// String returns text with every known value masked.
func (s *Set) String(text string) string {
	if s == nil || s.replacer == nil {
		return text
	}
	return s.replacer.Replace(text)
}

// In reports whether data holds a known value in any of its forms.
func (s *Set) In(data []byte) bool {
	if s == nil {
		return false
	}
	text := string(data)
	for _, v := range s.values {
		if strings.Contains(text, v) {
			return true
		}
	}
	return false
}

// Tail returns the last n lines, each redacted, cut to 2,000 bytes and valid UTF-8.
func (s *Set) Tail(lines []string, n int) []string {
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		l = s.String(l)
		if len(l) > 2000 {
			l = l[:2000] + "..."
		}
		out[i] = strings.ToValidUTF8(l, "")
	}
	return out
}
