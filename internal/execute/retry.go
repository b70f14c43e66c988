package execute

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/plan"
)

// applyWithRetry asks the target, and asks again for what it would rather do later.
func (r *targetRun) applyWithRetry(ctx context.Context, attempts []attempt) []connectors.Result {
	ctx, span := tracer.Start(ctx, "target.apply", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("behov.target", r.target.Name),
		attribute.String("behov.op", string(attempts[0].step.Op)), attribute.Int("behov.steps", len(attempts))))
	defer span.End()
	if len(attempts) == 1 {
		span.SetAttributes(attribute.String("behov.person", string(attempts[0].step.Person)))
	}
	results := make([]connectors.Result, len(attempts))
	todo := make([]int, len(attempts))
	for i := range todo {
		todo[i] = i
	}
	connector := r.Targets[r.target.Name]
	unanswered := make([]bool, len(attempts))
	for try := 0; len(todo) > 0; try++ {
		var again []int
		pause := time.Duration(0)
		for i, res := range r.applyRecovered(ctx, connector, attempts, todo) {
			if unanswered[todo[i]] && res.Status == connectors.AlreadyApplied {
				res.Status = connectors.Applied // by the try of which the answer was lost
			}
			results[todo[i]] = res
			var e *connectors.Error
			if errors.As(res.Err, &e) && e.Class == connectors.RetryLater {
				again = append(again, todo[i])
				unanswered[todo[i]] = unanswered[todo[i]] || e.RetryAfter == 0
				pause = max(pause, e.RetryAfter, time.Second<<try)
			}
		}
		todo = again
		if len(todo) == 0 || try == retries || pause > maxPause {
			break
		}
		select {
		case <-ctx.Done():
			return results
		case <-time.After(pause):
		}
	}
	return results
}

func (r *targetRun) applyRecovered(ctx context.Context, connector connectors.Connector, attempts []attempt, which []int) (results []connectors.Result) {
	if err := Recover(InConnector, func() error { results = r.applyOnce(ctx, connector, attempts, which); return nil }); err != nil {
		// The changes before the panic may have been made: a snapshot shows it.
		err := connectors.Errorf(connectors.Permanent, "target %s: %w", r.target.Name, err)
		results = slices.Repeat([]connectors.Result{{Err: err}}, len(which))
	}
	return results
}

func (r *targetRun) applyOnce(ctx context.Context, connector connectors.Connector, attempts []attempt, which []int) []connectors.Result {
	if attempts[which[0]].step.Op == plan.RevokeSessions {
		revoker, ok := connector.(connectors.SessionRevoker)
		results := make([]connectors.Result, len(which))
		for i, n := range which {
			if !ok {
				results[i].Err = connectors.Errorf(connectors.Permanent, "target %s cannot end sessions", r.target.Name)
				continue
			}
			results[i].Outcome, results[i].Err = revoker.RevokeSessions(ctx, attempts[n].change.Account)
		}
		return results
	}
	changes := make([]connectors.Change, len(which))
	for i, n := range which {
		changes[i] = attempts[n].change
	}
	results := connector.Apply(ctx, changes)
	for i := range results {
		// An account that can sign in is not disabled, whatever it is marked as.
		if r.target.SignInPossible != "" && i < len(changes) && changes[i].Op == connectors.DisableAccount && results[i].Err == nil && results[i].Status != connectors.Refused {
			attempts[which[i]].marked = true
			results[i].Outcome = connectors.Outcome{Status: connectors.Refused, Detail: r.target.SignInPossible}
		}
	}
	if len(results) != len(changes) {
		err := connectors.Errorf(connectors.Permanent, "target %s answered %d changes with %d results: its connector is defective", r.target.Name, len(changes), len(results))
		results = make([]connectors.Result, len(changes))
		for i := range results {
			results[i].Err = err
		}
	}
	return results
}
