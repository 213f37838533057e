package sdk

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// ActivityDef is one activity that a plugin offers; made by [Activity].
type ActivityDef struct {
	name, doc     string
	inputSchema   json.RawMessage
	outputSchema  json.RawMessage
	idempotent    bool
	timeout       time.Duration
	heartbeat     time.Duration
	maxConcurrent int
	contract      int
	err           error
	run           func(ctx context.Context, args []*pluginv1.Payload) (*pluginv1.Payload, error)
}

// Name is the Temporal activity type.
func (a ActivityDef) Name() string { return a.name }

// ActivityOption adjusts one activity.
type ActivityOption func(*ActivityDef)

// Idempotent declares that a second attempt with the same input has no further
// effect.
func Idempotent() ActivityOption { return func(a *ActivityDef) { a.idempotent = true } }

// Timeout suggests the limit of one attempt to callers that set none.
func Timeout(d time.Duration) ActivityOption { return func(a *ActivityDef) { a.timeout = d } }

// HeartbeatEvery suggests the heartbeat timeout: an attempt that is silent for
// this long is taken for dead. Default 30 s.
func HeartbeatEvery(d time.Duration) ActivityOption {
	return func(a *ActivityDef) { a.heartbeat = d }
}

// MaxConcurrent limits how many attempts of this activity the plugin runs at
// once. 0, the default, is unlimited.
func MaxConcurrent(n int) ActivityOption { return func(a *ActivityDef) { a.maxConcurrent = n } }

// Contract numbers the activity's input and output contract; raise it with a
// breaking change and offer the old one as "name" beside "name@2" meanwhile.
func Contract(n int) ActivityOption { return func(a *ActivityDef) { a.contract = n } }

// Activity makes an activity from a function. The JSON Schemas of its input
// and output are made from I and O: json tags name the fields, fields without
// omitempty or omitzero are required, also in nested objects, lists and maps, a
// `jsonschema:"..."` tag documents them.
//
// One JSON object fills I by keys; anything else (a string, several positional
// arguments) fills I's exported fields in the order of their declaration.
func Activity[I, O any](name, doc string, fn func(context.Context, I) (O, error), opts ...ActivityOption) ActivityDef {
	a := ActivityDef{name: name, doc: doc}
	input := newInputDecoder(reflect.TypeFor[I]())
	var err error
	if a.inputSchema, err = schemaOf[I](false); err != nil {
		a.err = fmt.Errorf("input type: %w", err)
	}
	if a.outputSchema, err = schemaOf[O](false); err != nil {
		a.err = fmt.Errorf("output type: %w", err)
	}
	a.run = func(ctx context.Context, args []*pluginv1.Payload) (*pluginv1.Payload, error) {
		var in I
		if err := input.decode(args, &in); err != nil {
			return nil, &Error{Type: TypeInvalidInput, Message: fmt.Sprintf("activity %s: %v", name, err), NonRetryable: true}
		}
		out, err := fn(ctx, in)
		if err != nil {
			return nil, err
		}
		return encodePayload(out)
	}
	for _, o := range opts {
		o(&a)
	}
	return a
}

// spec is the activity as the manifest shows it.
func (a ActivityDef) spec() *pluginv1.ActivitySpec {
	s := &pluginv1.ActivitySpec{
		Name: a.name, Doc: a.doc, Contract: uint32(max(a.contract, 0)),
		InputSchema: a.inputSchema, OutputSchema: a.outputSchema,
		Idempotent: a.idempotent, MaxConcurrent: uint32(max(a.maxConcurrent, 0)),
	}
	if a.timeout > 0 {
		s.StartToClose = durationpb.New(a.timeout)
	}
	if a.heartbeat > 0 {
		s.Heartbeat = durationpb.New(a.heartbeat)
	}
	return s
}
