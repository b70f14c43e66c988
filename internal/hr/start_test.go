package hr_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// change imports a delta from a file.
func (f *fixture) change(text string, as func(*config.Source)) *hr.Report {
	f.t.Helper()
	s := detecting
	s.Changes = true
	if as != nil {
		as(&s)
	}
	r, err := f.im.Import(f.t.Context(), "hr.csv", []byte(text), s)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f *fixture) employment(key string) (identity.Person, identity.Employment) {
	f.t.Helper()
	for _, p := range f.everybody() {
		for _, e := range p.Employments {
			if e.Key.Key == key {
				return p, e
			}
		}
	}
	f.t.Fatalf("there is no employment %s", key)
	panic("unreachable")
}

const renewal = header + "1,E1,Åsa,Berg,library,1,100,2027-01-01,2027-12-31,no\n"

// TestStartMovedByADeltaIsHeld checks that also in a delta the start of an active
// employment that moves into the future awaits a decision. The employment is
// unchanged; the person's name, other employments and other people are not
// blocked.
func TestStartMovedByADeltaIsHeld(t *testing.T) {
	f := newFixture(t)
	f.take(twoPeople)
	text := renewal + "1,E2,Åsa,Berg,school,2,25,2021-01-01,,no\n2,E3,Bo,Dahl,school,2,50,2022-01-01,,no\n"
	r := f.change(text, nil)
	if len(r.StartsHeld) != 1 || r.Postponed != 1 || r.LeftOut != 1 || len(r.Problems) != 1 || r.Problems[0].Line != 2 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "of a renewal keep the start") || !strings.Contains(testenv.ProblemText(r.Problems[0]), "behov hold release "+string(r.StartsHeld[0].Digest)) {
		t.Fatalf("%+v", r)
	}
	p, e := f.employment("E1")
	if e.Start != "2020-01-01" || e.End != "" || e.On(today).Unit != "school" || !e.ActiveOn(today) {
		t.Errorf("the employment is %+v", e.EmploymentFacts)
	}
	if f.state() != "1 Åsa E1 school; 1 Åsa E2 school; 2 Bo E3 school" || p.FamilyName != "Berg" {
		t.Errorf("the rest was blocked: %s, %s", f.state(), p.FamilyName)
	}
	h := f.holds()
	if len(h) != 1 || h[0].Kind != store.HRStartHold || f.lastStatus() != store.ImportEndingsHeld || !strings.Contains(testenv.Words(h[0].Why), "moves its start to 2027-01-01") {
		t.Fatalf("%s, %+v", f.lastStatus(), h)
	}
	if body, err := f.db.HoldBody(t.Context(), h[0].Digest); err != nil || body != fmt.Sprintf(`{%q:[%q]}`, hr.EmploymentPostponed, p.ID) {
		t.Errorf("the hold would do %s, %v", body, err)
	}
	// Later changes of others keep it; the release covers this start alone.
	if r = f.change(header+"2,E3,Bo,Dahl,library,2,50,2022-01-01,,no\n", nil); len(f.holds()) != 1 || len(r.StartsHeld) != 0 {
		t.Errorf("after another change: %+v", f.holds())
	}
	f.decide(&h[0], store.Release)
	if r = f.change(strings.Replace(renewal, "2027-01-01", "2027-02-01", 1), nil); len(r.StartsHeld) != 1 || len(f.holds()) != 1 || f.holds()[0].Decision != nil {
		t.Fatalf("another start went through: %+v", r)
	}
	f.decide(&r.StartsHeld[0], store.Release)
	r = f.change(strings.Replace(renewal, "2027-01-01", "2027-02-01", 1), nil)
	if _, e = f.employment("E1"); len(r.StartsHeld) != 0 || len(r.Problems) != 0 || e.Start != "2027-02-01" || len(f.holds()) != 0 {
		t.Errorf("released: %+v, it starts %s", r, e.Start)
	}
}

