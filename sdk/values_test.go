package sdk_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/orch-host/orch/sdk"
)

func TestASecretPrintsUnderNoVerb(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%5.3f"} {
		for _, v := range []any{sdk.Secret("s3cret"), configTable{Token: "s3cret"}, []sdk.Secret{"s3cret"}} {
			if got := sprintf(verb, v); strings.Contains(got, "s3c") || strings.Contains(strings.ToLower(got), "733363") {
				t.Errorf("%s of a %T is %s", verb, v, got)
			}
		}
	}
	if got := sprintf("%s|%6s|%q", sdk.Secret("x"), sdk.Secret("x"), sdk.Secret("")); got != `***|   ***|""` {
		t.Errorf("got %s", got)
	}
}

// sprintf is out of vet's sight, which would find the wrong verbs.
var sprintf = fmt.Sprintf
