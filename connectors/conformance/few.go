package conformance

import (
	"context"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/behov/behov/connectors"
)

// few reads accounts, which must be as in a snapshot.
func (r *runner) few(refs []connectors.AccountRef, entitlements []string, want ...string) {
	r.Helper()
	got := newState()
	c, err := r.Connector.(connectors.AccountReader).ReadAccounts(r.ctx, refs, entitlements, got)
	if err != nil || !c.Complete {
		r.Fatalf("ReadAccounts: %v, complete %t %s", err, c.Complete, c.Why)
	}
	for _, p := range got.problems {
		r.Errorf("ReadAccounts: %s", p)
	}
	whole := r.snapshot()
	for _, id := range want {
		if diff := cmp.Diff(whole.accounts[id], got.accounts[id]); diff != "" {
			r.Errorf("account %s, in a snapshot and read by itself: %s", id, diff)
		}
	}
	for id := range got.accounts {
		if _, there := whole.accounts[id]; !there {
			r.Errorf("account %s is in no snapshot", id)
		}
	}
	for _, e := range entitlements {
		if whole.entitlements[e] != got.entitlements[e] {
			r.Errorf("entitlement %q: is there %t, read %t", e, whole.entitlements[e], got.entitlements[e])
		}
		for _, id := range want {
			m := connectors.Membership{Entitlement: e, AccountID: id}
			if whole.members[m] != got.members[m] {
				r.Errorf("account %s in %q: is a member %t, read %t", id, e, whole.members[m], got.members[m])
			}
		}
	}
}

// matching returns how the target compares an attribute.
func (r *runner) matching(attribute string) connectors.Matching {
	if m, ok := r.Connector.(connectors.Matcher); ok {
		return m.Matching()[attribute]
	}
	return connectors.MatchExact
}

var fewTests = []test{
	{"some accounts are as in a snapshot", func(r *runner) {
		if _, ok := r.Connector.(connectors.AccountReader); !ok {
			r.Skip("it is no AccountReader")
		}
		ids := r.create(many("few", 12)...)
		both := r.Entitlements[:2]
		for i, id := range ids {
			r.expect(connectors.Applied, member(connectors.AddMember, id, both[i%2]))
		}
		r.expect(connectors.Applied, member(connectors.AddMember, ids[0], both[1]), change(connectors.DisableAccount, ids[2]))
		r.few([]connectors.AccountRef{{ID: ids[0]}}, both, ids[0])
		r.few([]connectors.AccountRef{{Anchor: anchor("few0001")}, {Name: "few0002"}}, both, ids[1], ids[2])
		r.few([]connectors.AccountRef{{ID: ids[3], Anchor: anchor("few0003"), Name: "few0003"}, {Anchor: anchor("few0003")}, {Name: "few0004"}}, both, ids[3], ids[4])
		r.few([]connectors.AccountRef{{ID: unknownID}, {Anchor: anchor("nobody")}, {Name: "nobody"}, {Name: "no*"}, {Name: "(x)"}, {ID: ids[5]}}, append(both, "there is none of that"), ids[5])
		r.few(nil, both)
		r.few([]connectors.AccountRef{{}}, both)
		var all []connectors.AccountRef
		for _, id := range ids {
			all = append(all, connectors.AccountRef{ID: id})
		}
		r.few(all, both, ids...)
		r.expect(connectors.Applied, member(connectors.RemoveMember, ids[0], both[0]), change(connectors.DeleteAccount, ids[1]))
		r.few([]connectors.AccountRef{{ID: ids[0]}, {ID: ids[1], Anchor: anchor("few0001")}}, both, ids[0], ids[1])
	}},
	{"accounts are found by what they have", func(r *runner) {
		finder, ok := r.Connector.(connectors.AccountFinder)
		if !ok {
			r.Skip("it is no AccountFinder")
		}
		r.needs(connectors.Update)
		texts := append(slices.Clone(awkward), "another", " 1004", "2004 ")
		ids := r.create(many("found", len(texts))...)
		var changes []connectors.Change
		for i, text := range texts {
			changes = append(changes, update(ids[i], r.Text, text))
		}
		r.apply(changes...) // some targets refuse some of them
		whole := r.snapshot()
		find := func(value string) *state {
			r.Helper()
			got := newState()
			c, err := finder.FindAccounts(r.ctx, nil, map[string][]string{r.Text: {"no account has this", value}}, got)
			if err != nil || !c.Complete {
				r.Fatalf("FindAccounts %q: %v, complete %t %s", value, err, c.Complete, c.Why)
			}
			return got
		}
		how := r.matching(r.Text)
		for i, text := range texts {
			has := whole.accounts[ids[i]].Attributes[r.Text]
			for _, value := range []string{text, strings.ToUpper(strings.TrimSpace(text))} {
				if !how.Same([]string{value}, has) {
					continue // refused, or without another equal form
				}
				if diff := cmp.Diff(whole.accounts[ids[i]], find(value).accounts[ids[i]]); diff != "" {
					r.Errorf("%q, looked for as %q, in a snapshot and found: %s", text, value, diff)
				}
			}
		}
		got := newState()
		if c, err := finder.FindAccounts(r.ctx, []string{"nobody", "*", "FOUND0000", "found0001"}, nil, got); err != nil || !c.Complete || got.accounts[ids[0]].ID == "" || got.accounts[ids[1]].ID == "" {
			r.Errorf("FindAccounts by name: %v, complete %t", err, c.Complete)
		}
		got = newState()
		if c, err := finder.FindAccounts(r.ctx, nil, nil, got); err != nil || !c.Complete {
			r.Errorf("FindAccounts of nothing: %v, complete %t", err, c.Complete)
		}
		ctx, cancel := context.WithCancel(r.ctx)
		cancel()
		if c, err := finder.FindAccounts(ctx, []string{"anna"}, nil, newState()); err == nil || c.Complete {
			r.Errorf("FindAccounts after a cancellation: %v, complete %t; want an error", err, c.Complete)
		}
	}},
	{"some accounts, and a cancelled context", func(r *runner) {
		reader, ok := r.Connector.(connectors.AccountReader)
		if !ok {
			r.Skip("it is no AccountReader")
		}
		id := r.create("anna")[0]
		ctx, cancel := context.WithCancel(r.ctx)
		cancel()
		if c, err := reader.ReadAccounts(ctx, []connectors.AccountRef{{ID: id}}, r.Entitlements, newState()); err == nil || c.Complete {
			r.Errorf("ReadAccounts: %v, complete %t; want an error", err, c.Complete)
		}
	}},
}
