// Package conformance is the one suite that every connector passes, behov's
// own and anybody else's. A connector's test calls [Run] with a way to get a
// fresh target:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, func(t *testing.T) conformance.Fixture { … })
//	}
//
// It must hold for every kind of target: what only some can do is asked for
// through a Fixture's optional fields, and what the suite skips it says.
package conformance

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
)

// Fixture is a target of its own, without accounts, for one test.
type Fixture struct {
	// Connector is connected to the target. The suite closes it.
	Connector connectors.Connector
	// Entitlements are at least two that exist and have no members.
	Entitlements []string
	// Attributes returns attributes, by the target's own names, with which an
	// account of that login name can be created.
	Attributes func(name string) map[string][]string
	// Text is a managed attribute that is not among Attributes, takes one
	// value of any text, and may be absent.
	Text string

	// The fields below are optional.

	// Multi is like Text, and takes many values.
	Multi string
	// Reference is a managed attribute whose value is another account. It must
	// be there when the connector can refer to accounts.
	Reference string
	// Large is how many members one group is filled with; without it the
	// suite does not try what happens with very many.
	Large int
	// Faults are connectors to targets that misbehave.
	Faults []Fault
	// RefusedAttribute and RefusedValue are a managed attribute and a value
	// for it that the target refuses.
	RefusedAttribute, RefusedValue string
	// StrictNames is set when the target does not take every login name. It
	// must then refuse those it does not take.
	StrictNames bool
	// Reopen returns another connector to the same target, with nothing
	// cached, as after a restart. The suite closes it.
	Reopen func(t *testing.T) connectors.Connector
	// Foreign creates an account that behov does not own, behind the
	// connector's back, and returns its native ID.
	Foreign func(t *testing.T, name string) string
	// Remove deletes an account behind the connector's back.
	Remove func(t *testing.T, accountID string)
	// SetMFA enrols an account, or ends its enrolment, behind the
	// connector's back. It must be there when the connector can tell who is
	// enrolled.
	SetMFA func(t *testing.T, accountID string, enrolled bool)
}

// Fault is a target that misbehaves, with an account and a membership or more
// in it.
type Fault struct {
	Name string // "wrong password"
	// Open returns a connector to the target. The suite closes it.
	Open func(t *testing.T) connectors.Connector
	// Readable is set when reading works all the same (a replica that cannot
	// be written to). Otherwise no reading may come out complete.
	Readable bool
	// Secrets must not stand in any error.
	Secrets []string
}

// Run runs the suite. newFixture is called once for each test in it.
func Run(t *testing.T, newFixture func(t *testing.T) Fixture) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"accounts", accountTests},
		{"adoption", adoptionTests},
		{"renaming", renamingTests},
		{"repetition", repetitionTests},
		{"members", memberTests},
		{"snapshot", snapshotTests},
		{"few accounts", fewTests},
		{"text", textTests},
		{"faults", faultTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, tt := range group.tests {
				t.Run(tt.name, func(t *testing.T) { tt.run(newRunner(t, newFixture(t))) })
			}
		})
	}
}

type test struct {
	name string
	run  func(*runner)
}

// runner is a fixture with what the tests keep doing to it.
type runner struct {
	*testing.T
	Fixture
	ctx context.Context
}

