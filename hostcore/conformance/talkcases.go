package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/orch-host/orch/sdk/pluginv1"
)

// talking are the cases that one configured process answers.
var talking = []step{
	{"health", "it gets ready when it is configured, and says so", health},
	{"config-unknown", "a configuration with an unknown key is refused, naming the key", configUnknown},
	{"config-type", "a configuration with a value of the wrong type is refused, naming the key", configType},
	{"config-valid", "a valid configuration is accepted, also a second time and after a refused one", configValid},
	{"first-message", "a stream that does not begin with Start is refused", firstMessage},
	{"unknown-activity", "an unknown activity is a failure, not a crash", unknownActivity},
	{"wrong-input", "an input field of the wrong type is a failure that names the field", wrongInput},
	{"missing-input", "a missing required input field is a failure that names the field", missingInput},
	{"unknown-input", "unknown input fields are ignored", unknownInput},
	{"large-input", "an input of 5 MiB is taken", largeInput},
	{"parallel", "16 attempts at the same time all get their answer", parallel},
	{"cancel-twice", "a cancelled attempt answers, also when it is asked twice", cancelTwice},
	{"cut", "a stream that the host cuts disturbs nobody else", cutStream},
}

const strangeKey = "conformance_unknown_key"

// table is the accepted configuration as a map.
func (k *kit) table() (map[string]any, error) {
	m := map[string]any{}
	if err := json.Unmarshal(k.settings, &m); err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	return m, nil
}

func (k *kit) refused(ctx context.Context, table map[string]any, key string) error {
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	data, err := json.Marshal(table)
	if err != nil {
		return fmt.Errorf("write the settings as JSON: %w", err)
	}
	problems, err := s.configure(ctx, data)
	if err != nil {
		return fmt.Errorf("configure with %s: want a problem in the answer, got an error of the call: %w", data, err)
	}
	if len(problems) == 0 {
		return fmt.Errorf("configure with %s was accepted: a typo in orch.toml would go unnoticed", data)
	}
	if len(k.manifest.GetConfigSchema()) > 0 && !strings.Contains(strings.Join(problems, "\n"), key) {
		return fmt.Errorf("configure with %s was refused with %q, which does not name %q", data, problems, key)
	}
	return nil
}

func configUnknown(ctx context.Context, k *kit) error {
	if _, err := k.session(ctx); err != nil {
		return err
	}
	table, err := k.table()
	if err != nil {
		return err
	}
	table[strangeKey] = true
	return k.refused(ctx, table, strangeKey)
}

func configType(ctx context.Context, k *kit) error {
	if _, err := k.session(ctx); err != nil {
		return err
	}
	table, err := k.table()
	if err != nil {
		return err
	}
	bad, key := wrong(k.manifest.GetConfigSchema(), table)
	if key == "" {
		return skip("its config_schema gives no key a type")
	}
	return k.refused(ctx, bad, key)
}

func configValid(ctx context.Context, k *kit) error {
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	for _, when := range []string{"after a refused one", "a second time"} {
		problems, err := s.configure(ctx, k.settings)
		if err != nil {
			return fmt.Errorf("configure with %s %s: %w", k.settings, when, err)
		}
		if len(problems) > 0 {
			return fmt.Errorf("%s was accepted at first, but %s it is refused: %s", k.settings, when, strings.Join(problems, "; "))
		}
	}
	return s.awaitReady(ctx, k.o.Timeout)
}

func health(ctx context.Context, k *kit) error {
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	var first *pluginv1.Status
	err = s.watch(ctx, k.o.Timeout, func(st *pluginv1.Status) bool { first = st; return true })
	if errors.Is(err, errNoHealth) {
		return skip("it does not implement Watch: the host takes it for ready once it is configured")
	}
	if err != nil {
		return fmt.Errorf("watch: no health came within %s: %w", k.o.Timeout, err)
	}
	if !serving(first) {
		return fmt.Errorf("it said READY before and now says %s %s", first.GetHealth(), first.GetMessage())
	}
	return nil
}

func firstMessage(ctx context.Context, k *kit) error {
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	a, err := s.send(ctx, &pluginv1.ExecuteRequest{Msg: &pluginv1.ExecuteRequest_Cancel{Cancel: &pluginv1.Cancel{}}})
	if err != nil {
		return err
	}
	v, err := a.wait(k.o.Timeout)
	switch {
	case err == nil && v.failure != nil, status.Code(rootOf(err)) == codes.InvalidArgument, errors.Is(err, errNoVerdict):
		return nil
	case err != nil:
		return fmt.Errorf("want a failure or the gRPC status InvalidArgument, got %w", err)
	}
	return fmt.Errorf("it answered %s", v)
}

