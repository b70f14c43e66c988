package governance_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	testoffice "github.com/behov/behov/internal/testenv/office"
)

// has is access of a person, by their key.
type has struct{ person, entitlement string }

// town is a municipality in which some access is wrong, and known to be.
type town struct {
	*testoffice.Office
	wrong []has
}

const townSystems = 30

// newTown makes a municipality: thirty systems, each with an owner; units of forty people in
// which four jobs are done; rules that give each job six entitlements and everyone three. One
// person in fifty has something wrong: slipped in by hand, given by a rule for one title, or
// both sides of a conflict.
func newTown(t testing.TB, people int) *town {
	t.Helper()
	var catalogue, rules, groups strings.Builder
	catalogue.WriteString("systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, entitlements: {library: {authoritative: true}}}\n")
	groups.WriteString("staff, library")
	for n := range townSystems {
		fmt.Fprintf(&catalogue, "  s%d: {owner: hr/%d, deputies: [hr/%d], target: two, entitlements: {use: {native: u%d}, admin: {native: a%d}}}\n", n, n, n+1, n, n)
		fmt.Fprintf(&groups, ", u%d, a%d", n, n)
	}
	for n := range 3 {
		fmt.Fprintf(&rules, "p, all%d, true, s%d:use, allow, everybody needs it\n", n, n)
	}
	jobs := 0
	for job := range 12 {
		for n := range 6 {
			fmt.Fprintf(&rules, "p, j%dx%d, r.sub.job_code == 'J%d', s%d:use, allow, the job needs it\n", job, n, job, 3+(job*6+n)%(townSystems-3))
			jobs++
		}
	}
	rules.WriteString("p, project, r.sub.job_title == 'Project', s20:admin, allow, the project needed it\n")
	units := "unit,parent,name\noffice,,The office\nhideout,,The hideout\n"
	for n := range people/40 + 1 {
		units += fmt.Sprintf("unit%d,,Unit %d\n", n, n)
	}
	o := testoffice.New(t, map[string]string{
		"units.csv": units, "catalogue.yaml": catalogue.String(), "policy.csv": rules.String(),
		"conflicts.yaml": "conflicts:\n  pay: {why: one person pays and approves, severity: high, sides: [['s0:admin'], ['s1:admin']]}\n",
		"behov.yaml":     "  two: {hold_above: {all: {number: 10000000, percent: 100}}, memory: {groups: [" + groups.String() + "]}}\n",
	})
	o.Time = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	rng := rand.New(rand.NewPCG(7, 11))
	w := &town{Office: o}
	var rows strings.Builder
	rows.WriteString(testoffice.Header)
	slipped := map[int]string{}
	for n := range people {
		title := "Clerk"
		if n >= townSystems && n%50 == 0 {
			switch n / 50 % 3 {
			case 0:
				title = "Project"
				w.wrong = append(w.wrong, has{fmt.Sprint(n), "s20:admin"})
			case 1:
				slipped[n] = fmt.Sprintf("a%d", 5+rng.IntN(10))
			default:
				slipped[n] = "a0 a1"
			}
		}
		fmt.Fprintf(&rows, "%d,B%d,Given%d,Family%d,unit%d,J%d,%s,%d,2020-01-01,,no\n", n, n, n, n%1000, n/40, n/40%3*4+n%4, title, n/40*40)
	}
	source := o.Config.Sources["hr"]
	source.Changes = true
	im := hr.Importer{DB: o.DB, Config: o.Config, Now: o.Clock, Actor: identity.System}
	if r, err := im.Import(t.Context(), "hr.csv", []byte(rows.String()), source); err != nil || r.LeftOut > 0 || r.Held != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	o.Apply()
	two := o.Engine.Targets["two"].(*memory.Connector)
	for n, into := range slipped {
		for group := range strings.FieldsSeq(into) {
			accounts, err := o.DB.AccountsOf(t.Context(), o.Person(fmt.Sprint(n)).ID)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(accounts, func(a store.TargetAccount) bool { return a.Target == "two" })
			if r := two.Apply(t.Context(), []connectors.Change{{Op: connectors.AddMember, Account: connectors.AccountRef{ID: accounts[at].Native}, Entitlement: group}}); r[0].Err != nil || r[0].Status != connectors.Applied {
				t.Fatal(r)
			}
			w.wrong = append(w.wrong, has{fmt.Sprint(n), "s" + group[1:] + ":admin"})
		}
	}
	o.Time = o.Time.Add(time.Hour)
	o.Apply()
	return w
}

