package main

import (
	"testing"

	"github.com/orch-host/orch/sdk/sdktest"
)

func TestGreetsByNameWithTheConfiguredWord(t *testing.T) {
	h := sdktest.Start(t, Plugin("1.0.0"), sdktest.Config(map[string]any{"greeting": "Moin"}))
	var got greeting
	if err := h.Run("greet", map[string]any{"name": "Ada"}).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Message != "Moin, Ada!" {
		t.Errorf("got %q", got.Message)
	}
}

func TestNobodyToGreetIsFinal(t *testing.T) {
	h := sdktest.Start(t, Plugin("1.0.0"))
	if f := h.Execute(sdktest.Call{Activity: "greet", Args: []any{""}}).Failure; !f.GetNonRetryable() {
		t.Errorf("got %v, want a failure that is not retried", f)
	}
}

func TestGreetsAllAndGoesOnAfterTheLastHeartbeat(t *testing.T) {
	h := sdktest.Start(t, Plugin("1.0.0"))
	var got greetings
	o := h.Execute(sdktest.Call{Activity: "greet_all", Args: []any{map[string]any{"names": []string{"Ada", "Bob"}}},
		LastHeartbeat: greetings{Messages: []string{"Good day, Ada!"}}})
	if err := o.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got.Messages) != 2 || got.Messages[0] != "Good day, Ada!" || got.Messages[1] != "Hello, Bob!" {
		t.Errorf("got %q", got.Messages)
	}
}
