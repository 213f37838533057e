package pipeline

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/orch-host/orch/hostcore/progress"
)

// Registrar is the part of worker.Registry that Register needs. Replayers and test environments have it too.
type Registrar interface {
	RegisterDynamicWorkflow(w any, options workflow.DynamicRegisterOptions)
}

// Options are the settings of Register.
type Options struct {
	// IsFailure reports whether the text a pipeline completed with tells of a failure, so that its progress says so.
	// Default: texts that begin with "Error:".
	IsFailure func(result string) bool
	// VersioningBehavior is for workers with Worker Versioning. Runs carry their definition with them, so AutoUpgrade
	// is the one to choose. Default: unspecified, for workers without versioning.
	VersioningBehavior workflow.VersioningBehavior
}

// Register makes w run every workflow type pipeline/<name> with the definitions of reg. It takes the worker's one
// dynamic workflow; workflow types registered by name win over it.
func Register(w Registrar, reg *Registry, o Options) {
	if o.IsFailure == nil {
		o.IsFailure = func(result string) bool { return strings.HasPrefix(result, "Error:") }
	}
	i := &dynamic{registry: reg, options: o}
	w.RegisterDynamicWorkflow(i.run, workflow.DynamicRegisterOptions{
		LoadDynamicRuntimeOptions: func(workflow.LoadDynamicRuntimeOptionsDetails) (workflow.DynamicRuntimeOptions, error) {
			return workflow.DynamicRuntimeOptions{VersioningBehavior: o.VersioningBehavior}, nil
		},
	})
}

// dynamic is the one workflow behind all pipelines.
type dynamic struct {
	registry *Registry
	options  Options
}

func (i *dynamic) run(ctx workflow.Context, args converter.EncodedValues) (any, error) {
	info := workflow.GetInfo(ctx)
	recorder := progress.Record(ctx, info.WorkflowType.Name, nil)
	pin := i.pin(ctx, info.WorkflowType.Name)
	if pin.Refused != "" {
		recorder.Close(progress.End{State: progress.Failed, Error: pin.Message})
		return nil, refuse(pin.Refused, nil, "%s", pin.Message)
	}
	p, err := i.registry.plan(pin)
	if err != nil {
		// The definition was valid when it was pinned: this host cannot read it, another one can.
		panic(fmt.Sprintf("%v; this host is older than the one that started the run, or broken", err))
	}
	recorder.Foresee(foreseen(p.def))
	r := &run{def: p.def, progress: recorder, info: infoValues(info)}
	result, err := r.start(ctx, args)
	switch {
	case err == nil:
		end := progress.End{State: progress.OK, Result: text(result)}
		if i.options.IsFailure(end.Result) {
			end.State = progress.Failed
		}
		if result == nil {
			end.Result = ""
		}
		recorder.Close(end)
	case ctx.Err() != nil:
		recorder.Close(progress.End{State: progress.Canceled, Error: r.left})
	default:
		recorder.Close(progress.End{State: progress.Failed, Error: message(err)})
	}
	return result, err
}

// pin records the definition in the history, once. Replays get what was recorded, whatever the files say by then.
func (i *dynamic) pin(ctx workflow.Context, workflowType string) pinned {
	var p pinned
	recorded := workflow.SideEffectWithOptions(ctx, workflow.SideEffectOptions{Summary: "pipeline definition"},
		func(workflow.Context) any { return i.registry.pin(workflowType) })
	if err := recorded.Get(&p); err != nil {
		panic(fmt.Sprintf("read the pinned definition of %s: %v; does this host have the codec that wrote it?", workflowType, err))
	}
	if p.SchemaVersion > SchemaVersion || p.InterpreterVersion > InterpreterVersion {
		// A panic blocks the workflow task until a host that is new enough takes it.
		panic(fmt.Sprintf("the run of %s needs pipeline schema %d and interpreter %d, this host has %d and %d: upgrade it",
			workflowType, p.SchemaVersion, p.InterpreterVersion, SchemaVersion, InterpreterVersion))
	}
	return p
}

// foreseen are the names of the steps that a run draws as pending from its beginning.
func foreseen(d *definition) []string {
	var names []string
	var visit func(list []*step)
	visit = func(list []*step) {
		for _, s := range list {
			if s.recorded() {
				names = append(names, s.id)
			}
			if s.kind != kindForeach {
				visit(s.steps)
			}
		}
	}
	visit(d.steps)
	return names
}

// recorded reports whether progress shows the step.
func (s *step) recorded() bool { return s.kind == kindActivity || s.named }

func infoValues(info *workflow.Info) map[string]any {
	return map[string]any{
		"id":         info.WorkflowExecution.ID,
		"run_id":     info.WorkflowExecution.RunID,
		"type":       info.WorkflowType.Name,
		"task_queue": info.TaskQueueName,
		"namespace":  info.Namespace,
		"attempt":    int64(info.Attempt),
		"started":    info.WorkflowStartTime.UTC().Format(time.RFC3339Nano),
	}
}

// arguments decodes what the run was started with.
func arguments(args converter.EncodedValues) ([]any, error) {
	count := len(converter.GetPayloads(args).GetPayloads())
	if count == 0 {
		return nil, nil
	}
	raw := make([]json.RawMessage, count)
	targets := make([]any, count)
	for i := range raw {
		targets[i] = &raw[i]
	}
	if err := args.Get(targets...); err != nil {
		return nil, fmt.Errorf("the arguments are not JSON: %w", err)
	}
	out := make([]any, count)
	for i, r := range raw {
		v, err := decodeJSON(r)
		if err != nil {
			return nil, fmt.Errorf("argument %d is not JSON: %w", i+1, err)
		}
		out[i] = v
	}
	return out, nil
}
