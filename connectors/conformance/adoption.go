package conformance

import (
	"github.com/behov/behov/connectors"
)

var adoptionTests = []test{
	{"an account without an anchor is adopted", withForeign(func(r *runner, id string) {
		before := r.snapshot().accounts[id]
		c := adoption(id, "anna")
		r.expect(connectors.Applied, c)
		before.Anchor = anchor("anna")
		r.wantAccount(before)
		r.expect(connectors.AlreadyApplied, c)
		// From then on it is the one that is meant.
		r.wantID(id, r.expect(connectors.AlreadyApplied, r.creation("anna")))
		if n := len(r.snapshot().accounts); n != 1 {
			r.Errorf("%d accounts, want 1", n)
		}
	})},
	{"an account with an anchor is not adopted", withForeign(func(r *runner, _ string) {
		id := r.create("berit")[0]
		r.expect(connectors.Refused, adoption(id, "anna"))
		if got := r.snapshot().accounts[id].Anchor; got != anchor("berit") {
			r.Errorf("the anchor is %q", got)
		}
	})},
	{"a person adopts one account only", withForeign(func(r *runner, id string) {
		r.create("anna")
		r.expect(connectors.Refused, adoption(id, "anna"))
		if got := r.snapshot().accounts[id].Anchor; got != "" {
			r.Errorf("the anchor is %q", got)
		}
	})},
	{"adoption without an anchor is refused", withForeign(func(r *runner, id string) {
		c := adoption(id, "anna")
		c.Account.Anchor = ""
		r.expect(connectors.Refused, c, adoption(unknownID, "anna"), adoption("", "anna"))
	})},
	{"adopted and changed in one call", withForeign(func(r *runner, id string) {
		r.needs(connectors.Update, connectors.Members)
		r.expect(connectors.Applied, adoption(id, "anna"), update(id, r.Text, "x"), member(connectors.AddMember, id, r.Entitlements[0]))
		if got := r.snapshot().accounts[id]; got.Anchor != anchor("anna") || len(got.Attributes[r.Text]) != 1 {
			r.Errorf("the account is %+v", got)
		}
		r.wantMembers(r.Entitlements[0], id)
	})},
}

func withForeign(run func(r *runner, id string)) func(*runner) {
	return func(r *runner) {
		r.needs(connectors.Adopt)
		if r.Foreign == nil {
			r.Skip("the fixture has no Foreign")
		}
		run(r, r.Foreign(r.T, "nobodys"))
	}
}

func adoption(id, name string) connectors.Change {
	c := change(connectors.AdoptAccount, id)
	c.Account.Anchor = anchor(name)
	return c
}

var renamingTests = []test{
	{"a rename keeps everything else", withRename(func(r *runner) {
		id := r.create("anna")[0]
		if r.Connector.Capabilities()[connectors.Members].Can {
			r.expect(connectors.Applied, member(connectors.AddMember, id, r.Entitlements[0]))
		}
		want := r.snapshot()
		r.expect(connectors.Applied, rename(id, "beata"))
		renamed := want.accounts[id]
		renamed.Name = "beata"
		r.wantAccount(renamed)
		if got := r.snapshot(); len(got.members) != len(want.members) || len(got.accounts) != 1 {
			r.Errorf("memberships are %v, were %v; %d accounts", got.members, want.members, len(got.accounts))
		}
		r.expect(connectors.AlreadyApplied, rename(id, "beata"))
		r.wantID(id, r.expect(connectors.AlreadyApplied, r.creation("anna")))
	})},
	{"a renamed account goes on", withRename(func(r *runner) {
		r.needs(connectors.Update, connectors.Disable, connectors.Members)
		id := r.create("anna")[0]
		r.expect(connectors.Applied, rename(id, "beata"), update(id, r.Text, "x"), member(connectors.AddMember, id, r.Entitlements[0]), change(connectors.DisableAccount, id))
		r.wantMembers(r.Entitlements[0], id)
		r.expect(connectors.Applied, rename(id, "cilla"), member(connectors.RemoveMember, id, r.Entitlements[0]))
		r.wantMembers(r.Entitlements[0])
		if a := r.snapshot().accounts[id]; a.Name != "cilla" || a.Enabled || len(a.Attributes[r.Text]) != 1 {
			r.Errorf("the account is %+v", a)
		}
	})},
	{"a rename to a taken name is refused", withRename(func(r *runner) {
		ids := r.create("anna", "beata")
		r.expect(connectors.Refused, rename(ids[0], "beata"))
		s := r.snapshot()
		if s.accounts[ids[0]].Name != "anna" || s.accounts[ids[1]].Name != "beata" {
			r.Errorf("names are %q and %q", s.accounts[ids[0]].Name, s.accounts[ids[1]].Name)
		}
	})},
	{"a name that was given up can be given", withRename(func(r *runner) {
		ids := r.create("anna", "berit")
		r.expect(connectors.Applied, rename(ids[0], "cilla"))
		r.expect(connectors.Applied, rename(ids[1], "anna"))
		s := r.snapshot()
		if s.accounts[ids[0]].Name != "cilla" || s.accounts[ids[1]].Name != "anna" {
			r.Errorf("names are %q and %q", s.accounts[ids[0]].Name, s.accounts[ids[1]].Name)
		}
	})},
	{"renames that cannot be", withRename(func(r *runner) {
		id := r.create("anna")[0]
		r.expect(connectors.Refused, rename(id, ""), rename(unknownID, "berit"), rename("", "berit"))
		r.wantEnabled(id, true)
	})},
	{"renamed names come back as they went, or are refused", withRename(func(r *runner) {
		id := r.create("anna")[0]
		for _, name := range awkward {
			res := r.apply(rename(id, name))[0]
			got := r.snapshot().accounts[id].Name
			switch {
			case res.Status == connectors.Refused && r.StrictNames:
				if got == name {
					r.Errorf("%q is refused and there", name)
				}
			case res.Status != connectors.Applied:
				r.Errorf("%q: %s (%s)", name, res.Status, res.Detail)
			case got != name:
				r.Errorf("wrote name %q, read %q", name, got)
			}
		}
	})},
}

func withRename(run func(*runner)) func(*runner) {
	return func(r *runner) {
		r.needs(connectors.Rename)
		run(r)
	}
}

func rename(id, name string) connectors.Change {
	c := change(connectors.RenameAccount, id)
	c.Account.Name = name
	return c
}