func unknownActivity(ctx context.Context, k *kit) error {
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	v, _, err := k.execute(ctx, s, "conformance_no_such_activity", map[string]any{})
	refusals := []codes.Code{codes.Unimplemented, codes.NotFound, codes.InvalidArgument}
	switch {
	case err == nil && v.failure != nil:
	case slices.Contains(refusals, status.Code(rootOf(err))):
	case err != nil:
		return fmt.Errorf("want a failure, or the gRPC status Unimplemented, got %w", err)
	default:
		return fmt.Errorf("it answered %s", v)
	}
	_, err = s.describe(ctx)
	return err
}

// badInput runs the first activity for which spoil finds a bad input and wants
// a failure that names the field.
func badInput(ctx context.Context, k *kit, spoil func([]byte, map[string]any) (map[string]any, string), none string) error {
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	tried := 0
	for _, a := range k.runnable() {
		good, ok := k.samples[a.GetName()].object()
		if !ok {
			continue
		}
		bad, field := spoil(a.GetInputSchema(), good)
		if field == "" {
			continue
		}
		tried++
		v, _, err := k.execute(ctx, s, a.GetName(), bad)
		switch {
		case err != nil:
			return fmt.Errorf("%s with %s: want a failure, got %w", a.GetName(), text(bad), err)
		case v.failure == nil:
			return fmt.Errorf("%s with %s: want a failure, got %s", a.GetName(), text(bad), v)
		case !strings.Contains(v.failure.GetMessage(), field):
			return fmt.Errorf("%s with %s: the failure does not name %q: %s", a.GetName(), text(bad), field, v.failure.GetMessage())
		case !v.failure.GetNonRetryable():
			return fmt.Errorf("%s with %s: the failure is retryable, but the same input cannot succeed later: set non_retryable", a.GetName(), text(bad))
		}
	}
	if tried == 0 {
		return skip("no activity that may be run %s", none)
	}
	return nil
}

func wrongInput(ctx context.Context, k *kit) error {
	return badInput(ctx, k, wrong, "gives a field of its input a type")
}

func missingInput(ctx context.Context, k *kit) error {
	return badInput(ctx, k, without, "requires a field of its input")
}

// sameWith runs an activity with its sample and with more in it: both must end
// alike.
func sameWith(ctx context.Context, k *kit, extra any) error {
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	for _, a := range k.runnable() {
		good, ok := k.samples[a.GetName()].object()
		if !ok {
			continue
		}
		more := map[string]any{strangeKey: extra}
		for key, v := range good {
			more[key] = v
		}
		want, _, err := k.execute(ctx, s, a.GetName(), good)
		if err != nil {
			return fmt.Errorf("%s with %s: %w", a.GetName(), text(good), err)
		}
		got, _, err := k.execute(ctx, s, a.GetName(), more)
		if err != nil {
			return fmt.Errorf("%s with %s: %w", a.GetName(), text(more), err)
		}
		if (want.failure == nil) != (got.failure == nil) || want.failure.GetType() != got.failure.GetType() {
			return fmt.Errorf("%s: without the unknown field it answers %s, with it %s: callers may be newer than the plugin", a.GetName(), want, got)
		}
		return nil
	}
	return skip("no activity that may be run takes an object")
}

func unknownInput(ctx context.Context, k *kit) error { return sameWith(ctx, k, "ignored") }

func largeInput(ctx context.Context, k *kit) error {
	return sameWith(ctx, k, strings.Repeat("x", 5<<20))
}

func parallel(ctx context.Context, k *kit) error {
	name, in, err := k.any()
	if err != nil {
		return err
	}
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			_, _, err := k.execute(ctx, s, name, in.args...)
			if err != nil {
				errs[i] = fmt.Errorf("attempt %d of %s: %w", i+1, name, err)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func cancelTwice(ctx context.Context, k *kit) error {
	name, in, err := k.any()
	if err != nil {
		return err
	}
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	a, err := s.begin(ctx, name, in.args)
	if err != nil {
		return err
	}
	for range 2 {
		if err := a.askToStop(k.o.Grace); err != nil {
			a.cut()
			return fmt.Errorf("cancel %s: %w", name, err)
		}
	}
	if _, err := a.wait(k.o.Grace); err != nil {
		return fmt.Errorf("%s, cancelled at once: %w", name, err)
	}
	return nil
}

func cutStream(ctx context.Context, k *kit) error {
	name, in, err := k.any()
	if err != nil {
		return err
	}
	s, err := k.session(ctx)
	if err != nil {
		return err
	}
	a, err := s.begin(ctx, name, in.args)
	if err != nil {
		return err
	}
	a.cut()
	<-a.ended
	if _, _, err := k.execute(ctx, s, name, in.args...); err != nil {
		return fmt.Errorf("%s, after another attempt was cut: %w", name, err)
	}
	return nil
}
