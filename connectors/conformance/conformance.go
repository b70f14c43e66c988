// Package conformance is the test suite that every connector must pass, behov's
// own and those of third parties. A connector's test calls [Run] with a function
// that returns a fresh target:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, func(t *testing.T) conformance.Fixture { … })
//	}
//
// It must be valid for every kind of target: optional abilities are tested
// through optional fields of Fixture, and the suite reports what it skips.
package conformance

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
)

// Fixture is a target without accounts, for one test.
type Fixture struct {
	// Connector is connected to the target. The suite closes it.
	Connector connectors.Connector
	// Entitlements are at least two entitlements that exist and have no members.
	Entitlements []string
	// Attributes returns attributes, by the target's own names, with which an
	// account of that login name can be created.
	Attributes func(name string) map[string][]string
	// Text is a managed attribute that is not among Attributes, takes one value
	// of any text, and may be absent.
	Text string

	// The fields below are optional.

	// Multi is like Text, and takes many values.
	Multi string
	// Reference is a managed attribute whose value is another account. It is
	// required when the connector supports references.
	Reference string
	// Large is the number of members of the largest group that the suite fills;
	// zero skips that test.
	Large int
	// Faults are connectors to targets that misbehave.
	Faults []Fault
	// RefusedAttribute and RefusedValue are a managed attribute and a value
	// for it that the target refuses.
	RefusedAttribute, RefusedValue string
	// StrictNames reports that the target does not accept every login name. It
	// must then refuse the others.
	StrictNames bool
	// Reopen returns another connector to the same target, without caches, as
	// after a restart. The suite closes it.
	Reopen func(t *testing.T) connectors.Connector
	// Foreign creates an account that behov does not own, without the connector,
	// and returns its native ID.
	Foreign func(t *testing.T, name string) string
	// Remove deletes an account without the connector.
	Remove func(t *testing.T, accountID string)
	// SetMFA enrols an account, or ends its enrolment, without the connector. It
	// is required when the connector can read enrolment.
	SetMFA func(t *testing.T, accountID string, enrolled bool)
	// GroupName returns the entitlement name of a new group beside one that exists, where
	// it is another than the new name itself (a DN).
	GroupName func(beside, name string) string
}

// Fault is a target that misbehaves. It contains an account and at least one
// membership.
type Fault struct {
	Name string // "wrong password"
	// Open returns a connector to the target. The suite closes it.
	Open func(t *testing.T) connectors.Connector
	// Readable reports that reading succeeds nevertheless (a read-only replica).
	// Otherwise no reading may be complete.
	Readable bool
	// Secrets must not be in any error.
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
		{"groups", groupTests},
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

// runner is a fixture with helper methods for the tests.
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
	f.Attributes = func(name string) map[string][]string { // a new map each time, never nil
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

// needs skips the test unless the target has the abilities.
func (r *runner) needs(abilities ...connectors.Ability) {
	r.Helper()
	for _, a := range abilities {
		if s := r.Connector.Capabilities()[a]; !s.Can {
			r.Skipf("the target cannot: %s (%s)", a, s.Note)
		}
	}
}

// state is the content of a snapshot.
type state struct {
	accounts     map[string]connectors.Account // by ID
	entitlements map[string]bool
	listed       []connectors.Entitlement
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
	s.listed = append(s.listed, e)
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

// snapshot reads the target. The snapshot must be complete and consistent.
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

// apply carries out changes, of which none may end with an error.
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

// expect applies changes and checks the status of each.
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

// create creates accounts and returns their IDs.
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

// unknownID has the form of many targets' IDs, and belongs to no account.
const unknownID = "00000000-0000-4000-8000-00000000dead"
