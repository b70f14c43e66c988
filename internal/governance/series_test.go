package governance_test

import (
	"slices"
	"testing"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
	testoffice "github.com/behov/behov/internal/testenv/office"
)

const series = `reviews:
  spring: {every: "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=1", system: lib, days: 20, after_due: revoke, fallback: reviewer}
  change: {on: [owner-changed, class-raised], all: true}
  leave: {on: [long-leave], leave_days: 60}
`

// startsDue returns which series start a review on a day.
func startsDue(t *testing.T, o *testoffice.Office, day string) (names []string) {
	t.Helper()
	at, err := time.ParseInLocation(time.DateOnly, day, o.Config.Zone)
	if err != nil {
		t.Fatal(err)
	}
	o.Time = at.Add(9 * time.Hour)
	started, err := o.Governance().StartDue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range started {
		names = append(names, s.Series)
	}
	again, err := o.Governance().StartDue(t.Context())
	if err != nil || len(again) > 0 {
		t.Fatalf("%s: started again: %+v, %v", day, again, err)
	}
	return names
}

// TestSeriesStartByThemselves: a review begins on its days, once, also some days late; and not
// for a day of long ago.
func TestSeriesStartByThemselves(t *testing.T) {
	o := testoffice.New(t, map[string]string{"behov.yaml": series})
	o.Apply()
	for _, c := range []struct {
		day  string
		want []string
	}{
		{"2026-11-30", nil}, // the last first of March is long ago
		{"2027-02-28", nil},
		{"2027-03-01", []string{"spring"}},
		{"2027-03-02", nil},
		{"2028-03-20", []string{"spring"}}, // nothing ran on the day
		{"2029-05-01", nil},
	} {
		if got := startsDue(t, o, c.day); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.day, got, c.want)
		}
	}
	c, err := o.DB.Campaign(t.Context(), 1)
	reviewer := identity.PersonActor(o.Person("reviewer").ID)
	if err != nil || c.Series != "spring" || c.Occurrence != "2027-03-01" || c.Due != "2027-03-21" || c.AfterDue != store.Revoke || c.Of != "lib" || c.StartedBy != identity.System || c.Fallback != reviewer {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestReviewsAtEvents: another owner, a higher class and a long leave begin a review; that
// something is new in the configuration, or lower, does not.
func TestReviewsAtEvents(t *testing.T) {
	o := testoffice.New(t, map[string]string{"behov.yaml": series})
	o.Apply()
	change := func(with func(s *policy.System)) {
		t.Helper()
		c := &o.Config.Rules.Catalogue
		c.Systems = slices.Clone(c.Systems)
		for i := range c.Systems {
			if c.Systems[i].ID == "lib" {
				with(&c.Systems[i])
			}
		}
	}
	expect := func(what, day string, want ...string) {
		t.Helper()
		if got := startsDue(t, o, day); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	expect("first seen", "2026-11-30")
	change(func(s *policy.System) { s.Owner = "hr/deputy" })
	expect("another owner", "2026-12-01", "change")
	expect("no other since", "2026-12-02")
	change(func(s *policy.System) { s.Class = &policy.Class{Confidentiality: 2} })
	expect("classified", "2026-12-03", "change")
	change(func(s *policy.System) { s.Class = &policy.Class{Confidentiality: 1} })
	expect("lowered", "2026-12-04")
	change(func(s *policy.System) { s.Class = &policy.Class{Confidentiality: 1, SecurityProtected: true} })
	expect("raised", "2026-12-05", "change")
	o.Import("person_id,employment_id,given_name,family_name,unit,job_code,job_title,manager_id,start_date,end_date,protected,leave_start,leave_end\n" +
		"staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01,,no,2026-12-01,2027-12-31\n")
	expect("not long yet", "2027-01-20")
	expect("long", "2027-01-30", "leave")
	c, err := o.DB.Campaign(t.Context(), 4)
	items, _, err2 := o.DB.ReviewItems(t.Context(), 4)
	staff, manager := o.Person("staff").ID, identity.PersonActor(o.Person("manager").ID)
	asked := slices.ContainsFunc(items, func(i store.ReviewItem) bool {
		return i.Person == staff && i.Entitlement == "lib:library" && i.Reviewer == manager
	})
	if err != nil || err2 != nil || c.Scope != store.PeopleScope || !asked || slices.ContainsFunc(items, func(i store.ReviewItem) bool { return i.Person != "" && i.Person != staff }) {
		t.Errorf("%+v, %+v, %v", c, items, err)
	}
}
