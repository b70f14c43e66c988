package governance_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// approversNeeded is how many people approve a request in the office.
var approversNeeded = map[string]int{"lib:library": 1, "desk:desk": 3, "hall:hall": 1}

// sequence plays decisions and events in any order.
type sequence struct {
	*office
	now     time.Time
	people  []string
	manager map[string]string // of each, as HR says
	unit    map[string]string
	first   map[string]identity.Person // by the key of a record, as they were at first
	given   int
}

// TestNoSequenceOfDecisionsOpensWhatIsClosed: whatever is requested, approved, refused, taken in
// an emergency, withdrawn, reviewed, merged, split and said by HR, by whomever and in whatever
// order: no one has by a request what fewer people approved than the class asks for, or the
// person or the asker themselves; nor after it ended; nor what a newer decision revoked.
func TestNoSequenceOfDecisionsOpensWhatIsClosed(t *testing.T) {
	given := 0
	rapid.Check(t, func(r *rapid.T) {
		s := &sequence{office: newOffice(t), now: time.Now(), people: []string{"staff", "stranger", "temp"}, manager: map[string]string{"staff": "manager"}, unit: map[string]string{}, first: map[string]identity.Person{}}
		s.g.Now = func() time.Time { return s.now }
		for _, key := range s.people {
			s.unit[key], s.first[key] = "office", s.person(key)
		}
		actors := []string{"staff", "stranger", "temp", "manager", "owner", "deputy", "other", "operator", "administrator", "hr"}
		entitlements := []string{"lib:library", "desk:desk", "hall:hall"}
		// Each begins with a request that gives access, so that there is something to end.
		staff, lib := s.first["staff"], policy.EntitlementID("lib:library")
		asked, _, err := s.g.RequestAccess(t.Context(), staff, governance.Request{Entitlement: lib, Until: s.today().AddDays(5)}, s.by("staff"), "a test")
		if err == nil {
			_, err = s.g.DecideRequest(t.Context(), asked.ID, store.Approve, s.by("owner"), "a test")
		}
		if err != nil {
			t.Fatal(err)
		}
		s.check(r, "the first request")
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			about := s.first[rapid.SampledFrom(s.people).Draw(r, "about")]
			about, err := s.g.DB.Person(t.Context(), about.ID)
			if err != nil {
				t.Fatal(err)
			}
			by := s.by(rapid.SampledFrom(actors).Draw(r, "by"))
			entitlement := rapid.SampledFrom(entitlements).Draw(r, "entitlement")
			what := rapid.SampledFrom([]string{"ask", "ask", "emergency", "approve", "approve", "approve", "approve", "refuse", "withdraw", "revoke", "keep", "merge", "split", "manager", "unit", "time"}).Draw(r, "what")
			s.play(r, what, about, entitlement, by)
			s.check(r, what)
		}
		given += s.given
	})
	t.Logf("%d times something was given by a request", given)
	if given == 0 {
		t.Error("nothing was ever given by a request: the test tests nothing")
	}
}

// play does one thing; that it is refused is right, that it fails is not.
func (s *sequence) play(r *rapid.T, what string, about identity.Person, entitlement string, by rights.Subject) {
	ctx := s.t.Context()
	var err error
	switch what {
	case "ask", "emergency":
		ask := governance.Request{Entitlement: policy.EntitlementID(entitlement), Emergency: what == "emergency"}
		if !ask.Emergency {
			ask.Until = s.today().AddDays(rapid.IntRange(0, 9).Draw(r, "days"))
		}
		_, _, err = s.g.RequestAccess(ctx, about, ask, by, "a test")
	case "approve", "refuse", "withdraw":
		newest, readErr := s.g.DB.NewestRequests(ctx, 0, 20)
		if readErr != nil {
			s.t.Fatal(readErr)
		}
		if len(newest) == 0 {
			return
		}
		q := rapid.SampledFrom(newest).Draw(r, "request")
		if what == "withdraw" {
			_, err = s.g.WithdrawRequest(ctx, q.ID, by, "a test")
		} else {
			_, err = s.g.DecideRequest(ctx, q.ID, store.Verdict(what), by, "a test")
		}
	case "revoke", "keep":
		err = s.g.DB.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Decide(ctx, store.Decision{Kind: store.ReviewDecision, Verdict: store.Verdict(what), Person: about.ID, Entitlement: entitlement, Subject: "1-1", Maker: by.Actor(), Reason: "a test"}, s.now)
			return err
		})
	case "merge":
		other := s.first[rapid.SampledFrom(s.people).Draw(r, "other")]
		if other, err = s.g.DB.Person(ctx, other.ID); err == nil {
			_, err = s.g.Merge(ctx, about, other, by, "a test")
		}
	case "split":
		key := rapid.SampledFrom(s.people).Draw(r, "record")
		_, _, err = s.g.Split(ctx, about, identity.SourceKey{Source: "hr", Key: key}, by, "a test")
	case "manager", "unit", "time":
		key := rapid.SampledFrom(s.people).Draw(r, "of")
		switch what {
		case "manager":
			s.manager[key] = rapid.SampledFrom([]string{"", "manager", "reviewer"}).Draw(r, "manager")
		case "unit":
			s.unit[key] = rapid.SampledFrom([]string{"office", "it"}).Draw(r, "unit")
		default:
			s.now = s.now.AddDate(0, 0, rapid.IntRange(1, 4).Draw(r, "later"))
			return
		}
		s.imports("hr", "person_id,employment_id,given_name,family_name,unit,job_code,manager_id,start_date,end_date\n"+key+",E"+key+",Given,Family"+key+","+s.unit[key]+",,"+s.manager[key]+",2020-01-01,\n")
		return
	}
	var refused *reason.Refusal
	if err != nil && !errors.As(err, &refused) && !rights.IsRefused(err) {
		s.t.Fatalf("%s: %v", what, err)
	}
}

