package options_test

import (
	"bytes"
	"errors"
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/orch-host/orch/devserver/internal/options"
	enumspb "go.temporal.io/api/enums/v1"
)

func TestACommandLineWithOnlyADatabaseGetsTheDefaults(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	got, err := options.Parse([]string{"--db", db}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	want := options.Options{
		DB: db, IP: "127.0.0.1", Port: 7233, UIPort: 8080,
		Namespaces: []string{"default"}, Retention: 720 * time.Hour,
		SearchAttributes: map[string]enumspb.IndexedValueType{
			"ServiceName":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			"PluginVersion": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		},
		LogLevel: 4, LogFormat: "text", ReadyFD: -1, ParentFD: -1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRepeatedFlagsAddUp(t *testing.T) {
	got, err := options.Parse([]string{"--db", "x", "--namespace", "a", "--namespace", "b", "--namespace", "a",
		"--search-attribute", "Cost=double", "--search-attribute", "Tags=KeywordList"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "b"}, got.Namespaces); d != "" {
		t.Error(d)
	}
	want := map[string]enumspb.IndexedValueType{
		"Cost": enumspb.INDEXED_VALUE_TYPE_DOUBLE, "Tags": enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
	}
	if d := cmp.Diff(want, got.SearchAttributes); d != "" {
		t.Error(d)
	}
	if !filepath.IsAbs(got.DB) {
		t.Errorf("database path %q is relative", got.DB)
	}
}

func TestImpossibleValuesAreRefusedWithTheFlagThatMendsThem(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no database":               {nil, "--db is missing"},
		"a stray argument":          {[]string{"--db", "x", "serve"}, `unexpected argument "serve"`},
		"a host name as address":    {[]string{"--db", "x", "--ip", "example.org"}, "--ip"},
		"port 0":                    {[]string{"--db", "x", "--port", "0"}, "--port 0"},
		"a port too large":          {[]string{"--db", "x", "--ui-port", "70000"}, "--ui-port 70000"},
		"one port for both":         {[]string{"--db", "x", "--port", "8080"}, "two different"},
		"retention below the hour":  {[]string{"--db", "x", "--retention", "5m"}, "minimum of 1h"},
		"an unknown log format":     {[]string{"--db", "x", "--log-format", "xml"}, "neither text nor json"},
		"an unknown log level":      {[]string{"--db", "x", "--log-level", "loud"}, "log-level"},
		"an attribute with no type": {[]string{"--db", "x", "--search-attribute", "A"}, "want Name=Type"},
		"an attribute of odd type":  {[]string{"--db", "x", "--search-attribute", "A=Blob"}, `unknown type "Blob"; the types are Bool`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := options.Parse(c.args, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestHelpListsEveryFlag(t *testing.T) {
	var out bytes.Buffer
	if _, err := options.Parse([]string{"--help"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got %v, want flag.ErrHelp", err)
	}
	for _, name := range []string{"-db", "-ip", "-port", "-ui-port", "-namespace", "-retention", "-search-attribute",
		"-log-level", "-log-format", "-ready-fd", "-parent-fd"} {
		if !strings.Contains(out.String(), "  "+name+" ") {
			t.Errorf("help does not mention %s:\n%s", name, out.String())
		}
	}
}
