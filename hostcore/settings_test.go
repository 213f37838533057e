package hostcore

import (
	"testing"
	"time"

	"github.com/orch-host/orch/config"
)

func TestSettingsTellOneConfigurationOfAPluginFromAnother(t *testing.T) {
	table := func() config.Plugin {
		return config.Plugin{Env: []string{"A"}, Config: map[string]any{"a": 1, "b": map[string]any{"c": []any{"d"}, "e": true}}}
	}
	same := settingsOf(table(), time.Second)
	for range 20 { // maps have no order
		if got := settingsOf(table(), time.Second); got != same {
			t.Fatalf("the same settings are %s and %s", same, got)
		}
	}
	tests := map[string]func(p *config.Plugin, start *time.Duration){
		"more memory":        func(p *config.Plugin, _ *time.Duration) { p.Memory = 1 << 30 },
		"another value":      func(p *config.Plugin, _ *time.Duration) { p.Config["b"].(map[string]any)["e"] = false },
		"one key more":       func(p *config.Plugin, _ *time.Duration) { p.Config["z"] = "" },
		"another variable":   func(p *config.Plugin, _ *time.Duration) { p.Env = []string{"B"} },
		"more time to start": func(_ *config.Plugin, start *time.Duration) { *start = time.Minute },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			p, start := table(), time.Second
			change(&p, &start)
			if settingsOf(p, start) == same {
				t.Error("they are told to be the same")
			}
		})
	}
}
