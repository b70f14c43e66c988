package conformance

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/behov/behov/connectors"
)

var memberTests = []test{
	{"add and remove", withMembers(func(r *runner) {
		id := r.create("anna")[0]
		e, other := r.Entitlements[0], r.Entitlements[1]
		for _, step := range []struct {
			op   connectors.Op
			want connectors.Status
		}{
			{connectors.RemoveMember, connectors.AlreadyApplied},
			{connectors.AddMember, connectors.Applied},
			{connectors.AddMember, connectors.AlreadyApplied},
			{connectors.RemoveMember, connectors.Applied},
			{connectors.RemoveMember, connectors.AlreadyApplied},
			{connectors.AddMember, connectors.Applied},
		} {
			r.expect(step.want, member(step.op, id, e))
			if step.op == connectors.AddMember {
				r.wantMembers(e, id)
			} else {
				r.wantMembers(e)
			}
			r.wantMembers(other)
		}
	})},
	{"removing one member keeps the others", withMembers(func(r *runner) {
		ids := r.create("anna", "berit", "cecilia")
		for _, e := range r.Entitlements[:2] {
			for _, id := range ids {
				r.expect(connectors.Applied, member(connectors.AddMember, id, e))
			}
		}
		r.expect(connectors.Applied, member(connectors.RemoveMember, ids[1], r.Entitlements[0]))
		r.wantMembers(r.Entitlements[0], ids[0], ids[2])
		r.wantMembers(r.Entitlements[1], ids...)
	})},
	{"the last members leave and others come", withMembers(func(r *runner) {
		ids := r.create("anna", "berit", "cecilia")
		e := r.Entitlements[0]
		r.expect(connectors.Applied, member(connectors.AddMember, ids[0], e), member(connectors.AddMember, ids[1], e))
		r.expect(connectors.Applied, member(connectors.RemoveMember, ids[0], e), member(connectors.RemoveMember, ids[1], e))
		r.wantMembers(e)
		r.expect(connectors.Applied, member(connectors.AddMember, ids[2], e))
		r.wantMembers(e, ids[2])
		// All members leave while others are added, in one call.
		r.expect(connectors.Applied,
			member(connectors.RemoveMember, ids[2], e),
			member(connectors.AddMember, ids[0], e),
			member(connectors.AddMember, ids[1], e))
		r.wantMembers(e, ids[0], ids[1])
	})},
	{"add, remove and add one in one call", withMembers(func(r *runner) {
		id, e := r.create("anna")[0], r.Entitlements[0]
		r.expect(connectors.Applied, member(connectors.AddMember, id, e), member(connectors.RemoveMember, id, e), member(connectors.AddMember, id, e))
		r.wantMembers(e, id)
		r.expect(connectors.Applied, member(connectors.RemoveMember, id, e), member(connectors.AddMember, id, e), member(connectors.RemoveMember, id, e))
		r.wantMembers(e)
		results := r.apply(member(connectors.AddMember, id, e), member(connectors.AddMember, id, e))
		if results[0].Status != connectors.Applied || results[1].Status != connectors.AlreadyApplied {
			r.Errorf("twice in one call: %s, %s", results[0].Status, results[1].Status)
		}
	})},
	{"unknown entitlements are refused", withMembers(func(r *runner) {
		id := r.create("anna")[0]
		before := r.snapshot().entitlements
		for _, name := range []string{"no-such-entitlement", "", "*", r.Entitlements[0] + "*", "cn=" + r.Entitlements[0], "cn=" + r.Entitlements[0] + ",dc=elsewhere", r.Entitlements[0] + ")(cn=*"} {
			r.expect(connectors.Refused, member(connectors.AddMember, id, name))
		}
		for _, e := range r.Entitlements {
			r.wantMembers(e)
		}
		if diff := cmp.Diff(before, r.snapshot().entitlements); diff != "" {
			r.Errorf("entitlements changed (-before +after):\n%s", diff)
		}
	})},
	{"names are compared as the target compares them", withMembers(func(r *runner) {
		id, e := r.create("anna")[0], r.Entitlements[0]
		other := strings.ToUpper(e)
		if other == e {
			other = strings.ToLower(e)
		}
		r.snapshot() // a target may report only then how it compares
		if !r.matching(connectors.EntitlementName).Same([]string{e}, []string{other}) {
			r.expect(connectors.Refused, member(connectors.AddMember, id, other))
			r.wantMembers(e)
			return
		}
		r.expect(connectors.Applied, member(connectors.AddMember, id, other))
		r.wantMembers(e, id)
		r.expect(connectors.AlreadyApplied, member(connectors.AddMember, id, e))
		if reader, ok := r.Connector.(connectors.AccountReader); ok {
			got := newState()
			c, err := reader.ReadAccounts(r.ctx, []connectors.AccountRef{{ID: id}}, []string{other}, got)
			if err != nil || !c.Complete || len(got.entitlements) != 1 || len(got.members) != 1 {
				r.Errorf("read by another spelling: %v %+v, %v %v", got.entitlements, got.members, c, err)
			}
		}
		r.expect(connectors.Applied, member(connectors.RemoveMember, id, other))
		r.wantMembers(e)
	})},
	{"members that are gone", withMembers(func(r *runner) {
		r.needs(connectors.Delete)
		ids := r.create("anna", "berit")
		e := r.Entitlements[0]
		r.expect(connectors.Applied, member(connectors.AddMember, ids[0], e), member(connectors.AddMember, ids[1], e))
		r.expect(connectors.Applied, change(connectors.DeleteAccount, ids[0]))
		r.expect(connectors.AlreadyApplied, member(connectors.RemoveMember, ids[0], e), member(connectors.RemoveMember, unknownID, e))
		r.expect(connectors.Refused, member(connectors.AddMember, ids[0], e))
		r.wantMembers(e, ids[1])
	})},
	{"three hundred in one call", withMembers(func(r *runner) {
		ids := r.create(many("crowd", 300)...)
		e := r.Entitlements[0]
		changes := func(op connectors.Op, ids []string) (c []connectors.Change) {
			for _, id := range ids {
				c = append(c, member(op, id, e))
			}
			return c
		}
		// A few are members already, and a few IDs do not exist: results must be
		// in the order of the changes.
		already := []string{ids[0], ids[7], ids[199], ids[200], ids[299]}
		r.expect(connectors.Applied, changes(connectors.AddMember, already)...)
		all := changes(connectors.AddMember, ids)
		all = slices.Insert(all, 150, member(connectors.AddMember, unknownID, e))
		all = slices.Insert(all, 20, member(connectors.AddMember, ids[3], "no-such-entitlement"))
		for i, res := range r.apply(all...) {
			want := connectors.Applied
			switch {
			case all[i].Entitlement != e || all[i].Account.ID == unknownID:
				want = connectors.Refused
			case slices.Contains(already, all[i].Account.ID):
				want = connectors.AlreadyApplied
			}
			if res.Status != want {
				r.Errorf("change %d: %s (%s), want %s", i, res.Status, res.Detail, want)
			}
		}
		r.wantMembers(e, ids...)
		r.expect(connectors.AlreadyApplied, changes(connectors.AddMember, ids)...)

		leave, stay := ids[:290], ids[290:]
		r.expect(connectors.Applied, changes(connectors.RemoveMember, leave)...)
		r.wantMembers(e, stay...)
		for i, res := range r.apply(changes(connectors.RemoveMember, ids)...) {
			want := connectors.AlreadyApplied
			if slices.Contains(stay, ids[i]) {
				want = connectors.Applied
			}
			if res.Status != want {
				r.Errorf("removal %d: %s, want %s", i, res.Status, want)
			}
		}
		r.wantMembers(e)
	})},
	{"very many", withMembers(func(r *runner) {
		if r.Large == 0 || testing.Short() {
			r.Skip("the fixture has no Large, or -short")
		}
		ids := r.create(many("large", r.Large)...)
		e := r.Entitlements[0]
		changes := func(op connectors.Op, ids []string) (c []connectors.Change) {
			for _, id := range ids {
				c = append(c, member(op, id, e))
			}
			return c
		}
		for batch := range slices.Chunk(changes(connectors.AddMember, ids), 500) {
			r.expect(connectors.Applied, batch...)
		}
		r.wantMembers(e, ids...)
		r.expect(connectors.AlreadyApplied, changes(connectors.AddMember, ids[:10])...)
		r.expect(connectors.Applied, changes(connectors.RemoveMember, ids[:100])...)
		r.wantMembers(e, ids[100:]...)
	})},
	{"both groups and both directions in one call", withMembers(func(r *runner) {
		ids := r.create(many("both", 30)...)
		var setup, changes []connectors.Change
		var first, second []string
		for i, id := range ids {
			from, to := r.Entitlements[i%2], r.Entitlements[1-i%2]
			setup = append(setup, member(connectors.AddMember, id, from))
			changes = append(changes, member(connectors.RemoveMember, id, from), member(connectors.AddMember, id, to))
			if i%2 == 0 {
				second = append(second, id)
			} else {
				first = append(first, id)
			}
		}
		r.expect(connectors.Applied, setup...)
		r.expect(connectors.Applied, changes...)
		r.wantMembers(r.Entitlements[0], first...)
		r.wantMembers(r.Entitlements[1], second...)
	})},
}

func withMembers(run func(*runner)) func(*runner) {
	return func(r *runner) {
		r.needs(connectors.Members)
		run(r)
	}
}

func (r *runner) wantMembers(entitlement string, ids ...string) {
	r.Helper()
	got := map[string]bool{}
	for m := range r.snapshot().members {
		if m.Entitlement == entitlement {
			got[m.AccountID] = true
		}
	}
	want := map[string]bool{}
	for _, id := range ids {
		want[id] = true
	}
	if !maps.Equal(got, want) {
		r.Errorf("members of %q (-want +got):\n%s", entitlement, cmp.Diff(want, got))
	}
}
