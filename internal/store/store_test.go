package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

func newMaster(t testing.TB) *seal.Master {
	t.Helper()
	text, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	m, err := seal.ParseMaster(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func open(t *testing.T, url string) *store.DB {
	t.Helper()
	return openWith(t, url, newMaster(t))
}

func openWith(t *testing.T, url string, master *seal.Master) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), url, master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// onBoth runs a test on an empty SQLite and on an empty PostgreSQL database.
func onBoth(t *testing.T, f func(t *testing.T, db *store.DB)) {
	onBothURLs(t, func(t *testing.T, url string) { f(t, open(t, url)) })
}

// onBothURLs gives the test the URL of an empty database.
func onBothURLs(t *testing.T, f func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { f(t, "sqlite:"+filepath.Join(t.TempDir(), "behov.db")) })
	t.Run("postgres", func(t *testing.T) { f(t, testenv.StartPostgres(t).Database()) })
}

var now = time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)

func write(t *testing.T, db *store.DB, f func(*store.Tx) error) {
	t.Helper()
	if err := db.Write(context.Background(), f); err != nil {
		t.Fatal(err)
	}
}

// hire returns the events of a new person with an employment.
func hire(n int) []identity.Event {
	person := identity.PersonID(fmt.Sprintf("0197-person-%03d", n))
	return []identity.Event{
		{Source: "hr", Kind: identity.PersonAdded, Person: person, Key: fmt.Sprint(1000 + n), Login: fmt.Sprint("login", n), Effective: "2026-01-01", Recorded: now,
			PersonFacts: &identity.PersonFacts{GivenName: "Göta", FamilyName: "Hemligstam", NationalID: "19700101-0019", Email: "gota@example.org"}},
		{Source: "hr", Kind: identity.EmploymentAdded, Person: person, Employment: identity.EmploymentID(fmt.Sprintf("0197-employment-%03d", n)), Key: fmt.Sprint("E", n),
			Effective: "2026-01-01", Recorded: now, EmploymentFacts: &identity.EmploymentFacts{Start: "2026-01-01", Leaves: []identity.Leave{{Start: "2026-02-01"}}, Terms: []identity.Terms{{Unit: "u", JobCode: "1", Percent: 75, Attributes: map[string]string{"cost_centre": "10"}}}}},
	}
}

// checkProjection compares what the identity tables say of each person with what their
// events fold into, and returns how many people there are.
func checkProjection(t *testing.T, db *store.DB) (people int) {
	t.Helper()
	for p, err := range db.People(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		people++
		recorded, err := db.Events(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := identity.Fold(identity.Person{}, recorded)
		want.PersonFacts = identity.Precedence(nil).Merge(want.Keys)
		want.NationalID = "" // sealed; People does not open it
		for i := range want.Keys {
			want.Keys[i].Facts = nil
		}
		if !reflect.DeepEqual(p, want) {
			t.Errorf("the tables say\n%+v\nthe events\n%+v", p, want)
		}
	}
	return people
}

// TestProjectionIsTheFold: what the identity tables say of a person is what
// their events fold into, after each import.
func TestProjectionIsTheFold(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		events := append(hire(1), hire(2)...)
		changed := *events[1].EmploymentFacts
		changed.Terms, changed.End = append(slices.Clone(changed.Terms), identity.Terms{From: "2026-02-01", Unit: "v"}), "2026-12-31"
		second := []identity.Event{
			{Source: "hr", Kind: identity.PersonChanged, Person: events[0].Person, Key: "1001", Effective: "2026-02-01", Recorded: now, PersonFacts: &identity.PersonFacts{GivenName: "Göta", FamilyName: "Nygift", Protected: true}},
			{Source: "hr", Kind: identity.EmploymentChanged, Person: events[0].Person, Employment: events[1].Employment, Effective: "2026-02-01", Recorded: now, EmploymentFacts: &changed},
			{Source: "hr", Kind: identity.EmploymentWithdrawn, Person: events[2].Person, Employment: events[3].Employment, Effective: "2026-02-01", Recorded: now},
		}
		reported := identity.Event{Source: "manual", Kind: identity.EmploymentReported, Person: events[0].Person, Employment: events[1].Employment, Key: events[1].Key, Effective: "2026-02-01", Recorded: now,
			Report: &identity.Report{Last: "2026-01-31", Start: "2026-01-01", On: "2026-02-01", Decision: 1, Known: []identity.EmploymentID{"x"}}}
		closed := reported
		closed.Report = nil
		for _, batch := range [][]identity.Event{events, {reported}, second, {closed, reported}} {
			write(t, db, func(tx *store.Tx) error { return tx.RecordEvents(ctx, "import", nil, batch) })
			people := checkProjection(t, db)
			if people != 2 {
				t.Fatalf("%d people, want 2", people)
			}
		}
		heads, err := db.Sequences(ctx)
		if err != nil || heads.Events != 10 {
			t.Errorf("heads are %+v, %v; want 10 events", heads, err)
		}
		for _, ref := range []string{"1001", "login1", string(events[0].Person)} {
			if p, err := db.FindPerson(ctx, ref, "hr"); err != nil || p.ID != events[0].Person {
				t.Errorf("FindPerson(%q) = %s, %v", ref, p.ID, err)
			}
		}
		if _, err := db.FindPerson(ctx, "nobody", "hr"); !errors.Is(err, store.ErrNoPerson) {
			t.Errorf("FindPerson of nobody: %v", err)
		}
	})
}

