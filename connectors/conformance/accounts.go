package conformance

import (
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/behov/behov/connectors"
)

var accountTests = []test{
	{"create shows in the snapshot", func(r *runner) {
		id := r.create("anna")[0]
		r.wantAccount(connectors.Account{ID: id, Name: "anna", Anchor: anchor("anna"), Enabled: true, Attributes: r.Attributes("anna")})
	}},
	{"create disabled", func(r *runner) {
		r.needs(connectors.Disable)
		c := r.creation("anna")
		c.Enabled = false
		id := r.expect(connectors.Applied, c)[0].AccountID
		r.wantAccount(connectors.Account{ID: id, Name: "anna", Anchor: anchor("anna"), Attributes: r.Attributes("anna")})
		r.expect(connectors.AlreadyApplied, change(connectors.DisableAccount, id))
		r.expect(connectors.Applied, change(connectors.EnableAccount, id))
		r.wantEnabled(id, true)
	}},
	{"create again is already applied", func(r *runner) {
		id := r.create("anna")[0]
		r.wantID(id, r.expect(connectors.AlreadyApplied, r.creation("anna")))
		if n := len(r.snapshot().accounts); n != 1 {
			r.Errorf("%d accounts, want 1", n)
		}
	}},
	{"create again after a restart is already applied", func(r *runner) {
		id := r.create("anna")[0]
		r.reopen()
		r.wantID(id, r.expect(connectors.AlreadyApplied, r.creation("anna")))
	}},
	{"create with another name and the same anchor is already applied", func(r *runner) {
		id := r.create("anna")[0]
		c := r.creation("anna2")
		c.Account.Anchor = anchor("anna")
		r.wantID(id, r.expect(connectors.AlreadyApplied, c))
		if n := len(r.snapshot().accounts); n != 1 {
			r.Errorf("%d accounts, want 1", n)
		}
	}},
	{"create twice in one call", func(r *runner) {
		results := r.apply(r.creation("anna"), r.creation("anna"))
		if results[0].Status != connectors.Applied || results[1].Status != connectors.AlreadyApplied {
			r.Errorf("%s then %s, want applied then already-applied", results[0].Status, results[1].Status)
		}
		r.wantID(results[0].AccountID, results[1:])
	}},
	{"create with a taken name is refused", func(r *runner) {
		id := r.create("anna")[0]
		c := r.creation("anna")
		c.Account.Anchor = anchor("another")
		r.expect(connectors.Refused, c)
		r.wantAccount(connectors.Account{ID: id, Name: "anna", Anchor: anchor("anna"), Enabled: true, Attributes: r.Attributes("anna")})
	}},
	{"create with a foreign account's name is refused", func(r *runner) {
		if r.Foreign == nil {
			r.Skip("the fixture has no Foreign")
		}
		id := r.Foreign(r.T, "anna")
		r.expect(connectors.Refused, r.creation("anna"))
		a, ok := r.snapshot().accounts[id]
		if !ok || a.Anchor != "" || a.Name != "anna" {
			r.Errorf("the foreign account is %+v, want it there and without an anchor", a)
		}
	}},
	{"two with one name in one call", func(r *runner) {
		a, b := r.creation("anna"), r.creation("anna")
		b.Account.Anchor = anchor("another")
		results := r.apply(a, b)
		got := []connectors.Status{results[0].Status, results[1].Status}
		slices.Sort(got)
		if !slices.Equal(got, []connectors.Status{connectors.Applied, connectors.Refused}) {
			r.Errorf("got %v, want one applied and one refused", got)
		}
	}},
	{"create without name or anchor is refused", func(r *runner) {
		c := r.creation("anna")
		c.Account.Name = ""
		d := r.creation("anna")
		d.Account.Anchor = ""
		r.expect(connectors.Refused, c, d)
		if n := len(r.snapshot().accounts); n != 0 {
			r.Errorf("%d accounts, want none", n)
		}
	}},
	{"update", func(r *runner) {
		r.needs(connectors.Update)
		ids := r.create("anna", "berit")
		want := connectors.Account{ID: ids[0], Name: "anna", Anchor: anchor("anna"), Enabled: true, Attributes: r.Attributes("anna")}
		for _, values := range [][]string{{"one"}, {"two"}, {"Three"}, nil} {
			c := update(ids[0], r.Text, values...)
			r.expect(connectors.Applied, c)
			if delete(want.Attributes, r.Text); values != nil {
				want.Attributes[r.Text] = values
			}
			r.wantAccount(want)
			r.expect(connectors.AlreadyApplied, c)
		}
		r.wantAccount(connectors.Account{ID: ids[1], Name: "berit", Anchor: anchor("berit"), Enabled: true, Attributes: r.Attributes("berit")})
	}},
	{"update of many values", func(r *runner) {
		r.needs(connectors.Update)
		if r.Multi == "" {
			r.Skip("the fixture has no Multi")
		}
		id := r.create("anna")[0]
		want := connectors.Account{ID: id, Name: "anna", Anchor: anchor("anna"), Enabled: true, Attributes: r.Attributes("anna")}
		for _, values := range [][]string{{"a", "b", "c"}, {"b", "d"}, {"d"}} {
			r.expect(connectors.Applied, update(id, r.Multi, values...))
			want.Attributes[r.Multi] = values
			r.wantAccount(want)
			slices.Reverse(values)
			r.expect(connectors.AlreadyApplied, update(id, r.Multi, values...))
		}
	}},
	{"update that is refused", func(r *runner) {
		r.needs(connectors.Update)
		if r.RefusedAttribute == "" {
			r.Skip("the fixture has no RefusedAttribute")
		}
		ids := r.create("anna", "berit", "cecilia")
		results := r.apply(update(ids[0], r.Text, "x"), update(ids[1], r.RefusedAttribute, r.RefusedValue), update(ids[2], r.Text, "y"))
		for i, want := range []connectors.Status{connectors.Applied, connectors.Refused, connectors.Applied} {
			if results[i].Status != want {
				r.Errorf("change %d: %s, want %s", i, results[i].Status, want)
			}
		}
		bad := r.creation("disa")
		bad.Attributes[r.RefusedAttribute] = []string{r.RefusedValue}
		results = r.apply(r.creation("eva"), bad, r.creation("frida"))
		for i, want := range []connectors.Status{connectors.Applied, connectors.Refused, connectors.Applied} {
			if results[i].Status != want {
				r.Errorf("creation %d: %s, want %s", i, results[i].Status, want)
			}
		}
	}},
	{"disable and enable", func(r *runner) {
		r.needs(connectors.Disable)
		ids := r.create("anna", "berit")
		for _, step := range []struct {
			op   connectors.Op
			want connectors.Status
		}{
			{connectors.EnableAccount, connectors.AlreadyApplied},
			{connectors.DisableAccount, connectors.Applied},
			{connectors.DisableAccount, connectors.AlreadyApplied},
			{connectors.EnableAccount, connectors.Applied},
			{connectors.EnableAccount, connectors.AlreadyApplied},
		} {
			r.expect(step.want, change(step.op, ids[0]))
			r.wantEnabled(ids[0], step.op == connectors.EnableAccount)
			r.wantEnabled(ids[1], true)
		}
	}},
	{"delete", func(r *runner) {
		r.needs(connectors.Delete)
		ids := r.create("anna", "berit")
		r.expect(connectors.Applied, change(connectors.DeleteAccount, ids[0]))
		r.expect(connectors.AlreadyApplied, change(connectors.DeleteAccount, ids[0]), change(connectors.DeleteAccount, unknownID))
		s := r.snapshot()
		if _, there := s.accounts[ids[0]]; there || len(s.accounts) != 1 {
			r.Errorf("accounts after the deletion: %v", s.accounts)
		}
	}},
	{"delete and create again with the same name is another account", func(r *runner) {
		r.needs(connectors.Delete, connectors.Members)
		id := r.create("anna")[0]
		other := r.create("berit")[0]
		e := r.Entitlements[0]
		r.expect(connectors.Applied, member(connectors.AddMember, id, e), member(connectors.AddMember, other, e))
		r.expect(connectors.Applied, change(connectors.DeleteAccount, id))
		again := r.create("anna")[0]
		if r.Connector.Capabilities()[connectors.Restore].Can {
			// It is the same account again, without its earlier memberships.
			if again != id {
				r.Errorf("another account was made, though the deleted one could be restored")
			}
			r.wantEnabled(id, true)
			return
		}
		if again == id {
			r.Errorf("the new account has the old one's ID")
		}
		r.wantMembers(e, other)
		r.expect(connectors.AlreadyApplied, change(connectors.DeleteAccount, id), member(connectors.RemoveMember, id, e))
		r.expect(connectors.Refused, update(id, r.Text, "x"))
		r.wantEnabled(again, true)
	}},
	{"unknown accounts are refused", func(r *runner) {
		r.create("anna")
		r.expect(connectors.Refused,
			change(connectors.DisableAccount, unknownID),
			change(connectors.EnableAccount, unknownID),
			update(unknownID, r.Text, "x"),
			member(connectors.AddMember, unknownID, r.Entitlements[0]),
			change(connectors.DisableAccount, ""))
	}},
	{"order of one account's changes is kept", func(r *runner) {
		r.needs(connectors.Update, connectors.Disable, connectors.Members)
		names := many("order", 20)
		var changes []connectors.Change
		for _, id := range r.create(names...) {
			changes = append(changes,
				update(id, r.Text, "first"),
				change(connectors.DisableAccount, id),
				member(connectors.AddMember, id, r.Entitlements[0]),
				member(connectors.AddMember, id, r.Entitlements[1]),
				update(id, r.Text, "last"),
				change(connectors.EnableAccount, id),
				member(connectors.RemoveMember, id, r.Entitlements[0]))
		}
		r.expect(connectors.Applied, changes...)
		s := r.snapshot()
		for id, a := range s.accounts {
			if !a.Enabled || !slices.Equal(a.Attributes[r.Text], []string{"last"}) {
				r.Errorf("account %s: enabled %t, text %q", a.Name, a.Enabled, a.Attributes[r.Text])
			}
			if s.members[connectors.Membership{Entitlement: r.Entitlements[0], AccountID: id}] ||
				!s.members[connectors.Membership{Entitlement: r.Entitlements[1], AccountID: id}] {
				r.Errorf("account %s: memberships are not those of the last change", a.Name)
			}
		}
	}},
	{"create and change in turn", func(r *runner) {
		// A retry after a lost answer: everything is repeated.
		r.needs(connectors.Update, connectors.Disable, connectors.Members)
		id := r.create("anna")[0]
		changes := []connectors.Change{update(id, r.Text, "x"), change(connectors.DisableAccount, id), member(connectors.AddMember, id, r.Entitlements[0])}
		r.expect(connectors.Applied, changes...)
		before := r.snapshot()
		r.reopen()
		r.expect(connectors.AlreadyApplied, changes...)
		if diff := cmp.Diff(before.accounts, r.snapshot().accounts); diff != "" {
			r.Errorf("the second time changed something (-first +second):\n%s", diff)
		}
	}},
	{"an unknown kind of change is an error", func(r *runner) {
		id := r.create("anna")[0]
		res := r.Connector.Apply(r.ctx, []connectors.Change{change("paint-account", id), change(connectors.DisableAccount, id)})
		if len(res) != 2 || res[0].Err == nil || connectors.ClassOf(res[0].Err) != connectors.Permanent {
			r.Fatalf("got %+v, want a permanent error for the first", res)
		}
		if res[1].Err != nil || res[1].Status != connectors.Applied {
			r.Errorf("the change after it: %+v, want it applied", res[1])
		}
	}},
	{"no changes", func(r *runner) { r.apply() }},
}

