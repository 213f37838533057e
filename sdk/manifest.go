package sdk

import (
	"encoding/json"
	"runtime"
	"strings"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// capabilities of this SDK inside wire major 1.
var capabilities = []string{"drain", "reconfigure", "soft-cancel", "watch"}

func (p Plugin) manifest() *pluginv1.Manifest {
	m := &pluginv1.Manifest{
		Group: p.Group, Name: p.Name, Version: strings.TrimPrefix(p.Version, "v"), Doc: p.Doc,
		Sdk: "go/" + Version, Language: languageVersion(), Capabilities: capabilities,
		ConfigSchema: p.Config.schema,
	}
	for _, a := range p.Activities {
		m.Activities = append(m.Activities, a.spec())
	}
	return m
}

// languageVersion is "go1.26" for every patch release, so that the manifest of
// one source does not change with the compiler's.
func languageVersion() string {
	parts := strings.SplitN(runtime.Version(), ".", 3)
	if len(parts) < 2 {
		return runtime.Version()
	}
	return parts[0] + "." + parts[1]
}

// describedActivity is an activity as "describe" prints it.
type describedActivity struct {
	Name          string          `json:"name"`
	Doc           string          `json:"doc,omitempty"`
	Contract      uint32          `json:"contract,omitempty"`
	Idempotent    bool            `json:"idempotent,omitempty"`
	StartToClose  string          `json:"start_to_close,omitempty"`
	Heartbeat     string          `json:"heartbeat,omitempty"`
	MaxConcurrent uint32          `json:"max_concurrent,omitempty"`
	Input         json.RawMessage `json:"input,omitempty"`
	Output        json.RawMessage `json:"output,omitempty"`
}

// described is a manifest as "describe" prints it.
type described struct {
	Group        string              `json:"group"`
	Name         string              `json:"name"`
	Version      string              `json:"version"`
	Doc          string              `json:"doc,omitempty"`
	SDK          string              `json:"sdk"`
	Language     string              `json:"language"`
	Capabilities []string            `json:"capabilities"`
	Config       json.RawMessage     `json:"config,omitempty"`
	Activities   []describedActivity `json:"activities"`
}

// DescribeJSON writes a manifest as indented JSON with its schemas inline, the
// form that "<plugin> describe" and "host plugin describe" print.
func DescribeJSON(m *pluginv1.Manifest) ([]byte, error) {
	d := described{Group: m.GetGroup(), Name: m.GetName(), Version: m.GetVersion(), Doc: m.GetDoc(), SDK: m.GetSdk(),
		Language: m.GetLanguage(), Capabilities: m.GetCapabilities(), Config: m.GetConfigSchema()}
	for _, a := range m.GetActivities() {
		da := describedActivity{Name: a.GetName(), Doc: a.GetDoc(), Contract: a.GetContract(), Idempotent: a.GetIdempotent(),
			MaxConcurrent: a.GetMaxConcurrent(), Input: a.GetInputSchema(), Output: a.GetOutputSchema()}
		if a.GetStartToClose() != nil {
			da.StartToClose = a.GetStartToClose().AsDuration().String()
		}
		if a.GetHeartbeat() != nil {
			da.Heartbeat = a.GetHeartbeat().AsDuration().String()
		}
		d.Activities = append(d.Activities, da)
	}
	return json.MarshalIndent(d, "", "  ")
}
