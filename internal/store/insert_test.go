package store_test

import (
	"context"
	"database/sql/driver"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// counter counts the statements that a database is sent, by their first word.
type counter struct{ sent atomic.Int64 }

func (c *counter) wrap(to driver.Connector) driver.Connector { return countingConnector{to, c} }

type countingConnector struct {
	driver.Connector
	count *counter
}

func (c countingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	both, ok := conn.(bothConn)
	if !ok {
		return nil, fmt.Errorf("%T lacks what a connection has", conn)
	}
	return &countingConn{both, c.count}, nil
}

type countingConn struct {
	bothConn
	count *counter
}

func (c *countingConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.bothConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

func (c *countingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.count.sent.Add(1)
	return c.bothConn.QueryContext(ctx, query, args)
}

func (c *countingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.count.sent.Add(1)
	return c.bothConn.ExecContext(ctx, query, args)
}

func (c *countingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.bothConn.PrepareContext(ctx, query)
	return countingStmt{stmt, c, query}, err
}

type countingStmt struct {
	driver.Stmt
	conn  *countingConn
	query string
}

func (s countingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.query, args)
}

func (s countingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.query, args)
}

// TestManyRowsAreFewStatements: what writes a row for each of many people sends the
// database some hundred statements less than rows.
func TestManyRowsAreFewStatements(t *testing.T) {
	const people = 250
	var events []identity.Event
	var logins []store.NewLogin
	var numbers []string
	var items []store.ReviewItem
	for n := range people {
		events = append(events, hire(n)...)
		person := events[len(events)-1].Person
		logins = append(logins, store.NewLogin{Base: "anna" + string(rune('a'+n%26)), Person: person})
		numbers = append(numbers, fmt.Sprintf("19700101%04d", n))
		items = append(items, store.ReviewItem{Kind: store.AccessItem, Person: person, Entitlement: "app:x", Why: reason.Of(reason.Answer{Text: "why"})})
	}
	onBothURLs(t, func(t *testing.T, url string) {
		var count counter
		db, err := store.OpenWrapped(t.Context(), url, newMaster(t), count.wrap)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, step := range []struct {
			what string
			most int64
			do   func(tx *store.Tx) error
		}{
			{"HR events", 80, func(tx *store.Tx) error { return tx.RecordEvents(t.Context(), "import", nil, events) }},
			{"logins", 12, func(tx *store.Tx) error { _, err := tx.TakeLogins(t.Context(), logins); return err }},
			{"national identity numbers", 1, func(tx *store.Tx) error { _, err := tx.KnownNationalIDs(t.Context(), numbers); return err }},
			{"review items", 15, func(tx *store.Tx) error {
				_, err := tx.StartReview(t.Context(), store.Campaign{Scope: store.SystemScope, Of: "app", System: "app", Asks: store.AsksOwner, StartedBy: "human:x", Reviewer: ""}, now, items)
				return err
			}},
		} {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				before := count.sent.Load()
				if err := step.do(tx); err != nil {
					return err
				}
				if sent := count.sent.Load() - before; sent > step.most {
					t.Errorf("%d %s took %d statements, want at most %d", people, step.what, sent, step.most)
				}
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
		}
	})
}

// TestEventsAboutRowsThatWait: an event about a person or an employment that the same
// call adds finds the row, and the numbers of events follow each other.
func TestEventsAboutRowsThatWait(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		var events []identity.Event
		for n := range 30 {
			added := hire(n)
			moved := *added[1].EmploymentFacts
			moved.End = "2026-12-31"
			named := *added[0].PersonFacts
			named.FamilyName = fmt.Sprint("Nygift", n)
			events = append(events, added...)
			switch n % 4 {
			case 0:
				events = append(events, identity.Event{Source: "hr", Kind: identity.PersonChanged, Person: added[0].Person, Key: added[0].Key, Effective: "2026-02-01", Recorded: now, PersonFacts: &named})
			case 1:
				events = append(events, identity.Event{Source: "hr", Kind: identity.EmploymentChanged, Person: added[0].Person, Employment: added[1].Employment, Effective: "2026-02-01", Recorded: now, EmploymentFacts: &moved})
			case 2:
				events = append(events, identity.Event{Source: "hr", Kind: identity.EmploymentWithdrawn, Person: added[0].Person, Employment: added[1].Employment, Effective: "2026-02-01", Recorded: now})
			}
		}
		write(t, db, func(tx *store.Tx) error { return tx.RecordEvents(t.Context(), "import", nil, events) })
		if people := checkProjection(t, db); people != 30 {
			t.Errorf("%d people, want 30", people)
		}
		var numbers []int64
		for n := range 30 {
			recorded, err := db.Events(t.Context(), hire(n)[0].Person)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range recorded {
				numbers = append(numbers, e.Seq)
			}
		}
		for i, n := range numbers {
			if n != int64(i)+1 {
				t.Fatalf("the events are numbered %v", numbers)
			}
		}
		if len(numbers) != len(events) {
			t.Errorf("%d events are recorded, want %d", len(numbers), len(events))
		}
	})
}

