package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/orch-host/orch/config"
)

func TestEachMistakeIsOneLineWithPlaceKeyExpectationAndNearestName(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"a mistyped key": {
			"[services.chat]\nworkflow = 'W'\nworkflwo = 'X'",
			`orch.toml:3:1: services.chat.workflwo: unknown key; did you mean "workflow"?`},
		"a key in the wrong table": {
			"log_level = 'info'",
			`orch.toml:1:1: log_level: unknown key; "log_level" belongs in [host]`},
		"an unknown table": {
			"[hots]\nname = 'x'",
			`orch.toml:1:2: hots: unknown key; did you mean "host"?`},
		"a wrong type": {
			"[temporal]\nembedded.port = '7233'",
			`orch.toml:2:10: temporal.embedded.port: expected a whole number, found the string "7233"`},
		"a table where a string belongs": {
			"[host.name]\nx = 1",
			`orch.toml:1:7: host.name: expected a string, found a table`},
		"a string where a table belongs": {
			"temporal = 'localhost:7233'",
			`orch.toml:1:1: temporal: expected a table, found the string "localhost:7233"`},
		"a service that is no table": {
			"services.chat = 'ChatSetupWorkflow'",
			`orch.toml:1:10: services.chat: expected a table, found the string "ChatSetupWorkflow"; write [services.chat]`},
		"a bad mode": {
			"temporal.mode = 'embeded'",
			`orch.toml:1:10: temporal.mode: expected one of "embedded", "external", found "embeded"; did you mean "embedded"?`},
		"a negative number": {
			"[services.a]\nworkflow = 'W'\nmax_concurrency = -1",
			`orch.toml:3:1: services.a.max_concurrency: expected 0 or more, found -1`},
		"a port out of range": {
			"temporal.embedded.port = 70000",
			`orch.toml:1:19: temporal.embedded.port: expected 1 to 65535, found 70000`},
		"a negative duration": {
			"plugins.drain = '-5s'",
			`orch.toml:1:9: plugins.drain: expected 0s or more, found -5s`},
		"a duration without a unit": {
			"host.stop_grace = '30'",
			`orch.toml:1:6: host.stop_grace: "30" is not a duration; write it like "30s", "5m", "1h30m" or "30d"`},
		"memory in megabytes without a unit": {
			"[plugins.x]\nmemory = 256",
			`orch.toml:2:1: plugins.x.memory: expected 8MiB or more, found 256B; a plain number counts bytes; did you mean "256MiB"?`},
		"a list with a number in it": {
			"[host]\nlabels = ['a', 5]",
			`orch.toml:2:16: host.labels[1]: expected a string, found the number 5`},
		"a list that says a thing twice": {
			"[host]\nlabels = ['a', 'a']",
			`orch.toml:2:16: host.labels[1]: "a" is in the list twice`},
		"a bad version constraint": {
			"[plugins.x]\nversion = 'newest'",
			`orch.toml:2:1: plugins.x.version: expected a version constraint, found "newest"; such as "~1.4", "^2", ">=1.2 <2" or "1.4.2"`},
		"a state folder without a name": {
			"[host]\nstate_dir = ''",
			`orch.toml:2:1: host.state_dir: is empty; set it, or leave it out for the default`},
		"an empty namespace": {
			"temporal.namespace = ''",
			`orch.toml:1:10: temporal.namespace: is empty; set it, or leave it out for the default`},
		"a bad placement": {
			"[services.a]\nworkflow = 'W'\nplacement = 'gpu nodes'",
			`orch.toml:3:1: services.a.placement: expected 'any', 'all', the name of a host, or a label such as 'gpu' or 'zone=eu', found "gpu nodes"`},
		"a bad schedule": {
			"[services.a]\nworkflow = 'W'\nschedule = '61 * * * *'",
			`orch.toml:3:1: services.a.schedule: the field for the minute cannot be "61"; such as "0 3 * * *" (minute, hour, day, month, day of the week), "@every 6h" or "@daily"`},
		"an address with a scheme": {
			"temporal.mode = 'external'\ntemporal.address = 'http://t:7233'",
			`orch.toml:2:10: temporal.address: expected host:port, found "http://t:7233"; leave out "http://": t:7233`},
		"an address without a port": {
			"temporal.mode = 'external'\ntemporal.address = 'temporal'",
			`orch.toml:2:10: temporal.address: expected host:port, found "temporal"; add the port: temporal:7233`},
		"a Web UI that is no address": {
			"temporal.web_ui = 'localhost:8080'",
			`orch.toml:1:10: temporal.web_ui: expected an http or https address, found "localhost:8080"; such as http://localhost:8080`},
		"HTTP endpoints open to the world": {
			"host.listen = '0.0.0.0:7070'",
			`orch.toml:1:6: host.listen: other machines reach 0.0.0.0:7070, and what is sent there can be read on the way; set host.tls.cert_file and host.tls.key_file, or listen on 127.0.0.1`},
		"HTTP endpoints open to the world, without a password": {
			"[host]\nlisten = ':7070'\ntls.cert_file = 'c.pem'\ntls.key_file = 'k.pem'",
			`orch.toml:2:1: host.listen: expected an IP address or localhost, found ""; such as 127.0.0.1:7070, or 0.0.0.0:7070 for all addresses`},
		"HTTP endpoints with TLS and without a password": {
			"[host]\nlisten = '[::]:7070'\ntls.cert_file = 'c.pem'\ntls.key_file = 'k.pem'",
			`orch.toml:2:1: host.listen: other machines reach [::]:7070, and it asks for no password; set host.http_token = "env:NAME" or "file:/path", or listen on 127.0.0.1`},
		"a remote address in embedded mode": {
			"[temporal]\naddress = 'temporal.example.com:7233'",
			`orch.toml:2:1: temporal.address: temporal.example.com:7233 is not the embedded server, which listens on localhost:7233; set temporal.mode = "external" to connect there, or remove the address`},
		"one port for the server and its Web UI": {
			"temporal.embedded.port = 8080",
			`orch.toml:1:10: temporal.embedded.ui_port: is the port of the server too (8080); give the Web UI another one`},
		"the host on the port of the server": {
			"host.listen = 'localhost:7233'",
			`orch.toml:1:6: host.listen: port 7233 is temporal.embedded.port too; choose another port for one of them`},
		"a certificate without its key": {
			"[temporal.tls]\ncert_file = 'c.pem'",
			`orch.toml:2:1: temporal.tls.cert_file: a client certificate needs its key; set temporal.tls.key_file too`},
		"an API key without TLS": {
			"[temporal]\nmode = 'external'\napi_key = 'env:K'\ntls.enabled = false",
			`orch.toml:4:5: temporal.tls.enabled: an API key must not travel without TLS; remove temporal.api_key, or turn TLS on`},
		"a secret of the wrong type, which must not be printed": {
			"temporal.api_key = 12345",
			`orch.toml:1:10: temporal.api_key: expected a string, best a reference such as "env:NAME" or "file:/path", found a number`},
		"a runtime folder that is too long for sockets": {
			"host.runtime_dir = '/tmp/" + strings.Repeat("r", 70) + "'",
			`orch.toml:1:6: host.runtime_dir: /tmp/` + strings.Repeat("r", 70) + ` has 75 bytes; the path of a socket may have 107, and 40 of them are needed below the folder; choose one with 67 bytes or less, such as /tmp/orch`},
		"a service that runs nothing": {
			"[services.idle]\ndescription = 'x'",
			`orch.toml:1:11: services.idle: says nothing to run; set workflow = "<workflow type>" or pipeline = "<name>"`},
		"a schedule on a service that only starts others": {
			"[services.b]\nworkflow = 'W'\n[services.a]\nthen = ['b']\nschedule = '@daily'",
			`orch.toml:5:1: services.a.schedule: this service has no workflow that a schedule could start; give the services in "then" schedules of their own`},
		"a service with a workflow and a pipeline": {
			"[services.a]\nworkflow = 'W'\npipeline = 'p'",
			`orch.toml:3:1: services.a.pipeline: has a workflow and a pipeline; keep one of them`},
		"a service name that would break ids": {
			"[services.'my chat/1']\nworkflow = 'W'",
			`orch.toml:1:11: services."my chat/1": this name becomes part of workflow ids, queues and environment variables: letters, digits, and single '-' or '_' between them, 100 at the most; such as "my-chat-1"`},
		"a service name that a variable could not hold": {
			"[services.a__b]\nworkflow = 'W'",
			`orch.toml:1:11: services.a__b: this name becomes part of workflow ids, queues and environment variables: letters, digits, and single '-' or '_' between them, 100 at the most; such as "a-b"`},
		"a group with the name of a setting": {
			"[plugins.drain]\nversion = '1'",
			`orch.toml:1:10: plugins.drain: is a setting of [plugins] itself, so no group can have this name; name the group differently`},
		"two services on one queue": {
			"[services.a]\nworkflow = 'W'\n[services.b]\nworkflow = 'W'\ntask_queue = 'a-queue'",
			`orch.toml:5:1: services.b.task_queue: queue "a-queue" serves service "a" already; with two on it, work would reach a worker that lacks its plugins or limits; give each service its own queue`},
		"a queue that is another service's default": {
			"[services.a]\nworkflow = 'W'\ntask_queue = 'b-queue'\n[services.b]\nworkflow = 'W'",
			`orch.toml:3:1: services.a.task_queue: queue "b-queue" serves service "b" already; with two on it, work would reach a worker that lacks its plugins or limits; give each service its own queue`},
		"two services with one workflow id": {
			"[services.a]\nworkflow = 'W'\nworkflow_id = 'x'\n[services.b]\nworkflow = 'W'\nworkflow_id = 'x'",
			`orch.toml:6:1: services.b.workflow_id: workflow id "x" is that of service "a" already; starting one would find the other running; give each service its own id`},
		"an id with a space": {
			"[services.a]\nworkflow = 'W'\nworkflow_id = 'x y'",
			`orch.toml:3:1: services.a.workflow_id: "x y" has a space or an invisible character in it`},
		"a chain to a service that is not there": {
			"[services.logs]\nworkflow = 'W'\n[services.both]\nthen = ['logs', 'log']",
			`orch.toml:4:17: services.both.then[1]: there is no service "log"; did you mean "logs"?`},
		"a chain that bites its tail": {
			"[services.a]\nthen = ['b']\n[services.b]\nthen = ['a']",
			`orch.toml:4:9: services.b.then[0]: starts itself again: a -> b -> a; break the circle`},
		"a service that needs a disabled group": {
			"[plugins.x]\ndisabled = true\n[services.a]\nworkflow = 'W'\nplugins = ['x']",
			`orch.toml:5:12: services.a.plugins[0]: plugin group "x" is disabled in [plugins.x]; enable it, or remove it here`},
		"an attachment without an address": {
			"[dev.chat]",
			`orch.toml:1:6: dev.chat: needs attach = "<address>"; "<plugin> attach" prints it`},
		"a key that is no trusted key": {
			"plugins.trusted_keys = ['ssh-ed25519 AAAA']",
			`orch.toml:1:25: plugins.trusted_keys[0]: expected a minisign public key, found "ssh-ed25519 AAAA"; it is the line that starts with RW in the .pub file`},
		"a number that JSON cannot hold": {
			"[services.a]\nworkflow = 'W'\nparams.x = nan",
			`orch.toml:3:8: services.a.params.x: expected a number that JSON can hold, found the number NaN`},
		"a syntax error": {
			"[host]\nname = = 'x'",
			`orch.toml:2:8: not valid TOML: unexpected character U+003D '=' at start of value`},
		"a key that is there twice, for which the parser gives no place": {
			"[host]\nname = 'x'\n# and\nname = 'y'\nlisten = ''",
			`orch.toml:4:1: not valid TOML: key name is already defined`},
		"more brackets than a parser should recurse into": {
			"[services.a]\nworkflow = 'W'\nparams.x = " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
			`orch.toml:3:8: tables are nested more than 32 levels deep`},
		"a file that no person wrote": {
			"[services.a]\nworkflow = 'W'\n[services.a.params]\n" + strings.Repeat("a=1\n", 1<<19),
			`orch.toml:1:1: the file has 2097200 bytes, more than the 1048576 that a configuration may have`},
		"tables that nobody nests by hand": {
			"[services.a]\nworkflow = 'W'\nparams" + strings.Repeat(".x", 40) + " = 1",
			`orch.toml:3:66: tables are nested more than 32 levels deep`},
	} {
		t.Run(name, func(t *testing.T) {
			got := problems(t, config.Options{Path: write(t, tc.text)})
			if diff := cmp.Diff(tc.want, got.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSecretsInParametersMustBeReferences(t *testing.T) {
	for name, tc := range map[string]struct {
		params string
		at     string // "" when it is fine
	}{
		"a password":                        {`password = "hunter2"`, "password"},
		"a number":                          {`pin = { api_key = 1234 }`, "pin.api_key"},
		"in camel case":                     {`flyApiToken = "hunter2"`, "flyApiToken"},
		"with dashes":                       {`"api-key" = "hunter2"`, "api-key"},
		"deep in a list":                    {`apps = [{ name = "a" }, { token = "hunter2" }]`, "apps[1].token"},
		"any value in a table of secrets":   {`secrets = { DB_URL = "hunter2" }`, "secrets.DB_URL"},
		"a list under a secret's name":      {`token = ["hunter2"]`, "token[0]"},
		"a reference to a variable":         {`password = "env:NEO4J_PASSWORD"`, ""},
		"a reference to a file":             {`password = "file:/run/secrets/neo4j"`, ""},
		"an empty one":                      {`password = ""`, ""},
		"a list of names of secrets":        {`secrets = ["DB_URL", "API_KEY"]`, ""},
		"a key that only talks about one":   {`token_url = "https://x", max_tokens = 5, secret_name = "x", password_length = 12`, ""},
		"a flag":                            {`token = true`, ""},
		"a colon that makes no reference":   {`password = "env:not a name"`, "password"},
		"literal is no way around the rule": {`password = "literal:hunter2"`, "password"},
	} {
		t.Run(name, func(t *testing.T) {
			text := "[services.a]\nworkflow = 'W'\nparams = { " + tc.params + " }"
			if tc.at == "" {
				load(t, text)
				return
			}
			p := problems(t, config.Options{Path: write(t, text)})
			if len(p) != 1 || p[0].Path != "services.a.params."+tc.at || p[0].Line != 3 || !strings.Contains(p[0].Hint, `"env:`) {
				t.Errorf("%v", p)
			}
			if strings.Contains(p.Error(), "hunter2") {
				t.Errorf("the secret is in the message: %v", p)
			}
		})
	}
}

func TestAllProblemsComeAtOnceInTheOrderOfTheSources(t *testing.T) {
	p := problems(t, config.Options{
		Path:    write(t, "[host]\nlog_level = 'loud'\n\n[services.a]\nworkflwo = 'W'\nmax_concurrency = 'x'\n"),
		Environ: []string{"ORCH_HOST__LOG_FORMAT=xml", "ORCH_NONSENSE=1"},
		Flags:   flags(t, "--temporal-mode=remote"),
	})
	var places []string
	for _, x := range p {
		places = append(places, strings.SplitN(x.Error(), ": ", 2)[0])
	}
	want := []string{"orch.toml:2:1", "orch.toml:5:1", "orch.toml:6:1", "ORCH_NONSENSE", "ORCH_HOST__LOG_FORMAT", "--temporal-mode"}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Error(diff, p)
	}
}

func TestASyntaxErrorDoesNotHideTheProblemsOfOtherSources(t *testing.T) {
	p := problems(t, config.Options{Path: write(t, "x ="), Environ: []string{"ORCH_HOST__LOG_LEVEL=loud"}})
	if len(p) != 2 || p[0].Line != 1 || p[1].File != "ORCH_HOST__LOG_LEVEL" {
		t.Errorf("%v", p)
	}
}

func TestAMistakeInTheFileIsReportedEvenWhenAVariableOverridesIt(t *testing.T) {
	p := problems(t, config.Options{Path: write(t, "host.log_level = 'loud'"), Environ: []string{"ORCH_HOST__LOG_LEVEL=info"}})
	if len(p) != 1 || p[0].Line != 1 {
		t.Errorf("%v", p)
	}
}

func TestProblemsInsideArraysOfTablesCountTheElements(t *testing.T) {
	p := problems(t, config.Options{Path: write(t, "[services.a]\nworkflow = 'W'\n[[services.a.params.apps]]\nx = 1\n[[services.a.params.apps]]\n[services.a.params.apps.db]\ntoken = 'x'\n")})
	if len(p) != 1 || p[0].Path != "services.a.params.apps[1].db.token" || p[0].Line != 7 {
		t.Errorf("%v", p)
	}
}

func TestATableWithThousandsOfKeysIsRefusedAtOnce(t *testing.T) {
	var b strings.Builder
	b.WriteString("[services.a]\nworkflow = 'W'\n[services.a.params]\n")
	for i := range 50_000 {
		fmt.Fprintf(&b, "k%d = 1\n", i)
	}
	p := problems(t, config.Options{Path: write(t, b.String())})
	if len(p) != 1 || p[0].Line != 4004 || p[0].Message != "there are more than 4000 keys in one table" {
		t.Errorf("%v", p)
	}
}