// reopen replaces the connector by one without caches.
func (r *runner) reopen() {
	r.Helper()
	if r.Reopen == nil {
		r.Skip("the fixture has no Reopen")
	}
	c := r.Reopen(r.T)
	r.Cleanup(func() {
		if err := c.Close(); err != nil {
			r.Errorf("Close: %v", err)
		}
	})
	r.Connector = c
}

func (r *runner) wantID(id string, results []connectors.Result) {
	r.Helper()
	for _, res := range results {
		if res.AccountID != id {
			r.Errorf("account ID %q, want %q", res.AccountID, id)
		}
	}
}

func (r *runner) wantAccount(want connectors.Account) {
	r.Helper()
	got, ok := r.snapshot().accounts[want.ID]
	if !ok {
		r.Fatalf("account %s is not in the snapshot", want.ID)
	}
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
	if diff := cmp.Diff(want, got, sorted, cmpopts.EquateEmpty()); diff != "" {
		r.Errorf("account (-want +got):\n%s", diff)
	}
}

func (r *runner) wantEnabled(id string, want bool) {
	r.Helper()
	a, ok := r.snapshot().accounts[id]
	if !ok || a.Enabled != want {
		r.Errorf("account %s: there %t, enabled %t; want it there, enabled %t", id, ok, a.Enabled, want)
	}
}