// TestEqualTermsAreNotShared: a caller that changes the terms of a person changes no
// other person's, though terms of one text are decoded once.
func TestEqualTermsAreNotShared(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		write(t, db, func(tx *store.Tx) error {
			return tx.RecordEvents(t.Context(), "import", nil, append(hire(1), hire(2)...))
		})
		var terms [][]identity.Terms
		for p, err := range db.People(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			terms = append(terms, p.Employments[0].Terms)
		}
		want := hire(2)[1].EmploymentFacts.Terms
		terms[0][0].Unit, terms[0][0].Attributes["cost_centre"] = "changed", "changed"
		if !reflect.DeepEqual(terms[1], want) {
			t.Errorf("the terms of another person are now %+v", terms[1])
		}
	})
}

func TestLoginsAreNeverGivenTwice(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		var got []string
		for i := range 3 {
			write(t, db, func(tx *store.Tx) error {
				login, err := tx.ReserveLogin(context.Background(), "AnnAnd", identity.PersonID(fmt.Sprint("p", i)))
				got = append(got, login)
				return err
			})
		}
		if want := []string{"annand", "annand2", "annand3"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// Law 11: records are linked in the transaction, from several writers at once,
// and the stored intervals are those the records give.
func TestAuditChainFromManyWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := range 10 {
					person := identity.PersonID(fmt.Sprint("p", w))
					step := fmt.Sprint(w, "-", i)
					op := []string{"add-member", "remove-member"}[i%2]
					err := db.Write(ctx, func(tx *store.Tx) error {
						tx.Audit(audit.Record{At: now, Actor: "behov", Action: audit.StepIntended, Person: person, Attempt: audit.AttemptID(step)})
						tx.Audit(audit.Record{At: now.Add(time.Duration(i+1) * time.Second), Began: now, Actor: "behov", Action: audit.StepEnded, Person: person, Target: "t", Entitlement: "app:x", Op: op, Attempt: audit.AttemptID(step), Outcome: audit.Applied})
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		s, err := db.VerifyAudit(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if s.Records != 160 || len(s.Intervals) != 40 {
			t.Errorf("%d records and %d intervals, want 160 and 40", s.Records, len(s.Intervals))
		}
		open, err := db.Intervals(ctx, store.IntervalQuery{Open: true})
		if err != nil || len(open) != 0 {
			t.Errorf("open intervals: %v, %v", open, err)
		}
		at, err := db.Intervals(ctx, store.IntervalQuery{Entitlement: "app:x"}.At(now.Add(time.Second/2)))
		if err != nil || len(at) == 0 {
			t.Errorf("who had it at an instant: %v, %v", at, err)
		}
	})
}

func TestNothingIsRecordedWhenTheTransactionFails(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		broken := errors.New("broken")
		err := db.Write(context.Background(), func(tx *store.Tx) error {
			tx.Audit(audit.Record{At: now, Actor: "behov", Action: audit.HRImported})
			return broken
		})
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		if s, err := db.VerifyAudit(context.Background()); err != nil || s.Records != 0 {
			t.Errorf("%+v, %v; want no record", s, err)
		}
	})
}

func TestDecisionsAndHolds(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		write(t, db, func(tx *store.Tx) error {
			for _, verdict := range []store.Verdict{store.Revoke, store.Keep} {
				if _, err := tx.Decide(ctx, store.Decision{Kind: store.ReviewDecision, Verdict: verdict, Person: "p", Entitlement: "app:x", Subject: "1-1", Maker: "person:q", Reason: "r"}, now); err != nil {
					return err
				}
			}
			return errors.Join(tx.RaiseHold(ctx, store.Hold{Digest: "d", Kind: "plan", Subject: "t", Why: reason.Of(reason.Answer{Text: "many"})}, nil, "behov", now),
				tx.RaiseHold(ctx, store.Hold{Digest: "d", Kind: "plan", Subject: "t", Why: reason.Of(reason.Answer{Text: "many"})}, nil, "behov", now))
		})
		newest, err := db.ReviewDecisions(ctx, store.Everyone())
		if err != nil || len(newest) != 1 || newest[0].Verdict != store.Keep {
			t.Errorf("newest decisions are %+v, %v; want the later one", newest, err)
		}
		write(t, db, func(tx *store.Tx) error {
			_, err := tx.Decide(ctx, store.Decision{Kind: store.HoldDecision, Verdict: store.Release, Subject: "d", Maker: "person:q", Reason: "r"}, now)
			return err
		})
		holds, err := db.Holds(ctx)
		if err != nil || len(holds) != 1 || holds[0].Decision == nil || holds[0].Decision.Verdict != store.Release {
			t.Errorf("holds are %+v, %v", holds, err)
		}
		// What went through and comes up again waits for a decision of its own.
		write(t, db, func(tx *store.Tx) error { return tx.EndHold(ctx, "d") })
		write(t, db, func(tx *store.Tx) error {
			return tx.RaiseHold(ctx, store.Hold{Digest: "d", Kind: "plan", Subject: "t", Why: reason.Of(reason.Answer{Text: "many"})}, nil, "behov", now)
		})
		if holds, err := db.Holds(ctx); err != nil || len(holds) != 1 || holds[0].Decision != nil {
			t.Errorf("raised again: %+v, %v; want it undecided", holds, err)
		}
		var campaign int64
		write(t, db, func(tx *store.Tx) error {
			campaign, err = tx.StartReview(ctx, store.Campaign{Scope: store.SystemScope, Of: "app", System: "app", Asks: store.AsksOwner, StartedBy: "person:q", Reviewer: ""}, now, []store.ReviewItem{{Kind: store.AccessItem, Person: "p", Entitlement: "app:x", Why: reason.Of(reason.Answer{Text: "w"})}})
			return err
		})
		item, err := db.ReviewItem(ctx, campaign, 1)
		if err != nil || item.Person != "p" || item.Ref() != "1-1" {
			t.Errorf("item is %+v, %v", item, err)
		}
		write(t, db, func(tx *store.Tx) error { return tx.DecideItem(ctx, item, 1) })
		items, decisions, err := db.ReviewItems(ctx, campaign)
		if err != nil || len(items) != 1 || items[0].Decision == nil || decisions[*items[0].Decision].Verdict != store.Revoke {
			t.Errorf("items are %+v, %+v, %v", items, decisions, err)
		}
	})
}

func TestAStepEndsOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		write(t, db, func(tx *store.Tx) error {
			return tx.IntendSteps(ctx, []store.OpenStep{{AttemptID: "s", Target: "t", Person: "p", Body: "{}", Plan: "d"}}, now)
		})
		open, err := db.OpenSteps(ctx, "t", store.Everyone())
		if err != nil || len(open) != 1 || !open[0].Intended().Equal(now) {
			t.Errorf("open steps are %+v, %v", open, err)
		}
		for _, want := range []bool{true, false} {
			write(t, db, func(tx *store.Tx) error {
				if open, err := tx.EndStep(ctx, "s"); err != nil || open != want {
					t.Errorf("a step ends: %t %v, want %t", open, err, want)
				}
				return nil
			})
		}
	})
}

// Law 12: a name that is only in sealed fields any more is nowhere in the
// database's files, and neither is a national identity number.
func TestSealedValuesAreNotInTheFile(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "behov.db"), newMaster(t))
	if err != nil {
		t.Fatal(err)
	}
	events := hire(1)
	write(t, db, func(tx *store.Tx) error { return tx.RecordEvents(ctx, "import", nil, events) })
	// The person marries: the old name is left in the event that brought it.
	write(t, db, func(tx *store.Tx) error {
		return tx.RecordEvents(ctx, "import", nil, []identity.Event{{Source: "hr", Kind: identity.PersonChanged, Person: events[0].Person, Key: "1001", Effective: "2026-02-01", Recorded: now,
			PersonFacts: &identity.PersonFacts{GivenName: "Vittnesnamn", FamilyName: "Nygift", NationalID: "19700101-0019"}}})
	})
	write(t, db, func(tx *store.Tx) error {
		return tx.AuditSealed(audit.Record{At: now, Actor: "behov", Action: audit.StepIntended, Person: events[0].Person, Attempt: "s"}, map[string]string{"mail": "gota@example.org"})
	})
	var opened []byte
	for r, err := range db.AuditRecords(ctx, store.Everyone()) {
		if err != nil {
			t.Fatal(err)
		}
		if opened, err = db.DecryptPayload(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	var payload map[string]string
	if err := json.Unmarshal(opened, &payload); err != nil || payload["mail"] != "gota@example.org" {
		t.Errorf("the sealed payload opens as %s, %v", opened, err)
	}
	search := func(want bool, text string) {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			found = found || bytes.Contains(b, []byte(text))
		}
		if found != want {
			t.Errorf("%q in the database's files: %t, want %t", text, found, want)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	search(true, "Vittnesnamn") // the search finds what is there in the clear
	search(false, "Hemligstam")
	search(false, "19700101")
	search(false, "gota@example.org")
}

// TestTokens: a token is known by its hash, for its source, until it is revoked.
func TestTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		token, kept, err := makeToken(ctx, db, "Entra ID", "idp", now, now.Add(24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		source := func(token string, at time.Time) string {
			found, why, err := db.CheckToken(ctx, token, at)
			if err != nil {
				t.Fatal(err)
			}
			if why != "" {
				return string(why)
			}
			return found.Source
		}
		if got := source(token, now.Add(time.Hour)); got != "idp" {
			t.Errorf("the token is for %q", got)
		}
		all, err := db.Tokens(ctx)
		if err != nil || len(all) != 1 || all[0].Name != "Entra ID" || !all[0].Created().Equal(now) || !all[0].Used().Equal(now.Add(time.Hour)) || !all[0].Revoked().IsZero() || bytes.Contains(all[0].Hash, []byte(token)) {
			t.Errorf("%+v, %v", all, err)
		}
		if got := source(token+"x", now) + " " + source("", now); got != "unknown unknown" {
			t.Errorf("a wrong token is for %q", got)
		}
		if got := source(token, now.Add(24*time.Hour)) + " " + source(token, now.Add(24*time.Hour-time.Second)); got != "expired idp" {
			t.Errorf("when it expires it is %q", got)
		}
		if err := revokeToken(ctx, db, kept.ID, now); err != nil {
			t.Fatal(err)
		}
		if err := revokeToken(ctx, db, kept.ID, now); err == nil {
			t.Error("it is revoked twice")
		}
		if got := source(token, now); got != "revoked" {
			t.Error("a revoked token is for", got)
		}
		if s, err := db.VerifyAudit(ctx); err != nil || s.Records != 2 {
			t.Errorf("%+v, %v; want two records", s, err)
		}
	})
}

// TestServiceTokens: a token of a service account is no person's and no source's.
func TestServiceTokens(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		token, made, err := store.NewToken(store.Token{Name: "the payroll system", Service: "payroll", Scopes: "hr:write"}, now, now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		write(t, db, func(tx *store.Tx) error { return tx.PutToken(t.Context(), made, store.Decision{Maker: "person:q"}) })
		found, why, err := db.CheckToken(t.Context(), token, now)
		if err != nil || why != "" || found.Service != "payroll" || found.Owner != "" || found.Source != "" || !found.Has("hr:write") {
			t.Errorf("%+v, %q, %v", found, why, err)
		}
	})
}

