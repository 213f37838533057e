package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orch-host/orch/config"
)

func TestASecretDoesNotPrintByAnyRoute(t *testing.T) {
	s := config.NewSecret("hunter2")
	holder := struct {
		Key config.Secret
		Ptr *config.Secret
	}{s, &s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08b", "%T"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", s, &s, holder)
	}
	data, err := json.Marshal(map[string]any{"v": s, "h": holder})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	text, _ := s.MarshalText()
	out.Write(text)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "s", s, "h", holder)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "s", s, "h", holder)
	fmt.Fprint(&out, fmt.Errorf("failed with %v", holder))
	for _, leak := range []string{"hunter2", "68756e74657232", "68756E74657232", "104 117", "01101000"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q leaks:\n%s", leak, out.String())
		}
	}
}

func TestAReferencePrintsAsWhatItIs(t *testing.T) {
	if got := fmt.Sprintf("%v %q", config.NewSecret("env:KEY"), config.NewSecret("file:/k")); got != `env:KEY "file:/k"` {
		t.Error(got)
	}
}

func TestASecretResolvesToTheVariableTheFileOrItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("from file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ORCH_TEST_KEY", "from variable")
	for text, want := range map[string]string{
		"": "", "plain": "plain", "env:ORCH_TEST_KEY": "from variable", "file:" + file: "from file",
		"literal:env:ORCH_TEST_KEY": "env:ORCH_TEST_KEY", "env:not a name": "env:not a name",
	} {
		if got, err := config.NewSecret(text).Resolve(); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"env:ORCH_TEST_NOT_SET", "file:" + file + ".gone"} {
		if _, err := config.NewSecret(text).Resolve(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAPluginsTableIsResolvedAtHandOverOnly(t *testing.T) {
	c := load(t, `
[plugins.databases.config]
image = "neo4j:5"
ports = [7474, 7687]
label = "literal:env:prod"
[plugins.databases.config.neo4j]
password = "env:NEO4J_PASSWORD"
[[plugins.databases.config.users]]
token = "file:/run/token"
`)
	p := c.Plugins.Groups["databases"]
	got, err := p.ResolveConfig(config.Resolver{
		Lookup:   func(name string) (string, bool) { return "value of " + name, true },
		ReadFile: func(path string) ([]byte, error) { return []byte("content of " + path + "\n"), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"image":"neo4j:5","label":"env:prod","neo4j":{"password":"value of NEO4J_PASSWORD"},"ports":[7474,7687],"users":[{"token":"content of /run/token"}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if p.Config["neo4j"].(map[string]any)["password"] != "env:NEO4J_PASSWORD" {
		t.Error("resolving must leave the configuration as it was")
	}
}

func TestReferencesThatCannotBeResolvedAreNamedWithTheirKeyPaths(t *testing.T) {
	p := config.Plugin{Group: "x", Config: map[string]any{"a": map[string]any{"b": "env:GONE"}, "l": []any{"file:/gone"}}}
	_, err := p.ResolveConfig(config.Resolver{Lookup: func(string) (string, bool) { return "", false }, ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }})
	if err == nil || !strings.Contains(err.Error(), "plugins.x.config.a.b: resolve env:GONE") || !strings.Contains(err.Error(), "plugins.x.config.l[0]: resolve file:/gone") {
		t.Errorf("%v", err)
	}
}

func TestAPluginWithoutATableGetsAnEmptyOne(t *testing.T) {
	if got, err := (config.Plugin{}).ResolveConfig(config.Resolver{}); err != nil || string(got) != "{}" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestRedactedShowsEverythingButSecrets(t *testing.T) {
	c := load(t, `
[temporal]
mode = "external"
api_key = "hunter2"
[plugins.databases]
memory = "256MiB"
config = { password = "hunter2", pin = 5, secrets = { a = "hunter2" }, list = [{ apiToken = "hunter2" }], token = "env:T", image = "neo4j" }
[services.chat]
workflow = "W"
params = { password = "env:P", context = "/srv" }
`)
	r := c.Redacted()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), "hunter2") {
		t.Errorf("leaks: %s", data)
	}
	plugin := r["plugins"].(map[string]any)["databases"].(map[string]any)
	want := map[string]any{"password": "***", "pin": int64(5), "secrets": map[string]any{"a": "***"}, "list": []any{map[string]any{"apiToken": "***"}}, "token": "env:T", "image": "neo4j"}
	if diff := cmp.Diff(want, plugin["config"]); diff != "" {
		t.Error(diff)
	}
	got := []any{plugin["memory"], r["temporal"].(map[string]any)["api_key"], r["host"].(map[string]any)["stop_grace"], r["services"].(map[string]any)["chat"].(map[string]any)["params"]}
	if diff := cmp.Diff([]any{"256MiB", "***", "30s", map[string]any{"password": "env:P", "context": "/srv"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRedactedMasksPasswordsWithinTextsAndUnderOtherNames(t *testing.T) {
	c := load(t, `
[host]
otlp_endpoint = "https://me:hunter2@collector:4318"
[plugins.a.config]
pwd = "hunter2"
auth = "hunter2"
passwd = "hunter2"
smtpPass = "hunter2"
PGPASSWORD = "hunter2"
passphrase = "hunter2"
credential = "hunter2"
credentials = { one = "hunter2", two = ["hunter2"], three = 7 }
headers = { Authorization = "Bearer hunter2", Accept = "text/plain" }
connection_string = "Server=db;Password=hunter2"
connectionString = "hunter2"
database_dsn = "hunter2"
dsn = "env:DSN"
[plugins.b.config]
url = "postgres://me:hunter2@db:5432/orch?sslmode=require"
odd = "amqp://me:hun/ter2@hunter2@mq"
two = "redis://:hunter2@a,http://b:80/p@q,redis://x:hunter2@c"
mysql = "me:hunter2@tcp(db:3306)/orch"
libpq = "host=db password=hunter2 user=me"
quoted = "password='hunter2 hunter2' host=db"
list = ["see https://me:hunter2@x/ and http://y:80/@"]
plain = "http://db:8080/a@b?monkey=1"
query = "http://db:8080/?api_key=hunter2&a=b"
mail = "me@example.com: hello"
author = "me"
image = "registry:5000/a@sha256:abc"
window = "10:30 to 11:30 @ home"
[services.chat]
workflow = "W"
description = "see http://me:hunter2@wiki/"
params = { repo = "https://me:hunter2@git/x" }
`)
	r := c.Redacted()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, leak := range []string{"hunter2", "hun/", "ter2"} {
		if strings.Contains(string(data), leak) {
			t.Errorf("leaks: %s", data)
		}
	}
	config := func(group string) any { return r["plugins"].(map[string]any)[group].(map[string]any)["config"] }
	masked := "***"
	want := []any{
		map[string]any{"pwd": masked, "auth": masked, "passwd": masked, "smtpPass": masked, "PGPASSWORD": masked, "passphrase": masked, "credential": masked,
			"credentials": map[string]any{"one": masked, "two": []any{masked}, "three": masked}, "headers": map[string]any{"Authorization": masked, "Accept": "text/plain"},
			"connection_string": masked, "connectionString": masked, "database_dsn": masked, "dsn": "env:DSN"},
		map[string]any{"url": "postgres://me:***@db:5432/orch?sslmode=require", "odd": "amqp://me:***@mq", "two": "redis://:***@a,http://b:80/p@q,redis://x:***@c",
			"mysql": "me:***@tcp(db:3306)/orch", "libpq": "host=db password=*** user=me", "quoted": "password=*** host=db", "list": []any{"see https://me:***@x/ and http://y:80/@"},
			"plain": "http://db:8080/a@b?monkey=1", "query": "http://db:8080/?api_key=***&a=b", "mail": "me@example.com: hello", "author": "me", "image": "registry:5000/a@sha256:abc", "window": "10:30 to 11:30 @ home"},
		"https://me:***@collector:4318",
	}
	if diff := cmp.Diff(want, []any{config("a"), config("b"), r["host"].(map[string]any)["otlp_endpoint"]}); diff != "" {
		t.Error(diff)
	}
}