// TestHeldStartIsCorrectedOrRejected checks that HR's next statement about the
// employment replaces the held start; after a rejection, the same start stays out
// without a new hold.
func TestHeldStartIsCorrectedOrRejected(t *testing.T) {
	f := newFixture(t)
	f.take(twoPeople)
	f.change(renewal, nil)
	r := f.change(strings.Replace(renewal, "2027-01-01", "2020-01-01", 1), nil)
	if _, e := f.employment("E1"); e.Start != "2020-01-01" || e.End != "2027-12-31" || len(f.holds()) != 0 || len(r.Problems) != 0 {
		t.Errorf("corrected: %+v, %+v, %+v", e.EmploymentFacts, f.holds(), r)
	}
	r = f.change(renewal, nil)
	f.decide(&r.StartsHeld[0], store.Reject)
	r = f.change(renewal, nil)
	if _, e := f.employment("E1"); e.Start != "2020-01-01" || len(r.StartsHeld) != 0 || len(r.Problems) != 1 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "was rejected") {
		t.Errorf("rejected: %+v, it starts %s", r, e.Start)
	}
	// After HR's correction, there is nothing to decide.
	f = newFixture(t)
	f.take(twoPeople)
	f.change(renewal, nil)
	if f.change("person_id,employment_id,given_name,family_name,start_date,removed\n1,E1,Åsa,Ek,2027-01-01,yes\n", nil); len(f.holds()) != 0 {
		t.Errorf("taken back: %+v", f.holds())
	}
	// In one delivery, the last statement wins.
	f = newFixture(t)
	f.take(twoPeople)
	const stamped = "person_id,employment_id,given_name,family_name,unit,start_date,changed_at\n"
	if r = f.change(stamped+"1,E1,Åsa,Ek,school,2027-01-01,1\n1,E1,Åsa,Ek,library,2020-01-01,2\n", nil); len(r.Problems) != 0 || len(f.holds()) != 0 {
		t.Errorf("corrected in the same delivery: %+v", r)
	}
	if _, e := f.employment("E1"); e.Start != "2020-01-01" {
		t.Errorf("it starts %s", e.Start)
	}
	r = f.change(stamped+"1,E1,Åsa,Ek,library,2020-02-01,3\n1,E1,Åsa,Ek,library,2027-01-01,4\n1,E1,Åsa,Ek,library,2027-02-01,5\n", nil)
	if _, e := f.employment("E1"); len(r.StartsHeld) != 1 || !strings.Contains(testenv.Words(r.StartsHeld[0].Why), "to 2027-02-01") || len(r.Problems) != 1 || e.Start != "2020-02-01" {
		t.Errorf("the last of three: %+v, it starts %s", r, e.Start)
	}
	f.decide(&r.StartsHeld[0], store.Reject)
	if r = f.change(stamped+"1,E1,Åsa,Ek,school,2027-01-01,1\n", nil); len(r.Problems) != 0 || len(f.holds()) != 0 {
		t.Errorf("older than what is known: %+v", r)
	}
}

// TestPushedStartIsHeld checks that the rest of a SCIM request applies, and that
// the start is a warning, as the client could not handle an error.
func TestPushedStartIsHeld(t *testing.T) {
	f := newFixture(t)
	f.take(twoPeople)
	r := f.change(renewal, func(s *config.Source) { s.SCIM = true })
	p, e := f.employment("E1")
	if len(r.StartsHeld) != 1 || len(r.Problems) != 1 || !r.Problems[0].Warning || e.Start != "2020-01-01" || p.FamilyName != "Berg" {
		t.Errorf("%+v, %+v", r, e)
	}
}

// TestFeedIsReadAgainForAHeldStart checks that the position in a delta feed is
// kept until the start is decided, so that a release finds the change again.
func TestFeedIsReadAgainForAHeldStart(t *testing.T) {
	for _, verdict := range []store.Verdict{store.Release, store.Reject} {
		f := newFixture(t)
		f.take(twoPeople)
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = append(asked, r.URL.RawQuery)
			w.Header().Set("Content-Type", "application/json")
			if r.URL.RawQuery != "" {
				fmt.Fprint(w, `{"items": [], "cursor": "c2"}`)
				return
			}
			fmt.Fprint(w, `{"items": [{"person_id": "1", "employment_id": "E1", "given_name": "Åsa", "family_name": "Ek", "unit": "library", "start_date": "2027-01-01"}], "cursor": "c2"}`)
		}))
		s := detecting
		s.Changes = true
		s.HTTP = &config.Feed{URL: server.URL, Cursor: "since", Position: "cursor", Timeout: 5 * time.Second}
		r := f.pulled(s, 1)[0]
		f.pulled(s, 0) // and it is not recorded again
		if len(r.StartsHeld) != 1 || !slices.Equal(asked, []string{"", ""}) {
			t.Fatalf("%+v, asked %q", r, asked)
		}
		f.decide(&r.StartsHeld[0], verdict)
		r = f.pulled(s, 1)[0]
		f.pulled(s, 0)
		want := map[store.Verdict]identity.Date{store.Release: "2027-01-01", store.Reject: "2020-01-01"}[verdict]
		if _, e := f.employment("E1"); e.Start != want || len(r.StartsHeld) != 0 || !slices.Equal(asked, []string{"", "", "", "since=c2"}) {
			t.Errorf("%s: %+v, it starts %s, asked %q", verdict, r, e.Start, asked)
		}
		server.Close()
	}
}