// check compares what each person is given with the decisions, as the audit trail has them.
func (s *sequence) check(r *rapid.T, after string) {
	ctx := s.t.Context()
	for _, first := range s.first {
		p, err := s.g.DB.Person(ctx, first.ID)
		if err != nil {
			s.t.Fatal(err)
		}
		status, err := reconcile.PersonStatusOf(ctx, s.g.DB, s.g.Config, p, s.today())
		if err != nil {
			s.t.Fatal(err)
		}
		grants, err := s.g.Config.Rules.Decide(status.Person, s.today(), status.Facts)
		if err != nil {
			s.t.Fatal(err)
		}
		decided, err := s.g.DB.DecisionsAbout(ctx, p.ID, 1000)
		if err != nil {
			s.t.Fatal(err)
		}
		slices.Reverse(decided)
		for _, g := range grants {
			if g.Gate != policy.Open {
				continue
			}
			for _, why := range g.Reasons {
				if why.Request == 0 {
					continue
				}
				s.given++
				if wrong := s.wrong(p, string(g.Entitlement), why.Request, decided); wrong != "" {
					r.Fatalf("after %s, request %d gives %s: %s\n%+v", after, why.Request, g.Entitlement, wrong, decided)
				}
			}
		}
	}
}

// wrong returns why a request must not give a person anything; empty when it may.
func (s *sequence) wrong(p identity.Person, entitlement string, request int64, decided []store.Decision) string {
	revoked, lastApproval := int64(0), int64(0)
	var asked store.Decision
	var makers []identity.Actor
	for _, d := range decided {
		of := d.Kind == store.RequestDecision && d.Subject == store.RequestSubject(request)
		switch {
		case d.Kind == store.ReviewDecision && d.Entitlement == entitlement && d.Verdict == store.Revoke:
			revoked = d.Seq
		case d.Kind == store.ReviewDecision && d.Entitlement == entitlement:
			revoked = 0
		case of && (d.Verdict == store.Refuse || d.Verdict == store.Withdraw):
			return fmt.Sprintf("decision %d ended it", d.Seq)
		case of && d.Verdict == store.Approve:
			if slices.Contains(makers, d.Maker) || d.Maker == identity.PersonActor(p.ID) || d.Maker == asked.Maker {
				return fmt.Sprintf("decision %d is of the person, of who asked, or of one who approved already", d.Seq)
			}
			makers, lastApproval = append(makers, d.Maker), d.Seq
		case of:
			asked = d
		}
	}
	emergency := asked.Verdict == store.Emergency
	if emergency {
		lastApproval = asked.Seq
	}
	q, err := s.g.DB.AccessRequest(s.t.Context(), request)
	if err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(p.Employments, func(e identity.Employment) bool { return e.ID == q.Employment })
	switch {
	case asked.Seq == 0 || asked.Entitlement != entitlement:
		return "it was not asked for"
	case !emergency && len(makers) < approversNeeded[entitlement]:
		return fmt.Sprintf("%d approved it", len(makers))
	case asked.Until < s.today():
		return "its last day has passed"
	case emergency && s.today() > q.Since.AddDays(1):
		return "emergency access lasts two days"
	case revoked > lastApproval:
		return fmt.Sprintf("decision %d revoked it", revoked)
	case i < 0:
		return "the person does not have the employment any more"
	case p.Employments[i].On(s.today()).Unit != q.Unit || p.Employments[i].On(s.today()).Manager("hr") != q.Manager:
		return "the employment is another than when it was asked"
	}
	return ""
}