// TestEndSessions: the sessions of one person end, one or all, and no other person's.
func TestEndSessions(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		at := func(d time.Duration) store.Micros { return store.Micros(now.Add(d).UnixMicro()) }
		for id, person := range map[string]identity.PersonID{"a1": "a", "a2": "a", "a3": "a", "b1": "b"} {
			if err := db.PutSession(t.Context(), store.Session{Hash: store.HashSession(id), ID: id, Person: person, Data: "{}", BeganUS: at(0), UsedUS: at(0), ExpiresUS: at(time.Hour)}, now); err != nil {
				t.Fatal(err)
			}
		}
		end := func(person identity.PersonID, id string) (n int64) {
			t.Helper()
			write(t, db, func(tx *store.Tx) (err error) {
				n, err = tx.EndSessions(t.Context(), person, id)
				return err
			})
			return n
		}
		if one, others, none, all, again := end("a", "a1"), end("b", "a2"), end("a", "zz"), end("a", ""), end("a", ""); one != 1 || others != 0 || none != 0 || all != 2 || again != 0 {
			t.Errorf("ended: %d, %d, %d, %d, %d", one, others, none, all, again)
		}
		if left, err := db.SessionsOf(t.Context(), "b", now); err != nil || len(left) != 1 {
			t.Errorf("%+v, %v", left, err)
		}
	})
}