func newRunner(t *testing.T, f Fixture) *runner {
	t.Helper()
	if f.Connector == nil || len(f.Entitlements) < 2 || f.Attributes == nil || f.Text == "" {
		t.Fatal("the fixture needs Connector, two Entitlements, Attributes and Text")
	}
	attributes := f.Attributes
	f.Attributes = func(name string) map[string][]string { // one of its own each time, never nil
		all := map[string][]string{}
		maps.Copy(all, attributes(name))
		return all
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	t.Cleanup(func() {
		if err := f.Connector.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return &runner{T: t, Fixture: f, ctx: ctx}
}

// needs skips the test when the target cannot do what it is about.
func (r *runner) needs(abilities ...connectors.Ability) {
	r.Helper()
	for _, a := range abilities {
		if s := r.Connector.Capabilities()[a]; !s.Can {
			r.Skipf("the target cannot: %s (%s)", a, s.Note)
		}
	}
}

// state is what a snapshot showed.
type state struct {
	accounts     map[string]connectors.Account // by ID
	entitlements map[string]bool
	members      map[connectors.Membership]bool
	problems     []string
}

func newState() *state {
	return &state{accounts: map[string]connectors.Account{}, entitlements: map[string]bool{}, members: map[connectors.Membership]bool{}}
}

// Account implements connectors.Sink.
func (s *state) Account(a connectors.Account) error {
	if a.ID == "" {
		s.problems = append(s.problems, fmt.Sprintf("account %q has no ID", a.Name))
	}
	if _, twice := s.accounts[a.ID]; twice {
		s.problems = append(s.problems, fmt.Sprintf("account %q came twice", a.ID))
	}
	for name, values := range a.Attributes {
		if len(values) == 0 {
			s.problems = append(s.problems, fmt.Sprintf("attribute %q of account %q has no value but is there", name, a.ID))
		}
	}
	s.accounts[a.ID] = a
	return nil
}

// Entitlement implements connectors.Sink.
func (s *state) Entitlement(e connectors.Entitlement) error {
	if s.entitlements[e.Name] {
		s.problems = append(s.problems, fmt.Sprintf("entitlement %q came twice", e.Name))
	}
	if e.Unreadable != "" {
		s.problems = append(s.problems, fmt.Sprintf("entitlement %q is unreadable: %s", e.Name, e.Unreadable))
	}
	s.entitlements[e.Name] = true
	return nil
}

// Membership implements connectors.Sink.
func (s *state) Membership(m connectors.Membership) error {
	if s.members[m] && m.AccountID != "" {
		s.problems = append(s.problems, fmt.Sprintf("membership %v came twice", m))
	}
	s.members[m] = true
	return nil
}

// snapshot reads the target, which must be complete and free of
// contradictions.
func (r *runner) snapshot() *state {
	r.Helper()
	s := newState()
	c, err := r.Connector.Snapshot(r.ctx, s)
	if err != nil {
		r.Fatalf("Snapshot: %v", err)
	}
	if !c.Complete {
		r.Fatalf("Snapshot says it is not complete: %s", c.Why)
	}
	for _, p := range s.problems {
		r.Errorf("Snapshot: %s", p)
	}
	for m := range s.members {
		if !s.entitlements[m.Entitlement] {
			r.Errorf("Snapshot: a membership of %q, which it does not list", m.Entitlement)
		}
		if _, ok := s.accounts[m.AccountID]; !ok && m.AccountID != "" {
			r.Errorf("Snapshot: a membership of account %q, which it does not list", m.AccountID)
		}
	}
	return s
}

// apply carries out changes, of which none may end in an error.
func (r *runner) apply(changes ...connectors.Change) []connectors.Result {
	r.Helper()
	results := r.Connector.Apply(r.ctx, changes)
	if len(results) != len(changes) {
		r.Fatalf("Apply returned %d results for %d changes", len(results), len(changes))
	}
	for i, res := range results {
		if res.Err != nil {
			r.Fatalf("change %d (%s): %v", i, changes[i].Op, res.Err)
		}
		if res.Status == connectors.Refused && res.Detail == "" {
			r.Errorf("change %d (%s) is refused without a reason", i, changes[i].Op)
		}
	}
	return results
}

// expect applies changes and compares how each ended.
func (r *runner) expect(want connectors.Status, changes ...connectors.Change) []connectors.Result {
	r.Helper()
	results := r.apply(changes...) // as many as changes
	for i, c := range changes {
		if res := results[i]; res.Status != want {
			r.Fatalf("change %d (%s): %s %s, want %s", i, c.Op, res.Status, res.Detail, want)
		}
	}
	return results
}

func anchor(name string) string { return "behov-" + name }

func (r *runner) creation(name string) connectors.Change {
	return connectors.Change{
		Op:         connectors.CreateAccount,
		Account:    connectors.AccountRef{Name: name, Anchor: anchor(name)},
		Attributes: r.Attributes(name),
		Enabled:    true,
	}
}

// create makes accounts and returns their IDs.
func (r *runner) create(names ...string) []string {
	r.Helper()
	var changes []connectors.Change
	for _, n := range names {
		changes = append(changes, r.creation(n))
	}
	var ids []string
	seen := map[string]bool{}
	results := r.expect(connectors.Applied, changes...)
	for i, name := range names {
		res := results[i]
		if res.AccountID == "" || seen[res.AccountID] {
			r.Fatalf("account %q got the ID %q, which is empty or taken", name, res.AccountID)
		}
		seen[res.AccountID] = true
		ids = append(ids, res.AccountID)
	}
	return ids
}

func change(op connectors.Op, id string) connectors.Change {
	return connectors.Change{Op: op, Account: connectors.AccountRef{ID: id}}
}

func update(id, attribute string, values ...string) connectors.Change {
	c := change(connectors.UpdateAccount, id)
	c.Attributes = map[string][]string{attribute: values}
	return c
}

func member(op connectors.Op, id, entitlement string) connectors.Change {
	c := change(op, id)
	c.Entitlement = entitlement
	return c
}

// many returns n login names.
func many(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%04d", prefix, i)
	}
	return names
}

// unknownID is shaped like the IDs that many targets use, and nobody's.
const unknownID = "00000000-0000-4000-8000-00000000dead"
