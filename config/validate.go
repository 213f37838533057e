package config

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// validator checks what no single value can tell.
type validator struct {
	*Config
	report   *report
	fallback place
}

func (v *validator) problem(p *keyPath, message, hint string) {
	for q := p; q != nil; q = q.parent {
		if v.report.paths[q.String()] {
			return // follows from what is reported already
		}
	}
	v.report.add(v.origins.find(p, v.fallback), p, message, hint)
}

// missing reports what a table lacks, unless something in it is wrong already: that may be the missing key.
func (v *validator) missing(p *keyPath, message, hint string) {
	if v.report.around[p.String()] {
		return
	}
	v.problem(p, message, hint)
}

func (v *validator) validate() {
	v.empty()
	v.temporal()
	v.host()
	v.plugins()
	v.services()
	v.chains()
}

// empty refuses "" where it is no value: what follows from it would be a path in the folder that the host happens to be
// started in, or a name that nobody has. A script that passes a variable which is not set comes to that.
func (v *validator) empty() {
	for _, s := range []struct {
		path  *keyPath
		value string
	}{
		{at("temporal", "namespace"), v.Temporal.Namespace},
		{at("host", "name"), v.Host.Name},
		{at("host", "state_dir"), v.Host.StateDir},
		{at("host", "runtime_dir"), v.Host.RuntimeDir},
	} {
		if s.value == "" {
			v.problem(s.path, "is empty", "set it, or leave it out for the default")
		}
	}
}

func (v *validator) temporal() {
	t, p := v.Temporal, at("temporal")
	tls := p.key("tls")
	switch {
	case t.TLS.CertFile != "" && t.TLS.KeyFile == "":
		v.problem(tls.key("cert_file"), "a client certificate needs its key", "set temporal.tls.key_file too")
	case t.TLS.KeyFile != "" && t.TLS.CertFile == "":
		v.problem(tls.key("key_file"), "a key needs its client certificate", "set temporal.tls.cert_file too")
	}
	if t.TLS.Enabled != nil && !*t.TLS.Enabled && !t.APIKey.IsZero() {
		v.problem(tls.key("enabled"), "an API key must not travel without TLS", "remove temporal.api_key, or turn TLS on")
	}
	if e := t.Encryption; e.KeyID != "" && e.Keys[e.KeyID].Key.IsZero() {
		v.problem(p.key("encryption").key("key_id"), fmt.Sprintf("there is no key %q", e.KeyID), fmt.Sprintf("add [temporal.encryption.keys.%s] with key = \"env:NAME\" or \"file:/path\"", e.KeyID))
	}
	if t.Mode != ModeEmbedded {
		return
	}
	if t.Embedded.Port == t.Embedded.UIPort {
		v.problem(p.key("embedded").key("ui_port"), fmt.Sprintf("is the port of the server too (%d)", t.Embedded.Port), "give the Web UI another one")
	}
	host, port, _ := net.SplitHostPort(t.Address)
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) || port != strconv.Itoa(t.Embedded.Port) {
		v.problem(p.key("address"), fmt.Sprintf("%s is not the embedded server, which listens on localhost:%d", t.Address, t.Embedded.Port),
			`set temporal.mode = "external" to connect there, or remove the address`)
	}
}

func (v *validator) host() {
	h, p := v.Host, at("host")
	if n := len(h.RuntimeDir); n > maxRuntimeDir {
		v.problem(p.key("runtime_dir"), fmt.Sprintf("%s has %d bytes; the path of a socket may have %d, and %d of them are needed below the folder", h.RuntimeDir, n, maxSocketPath, socketNames),
			fmt.Sprintf("choose one with %d bytes or less, such as /tmp/orch", maxRuntimeDir))
	}
	tls := p.key("tls")
	switch {
	case h.TLS.CertFile != "" && h.TLS.KeyFile == "":
		v.problem(tls.key("cert_file"), "a certificate needs its key", "set host.tls.key_file too")
	case h.TLS.KeyFile != "" && h.TLS.CertFile == "":
		v.problem(tls.key("key_file"), "a key needs its certificate", "set host.tls.cert_file too")
	case h.TLS.ClientCAFile != "" && h.TLS.CertFile == "":
		v.problem(tls.key("client_ca_file"), "certificates of clients need TLS", "set host.tls.cert_file and host.tls.key_file too")
	case h.Public() && h.TLS.CertFile == "":
		v.problem(p.key("listen"), "other machines reach "+h.Listen+", and what is sent there can be read on the way", "set host.tls.cert_file and host.tls.key_file, or listen on 127.0.0.1")
	case h.Public() && h.Token.IsZero():
		v.problem(p.key("listen"), "other machines reach "+h.Listen+", and it asks for no password", `set host.http_token = "env:NAME" or "file:/path", or listen on 127.0.0.1`)
	}
	for i, label := range h.Labels {
		if label == PlacementAny || label == PlacementAll {
			v.problem(p.key("labels").index(i), fmt.Sprintf("%q has a meaning of its own in a placement", label), "choose another label")
		}
	}
	if h.Name == PlacementAny || h.Name == PlacementAll {
		v.problem(p.key("name"), fmt.Sprintf("%q has a meaning of its own in a placement", h.Name), "choose another name")
	}
	if v.Temporal.Mode != ModeEmbedded {
		return
	}
	_, port, _ := net.SplitHostPort(h.Listen)
	for name, taken := range map[string]int{"temporal.embedded.port": v.Temporal.Embedded.Port, "temporal.embedded.ui_port": v.Temporal.Embedded.UIPort} {
		if port == strconv.Itoa(taken) {
			v.problem(p.key("listen"), fmt.Sprintf("port %s is %s too", port, name), "choose another port for one of them")
		}
	}
}

