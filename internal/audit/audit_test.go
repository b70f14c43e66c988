package audit_test

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// chain links records as the store does.
func chain(records []audit.Record) []audit.Record {
	var prev []byte
	for i := range records {
		records[i].Link(int64(i+1), prev)
		prev = records[i].Hash
	}
	return records
}

func stream(records []audit.Record) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

var because = reason.Of(reason.Rule{Rule: "x"})

// story is a chain of intents and outcomes with a few other records.
func story() []audit.Record {
	var records []audit.Record
	at := start
	add := func(r audit.Record) {
		at = at.Add(time.Second)
		r.At, r.Actor = at, "behov"
		records = append(records, r)
	}
	for i, op := range []string{"create-account", "add-member", "add-member", "remove-member", "disable-account"} {
		step := fmt.Sprint("s", i)
		r := audit.Record{Person: "p1", Target: "t", Op: op, Attempt: audit.AttemptID(step), Plan: "plan", Reason: because}
		if strings.HasSuffix(op, "member") {
			r.Entitlement = fmt.Sprint("app:", i%2)
		}
		r.Action = audit.StepIntended
		add(r)
		r.Action, r.Outcome, r.Began = audit.StepEnded, audit.Applied, at
		add(r)
	}
	add(audit.Record{Action: audit.AccessFound, Person: "p1", Target: "t", Entitlement: "app:9"})
	return chain(records)
}

func TestVerifyAcceptsAnIntactChain(t *testing.T) {
	s, err := audit.Verify(stream(story()))
	if err != nil {
		t.Fatal(err)
	}
	if s.Records != 11 || len(s.OpenSteps) != 0 {
		t.Errorf("summary is %+v", s)
	}
}

// TestVerifyNoticesEveryTampering changes, removes, inserts and moves records,
// with and without mending what can be mended without being noticed.
func TestVerifyNoticesEveryTampering(t *testing.T) {
	fields := map[string]func(*audit.Record){
		"time": func(r *audit.Record) { r.At = r.At.Add(time.Microsecond) }, "began": func(r *audit.Record) { r.Began = r.At.Add(time.Hour) },
		"actor": func(r *audit.Record) { r.Actor += "x" }, "action": func(r *audit.Record) { r.Action = "other" },
		"person": func(r *audit.Record) { r.Person += "x" }, "target": func(r *audit.Record) { r.Target += "x" },
		"entitlement": func(r *audit.Record) { r.Entitlement += "x" }, "op": func(r *audit.Record) { r.Op += "x" },
		"reason": func(r *audit.Record) { r.Reason = reason.Of(reason.Ready{}) }, "plan": func(r *audit.Record) { r.Plan += "x" },
		"attempt": func(r *audit.Record) { r.Attempt += "x" }, "outcome": func(r *audit.Record) { r.Outcome += "x" },
		"payload": func(r *audit.Record) { r.Payload = append(r.Payload, 'x') },
		// What one field loses and the next gains must not cancel out.
		"boundary": func(r *audit.Record) {
			r.Actor, r.Person = r.Actor[:len(r.Actor)-1], identity.PersonID(r.Actor[len(r.Actor)-1:])+r.Person
		},
		"hash":     func(r *audit.Record) { r.Hash = bytes.Repeat([]byte{1}, 32) },
		"relinked": func(r *audit.Record) { r.Reason = reason.Of(reason.Ready{}); r.Link(r.Index, r.Prev) },
	}
	for name, damage := range fields {
		for i := range story() {
			records := story()
			damage(&records[i])
			if name == "relinked" && i == len(records)-1 {
				continue // the head: only a head noted elsewhere shows it
			}
			if _, err := audit.Verify(stream(records)); err == nil {
				t.Errorf("record %d with another %s verifies", i+1, name)
			}
		}
	}
	for i := range len(story()) - 1 {
		records := story()
		if _, err := audit.Verify(stream(append(records[:i:i], records[i+1:]...))); err == nil {
			t.Errorf("the chain without record %d verifies", i+1)
		}
		records = story()
		records[i], records[i+1] = records[i+1], records[i]
		if _, err := audit.Verify(stream(records)); err == nil {
			t.Errorf("the chain with records %d and %d exchanged verifies", i+1, i+2)
		}
		records = story()
		if _, err := audit.Verify(stream(append(records[:i+1:i+1], records[i:]...))); err == nil {
			t.Errorf("the chain with record %d doubled verifies", i+1)
		}
	}
}

