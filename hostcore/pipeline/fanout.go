package pipeline

import (
	"fmt"
	"maps"

	"go.temporal.io/sdk/workflow"
)

// maxItems is the most items of a foreach: a history of some 51,000 events is all the server keeps for one run.
const maxItems = 5000

// parallel runs the branches at the same time. They share the variables.
func (r *run) parallel(ctx workflow.Context, s *step, sc *scope, prefix string) error {
	return fanOut(ctx, len(s.steps), len(s.steps), func(ctx workflow.Context, i int) error {
		return r.steps(ctx, s.steps[i:i+1], sc, prefix)
	})
}

// foreach runs the body for every item. Each item has the variables to itself.
func (r *run) foreach(ctx workflow.Context, s *step, sc *scope, prefix string) error {
	v, err := r.eval(ctx, s.foreach, sc)
	if err != nil {
		return err
	}
	items, ok := v.([]any)
	if !ok && v != nil {
		return refuse(ErrExpression, nil, "%s.foreach must be a list, it is %s; entries(m) makes a list of a mapping", s.path, kindOf(v))
	}
	if len(items) > maxItems {
		return refuse(ErrTooLarge, nil, "%s.foreach has %d items, the most is %d", s.path, len(items), maxItems)
	}
	name := s.as
	if name == "" {
		name = "item"
	}
	collected := make([]any, len(items))
	err = fanOut(ctx, len(items), s.maxParallel, func(ctx workflow.Context, i int) error {
		own := (&scope{vars: maps.Clone(sc.vars), locals: sc.locals}).with(name, items[i]).with("index", int64(i))
		err := r.steps(ctx, s.steps, own, fmt.Sprintf("%s%s[%d].", prefix, s.id, i))
		if err == nil {
			collected[i], err = r.eval(ctx, s.collect, own)
		}
		return err
	})
	if err == nil && s.save != "" {
		sc.vars[s.save] = collected
	}
	return err
}

// fanOut runs fn for 0..n-1, at most limit at a time and in this order. After the first failure nothing more is begun,
// what runs is canceled and waited for, and that failure is the result.
func fanOut(ctx workflow.Context, n, limit int, fn func(workflow.Context, int) error) error {
	inner, cancel := workflow.WithCancel(ctx)
	defer cancel()
	var first error
	next := 0
	work := func(ctx workflow.Context) {
		for next < n && first == nil {
			i := next
			next++
			if err := fn(ctx, i); err != nil && first == nil {
				first = err
				cancel()
			}
		}
	}
	if limit = min(n, limit); limit <= 1 {
		work(inner)
		return first
	}
	group := workflow.NewWaitGroup(ctx)
	for range limit {
		group.Add(1)
		workflow.Go(inner, func(ctx workflow.Context) {
			defer group.Done()
			work(ctx)
		})
	}
	group.Wait(ctx)
	return first
}
