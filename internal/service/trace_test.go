package service_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// TestTrace: one trace leads from an HR event to what was asked of the targets.
func TestTrace(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(spans)))
	fixture := newFixture(t, "")
	stop := fixture.serve(nil)
	fixture.until("the first looks at everybody are over", 20*time.Second, func() bool { return strings.Count(fixture.log.String(), "because=start") == 2 })
	fixture.until("their spans are", 20*time.Second, func() bool {
		n := 0
		for _, s := range spans.GetSpans() {
			if s.Name == "job run" {
				n++
			}
		}
		return n >= 3 // one for each target, and one that made these
	})
	spans.Reset()
	fixture.hr("1 school")
	fixture.until("the person is there", 20*time.Second, func() bool {
		return fixture.has("1", "one") == "account staff school" && fixture.has("1", "two") == "account library"
	})
	stop()
	all := map[string]tracetest.SpanStub{}
	for _, s := range spans.GetSpans() {
		all[s.SpanContext.SpanID().String()] = s
	}
	targets := map[string]bool{}
	for _, s := range all {
		if s.Name != "target.apply" {
			continue
		}
		var path []string
		for at := s; ; {
			path = append(path, at.Name)
			parent, ok := all[at.Parent.SpanID().String()]
			if !ok {
				break
			}
			if parent.SpanContext.TraceID() != s.SpanContext.TraceID() {
				t.Errorf("another trace: %s", parent.Name)
			}
			at = parent
		}
		if !slices.Equal(path, []string{"target.apply", "target.people", "job people", "hr.import"}) {
			t.Errorf("the path is %v", path)
		}
		for _, a := range s.Attributes {
			if a.Key == "behov.target" {
				targets[a.Value.AsString()] = true
			}
		}
	}
	if len(targets) != 2 {
		t.Errorf("traces of %v", targets)
	}
}
