package governance_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
	testoffice "github.com/behov/behov/internal/testenv/office"
)

// TestUnusedAccessIsAskedAbout: where the target tells sign-ins, a review asks about people who
// did not sign in for long, or never did; not about those who did, who are new or on leave, and
// about no one where the target does not tell.
func TestUnusedAccessIsAskedAbout(t *testing.T) {
	o := testoffice.New(t, nil)
	rows := testoffice.Header
	for _, key := range []string{"used", "unused", "never"} {
		rows += key + ",E-" + key + ",Given,Family" + key + ",office,LIB,Librarian,manager,2020-01-01,,no\n"
	}
	o.Import(rows)
	o.Apply()
	target := o.Engine.Targets["one"].(*memory.Connector)
	asked := func() map[string][]reason.Code {
		t.Helper()
		a, err := o.Governance().PreviewReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib"}, o.By("owner"))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string][]reason.Code{}
		for _, i := range a.Items {
			for _, key := range []string{"used", "unused", "never", "staff", "new"} {
				if i.Person != "" && i.Person == o.Person(key).ID {
					for _, r := range i.Asked.Each() {
						found[key] = append(found[key], r.Code())
					}
				}
			}
		}
		return found
	}
	account := func(key string) string {
		t.Helper()
		id, err := o.DB.AccountOf(t.Context(), "one", o.Person(key).ID)
		if err != nil || id == "" {
			t.Fatal(id, err)
		}
		return id
	}
	began := o.Time
	o.Time = began.AddDate(0, 0, 200)
	o.Import(testoffice.Header + "new,E-new,Given,Familynew,office,LIB,Librarian,manager,2027-06-01,,no\n")
	o.Apply()
	if got := asked(); len(got) != 0 {
		t.Errorf("the target does not tell: %v", got)
	}
	target.SignedIn(account("used"), o.Time.AddDate(0, 0, -100)) // 90 days, and 14 by which it may be behind
	target.SignedIn(account("unused"), o.Time.AddDate(0, 0, -106))
	target.SignedIn(account("staff"), o.Time)
	o.Time = o.Time.Add(time.Hour)
	o.Apply()
	want := []reason.Code{reason.CodeOf(reason.AskedUnused{})}
	got := asked()
	if !slices.Equal(got["unused"], want) || !slices.Equal(got["never"], want) || got["used"] != nil || got["staff"] != nil || got["new"] != nil {
		t.Errorf("%v", got)
	}
	// The next day they have signed in.
	target.SignedIn(account("unused"), o.Time)
	o.Time = o.Time.Add(25 * time.Hour)
	o.Apply()
	if got := asked(); got["unused"] != nil || got["never"] == nil {
		t.Errorf("after a sign-in: %v", got)
	}
}

// TestKnownWrongAccess: which questions are about access that is known to be wrong stands in the
// store, and in nothing that who answers sees; the report to who started the review says how much
// of it each reviewer found.
func TestKnownWrongAccess(t *testing.T) {
	o := testoffice.New(t, nil)
	o.Import(testoffice.Header + "temp,E4,Given,Familytemp,office,LIB,Librarian,manager,2020-01-01,,no\n")
	o.Apply()
	g := o.Governance()
	of := func(key string) governance.KnownWrong {
		return governance.KnownWrong{Person: o.Person(key).ID, Entitlement: "lib:library"}
	}
	r := governance.Review{Scope: store.SystemScope, Of: "lib", All: true, KnownWrong: []governance.KnownWrong{of("staff"), of("temp")}}
	asked, err := g.StartReview(t.Context(), r, o.By("administrator"))
	if err != nil {
		t.Fatal(err)
	}
	view := func(key string) *access.View {
		t.Helper()
		v, err := o.Answers().For(t.Context(), access.Viewer{Subject: o.By(key)})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	questions, err := view("owner").ReviewQuestions(asked.Campaign.ID)
	if err != nil {
		t.Fatal(err)
	}
	var marked, plain string
	for _, q := range questions {
		if q.Person == nil {
			continue
		}
		shape := q
		shape.Item, shape.Person, shape.Evidence = "", nil, store.ReviewEvidence{}
		text, err := json.Marshal(shape)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := q.Person.ID == of("staff").Person || q.Person.ID == of("temp").Person; wrong {
			marked = string(text)
		} else {
			plain = string(text)
		}
		verdict := store.Keep
		if q.Person.ID == of("staff").Person {
			verdict = store.Revoke
		}
		if _, err := g.DecideItem(t.Context(), q.Item, governance.Answer{Verdict: verdict, Reason: "a test"}, o.By("owner")); err != nil {
			t.Fatal(err)
		}
	}
	if marked == "" || marked != plain {
		t.Errorf("a question about what is known to be wrong looks otherwise:\n%s\n%s", marked, plain)
	}
	report, err := view("administrator").ReviewReport(asked.Campaign.ID)
	if err != nil || len(report.Reviewers) != 1 || report.Reviewers[0].KnownWrong != 2 || report.Reviewers[0].KnownWrongFound() != 1 {
		t.Errorf("%+v, %v", report.Reviewers, err)
	}
	if report, err = view("owner").ReviewReport(asked.Campaign.ID); err != nil || report.Reviewers != nil {
		t.Errorf("who answers sees %+v, %v", report.Reviewers, err)
	}
	r.KnownWrong = []governance.KnownWrong{of("gone")}
	if _, err := g.StartReview(t.Context(), r, o.By("administrator")); codeOf(err) != reason.CodeOf(reason.ReviewLacks{}) {
		t.Errorf("what it does not ask about: %v", err)
	}
}
