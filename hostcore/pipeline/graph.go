package pipeline

import (
	"fmt"
	"strings"
)

// Graph draws a pipeline as a Mermaid flowchart.
func Graph(p *Pipeline) string {
	g := &graph{}
	g.line("flowchart TD")
	g.line("  start([%s])", label(p.Name()))
	tail := g.list(p.def.steps, "start", "  ")
	g.line("  %s --> done([done])", tail)
	if len(p.def.onFailure) > 0 {
		g.line("  failed([on failure])")
		g.list(p.def.onFailure, "failed", "  ")
	}
	return g.b.String()
}

type graph struct {
	b     strings.Builder
	nodes int
}

func (g *graph) line(format string, args ...any) { fmt.Fprintf(&g.b, format+"\n", args...) }

func (g *graph) id() string {
	g.nodes++
	return fmt.Sprintf("s%d", g.nodes)
}

// list draws steps one after the other and gives the last node.
func (g *graph) list(list []*step, from, indent string) string {
	for _, s := range list {
		from = g.step(s, from, indent)
	}
	return from
}

// step draws one step after from and gives the node that follows on.
func (g *graph) step(s *step, from, indent string) string {
	edge := "-->"
	if s.when != nil {
		edge = fmt.Sprintf("-- \"%s\" -->", label(condition(s.when)))
	}
	at := g.id()
	switch s.kind {
	case kindReturn, kindFail:
		g.line("%s%s %s %s([\"%s\"])", indent, from, edge, at, label(s.summary()))
		if s.when == nil {
			return at
		}
		return from
	case kindParallel, kindForeach, kindSteps:
		return g.group(s, from, edge, at, indent)
	}
	g.line("%s%s %s %s[\"%s\"]", indent, from, edge, at, label(s.summary()))
	g.asides(s, at, indent)
	return at
}

func (g *graph) group(s *step, from, edge, at, indent string) string {
	g.line("%ssubgraph %s [\"%s\"]", indent, at, label(s.summary()))
	begin, end := g.id(), g.id()
	g.line("%s  %s(( ))", indent, begin)
	g.line("%s  %s(( ))", indent, end)
	if s.kind == kindParallel {
		for _, branch := range s.steps {
			g.line("%s  %s --> %s", indent, g.step(branch, begin, indent+"  "), end)
		}
	} else {
		g.line("%s  %s --> %s", indent, g.list(s.steps, begin, indent+"  "), end)
	}
	g.line("%send", indent)
	g.line("%s%s %s %s", indent, from, edge, begin)
	g.asides(s, at, indent)
	return end
}

// asides draws what happens on failure, dotted.
func (g *graph) asides(s *step, at, indent string) {
	for _, aside := range []struct {
		name  string
		steps []*step
	}{{"catch", s.catch}, {"compensate", s.compensate}} {
		from, edge := at, fmt.Sprintf("-. %s .->", aside.name)
		for _, inner := range aside.steps {
			to := g.id()
			g.line("%s%s %s %s[\"%s\"]", indent, from, edge, to, label(inner.summary()))
			from, edge = to, "-.->"
		}
	}
}

// condition is the source of a when.
func condition(t *template) string {
	if t.expr != nil {
		return t.expr.src
	}
	return text(t.raw)
}

// summary says in a few words what a step does.
func (s *step) summary() string {
	own := func(what string) string {
		if s.named {
			return s.id + ": " + what
		}
		return what
	}
	switch s.kind {
	case kindActivity:
		return own(s.activity)
	case kindSet:
		return own("set " + strings.Join(sortedKeys(s.set), ", "))
	case kindSleep:
		return own("sleep " + text(s.sleep.raw))
	case kindReturn:
		return own("return " + text(s.value.raw))
	case kindFail:
		return own("fail: " + text(s.failure.message.raw))
	case kindLog:
		return own("log " + text(s.value.raw))
	case kindForeach:
		return own(fmt.Sprintf("foreach %s, %d at a time", condition(s.foreach), s.maxParallel))
	}
	return own(string(s.kind))
}

// label makes text safe inside a quoted Mermaid label and short enough to read.
func label(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 60 {
		s = string(r[:59]) + "…"
	}
	return strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;", "[", "#91;", "]", "#93;", "{", "#123;", "}", "#125;", "|", "#124;").Replace(s)
}
