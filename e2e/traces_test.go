package e2e

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// jaegerTrace is a trace as Jaeger's API tells it.
type jaegerTrace struct {
	Spans []struct {
		SpanID, ProcessID, OperationName string
		References                       []struct{ SpanID string }
	}
	Processes map[string]struct{ ServiceName string }
}

// path is the way from a span to the first one of its trace: "service operation".
func (j jaegerTrace) path(spanID string) []string {
	for _, s := range j.Spans {
		if s.SpanID != spanID {
			continue
		}
		own := []string{j.Processes[s.ProcessID].ServiceName + " " + s.OperationName}
		if len(s.References) > 0 {
			return append(own, j.path(s.References[0].SpanID)...)
		}
		return own
	}
	return nil
}

func (s *stack) oneTrace(t *testing.T) {
	s.expect(0, "start", "--wait", "tracing")
	s.eventually("the trace leads from the Docker call to the workflow", func() error {
		var r struct{ Data []jaegerTrace }
		query := url.Values{"service": {"orch-host"}, "operation": {"RunWorkflow:TracingPipelineWorkflow"}, "limit": {"20"}}
		if err := ask(s.url("jaeger")+"/api/traces?"+query.Encode(), "", &r); err != nil {
			return err
		}
		var seen []string
		for _, trace := range r.Data {
			for _, span := range trace.Spans {
				path := strings.Join(trace.path(span.SpanID), " < ")
				seen = append(seen, path)
				if strings.HasPrefix(path, "orch-plugin-observability ") && strings.Contains(path, "/containers/") &&
					strings.Contains(path, " < orch-plugin-observability start_jaeger_container < orch-host RunActivity:start_jaeger_container") &&
					strings.Contains(path, "orch-host RunWorkflow:TracingPipelineWorkflow") {
					return nil
				}
			}
		}
		return errors.Join(errors.New("no such path"), fmt.Errorf("%d traces:\n%s", len(r.Data), strings.Join(seen[:min(len(seen), 40)], "\n")))
	})
}