func (v *validator) plugins() {
	for _, group := range sortedKeys(v.Dev) {
		if v.Dev[group].Attach == "" {
			v.missing(at("dev", group), `needs attach = "<address>"`, `"<plugin> attach" prints it`)
		}
		if plugin, ok := v.Plugins.Groups[group]; ok && plugin.Disabled {
			v.problem(at("dev", group), "the group is disabled in [plugins."+group+"]", "remove one of the two")
		}
	}
}

func (v *validator) services() {
	queues, ids := map[string]string{}, map[string]string{}
	for _, name := range sortedKeys(v.Services) {
		s, p := v.Services[name], at("services", name)
		switch {
		case s.Workflow != "" && s.Pipeline != "":
			v.problem(p.key("pipeline"), "has a workflow and a pipeline", "keep one of them")
		case s.Workflow == "" && s.Pipeline == "" && len(s.Then) == 0:
			v.missing(p, "says nothing to run", `set workflow = "<workflow type>" or pipeline = "<name>"`)
		}
		v.secrets(s.Params, p.key("params"))
		for i, group := range s.Plugins {
			if plugin, ok := v.Plugins.Groups[group]; ok && plugin.Disabled {
				v.problem(p.key("plugins").index(i), fmt.Sprintf("plugin group %q is disabled in [plugins.%s]", group, group), "enable it, or remove it here")
			}
		}
		if s.Workflow == "" && s.Pipeline == "" {
			if s.Schedule != "" && len(s.Then) > 0 {
				v.problem(p.key("schedule"), "this service has no workflow that a schedule could start", `give the services in "then" schedules of their own`)
			}
			continue // runs nothing of its own, so it has no queue and no id
		}
		if other, taken := queues[s.Namespace+"\x00"+s.TaskQueue]; taken {
			at, other := v.either(name, other, "task_queue")
			v.problem(at, fmt.Sprintf("queue %q serves service %q already; with two on it, work would reach a worker that lacks its plugins or limits", s.TaskQueue, other),
				"give each service its own queue")
		} else {
			queues[s.Namespace+"\x00"+s.TaskQueue] = name
		}
		if other, taken := ids[s.Namespace+"\x00"+s.WorkflowID]; taken {
			at, other := v.either(name, other, "workflow_id")
			v.problem(at, fmt.Sprintf("workflow id %q is that of service %q already; starting one would find the other running", s.WorkflowID, other),
				"give each service its own id")
		} else {
			ids[s.Namespace+"\x00"+s.WorkflowID] = name
		}
	}
}

// either is the key of the one of two services where it is written, and the name of the other one.
func (v *validator) either(name, other, key string) (*keyPath, string) {
	ours, theirs := at("services", name, key), at("services", other, key)
	if !v.IsSet(ours.String()) && v.IsSet(theirs.String()) {
		return theirs, name
	}
	return ours, other
}

// secrets refuses values that would end up in a workflow's history and should not.
func (v *validator) secrets(params map[string]any, p *keyPath) {
	for _, key := range sortedKeys(params) {
		at := p.key(key)
		switch value := params[key].(type) {
		case map[string]any:
			if namesSecret(key) || namesSecrets(key) {
				v.onlyReferences(value, at)
			} else {
				v.secrets(value, at)
			}
		case []any:
			for i, item := range value {
				if sub, isTable := item.(map[string]any); isTable {
					v.secrets(sub, at.index(i))
				}
			}
			if namesSecret(key) {
				v.onlyReferences(value, at)
			}
		default:
			if namesSecret(key) {
				v.onlyReferences(value, at)
			}
		}
	}
}

func (v *validator) onlyReferences(value any, p *keyPath) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range sortedKeys(value) {
			v.onlyReferences(value[key], p.key(key))
		}
	case []any:
		for i := range value {
			v.onlyReferences(value[i], p.index(i))
		}
	case string:
		if value != "" && !isReference(value) {
			v.literalSecret(p)
		}
	case int64, float64:
		v.literalSecret(p)
	}
}

func (v *validator) literalSecret(p *keyPath) {
	name := strings.ToUpper(words(strings.Trim(p.name, `"`)))
	if !envName.MatchString(name) {
		name = "NAME"
	}
	v.problem(p, "looks like a secret, and parameters become part of the workflow's history, which everybody can read",
		fmt.Sprintf(`keep it elsewhere and refer to it: "env:%s" or "file:/path"`, name))
}

// chains checks that each "then" names services, and that none comes back to where it started.
func (v *validator) chains() {
	names := sortedKeys(v.Services)
	for _, name := range names {
		for i, next := range v.Services[name].Then {
			if _, ok := v.Services[next]; !ok {
				v.problem(at("services", name, "then").index(i), fmt.Sprintf("there is no service %q", next), didYouMean(next, names))
			}
		}
	}
	done := map[string]bool{}
	var visit func(name string, trail []string)
	visit = func(name string, trail []string) {
		if i := slices.Index(trail, name); i >= 0 {
			last := trail[len(trail)-1]
			v.problem(at("services", last, "then").index(slices.Index(v.Services[last].Then, name)), "starts itself again: "+strings.Join(append(trail[i:], name), " -> "), "break the circle")
			return
		}
		if done[name] {
			return
		}
		for _, next := range v.Services[name].Then {
			visit(next, append(slices.Clone(trail), name))
		}
		done[name] = true
	}
	for _, name := range names {
		visit(name, nil)
	}
}
