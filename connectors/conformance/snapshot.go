package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/behov/behov/connectors"
)

var snapshotTests = []test{
	{"check", func(r *runner) {
		if err := r.Connector.Check(r.ctx); err != nil {
			r.Errorf("Check: %v", err)
		}
		if n := len(r.snapshot().accounts); n != 0 {
			r.Errorf("%d accounts after Check, want none", n)
		}
		r.create("anna")
		if err := r.Connector.Check(r.ctx); err != nil {
			r.Errorf("Check with an account: %v", err)
		}
	}},
	{"entitlements without members are there", func(r *runner) {
		s := r.snapshot()
		for _, e := range r.Entitlements {
			if !s.entitlements[e] {
				r.Errorf("%q is missing", e)
			}
		}
		if len(s.members) > 0 {
			r.Errorf("memberships of accounts that are not in the snapshot: %v", s.members)
		}
	}},
	{"two in a row are equal", func(r *runner) {
		ids := r.create(many("same", 10)...)
		r.apply(member(connectors.AddMember, ids[0], r.Entitlements[0]), change(connectors.DisableAccount, ids[1]))
		a, b := r.snapshot(), r.snapshot()
		if diff := cmp.Diff(a.accounts, b.accounts); diff != "" {
			r.Error(diff)
		}
		if diff := cmp.Diff(a.members, b.members); diff != "" {
			r.Error(diff)
		}
	}},
	{"foreign accounts are there without an anchor", func(r *runner) {
		if r.Foreign == nil {
			r.Skip("the fixture has no Foreign")
		}
		id := r.Foreign(r.T, "nobodys")
		a, ok := r.snapshot().accounts[id]
		if !ok || a.Anchor != "" || a.Name != "nobodys" {
			r.Errorf("got %+v, %t", a, ok)
		}
	}},
	{"an account deleted behind the back", func(r *runner) {
		if r.Remove == nil {
			r.Skip("the fixture has no Remove")
		}
		ids := r.create("anna", "berit")
		e := r.Entitlements[0]
		r.expect(connectors.Applied, member(connectors.AddMember, ids[0], e), member(connectors.AddMember, ids[1], e))
		r.Remove(r.T, ids[0])
		r.expect(connectors.Refused, update(ids[0], r.Text, "x"), member(connectors.AddMember, ids[0], r.Entitlements[1]))
		r.expect(connectors.AlreadyApplied, change(connectors.DeleteAccount, ids[0]))
		if _, there := r.snapshot().accounts[ids[0]]; there {
			r.Error("the deleted account is still in the snapshot")
		}
	}},
	{"a sink's error ends it", func(r *runner) {
		ids := r.create(many("sink", 5)...)
		r.expect(connectors.Applied, member(connectors.AddMember, ids[0], r.Entitlements[0]))
		for _, where := range []string{"account", "entitlement", "membership"} {
			sink := &failing{where: where, err: errors.New("the sink is full")}
			c, err := r.Connector.Snapshot(r.ctx, sink)
			if !errors.Is(err, sink.err) {
				r.Errorf("error in %s: Snapshot returned %v, want the sink's error", where, err)
			}
			if c.Complete {
				r.Errorf("error in %s: Snapshot says it is complete", where)
			}
			if sink.after > 0 {
				r.Errorf("error in %s: the sink was called %d more times", where, sink.after)
			}
		}
		r.snapshot() // the connector still works
	}},
	{"a cancelled context", func(r *runner) {
		id := r.create("anna")[0]
		ctx, cancel := context.WithCancel(r.ctx)
		cancel()
		if c, err := r.Connector.Snapshot(ctx, newState()); err == nil || c.Complete {
			r.Errorf("Snapshot: %v, complete %t; want an error", err, c.Complete)
		}
		if err := r.Connector.Check(ctx); err == nil {
			r.Error("Check: no error")
		}
		results := r.Connector.Apply(ctx, []connectors.Change{update(id, r.Text, "x"), r.creation("berit")})
		if len(results) != 2 {
			r.Fatalf("Apply returned %d results, want 2", len(results))
		}
		for i, res := range results {
			if res.Err == nil || connectors.ClassOf(res.Err) == connectors.Permanent {
				r.Errorf("change %d: %+v, want an error that says to try again", i, res)
			}
		}
		// The connector still works.
		if r.Connector.Capabilities()[connectors.Update].Can {
			r.expect(connectors.Applied, update(id, r.Text, "x"))
		} else {
			r.create("cecilia")
		}
	}},
	{"a context cancelled half-way", func(r *runner) {
		r.create(many("half", 20)...)
		ctx, cancel := context.WithCancel(r.ctx)
		defer cancel()
		sink := &failing{where: "account", do: cancel}
		if c, err := r.Connector.Snapshot(ctx, sink); err == nil && !c.Complete {
			r.Error("neither an error nor complete")
		}
		r.snapshot()
	}},
	{"reading while writing", func(r *runner) {
		r.needs(connectors.Members, connectors.Update)
		ids := r.create(many("busy", 20)...)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range 10 {
					s := newState()
					c, err := r.Connector.Snapshot(r.ctx, s)
					if err != nil || !c.Complete {
						r.Errorf("Snapshot: %v, complete %t", err, c.Complete)
					}
					for _, id := range ids {
						if _, ok := s.accounts[id]; !ok {
							r.Errorf("account %s is missing", id)
						}
					}
					for _, p := range s.problems {
						r.Error(p)
					}
				}
			})
		}
		for round := range 5 {
			var changes []connectors.Change
			for _, id := range ids {
				op := connectors.AddMember
				if round%2 == 1 {
					op = connectors.RemoveMember
				}
				changes = append(changes, update(id, r.Text, fmt.Sprint("round ", round)), member(op, id, r.Entitlements[0]))
			}
			r.expectAsync(changes)
		}
		wg.Wait()
		r.wantMembers(r.Entitlements[0], ids...)
	}},
	{"two writers", func(r *runner) {
		var wg sync.WaitGroup
		for _, prefix := range []string{"left", "right"} {
			wg.Go(func() {
				var changes []connectors.Change
				for _, n := range many(prefix, 20) {
					changes = append(changes, r.creation(n))
				}
				r.expectAsync(changes)
			})
		}
		wg.Wait()
		if n := len(r.snapshot().accounts); n != 40 {
			r.Errorf("%d accounts, want 40", n)
		}
	}},
	{"MFA enrolment", func(r *runner) {
		r.needs(connectors.MFA)
		reader, ok := r.Connector.(connectors.MFAReader)
		if !ok {
			r.Fatal("the connector says it can tell MFA enrolment but is no MFAReader")
		}
		if r.SetMFA == nil {
			r.Fatal("the connector can tell MFA enrolment: the fixture needs SetMFA")
		}
		ids := r.create("anna", "berit", "cecilia")
		enrolled := func() map[string]bool {
			got := map[string]bool{}
			c, err := reader.MFAEnrolled(r.ctx, func(id string, method connectors.MFAMethod) error {
				got[id] = method != connectors.NoMethod
				return nil
			})
			if err != nil || !c.Complete {
				r.Fatalf("MFAEnrolled: %v, complete %t %s", err, c.Complete, c.Why)
			}
			return got
		}
		if got := enrolled(); len(got) > 0 {
			r.Errorf("enrolled from the start: %v", got)
		}
		r.SetMFA(r.T, ids[0], true)
		r.SetMFA(r.T, ids[2], true)
		if diff := cmp.Diff(map[string]bool{ids[0]: true, ids[2]: true}, enrolled()); diff != "" {
			r.Errorf("enrolled (-want +got):\n%s", diff)
		}
		full := errors.New("full")
		if c, err := reader.MFAEnrolled(r.ctx, func(string, connectors.MFAMethod) error { return full }); !errors.Is(err, full) || c.Complete {
			r.Errorf("MFAEnrolled: %v, complete %t; want emit's error", err, c.Complete)
		}
		r.SetMFA(r.T, ids[0], false)
		if diff := cmp.Diff(map[string]bool{ids[2]: true}, enrolled()); diff != "" {
			r.Errorf("enrolled (-want +got):\n%s", diff)
		}
	}},
}

// expectAsync applies changes outside the test's goroutine, where Fatal must not
// be called.
func (r *runner) expectAsync(changes []connectors.Change) {
	for i, res := range r.Connector.Apply(r.ctx, changes) {
		if res.Err != nil || res.Status != connectors.Applied {
			r.Errorf("change %d (%s): %s %s %v", i, changes[i].Op, res.Status, res.Detail, res.Err)
		}
	}
}

// failing is a sink that fails, or calls a function, at the first call of one
// method.
type failing struct {
	where string
	err   error  // returned
	do    func() // or called
	done  bool
	after int
}

func (f *failing) call(where string) error {
	if f.done && f.err != nil {
		f.after++
		return f.err
	}
	if where != f.where || f.done {
		return nil
	}
	f.done = true
	if f.do != nil {
		f.do()
	}
	return f.err
}

func (f *failing) Account(connectors.Account) error         { return f.call("account") }
func (f *failing) Entitlement(connectors.Entitlement) error { return f.call("entitlement") }
func (f *failing) Membership(connectors.Membership) error   { return f.call("membership") }
