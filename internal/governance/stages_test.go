package governance_test

import (
	"slices"
	"testing"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	testoffice "github.com/behov/behov/internal/testenv/office"
)

// TestManagerThenOwner: in two stages the manager is asked first; what they keep the owner
// decides, what they revoke goes, and who is both is asked once.
func TestManagerThenOwner(t *testing.T) {
	o := testoffice.New(t, nil)
	o.Import(testoffice.Header + "temp,E4,Given,Familytemp,office,LIB,Librarian,owner,2020-01-01,,no\nhelper,E5,Given,Familyhelper,office,LIB,Librarian,manager,2020-01-01,,no\n")
	o.Apply()
	g := o.Governance()
	asked, err := g.StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib", Asks: store.AsksManagerThenOwner, All: true}, o.By("administrator"))
	if err != nil {
		t.Fatal(err)
	}
	of := func(key string) store.ReviewItem {
		id := o.Person(key).ID
		at := slices.IndexFunc(asked.Items, func(i store.ReviewItem) bool { return i.Person == id })
		now, err := o.DB.ReviewItem(t.Context(), asked.Campaign.ID, asked.Items[at].Number)
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	say := func(who, about string, verdict store.Verdict) error {
		_, err := g.DecideItem(t.Context(), of(about).Ref(), governance.Answer{Verdict: verdict, Reason: "a test"}, o.By(who))
		return err
	}
	if staff := of("staff"); staff.Next != store.AsksOwner || staff.Reviewer == "" {
		t.Fatalf("%+v", staff)
	}
	if err := say("manager", "staff", store.Keep); err != nil {
		t.Fatal(err)
	}
	if staff := of("staff"); staff.Decision != nil || staff.Next != "" || staff.Reviewer != "" {
		t.Errorf("the manager's answer settled it, or the owner is not asked: %+v", staff)
	}
	if err := say("manager", "staff", store.Keep); !rights.IsRefused(err) {
		t.Errorf("the manager answered in the owner's stage: %v", err)
	}
	if err := say("owner", "staff", store.Revoke); err != nil || of("staff").Decision == nil {
		t.Errorf("%v, %+v", err, of("staff"))
	}
	if err := say("manager", "helper", store.Revoke); err != nil || of("helper").Decision == nil {
		t.Errorf("what the manager revokes waits for another: %v", err)
	}
	// The owner manages temp: the deputy is the second.
	if err := say("owner", "temp", store.Keep); err != nil || of("temp").Decision != nil {
		t.Fatalf("%v, %+v", err, of("temp"))
	}
	if err := say("owner", "temp", store.Keep); codeOf(err) != reason.CodeOf(reason.AnsweredAlready{}) {
		t.Errorf("one person answered in both stages: %v", err)
	}
	if err := say("deputy", "temp", store.Keep); err != nil || of("temp").Decision == nil {
		t.Errorf("%v, %+v", err, of("temp"))
	}
	o.Apply()
	for key, has := range map[string]bool{"staff": false, "helper": false, "temp": true} {
		ended := true
		all, err := o.DB.OpenIntervalsOf(t.Context(), store.Only(o.Person(key).ID).IDs())
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range all {
			ended = ended && i.Entitlement != "lib:library"
		}
		if ended == has {
			t.Errorf("%s has the library: %v", key, !ended)
		}
	}
}

// TestASuspendedOwnerIsNotAsked: a review asks no one who could not answer.
func TestASuspendedOwnerIsNotAsked(t *testing.T) {
	o := testoffice.New(t, nil)
	o.Apply()
	for _, key := range []string{"owner", "deputy"} {
		if _, err := o.Governance().Suspend(t.Context(), o.Person(key), false, o.By("administrator"), "a test"); err != nil {
			t.Fatal(err)
		}
	}
	asked, err := o.Governance().PreviewReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib", All: true, Fallback: o.Person("reviewer").ID}, o.By("administrator"))
	if err != nil || len(asked.Items) == 0 {
		t.Fatal(asked, err)
	}
	for _, i := range asked.Items {
		if reviewer, _ := i.Reviewer.Person(); reviewer != o.Person("reviewer").ID {
			t.Errorf("%+v", i)
		}
	}
}
