package redact

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

func TestAValueIsMaskedInEveryFormItTravels(t *testing.T) {
	const secret = "p@ss word/\"quoted\""
	s := New(secret, "p@ss word", "short")
	for _, text := range []string{
		"token " + secret + " refused",
		"GET /?key=p%40ss+word%2F%22quoted%22",
		base64.StdEncoding.EncodeToString([]byte(secret)),
		`{"value":"p@ss word/\"quoted\""}`,
	} {
		got := s.String(text)
		if strings.Contains(got, "p@ss") || !strings.Contains(got, Mask) || s.In([]byte(got)) {
			t.Errorf("String(%q) = %q, the value is still there", text, got)
		}
		if !s.In([]byte(text)) {
			t.Errorf("In(%q) = false", text)
		}
	}
	if got := s.String("short is no secret"); got != "short is no secret" {
		t.Errorf("a short value was masked: %q", got)
	}
}

func TestTailKeepsTheLastLinesOnly(t *testing.T) {
	var lines []string
	for i := range 150 {
		lines = append(lines, fmt.Sprintf("line %d canary-1", i))
	}
	got := New("canary-1").Tail(lines, 100)
	if len(got) != 100 || got[0] != "line 50 ***" || got[99] != "line 149 ***" {
		t.Errorf("got %d lines, first %q, last %q", len(got), got[0], got[len(got)-1])
	}
}

func TestANilSetRedactsNothing(t *testing.T) {
	var s *Set
	if s.String("x") != "x" || s.In([]byte("x")) {
		t.Error("a nil set changed its input")
	}
}

func TestAValueIsMaskedInJSONOfAnyEncoder(t *testing.T) {
	s := New("p<ss>&\rw\x01ord\"\\")
	for _, text := range []string{`{"v":"p\u003css\u003e\u0026\rw\u0001ord\"\\"}`, `{"v":"p<ss>&\rw\u0001ord\"\\"}`} {
		if got := s.String(text); got != `{"v":"***"}` {
			t.Errorf("%s: %s", text, got)
		}
	}
}
