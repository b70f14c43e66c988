package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
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

// TestMFAPatienceEnds: the accounts of a person who does not enrol in time are disabled, with
// limits as for any change; a pass opens them again for as long, and enrolment for good. The days
// before the person began do not count.
func TestMFAPatienceEnds(t *testing.T) {
	h := newFixtureWith(t, strings.Replace(configuration, "mfa: {target: one}", "mfa: {target: one, suspend_after: 5}\nlifecycle: {prepare_days: 20}", 1))
	now := time.Date(2026, 6, 1, 10, 0, 0, 0, time.UTC)
	h.e.Now = func() time.Time { return now }
	h.export("person_id,employment_id,given_name,family_name,unit,job_code,start_date,end_date\n1,E1,A,A,school,S,2020-01-01,\n2,E2,B,B,school,T,2020-01-01,\n3,E3,C,C,school,S,2026-06-11,\n")
	h.settledRun()
	account := func(key string) identity.PersonID {
		t.Helper()
		p, err := h.e.DB.FindPerson(t.Context(), key, "hr")
		if err != nil {
			t.Fatal(err)
		}
		return p.ID
	}
	disabled := func(key string) bool {
		t.Helper()
		id, err := h.e.DB.AccountOf(t.Context(), "one", account(key))
		if err != nil {
			t.Fatal(err)
		}
		o := plan.NewObserved()
		if _, err := h.one.Connector.Snapshot(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		for a := range o.All() {
			if a.ID == id {
				return !a.Enabled
			}
		}
		t.Fatalf("%s has no account", key)
		return false
	}
	on := func(day int, want map[string]bool) {
		t.Helper()
		now = time.Date(2026, 6, day, 10, 0, 0, 0, time.UTC)
		h.settledRun()
		for key, want := range want {
			if got := disabled(key); got != want {
				t.Errorf("on day %d: the account of %s is disabled: %v", day, key, got)
			}
		}
	}
	on(6, map[string]bool{"1": false, "2": false})
	on(7, map[string]bool{"1": true, "2": false}) // 2 needs none
	if err := h.e.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Decide(t.Context(), store.Decision{Kind: store.PassDecision, Verdict: store.Issue, Person: account("1"), Subject: store.TargetSubject("one"), Maker: "desk", Reason: "lost"}, now)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	on(8, map[string]bool{"1": false})
	on(12, map[string]bool{"1": false, "3": false})
	on(13, map[string]bool{"1": true, "3": false})
	on(16, map[string]bool{"3": false}) // begun on the 11th, prepared from the 1st on
	on(17, map[string]bool{"3": true})
	id, err := h.e.DB.AccountOf(t.Context(), "one", account("1"))
	if err == nil {
		err = h.one.Enrol(id, connectors.AppMethod)
	}
	if err != nil {
		t.Fatal(err)
	}
	on(18, map[string]bool{"1": false, "3": true})
}
