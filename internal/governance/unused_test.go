package governance_test

import (
	"slices"
	"testing"
	"time"

	"github.com/behov/behov/connectors/memory"
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