// everything starts a review of all systems.
func (w *town) everything(t testing.TB) governance.Asked {
	t.Helper()
	asked, err := w.Governance().StartReview(t.Context(), governance.Review{Scope: store.EverythingScope}, w.By("administrator"))
	if err != nil {
		t.Fatal(err)
	}
	return asked
}

// unasked returns what is wrong and not among the questions.
func (w *town) unasked(items []store.ReviewItem) []has {
	asked := map[has]bool{}
	for _, i := range items {
		asked[has{string(i.Person), i.Entitlement}] = true
	}
	var left []has
	for _, x := range w.wrong {
		if !asked[has{string(w.Person(x.person).ID), x.entitlement}] {
			left = append(left, x)
		}
	}
	return left
}

// TestYearlyRound: a review of a whole municipality asks about every access that is wrong, and
// a tenth of what one question for each holder would be, at most.
func TestYearlyRound(t *testing.T) {
	w := newTown(t, 800)
	asked := w.everything(t)
	if left := w.unasked(asked.Items); len(left) > 0 || len(w.wrong) < 15 {
		t.Errorf("%d of %d are not asked about: %v", len(left), len(w.wrong), left)
	}
	if len(asked.Items)*10 > asked.Holders {
		t.Errorf("%d questions of %d", len(asked.Items), asked.Holders)
	}
	rules := 0
	for _, i := range asked.Items {
		if i.Kind == store.RuleItem {
			rules++
		}
	}
	if rules > 3+12*6+1 || rules < 12*6 {
		t.Errorf("%d questions about rules", rules)
	}
	// Who has a rule kept answers for all: nothing is asked about whom it covers.
	if again := slices.IndexFunc(asked.Items, func(i store.ReviewItem) bool {
		return i.Kind == store.AccessItem && !slices.Contains(w.wrong, has{w.key(t, i.Person), i.Entitlement})
	}); again >= 0 {
		t.Errorf("asked without need: %+v", asked.Items[again])
	}
}

