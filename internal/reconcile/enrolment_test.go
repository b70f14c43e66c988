package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// TestEnrolmentIsHistory: when a person was enrolled, and with which method, stands in the
// trail and in the history; what is unknown ends nothing. The access follows at the next
// read, by a run for everyone and by one for the person.
func TestEnrolmentIsHistory(t *testing.T) {
	h := newFixture(t)
	now := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	h.e.Now = func() time.Time { return now }
	h.hire("1 school S", "2 school T")
	h.settledRun()
	p, err := h.e.DB.FindPerson(t.Context(), "1", "hr")
	if err != nil {
		t.Fatal(err)
	}
	const without = "one/account one/base:school one/base:staff two/account two/lib:library"
	const with = "one/account one/base:school one/base:secret one/base:staff two/account two/lib:library"
	enrol := func(m connectors.MFAMethod) {
		t.Helper()
		account, err := h.e.DB.AccountOf(t.Context(), "one", p.ID)
		if err == nil {
			err = h.one.Enrol(account, m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	alone := func() {
		t.Helper()
		done, err := h.e.ReconcilePeople(t.Context(), []identity.PersonID{p.ID}, nil)
		for _, d := range done {
			if d.Err != nil || d.Result.Err() != nil {
				t.Fatal(d.Err, d.Result)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct {
		method  connectors.MFAMethod
		unknown bool
		run     func()
		has     string
		history string
	}{
		{"", false, func() { h.settledRun() }, without, ""},
		{connectors.AppMethod, false, alone, with, "strong"},
		{connectors.AppMethod, false, func() { h.settledRun() }, with, "strong"},
		{connectors.PhishingResistantMethod, false, func() { h.settledRun() }, with, "strong until, phishing-resistant"},
		{"", true, func() { h.run() }, with, "strong until, phishing-resistant"}, // nobody knows
		{"", false, alone, without, "strong until, phishing-resistant until"},
		{connectors.UnknownMethod, false, func() { h.settledRun() }, with, "strong until, phishing-resistant until, any"},
	} {
		now = now.Add(time.Hour)
		enrol(step.method)
		h.one.mfaBroken = step.unknown
		step.run()
		if got := h.has("1"); got != step.has {
			t.Errorf("step %d: has %s, want %s", i, got, step.has)
		}
		var texts []string
		history, err := h.e.DB.EnrolmentHistory(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range history {
			text := s.Method
			if s.UntilUS != nil {
				text += " until"
			}
			texts = append(texts, text)
		}
		if got := strings.Join(texts, ", "); got != step.history {
			t.Errorf("step %d: the history is %q, want %q", i, got, step.history)
		}
	}
	var recorded []string
	for _, r := range records(t, h) {
		if r.Action == audit.MFAEnrolled || r.Action == audit.MFAEnded {
			recorded = append(recorded, string(r.Action))
		}
	}
	if got := strings.Join(recorded, " "); got != "mfa.enrolled mfa.enrolled mfa.ended mfa.enrolled" {
		t.Errorf("recorded: %s", got)
	}
	open, err := h.e.DB.Enrolments(t.Context(), store.Everyone())
	if err != nil || len(open) != 1 || open[p.ID] != string(policy.AnyMethod) {
		t.Errorf("%v, %v", open, err)
	}
}