func TestVerifyWantsOneOutcomeForEachIntent(t *testing.T) {
	intent := audit.Record{Action: audit.StepIntended, Attempt: "s", At: start}
	end := audit.Record{Action: audit.StepEnded, Attempt: "s", Outcome: audit.Applied, At: start}
	for name, records := range map[string][]audit.Record{
		"ended twice": {intent, end, end}, "never intended": {end}, "intended twice": {intent, intent}, "intended again after its end": {intent, end, intent},
	} {
		if _, err := audit.Verify(stream(chain(records))); err == nil {
			t.Errorf("a step %s verifies", name)
		}
	}
	s, err := audit.Verify(stream(chain([]audit.Record{intent})))
	if err != nil || len(s.OpenSteps) != 1 {
		t.Errorf("an open step gives %+v, %v", s, err)
	}
}

func TestIntervalsAreGenerous(t *testing.T) {
	began, ended := start, start.Add(5*time.Second)
	records := chain([]audit.Record{
		{Action: audit.StepIntended, Attempt: "a", At: began},
		{Action: audit.StepEnded, Attempt: "a", At: ended, Began: began, Person: "p", Target: "t", Entitlement: "app:x", Op: "add-member", Outcome: audit.Applied},
		{Action: audit.StepEnded, Attempt: "b", At: ended.Add(time.Hour), Began: ended, Person: "p", Target: "t", Entitlement: "app:x", Op: "remove-member", Outcome: audit.Refused},
		{Action: audit.StepEnded, Attempt: "c", At: ended.Add(2 * time.Hour), Began: ended, Person: "p", Target: "t", Entitlement: "app:x", Op: "remove-member", Outcome: audit.AlreadyApplied},
	})
	var p audit.Projection
	for _, r := range records {
		p.Add(r)
	}
	got := p.Intervals()
	if len(got) != 1 || !got[0].Since.Equal(began) || !got[0].Until.Equal(ended.Add(2*time.Hour)) {
		t.Fatalf("got %+v, want one from the intent of the gift to the outcome of the removal, past the refused one", got)
	}
	if i := got[0]; !i.At(began) || i.At(i.Until) || i.At(began.Add(-time.Microsecond)) {
		t.Error("an interval includes its first instant and not its last")
	}
}

// TestProjectionInvariants: whatever the records, no one has the same twice at
// once, and nothing ends before it begins.
func TestProjectionInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p audit.Projection
		at := start
		for i := range rapid.IntRange(0, 60).Draw(t, "records") {
			at = at.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "pause")) * time.Second)
			r := audit.Record{At: at, Person: rapid.SampledFrom([]identity.PersonID{"p", "q"}).Draw(t, "person"), Target: "t", Entitlement: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "entitlement"),
				Action:  rapid.SampledFrom([]audit.Action{audit.StepEnded, audit.StepEnded, audit.AccessFound, audit.AccessGone, audit.StepIntended}).Draw(t, "action"),
				Op:      rapid.SampledFrom([]string{"add-member", "remove-member", "create-account", "disable-account", "delete-account"}).Draw(t, "op"),
				Outcome: rapid.SampledFrom([]audit.Outcome{audit.Applied, audit.Refused, audit.AlreadyApplied, audit.NotDone}).Draw(t, "outcome")}
			r.Link(int64(i+1), nil)
			p.Add(r)
		}
		all := p.Intervals()
		for i, x := range all {
			if !x.Until.IsZero() && x.Until.Before(x.Since) {
				t.Fatalf("%+v ends before it begins", x)
			}
			if i > 0 && all[i-1].Key == x.Key && (all[i-1].Until.IsZero() || all[i-1].UntilRecord > x.SinceRecord) {
				t.Fatalf("%+v and %+v overlap", all[i-1], x)
			}
		}
		if err := audit.CompareIntervals(all, all); err != nil {
			t.Fatal(err)
		}
		if len(all) > 0 && audit.CompareIntervals(all[1:], all) == nil {
			t.Fatal("a missing interval is not noticed")
		}
	})
}
