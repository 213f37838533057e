package pipeline

import (
	"encoding/json"
	"errors"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// maxInput is the largest input of an activity, in bytes: a little below the server's limit, so that the pipeline fails
// with a clear message instead of being stopped by the server.
const maxInput = 1900 << 10

// activity runs an activity step.
func (r *run) activity(ctx workflow.Context, s *step, sc *scope) error {
	args, err := r.inputs(ctx, s, sc)
	if err != nil {
		return err
	}
	queue, err := r.eval(ctx, s.options.queue, sc)
	if err != nil {
		return err
	}
	name, isText := queue.(string)
	if queue != nil && !isText {
		return refuse(ErrExpression, nil, "%s.queue must be text, it is %s", s.path, kindOf(queue))
	}
	future := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           name,
		StartToCloseTimeout: s.options.timeout,
		HeartbeatTimeout:    s.options.heartbeat,
		WaitForCancellation: true,
		RetryPolicy:         s.options.retry.toPolicy(),
		Summary:             s.id,
	}), s.activity, args...)
	if s.save == "" { // the result need not be readable here
		err = future.Get(ctx, nil)
	} else {
		sc.vars[s.save], err = result(ctx, future, s)
	}
	// An activity may answer a cancellation with an error of its own; the run is canceled all the same.
	if err != nil && ctx.Err() != nil && !temporal.IsCanceledError(err) {
		workflow.GetLogger(ctx).Warn("activity failed while it was being canceled", "Activity", s.activity, "Error", message(err))
		return ctx.Err()
	}
	return err
}

func (r *run) inputs(ctx workflow.Context, s *step, sc *scope) ([]any, error) {
	templates := s.args
	if s.input != nil {
		templates = []*template{s.input}
	}
	args := make([]any, len(templates))
	total := uint64(0)
	for i, t := range templates {
		v, err := r.eval(ctx, t, sc)
		if err != nil {
			return nil, err
		}
		args[i] = v
		total += size(v)
	}
	if total > maxInput {
		return nil, refuse(ErrTooLarge, nil,
			"the input of %s is about %d KiB, the most is %d KiB: let activities hand over large data by file or URL", s.activity, total>>10, maxInput>>10)
	}
	return args, nil
}

func result(ctx workflow.Context, future workflow.Future, s *step) (any, error) {
	var raw json.RawMessage
	if err := future.Get(ctx, &raw); err != nil {
		var (
			activity *temporal.ActivityError
			canceled *temporal.CanceledError
		)
		if errors.As(err, &activity) || errors.As(err, &canceled) {
			return nil, err
		}
		return nil, refuse(ErrUnreadableResult, nil, "the result of %s cannot be saved: %v", s.activity, err)
	}
	v, err := decodeJSON(raw)
	if err != nil {
		return nil, refuse(ErrUnreadableResult, nil, "the result of %s cannot be saved: %v", s.activity, err)
	}
	return v, nil
}
