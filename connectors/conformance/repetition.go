package conformance

import (
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/behov/behov/connectors"
)

// repetitionTests check that every change is idempotent, when repeated at once
// and, after a lost answer, by a connector without caches.
var repetitionTests = []test{
	{"everything twice", func(r *runner) { r.twice(func() {}) }},
	{"everything again after a lost answer", func(r *runner) { r.twice(r.reopen) }},
	{"references", func(r *runner) {
		r.needs(connectors.References, connectors.Update)
		if r.Reference == "" {
			r.Fatal("the fixture needs Reference, as the connector can refer to accounts")
		}
		ids := r.create("anna", "berit", "cecilia")
		want := func(value ...string) {
			r.Helper()
			if got := r.snapshot().accounts[ids[0]].Attributes[r.Reference]; !slices.Equal(got, value) {
				r.Errorf("it refers to %q, want %q", got, value)
			}
		}
		for _, to := range ids[1:] {
			c := update(ids[0], r.Reference, to)
			r.expect(connectors.Applied, c)
			want(to)
			r.expect(connectors.AlreadyApplied, c)
		}
		r.expect(connectors.Refused, update(ids[0], r.Reference, unknownID), update(ids[0], r.Reference, "*"))
		want(ids[2])
		if r.Connector.Capabilities()[connectors.Rename].Can {
			r.expect(connectors.Applied, rename(ids[2], "disa"))
			want(ids[2])
		}
		r.expect(connectors.Applied, update(ids[0], r.Reference))
		want()
		r.expect(connectors.AlreadyApplied, update(ids[0], r.Reference))
	}},
}

// twice applies one change of each kind, calls between, and applies each again:
// all must be applied already.
func (r *runner) twice(between func()) {
	r.Helper()
	can := r.Connector.Capabilities()
	id, leaver := r.create("anna")[0], r.create("berit")[0]
	var changes []connectors.Change
	add := func(ability connectors.Ability, c connectors.Change) {
		if can[ability].Can {
			changes = append(changes, c)
		}
	}
	if r.Foreign != nil {
		add(connectors.Adopt, adoption(r.Foreign(r.T, "nobodys"), "cecilia"))
	}
	add(connectors.Update, update(id, r.Text, "Åsa, \"x\""))
	add(connectors.Rename, rename(id, "disa"))
	add(connectors.Members, member(connectors.AddMember, id, r.Entitlements[0]))
	add(connectors.Disable, change(connectors.DisableAccount, id))
	add(connectors.Delete, change(connectors.DeleteAccount, leaver))
	for _, c := range changes {
		r.expect(connectors.Applied, c)
		before := r.snapshot()
		between()
		r.expect(connectors.AlreadyApplied, c)
		after := r.snapshot()
		if diff := cmp.Diff(before.accounts, after.accounts) + cmp.Diff(before.members, after.members); diff != "" {
			r.Errorf("%s a second time changed something (-first +second):\n%s", c.Op, diff)
		}
	}
	if can[connectors.Members].Can {
		c := member(connectors.RemoveMember, id, r.Entitlements[0])
		r.expect(connectors.Applied, c)
		between()
		r.expect(connectors.AlreadyApplied, c)
		r.wantMembers(r.Entitlements[0])
	}
}