// TestTwoPeopleOfOneRecord: the later of two people whom one call adds with the same
// record has it, as if there had been two calls.
func TestTwoPeopleOfOneRecord(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		var events []identity.Event
		for n := range 30 { // many enough for a statement of several rows
			events = append(events, hire(n)[0])
		}
		events[2].Key = events[1].Key
		write(t, db, func(tx *store.Tx) error { return tx.RecordEvents(t.Context(), "import", nil, events) })
		p, known, err := db.PersonByKey(t.Context(), identity.SourceKey{Source: "hr", Key: events[1].Key})
		if err != nil || !known || p.ID != events[2].Person {
			t.Errorf("the record is %s's (%v, %v), want %s's", p.ID, known, err, events[2].Person)
		}
	})
}

// TestLoginsOfMany: many people at once get the logins that they would get one by
// one, whatever is taken, and none is given twice.
func TestLoginsOfMany(t *testing.T) {
	bases := []string{"Anna", "anna", "bo", "anna2", "anna", "bo2", "bo", "anna", "", "bo", "anna3", "user"}
	onBoth(t, func(t *testing.T, db *store.DB) {
		var people []store.NewLogin
		for i, base := range bases {
			people = append(people, store.NewLogin{Base: base, Person: identity.PersonID(fmt.Sprint("p", i))})
		}
		var want, got [][]string
		for _, round := range []string{"alone", "together"} {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				for range 2 {
					if round == "together" {
						logins, err := tx.TakeLogins(t.Context(), people)
						if err != nil {
							return err
						}
						got = append(got, logins)
						continue
					}
					var logins []string
					for _, p := range people {
						login, err := tx.ReserveLogin(t.Context(), p.Base, p.Person)
						if err != nil {
							return err
						}
						logins = append(logins, login)
					}
					want = append(want, logins)
				}
				return errRollBack
			})
			if err == nil || !strings.Contains(err.Error(), errRollBack.Error()) {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("- alone, + together:\n%s", diff)
		}
		if first := []string{"anna", "anna2", "bo", "anna22", "anna3", "bo2", "bo3", "anna4", "user", "bo4", "anna32", "user2"}; !reflect.DeepEqual(got[0], first) {
			t.Errorf("got %v, want %v", got[0], first)
		}
		given := map[string]bool{}
		for _, login := range append(got[0], got[1]...) {
			if given[login] {
				t.Errorf("%s is given twice", login)
			}
			given[login] = true
		}
	})
}

// TestKnownNationalIDs: a number is known whose person was not merged into another.
func TestKnownNationalIDs(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		var events []identity.Event
		for n, number := range []string{"197001010019", "198001010017", ""} {
			e := hire(n)[0]
			e.PersonFacts.NationalID = number
			events = append(events, e)
		}
		write(t, db, func(tx *store.Tx) error { return tx.RecordEvents(t.Context(), "import", nil, events) })
		var known map[string][]identity.PersonID
		write(t, db, func(tx *store.Tx) (err error) {
			if err := tx.SetMergedInto(t.Context(), events[1].Person, events[0].Person); err != nil {
				return err
			}
			known, err = tx.KnownNationalIDs(t.Context(), []string{"", "197001010019", "198001010017", "199001010015", "no number"})
			return err
		})
		if want := map[string][]identity.PersonID{"197001010019": {events[0].Person}}; !reflect.DeepEqual(known, want) {
			t.Errorf("got %v, want %v", known, want)
		}
	})
}

// TestPeopleWithRecordsInFewStatements: people and what sources say of them are read with
// as many statements for many as for few, and equal what is read of each.
func TestPeopleWithRecordsInFewStatements(t *testing.T) {
	onBothURLs(t, func(t *testing.T, url string) {
		var count counter
		master := newMaster(t)
		db, err := store.OpenWrapped(t.Context(), url, master, count.wrap)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var events []identity.Event
		var ids []identity.PersonID
		for n := range 300 {
			hired := hire(n)
			hired[0].PersonFacts.NationalID = ""
			if n%3 > 0 {
				hired[0].PersonFacts.NationalID = fmt.Sprintf("19700101%04d", n)
			}
			events, ids = append(events, hired...), append(ids, hired[0].Person)
		}
		write(t, db, func(tx *store.Tx) error { return tx.RecordEvents(t.Context(), "import", nil, events) })
		read := func(ids ...identity.PersonID) (people map[identity.PersonID]identity.Person, sent int64) {
			write(t, db, func(tx *store.Tx) (err error) {
				before := count.sent.Load()
				people, err = tx.PeopleWithRecords(t.Context(), ids)
				sent = count.sent.Load() - before
				return err
			})
			return people, sent
		}
		_, few := read(ids[:3]...)
		people, many := read(append(ids, ids[0])...) // one twice
		if many != few {
			t.Errorf("%d people took %d statements, 3 took %d", len(ids), many, few)
		}
		if len(people) != len(ids) {
			t.Errorf("%d people, want %d", len(people), len(ids))
		}
		for n, id := range ids {
			one, _ := read(id)
			if diff := cmp.Diff(one[id], people[id]); diff != "" {
				t.Fatalf("person %d read with others: %s", n, diff)
			}
			if keys := people[id].Keys; len(keys) != 1 || keys[0].Facts.NationalID != events[2*n].PersonFacts.NationalID {
				t.Fatalf("the records of person %d are %+v", n, keys)
			}
		}
		err = db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.PeopleWithRecords(t.Context(), []identity.PersonID{ids[0], "unknown"})
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "no person unknown") {
			t.Errorf("a person who is not known: %v", err)
		}
	})
}
