package config

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/Masterminds/semver/v3"
)

// checks are the rules that a tag names (check:"url"). Each takes a value that is not empty and gives what is wrong with
// it and how to mend it; an empty message means that it is right.
var checks = map[string]func(string) (message, hint string){
	"address":    checkAddress,
	"listen":     checkListen,
	"url":        checkURL,
	"name":       patterns["name"].check,
	"label":      patterns["label"].check,
	"envname":    patterns["envname"].check,
	"user":       patterns["user"].check,
	"id":         checkID,
	"constraint": checkConstraint,
	"minisign":   checkMinisign,
	"schedule":   checkSchedule,
}

// patterns are the rules that a regular expression tells, in full or nearly; the schema has them too.
var patterns = map[string]pattern{
	"name":    {regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`), "a name of letters, digits, '.', '_' and '-'"},
	"label":   {regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(=[A-Za-z0-9][A-Za-z0-9._-]{0,99})?$`), "'any', 'all', the name of a host, or a label such as 'gpu' or 'zone=eu'"},
	"envname": {envName, "the name of an environment variable"},
	"user":    {regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`), "a user or 'user:group', as names or numbers"},
	"url":     {regexp.MustCompile(`^https?://[^/]`), "an http or https address"},
	"address": {regexp.MustCompile(`^.+:[0-9]{1,5}$`), "host:port"},
}

type pattern struct {
	expr     *regexp.Regexp
	expected string
}

func (p pattern) check(s string) (string, string) {
	if p.expr.MatchString(s) {
		return "", ""
	}
	return fmt.Sprintf("expected %s, found %q", p.expected, shorten(s)), ""
}

// checkID accepts what Temporal takes as an id, a queue or a type, less what nobody can type or see.
func checkID(s string) (string, string) {
	switch {
	case len(s) > 200:
		return fmt.Sprintf("has %d bytes, more than the 200 that are allowed", len(s)), ""
	case strings.HasPrefix(s, "/_sys/"):
		return "names that start with /_sys/ belong to Temporal", ""
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return fmt.Sprintf("%q has a space or an invisible character in it", shorten(s)), ""
	}
	return "", ""
}

func checkAddress(s string) (string, string) {
	expected := fmt.Sprintf("expected host:port, found %q", shorten(s))
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		return expected, fmt.Sprintf("leave out %q: %s", scheme+"://", rest)
	}
	host, port, err := net.SplitHostPort(s)
	switch {
	case err != nil && !strings.Contains(s, ":"):
		return expected, fmt.Sprintf("add the port: %s:7233", s)
	case err != nil || host == "":
		return expected, "such as localhost:7233"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return expected, "a port is a number from 1 to 65535"
	}
	return "", ""
}

func checkListen(s string) (string, string) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Sprintf("expected address:port, found %q", shorten(s)), "such as 127.0.0.1:7070"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return fmt.Sprintf("expected a port from 0 to 65535, found %q", shorten(port)), ""
	}
	if host != "localhost" && net.ParseIP(host) == nil {
		return fmt.Sprintf("expected an IP address or localhost, found %q", shorten(host)), "such as 127.0.0.1:" + port + ", or 0.0.0.0:" + port + " for all addresses"
	}
	return "", ""
}

func checkURL(s string) (string, string) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fmt.Sprintf("expected an http or https address, found %q", shorten(s)), "such as http://localhost:8080"
	}
	return "", ""
}

func checkConstraint(s string) (string, string) {
	if _, err := semver.NewConstraint(s); err != nil {
		return fmt.Sprintf("expected a version constraint, found %q", shorten(s)), "such as \"~1.4\", \"^2\", \">=1.2 <2\" or \"1.4.2\""
	}
	return "", ""
}

// checkMinisign accepts the second line of a minisign .pub file: base64 of "Ed", a key id of 8 bytes and a key of 32.
func checkMinisign(s string) (string, string) {
	if b, err := base64.StdEncoding.DecodeString(s); err != nil || len(b) != 42 || string(b[:2]) != "Ed" {
		return fmt.Sprintf("expected a minisign public key, found %q", shorten(s)), "it is the line that starts with RW in the .pub file"
	}
	return "", ""
}
