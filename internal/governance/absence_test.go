package governance_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	testoffice "github.com/behov/behov/internal/testenv/office"
)

// away says that a person is away.
func away(t *testing.T, o *testoffice.Office, who, deputy, since, until string) error {
	t.Helper()
	_, err := o.Governance().SetAbsence(t.Context(), o.Person(who), governance.Absence{Deputy: deputy, Since: identity.Date(since), Until: identity.Date(until)}, o.By(who), "leave")
	return err
}

// noon has an office's clock show noon of a day.
func noon(t *testing.T, o *testoffice.Office, day string) {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		t.Fatal(err)
	}
	o.Time = at.Add(12 * time.Hour)
}

// question starts a review of lib about everyone, and returns the question about a person.
func question(t *testing.T, o *testoffice.Office, about string) store.ReviewItem {
	t.Helper()
	asked, err := o.Governance().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib", All: true}, o.By("administrator"))
	if err != nil {
		t.Fatal(err)
	}
	id := o.Person(about).ID
	at := slices.IndexFunc(asked.Items, func(i store.ReviewItem) bool { return i.Person == id })
	if at < 0 {
		t.Fatalf("nothing is asked about %s", about)
	}
	return asked.Items[at]
}

// TestDeputiesDecideWhileAPersonIsAway: on the days of an absence the deputy has what follows
// from data, and on no others; never about the person who is away, and never a role.
func TestDeputiesDecideWhileAPersonIsAway(t *testing.T) {
	o := testoffice.New(t, nil)
	o.Apply()
	g := o.Governance()
	item := question(t, o, "staff")
	for _, a := range [][4]string{{"owner", "reviewer", "2026-12-02", "2026-12-03"}, {"manager", "stranger", "", "2026-12-03"}, {"administrator", "stranger", "", "2026-12-03"}} {
		if err := away(t, o, a[0], a[1], a[2], a[3]); err != nil {
			t.Fatal(err)
		}
	}
	sees := func(who, whom string) bool {
		t.Helper()
		v, err := o.Answers().For(t.Context(), access.Viewer{Subject: o.By(who)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Find(string(o.Person(whom).ID))
		return err == nil
	}
	for _, c := range []struct {
		day            string
		owner, manager bool // is away
	}{{"2026-12-01", false, true}, {"2026-12-02", true, true}, {"2026-12-03", true, true}, {"2026-12-04", false, false}} {
		noon(t, o, c.day)
		_, err := g.HandOn(t.Context(), item.Ref(), "gone", o.By("reviewer"), "a person who left cannot be asked")
		if rights.IsRefused(err) == c.owner {
			t.Errorf("%s: the owner's deputy: %v", c.day, err)
		}
		if sees("stranger", "staff") != c.manager || sees("stranger", "owner") {
			t.Errorf("%s: the manager's deputy sees staff: %v", c.day, sees("stranger", "staff"))
		}
		if _, err := g.Erase(t.Context(), o.Person("gone"), o.By("stranger"), "a test"); !rights.IsRefused(err) {
			t.Errorf("%s: a role was passed on: %v", c.day, err)
		}
	}
	noon(t, o, "2026-12-02")
	if _, err := g.Suspend(t.Context(), o.Person("staff"), false, o.By("stranger"), "lost the card"); err != nil {
		t.Errorf("the manager's deputy: %v", err)
	}
	if _, err := g.Suspend(t.Context(), o.Person("owner"), false, o.By("administrator"), "a test"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.DecideItem(t.Context(), item.Ref(), governance.Answer{Verdict: store.Keep, Reason: "x"}, o.By("reviewer")); !rights.IsRefused(err) {
		t.Errorf("who is suspended has a place that another decides in: %v", err)
	}
}

// TestNoOneDecidesAboutWhoIsAwayInTheirPlace: what a person may not decide about themselves,
// their deputy may not either.
func TestNoOneDecidesAboutWhoIsAwayInTheirPlace(t *testing.T) {
	o := testoffice.New(t, nil)
	o.Import(testoffice.Header + "owner,E-owner,Given,Familyowner,office,LIB,Librarian,,2020-01-01,,no\n")
	o.Apply()
	mine, other := question(t, o, "owner"), question(t, o, "staff")
	if err := away(t, o, "owner", "reviewer", "", "2026-12-24"); err != nil {
		t.Fatal(err)
	}
	answer := governance.Answer{Verdict: store.Keep, Reason: "seen"}
	if _, err := o.Governance().DecideItem(t.Context(), mine.Ref(), answer, o.By("reviewer")); !rights.IsRefused(err) {
		t.Errorf("about the owner: %v", err)
	}
	if _, err := o.Governance().DecideItem(t.Context(), other.Ref(), answer, o.By("reviewer")); err != nil {
		t.Errorf("about another: %v", err)
	}
	if d, err := o.Governance().EndAbsence(t.Context(), o.Person("owner"), o.By("owner"), "back"); err != nil || d.Verdict != store.Lift {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := o.Governance().EndAbsence(t.Context(), o.Person("owner"), o.By("owner"), "back"); codeOf(err) != reason.CodeOf(reason.NothingToLift{}) {
		t.Errorf("a second time: %v", err)
	}
}

// TestNoOneNamesWhoDecidesAboutThem: a deputy who is away too names who decides about others, and
// not about the deputy: neither what they asked for, nor what they have.
func TestNoOneNamesWhoDecidesAboutThem(t *testing.T) {
	o := testoffice.New(t, map[string]string{"controls.yaml": "controls:\n  every: {from: {confidentiality: 0}, request_days: 30, approvers: [owner]}\n",
		"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, target: one, classification: {confidentiality: 0, integrity: 0, availability: 0}, entitlements: {library: {}, desk: {requestable: true}}}\n"})
	o.Import(testoffice.Header + "stranger,E-stranger,Given,Familystranger,office,LIB,Librarian,,2020-01-01,,no\n")
	o.Apply()
	g, ctx := o.Governance(), t.Context()
	mine, other := question(t, o, "staff"), question(t, o, "stranger")
	asks := func(who string) int64 {
		t.Helper()
		r, _, err := g.RequestAccess(ctx, o.Person(who), governance.Request{Entitlement: "lib:desk", Until: "2026-12-20"}, o.By(who), "a desk")
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	asked, others := asks("staff"), asks("stranger")
	for _, a := range [][2]string{{"owner", "staff"}, {"staff", "reviewer"}} {
		if err := away(t, o, a[0], a[1], "", "2026-12-24"); err != nil {
			t.Fatal(err)
		}
	}
	waiting, err := o.DB.WaitingRequests(ctx, "2026-11-30")
	if err != nil {
		t.Fatal(err)
	}
	parts, err := access.ApproversOf(ctx, o.DB, o.Config, "2026-11-30", waiting...)
	if err != nil {
		t.Fatal(err)
	}
	reviewer := o.Person("reviewer").ID
	if slices.Contains(parts[asked][0].People, reviewer) || !slices.Contains(parts[others][0].People, reviewer) {
		t.Errorf("%+v", parts)
	}
	if _, err := g.DecideRequest(ctx, asked, store.Approve, o.By("reviewer"), "needed"); !rights.IsRefused(err) {
		t.Errorf("what the deputy asked for: %v", err)
	}
	if _, err := g.DecideRequest(ctx, others, store.Approve, o.By("reviewer"), "needed"); err != nil {
		t.Errorf("what another asked for: %v", err)
	}
	answer := governance.Answer{Verdict: store.Keep, Reason: "seen"}
	if _, err := g.DecideItem(ctx, mine.Ref(), answer, o.By("reviewer")); !rights.IsRefused(err) {
		t.Errorf("what the deputy has: %v", err)
	}
	if _, err := g.DecideItem(ctx, other.Ref(), answer, o.By("reviewer")); err != nil {
		t.Errorf("what another has: %v", err)
	}
}

// TestDeputiesApprove: a request waits for the owner who is away and for their deputy, and one
// person still is not two approvers.
func TestDeputiesApprove(t *testing.T) {
	o := testoffice.New(t, map[string]string{"controls.yaml": "controls:\n  every: {from: {confidentiality: 0}, request_days: 30, approvers: [owner, second-owner]}\n",
		"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, classification: {confidentiality: 0, integrity: 0, availability: 0}, entitlements: {library: {}, desk: {requestable: true}}}\n"})
	o.Apply()
	g := o.Governance()
	r, _, err := g.RequestAccess(t.Context(), o.Person("staff"), governance.Request{Entitlement: "lib:desk", Until: "2026-12-20"}, o.By("staff"), "a desk")
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"owner", "deputy"} {
		if err := away(t, o, who, "reviewer", "", "2026-12-24"); err != nil {
			t.Fatal(err)
		}
	}
	parts, err := access.ApproversOf(t.Context(), o.DB, o.Config, "2026-11-30", r)
	if err != nil || len(parts[r.ID]) != 2 || !slices.Contains(parts[r.ID][0].People, o.Person("reviewer").ID) || !slices.Contains(parts[r.ID][0].People, o.Person("owner").ID) {
		t.Fatalf("%+v, %v", parts, err)
	}
	if _, err := g.DecideRequest(t.Context(), r.ID, store.Approve, o.By("reviewer"), "needed"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.DecideRequest(t.Context(), r.ID, store.Approve, o.By("reviewer"), "needed"); err == nil {
		t.Error("the deputy of both approved twice")
	}
	if _, err := g.DecideRequest(t.Context(), r.ID, store.Approve, o.By("owner"), "needed"); err != nil {
		t.Error(err)
	}
}

// TestWrongAbsences: each has one clear answer, and nothing is recorded.
func TestWrongAbsences(t *testing.T) {
	o := testoffice.New(t, nil)
	g := o.Governance()
	if err := away(t, o, "owner", "reviewer", "2026-12-01", "2026-12-10"); err != nil {
		t.Fatal(err)
	}
	if err := away(t, o, "reviewer", "manager", "2026-12-05", "2026-12-20"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who, deputy, since, until string
		want                      reason.Code
	}{
		{"manager", "owner", "2026-12-08", "2026-12-31", reason.CodeOf(reason.DeputyCycle{})},
		{"manager", "reviewer", "2026-12-20", "2026-12-31", reason.CodeOf(reason.DeputyCycle{})},
		{"manager", "manager", "", "2026-12-31", reason.CodeOf(reason.DeputySelf{})},
		{"manager", "gone", "", "2026-12-31", reason.CodeOf(reason.DeputyAway{})},
		{"manager", "who is that", "", "2026-12-31", reason.CodeOf(reason.DeputyAway{})},
		{"manager", "stranger", "2026-11-29", "2026-12-31", reason.CodeOf(reason.FirstDayWrong{})},
		{"manager", "stranger", "tomorrow", "2026-12-31", reason.CodeOf(reason.FirstDayWrong{})},
		{"manager", "stranger", "", "", reason.CodeOf(reason.LastDayWrong{})},
		{"manager", "stranger", "2026-12-31", "2026-12-30", reason.CodeOf(reason.LastDayWrong{})},
		{"manager", "stranger", "", "2036-12-30", reason.CodeOf(reason.LastDayWrong{})},
		{"manager", "owner", "2026-12-11", "2026-12-31", ""}, // not on the same days
		{"owner", "reviewer", "2026-12-01", "2026-12-10", "already"},
	} {
		err := away(t, o, c.who, c.deputy, c.since, c.until)
		var already *governance.AlreadyDecidedError
		if got := codeOf(err); got != c.want && (c.want != "already" || !errors.As(err, &already)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := g.SetAbsence(t.Context(), o.Person("staff"), governance.Absence{Deputy: "manager", Until: "2026-12-31"}, o.By("manager"), "a test"); codeOf(err) != reason.CodeOf(reason.DeputySelf{}) {
		t.Errorf("a manager names themselves: %v", err)
	}
	all, err := o.DB.AbsencesFrom(t.Context(), "2026-11-30")
	if err != nil || len(all) != 3 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := g.SetAbsence(t.Context(), o.Person("owner"), governance.Absence{Deputy: "stranger", Until: "2026-12-31"}, o.By("stranger"), "a test"); !rights.IsRefused(err) {
		t.Errorf("another person: %v", err)
	}
}

func codeOf(err error) reason.Code {
	var refused *reason.Refusal
	if errors.As(err, &refused) {
		return refused.Reason.Code()
	}
	return ""
}

// TestDeputiesNeverLeadBack: whatever absences are let through, on no day do deputies lead back
// to the person who is away, and each has one who decides.
func TestDeputiesNeverLeadBack(t *testing.T) {
	o := testoffice.New(t, nil)
	first, ctx := identity.Date("2026-11-30"), t.Context()
	rapid.Check(t, func(t *rapid.T) {
		for range rapid.IntRange(1, 12).Draw(t, "absences") {
			who, deputy := rapid.SampledFrom(testoffice.Roles).Draw(t, "who"), rapid.SampledFrom(testoffice.Roles).Draw(t, "deputy")
			since := first.AddDays(rapid.IntRange(0, 9).Draw(t, "since"))
			_, err := o.Governance().SetAbsence(ctx, o.Person(who), governance.Absence{Deputy: deputy, Since: since, Until: since.AddDays(rapid.IntRange(0, 9).Draw(t, "days"))}, o.By(who), "leave")
			var already *governance.AlreadyDecidedError
			if err != nil && codeOf(err) == "" && !errors.As(err, &already) {
				t.Fatal(err)
			}
		}
		for day := first; day < first.AddDays(20); day = day.AddDays(1) {
			of, err := access.DeputiesOn(ctx, o.DB, o.Config, day)
			if err != nil {
				t.Fatal(err)
			}
			for person := range of {
				deputy := of.Of(person)
				if _, away := of[deputy]; deputy == "" || deputy == person || away {
					t.Fatalf("%s: %s decides for %s, of %v", day, deputy, person, of)
				}
			}
		}
	})
}