// TestResources: what was pushed follows the record when that is moved, and is
// gone when the person is erased.
func TestResources(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		var ids []identity.PersonID
		for n := range 2 {
			events := hire(n)
			ids = append(ids, events[0].Person)
			write(t, db, func(tx *store.Tx) error { return tx.RecordEvents(ctx, "i", nil, events) })
		}
		put := func(id, key, name, external string, p identity.PersonID) error {
			return db.Write(ctx, func(tx *store.Tx) error {
				return tx.PutResource(ctx, store.SCIMResource{Source: "hr", ID: id, Key: key, Person: p, Body: []byte(`{"family":"Hemligstam"}`), Version: 1, Made: now, Changed: now}, name, external)
			})
		}
		if err := put("a", "1000", "Eva", "x", ids[0]); err != nil {
			t.Fatal(err)
		}
		for _, c := range [][2]string{{"1001", "eVA"}, {"1000", "bo"}} {
			if err := put("b", c[0], c[1], "", ids[1]); !errors.Is(err, store.ErrUserNameTaken) {
				t.Errorf("%v: %v", c, err)
			}
		}
		find := func() string {
			byName, err := db.ResourcesByUserName(ctx, "hr", "EVA")
			if err != nil {
				t.Fatal(err)
			}
			byID, err := db.ResourcesByExternalID(ctx, "hr", "x")
			if err != nil || len(byID) != len(byName) {
				t.Fatal(byID, byName, err)
			}
			if len(byName) == 0 {
				return ""
			}
			return string(byName[0].Person) + string(byName[0].Body) + byName[0].Key
		}
		const body = `{"family":"Hemligstam"}1000`
		if got := find(); got != string(ids[0])+body {
			t.Error(got)
		}
		write(t, db, func(tx *store.Tx) error {
			return tx.MoveRecord(ctx, nil, identity.SourceKey{Source: "hr", Key: "1000"}, ids[0], ids[1])
		})
		if got := find(); got != string(ids[1])+body {
			t.Errorf("moved: %s", got)
		}
		broken, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := db.Resource(broken, "hr", "a"); err == nil || errors.Is(err, store.ErrNoResource) {
			t.Errorf("a database that cannot be asked: %v", err)
		}
		if _, err := db.Resource(ctx, "other", "a"); !errors.Is(err, store.ErrNoResource) {
			t.Errorf("in another source: %v", err)
		}
		write(t, db, func(tx *store.Tx) error { return tx.ErasePerson(ctx, ids[1], time.Now()) })
		if got := find(); got != "" {
			t.Errorf("erased: %s", got)
		}
	})
}

// makeToken makes a token as a decision does.
func makeToken(ctx context.Context, db *store.DB, name, source string, now, until time.Time) (string, store.Token, error) {
	token, t, err := store.NewToken(store.Token{Name: name, Source: source}, now, until)
	if err != nil {
		return "", t, err
	}
	return token, t, db.Write(ctx, func(tx *store.Tx) error { return tx.PutToken(ctx, t, store.Decision{Maker: "person:q"}) })
}

// revokeToken revokes a token as a decision does.
func revokeToken(ctx context.Context, db *store.DB, id string, now time.Time) error {
	return db.Write(ctx, func(tx *store.Tx) error { return tx.RevokeToken(ctx, id, store.Decision{Maker: "person:q"}, now) })
}