func (w *town) key(t testing.TB, id identity.PersonID) string {
	t.Helper()
	p, err := w.DB.Person(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p.Keys[0].Key
}

// BenchmarkYearlyRound: what a yearly round asks of a municipality, by owner, beside one
// question for each holder of each entitlement.
func BenchmarkYearlyRound(b *testing.B) {
	for _, people := range []int{1000, 6000, 24000} {
		b.Run(fmt.Sprint(people), func(b *testing.B) {
			if testing.Short() && people > 1000 {
				return
			}
			w := newTown(b, people)
			var asked governance.Asked
			for b.Loop() {
				var err error
				if asked, err = w.Governance().PreviewReview(b.Context(), governance.Review{Scope: store.EverythingScope}, w.By("administrator")); err != nil {
					b.Fatal(err)
				}
			}
			if left := w.unasked(asked.Items); len(left) > 0 {
				b.Errorf("not asked about: %v", left)
			}
			owners := map[string]int{}
			for _, i := range asked.Items {
				owners[i.System]++
			}
			most := 0
			for _, n := range owners {
				most = max(most, n)
			}
			b.ReportMetric(float64(len(asked.Items))/townSystems, "questions/owner")
			b.ReportMetric(float64(most), "most-questions")
			b.ReportMetric(float64(asked.Holders)/townSystems, "holders/owner")
			b.ReportMetric(float64(len(w.wrong)), "wrong-found")
		})
	}
}

// reviewed starts a review of the library in which every holder is asked about.
func reviewed(t *testing.T, o *testoffice.Office, r governance.Review) governance.Asked {
	t.Helper()
	asked, err := o.Governance().StartReview(t.Context(), r, o.By("owner"))
	if err != nil {
		t.Fatal(err)
	}
	return asked
}

var wholeLibrary = governance.Review{Scope: store.SystemScope, Of: "lib", All: true}

// itemOf returns the question about a person.
func itemOf(t *testing.T, o *testoffice.Office, asked governance.Asked, key string) string {
	t.Helper()
	id := o.Person(key).ID
	n := slices.IndexFunc(asked.Items, func(i store.ReviewItem) bool { return i.Person == id })
	if n < 0 {
		t.Fatalf("%s is not asked about", key)
	}
	return asked.Items[n].Ref()
}

// holds reports whether a person has the library's entitlement in the target.
func holds(t *testing.T, o *testoffice.Office, key string) bool {
	t.Helper()
	all, err := o.DB.Intervals(t.Context(), store.IntervalQuery{Person: o.Person(key).ID, Entitlement: "lib:library", Open: true})
	if err != nil {
		t.Fatal(err)
	}
	return len(all) > 0
}

// refusedFor checks that an error is a refusal with a reason of a kind.
func refusedFor(t *testing.T, err error, k reason.Kind) {
	t.Helper()
	var refusal *reason.Refusal
	if !errors.As(err, &refusal) || refusal.Reason.Code() != reason.CodeOf(k) {
		t.Errorf("%v, not refused for %T", err, k)
	}
}

// TestKeptUntil: what a review keeps until a day ends after it, though a rule would give it,
// and comes back by a new decision only.
func TestKeptUntil(t *testing.T) {
	o := testoffice.New(t, nil)
	o.Apply()
	g, owner := o.Governance(), o.By("owner")
	asked := reviewed(t, o, wholeLibrary)
	item := itemOf(t, o, asked, "staff")
	_, err := g.DecideItem(t.Context(), item, governance.Answer{Verdict: store.Keep, Until: "2026-11-29", Reason: "r"}, owner)
	refusedFor(t, err, reason.UntilPassed{})
	if _, err := g.DecideItem(t.Context(), item, governance.Answer{Verdict: store.Keep, Until: "2026-12-02", Reason: "r"}, owner); err != nil {
		t.Fatal(err)
	}
	for day, want := range []bool{true, true, true, false, false} {
		o.Time = time.Date(2026, 11, 30+day, 9, 0, 0, 0, time.UTC)
		if o.Apply(); holds(t, o, "staff") != want {
			t.Errorf("day %d: has it is %t", day, !want)
		}
	}
	if _, err := g.DecideItem(t.Context(), item, governance.Answer{Verdict: store.Keep, Reason: "after all"}, owner); err != nil {
		t.Fatal(err)
	}
	if o.Apply(); !holds(t, o, "staff") {
		t.Error("a new decision does not give it back")
	}
}

// TestTwoReviewers: where a control demands two, both must say keep, and one who says revoke is
// enough.
func TestTwoReviewers(t *testing.T) {
	o := testoffice.New(t, map[string]string{
		"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, classification: {confidentiality: 4, integrity: 1, availability: 1}, entitlements: {library: {authoritative: true}}}\n",
		"controls.yaml":  "controls:\n  two: {purpose: both look, from: {confidentiality: 4}, reviewers: 2, review_all: true}\n",
	})
	o.Apply()
	g := o.Governance()
	asked := reviewed(t, o, governance.Review{Scope: store.SystemScope, Of: "lib"})
	item := itemOf(t, o, asked, "staff")
	keep := governance.Answer{Verdict: store.Keep, Reason: "r"}
	open := func() bool {
		var campaign, number int64
		_, _ = fmt.Sscanf(item, "%d-%d", &campaign, &number)
		i, err := o.DB.ReviewItem(t.Context(), campaign, number)
		if err != nil {
			t.Fatal(err)
		}
		return i.Decision == nil
	}
	if _, err := g.DecideItem(t.Context(), item, keep, o.By("owner")); err != nil || !open() {
		t.Fatalf("one is enough: %v", err)
	}
	_, err := g.DecideItem(t.Context(), item, keep, o.By("owner"))
	refusedFor(t, err, reason.AnsweredAlready{})
	if _, err := g.DecideItem(t.Context(), item, keep, o.By("deputy")); err != nil || open() {
		t.Errorf("two are not enough: %v", err)
	}
	if _, err := g.DecideItem(t.Context(), item, governance.Answer{Verdict: store.Revoke, Reason: "r"}, o.By("deputy")); err != nil {
		t.Error(err)
	}
	if o.Apply(); holds(t, o, "staff") {
		t.Error("one who revokes is not enough")
	}
	if _, err := g.DecideItem(t.Context(), item, keep, o.By("owner")); err != nil {
		t.Fatal(err)
	}
	if o.Apply(); holds(t, o, "staff") {
		t.Error("one gives back what was revoked")
	}
	if _, err := g.DecideItem(t.Context(), item, keep, o.By("deputy")); err != nil {
		t.Fatal(err)
	}
	if o.Apply(); !holds(t, o, "staff") {
		t.Error("two do not give it back")
	}
}

// TestNoAnswerByTheLastDay: access is kept or revoked, as the review said when it began; a
// second look changes nothing, and the review is signed off then.
func TestNoAnswerByTheLastDay(t *testing.T) {
	for _, then := range []store.Verdict{store.Keep, store.Revoke} {
		o := testoffice.New(t, nil)
		o.Apply()
		g := o.Governance()
		r := wholeLibrary
		r.AfterDue, r.Days = then, 5
		asked := reviewed(t, o, r)
		_, err := g.SignOff(t.Context(), asked.Campaign.ID, o.By("owner"), "done")
		refusedFor(t, err, reason.ReviewOpen{})
		if _, err := g.DecideItem(t.Context(), itemOf(t, o, asked, "secret"), governance.Answer{Verdict: store.Keep, Reason: "r"}, o.By("owner")); err != nil {
			t.Fatal(err)
		}
		for day, want := range []int{0, 0, 0, 0, 0, 0, 1, 0} {
			o.Time = time.Date(2026, 11, 30+day, 9, 0, 0, 0, time.UTC)
			if n, err := g.CloseOverdue(t.Context(), identity.System); err != nil || n != want {
				t.Errorf("%s: on day %d %d reviews end, %v", then, day, n, err)
			}
		}
		if o.Apply(); holds(t, o, "staff") != (then == store.Keep) || !holds(t, o, "secret") {
			t.Errorf("%s: staff has it: %t, secret: %t", then, holds(t, o, "staff"), holds(t, o, "secret"))
		}
		if _, err := g.SignOff(t.Context(), asked.Campaign.ID, o.By("owner"), "done"); err != nil {
			t.Error(err)
		}
		_, err = g.DecideItem(t.Context(), itemOf(t, o, asked, "staff"), governance.Answer{Verdict: store.Keep, Reason: "r"}, o.By("owner"))
		refusedFor(t, err, reason.ReviewSigned{})
		if _, err := o.DB.VerifyAudit(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestWhoIsAsked: the owner, the manager, or one person; another one about themselves; and
// who takes over what is not theirs.
func TestWhoIsAsked(t *testing.T) {
	o := testoffice.New(t, map[string]string{"policy.csv": "p, everyone, true, lib:library, allow, everybody\n"})
	o.Apply()
	g := o.Governance()
	reviewer := func(asked governance.Asked, key string) identity.PersonID {
		id := o.Person(key).ID
		n := slices.IndexFunc(asked.Items, func(i store.ReviewItem) bool { return i.Person == id })
		p, _ := asked.Items[n].Reviewer.Person()
		return p
	}
	manager := reviewed(t, o, governance.Review{Scope: store.SystemScope, Of: "lib", All: true, Asks: store.AsksManager})
	if reviewer(manager, "staff") != o.Person("manager").ID || reviewer(manager, "stranger") != "" {
		t.Error("not the manager, or the owner of who has none")
	}
	one := reviewed(t, o, governance.Review{Scope: store.SystemScope, Of: "lib", All: true, Reviewer: o.Person("reviewer").ID})
	if reviewer(one, "staff") != o.Person("reviewer").ID || reviewer(one, "reviewer") != "" {
		t.Error("not the reviewer, or the reviewer about themselves")
	}
	_, err := g.DecideItem(t.Context(), itemOf(t, o, one, "owner"), governance.Answer{Verdict: store.NotMine, Reason: "r"}, o.By("stranger"))
	if err == nil {
		t.Error("a stranger says that it is not theirs")
	}
	item := itemOf(t, o, one, "staff")
	if _, err := g.DecideItem(t.Context(), item, governance.Answer{Verdict: store.NotMine, Reason: "not my field"}, o.By("reviewer")); err != nil {
		t.Fatal(err)
	}
	if _, err := g.DecideItem(t.Context(), item, governance.Answer{Verdict: store.Keep, Reason: "r"}, o.By("reviewer")); err == nil {
		t.Error("the reviewer still answers")
	}
	if _, err := g.HandOn(t.Context(), item, "hr/staff", o.By("owner"), "knows best"); err == nil {
		t.Error("people are asked about themselves")
	}
	for _, gone := range []string{"hr/gone", "hr/nothing", "Given Family"} {
		_, err := g.HandOn(t.Context(), item, gone, o.By("owner"), "r")
		refusedFor(t, err, reason.ReviewerAway{})
	}
	if _, err := g.HandOn(t.Context(), item, "hr/stranger", o.By("owner"), "knows best"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.DecideItem(t.Context(), item, governance.Answer{Verdict: store.Keep, Reason: "r"}, o.By("stranger")); err != nil {
		t.Error(err)
	}
	_, err = g.StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib", Reviewer: o.Person("gone").ID}, o.By("owner"))
	refusedFor(t, err, reason.ReviewerAway{})
}

// TestNoOneReviewsWhatTheyApproved: who approved a request is not asked about the access, and
// does not answer; they may say that it is not theirs.
func TestNoOneReviewsWhatTheyApproved(t *testing.T) {
	o := testoffice.New(t, map[string]string{"controls.yaml": "controls:\n  every: {from: {confidentiality: 0}, request_days: 30, approvers: [owner]}\n"})
	g := o.Governance()
	r, _, err := g.RequestAccess(t.Context(), o.Person("stranger"), governance.Request{Entitlement: "lib:desk", Until: "2026-12-20"}, o.By("stranger"), "the move")
	if err == nil {
		_, err = g.DecideRequest(t.Context(), r.ID, store.Approve, o.By("owner"), "needed")
	}
	if err != nil {
		t.Fatal(err)
	}
	o.Apply()
	asked := reviewed(t, o, governance.Review{Scope: store.SystemScope, Of: "lib", Reviewer: o.Person("owner").ID})
	item := itemOf(t, o, asked, "stranger")
	for _, i := range asked.Items {
		if i.Person == o.Person("stranger").ID && i.Reviewer != "" {
			t.Errorf("%s is asked", i.Reviewer) // and not the deputy, as one of the owners
		}
	}
	keep := governance.Answer{Verdict: store.Keep, Reason: "r"}
	if _, err := g.DecideItem(t.Context(), item, keep, o.By("owner")); !rights.IsRefused(err) {
		t.Errorf("the approver answers: %v", err)
	}
	if _, err := g.DecideItem(t.Context(), item, keep, o.By("deputy")); err != nil {
		t.Error(err)
	}
}

// TestRuleTasks: a rule that a reviewer wants changed is a task with the change that removes
// it, and decisions that hold against a rule are counted.
func TestRuleTasks(t *testing.T) {
	o := testoffice.New(t, nil)
	o.Apply()
	g := o.Governance()
	asked := reviewed(t, o, wholeLibrary)
	rule := asked.Items[slices.IndexFunc(asked.Items, func(i store.ReviewItem) bool { return i.Kind == store.RuleItem })].Ref()
	_, err := g.DecideItem(t.Context(), rule, governance.Answer{Verdict: store.Revoke, Reason: "r"}, o.By("owner"))
	refusedFor(t, err, reason.NotAboutRule{})
	for _, a := range []struct {
		item string
		governance.Answer
	}{{rule, governance.Answer{Verdict: store.ChangeRule, Reason: "only the desk"}}, {itemOf(t, o, asked, "staff"), governance.Answer{Verdict: store.Revoke, Reason: "r"}}} {
		if _, err := g.DecideItem(t.Context(), a.item, a.Answer, o.By("owner")); err != nil {
			t.Fatal(err)
		}
	}
	v, err := o.Answers().For(t.Context(), access.Viewer{Subject: o.By("administrator")})
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := v.RuleTasks()
	if err != nil || len(tasks) != 1 || tasks[0].Exceptions != 1 || len(tasks[0].Asked) != 1 || tasks[0].Asked[0].Reason != "only the desk" || !strings.Contains(tasks[0].Diff, "-p, librarian, r.sub.job_code == 'LIB', lib:library, allow, lends books") {
		t.Errorf("%+v, %v", tasks, err)
	}
	o.Apply()
	v, err = o.Answers().For(t.Context(), access.Viewer{Subject: o.By("administrator")})
	if err != nil {
		t.Fatal(err)
	}
	report, err := v.ReviewReport(asked.Campaign.ID)
	if err != nil || report.Access.Revoked != 1 || report.Access.Ended != 1 || report.Rules.ChangeRule != 1 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestAReviewAwaitsAnswers: a last day that has passed, or is out of reach, is refused and nothing
// is started: what becomes of access without an answer would be decided before anyone is asked.
func TestAReviewAwaitsAnswers(t *testing.T) {
	o := testoffice.New(t, nil)
	o.Apply()
	for _, days := range []int{-3, -1, governance.MostAnswerDays + 1} {
		r := governance.Review{Scope: store.SystemScope, Of: "lib", All: true, Days: days, AfterDue: store.Revoke}
		if _, err := o.Governance().PreviewReview(t.Context(), r, o.By("administrator")); codeOf(err) != reason.CodeOf(reason.LastDayWrong{}) {
			t.Errorf("a preview of %d days: %v", days, err)
		}
		if _, err := o.Governance().StartReview(t.Context(), r, o.By("administrator")); codeOf(err) != reason.CodeOf(reason.LastDayWrong{}) {
			t.Errorf("a review of %d days: %v", days, err)
		}
	}
	r := governance.Review{Scope: store.SystemScope, Of: "lib", All: true, Days: governance.MostAnswerDays, AfterDue: store.Revoke}
	if asked, err := o.Governance().StartReview(t.Context(), r, o.By("administrator")); err != nil || asked.Campaign.ID != 1 {
		t.Errorf("the first review: %+v, %v", asked.Campaign, err)
	}
}
