package conformance

import (
	"slices"

	"github.com/behov/behov/connectors"
)

const (
	mark      = "0193f2a4-7c1e-7000-8000-00000000aaaa"
	otherMark = "0193f2a4-7c1e-7000-8000-00000000bbbb"
)

// groupTests are those of connectors.GroupManager.
var groupTests = []test{
	{"created, filled, renamed and deleted", withGroups(func(r *runner) {
		name := r.newGroup(r.Entitlements[0], "behov-a")
		created := r.changeGroup(connectors.Applied, connectors.GroupChange{Op: connectors.CreateGroup, Name: name, Mark: mark, Purpose: "Read the archive (test)"})
		if created.GroupID == "" {
			r.Fatal("the new group has no ID")
		}
		if e := r.group(name); e.ID != created.GroupID || e.Mark != mark {
			r.Fatalf("the new group is %+v, want ID %s and its mark", e, created.GroupID)
		}
		r.wantMembers(name)
		again := r.changeGroup(connectors.AlreadyApplied, connectors.GroupChange{Op: connectors.CreateGroup, Name: name, Mark: mark, Purpose: "Read the archive (test)"})
		if again.GroupID != created.GroupID {
			r.Errorf("created again: %s, want %s", again.GroupID, created.GroupID)
		}

		ids := r.create("anna", "berit")
		r.expect(connectors.Applied, member(connectors.AddMember, ids[0], name), member(connectors.AddMember, ids[1], name))
		r.wantMembers(name, ids...)
		r.changeGroup(connectors.Refused, connectors.GroupChange{Op: connectors.DeleteGroup, ID: created.GroupID})

		renamed := r.newGroup(r.Entitlements[0], "behov-b")
		r.changeGroup(connectors.Applied, connectors.GroupChange{Op: connectors.RenameGroup, ID: created.GroupID, Name: renamed})
		r.changeGroup(connectors.AlreadyApplied, connectors.GroupChange{Op: connectors.RenameGroup, ID: created.GroupID, Name: renamed})
		if e := r.group(renamed); e.ID != created.GroupID || e.Mark != mark {
			r.Errorf("the renamed group is %+v", e)
		}
		r.wantNoGroup(name)
		r.wantMembers(renamed, ids...)
		r.expect(connectors.Refused, member(connectors.AddMember, ids[0], name))
		r.expect(connectors.Applied, member(connectors.RemoveMember, ids[0], renamed), member(connectors.RemoveMember, ids[1], renamed))

		r.changeGroup(connectors.Applied, connectors.GroupChange{Op: connectors.DeleteGroup, ID: created.GroupID})
		r.changeGroup(connectors.AlreadyApplied, connectors.GroupChange{Op: connectors.DeleteGroup, ID: created.GroupID})
		r.wantNoGroup(renamed)
		r.changeGroup(connectors.Refused, connectors.GroupChange{Op: connectors.RenameGroup, ID: created.GroupID, Name: name})
	})},
	{"names that are taken are refused", withGroups(func(r *runner) {
		name := r.newGroup(r.Entitlements[0], "behov-a")
		for _, taken := range r.Entitlements[:2] {
			r.changeGroup(connectors.Refused, connectors.GroupChange{Op: connectors.CreateGroup, Name: taken, Mark: mark})
		}
		created := r.changeGroup(connectors.Applied, connectors.GroupChange{Op: connectors.CreateGroup, Name: name, Mark: mark})
		r.changeGroup(connectors.Refused, connectors.GroupChange{Op: connectors.CreateGroup, Name: name, Mark: otherMark})
		r.changeGroup(connectors.Refused, connectors.GroupChange{Op: connectors.RenameGroup, ID: created.GroupID, Name: r.Entitlements[1]})
		r.changeGroup(connectors.Refused, connectors.GroupChange{Op: connectors.CreateGroup, Mark: otherMark})
		r.changeGroup(connectors.Refused, connectors.GroupChange{Op: connectors.CreateGroup, Name: r.newGroup(r.Entitlements[0], "behov-c")})
		if e := r.group(name); e.ID != created.GroupID || e.Mark != mark {
			r.Errorf("the group is %+v", e)
		}
		for _, e := range r.Entitlements[:2] {
			if got := r.group(e); got.Mark != "" {
				r.Errorf("group %s, which the connector did not create, has the mark %s", e, got.Mark)
			}
		}
	})},
	{"names with special characters", withGroups(func(r *runner) {
		for i, special := range []string{"behov Åäö", `behov "x"`, "behov (a) & b", "behov a*b"} {
			name := r.newGroup(r.Entitlements[0], special)
			outcome, err := r.Connector.(connectors.GroupManager).ChangeGroup(r.ctx, connectors.GroupChange{Op: connectors.CreateGroup, Name: name, Mark: mark[:35] + string(rune('0'+i)), Purpose: special})
			if err != nil {
				r.Fatalf("%q: %v", special, err)
			}
			if outcome.Status == connectors.Refused { // a target may forbid characters
				r.wantNoGroup(name)
				continue
			}
			if e := r.group(name); e.ID != outcome.GroupID || e.ID == "" {
				r.Errorf("%q: the group is %+v", special, e)
			}
			id := r.create("anna" + string(rune('0'+i)))[0]
			r.expect(connectors.Applied, member(connectors.AddMember, id, name))
			r.wantMembers(name, id)
		}
	})},
}

// withGroups is a test of a target that can create groups.
func withGroups(run func(*runner)) func(*runner) {
	return func(r *runner) {
		r.needs(connectors.Groups)
		if _, ok := r.Connector.(connectors.GroupManager); !ok {
			r.Fatal("the target says that it can create groups, and is no GroupManager")
		}
		run(r)
	}
}

// newGroup returns the entitlement name of a group that does not exist, beside one that does.
func (r *runner) newGroup(beside, name string) string {
	if r.GroupName != nil {
		return r.GroupName(beside, name)
	}
	return name
}

func (r *runner) changeGroup(want connectors.Status, change connectors.GroupChange) connectors.Outcome {
	r.Helper()
	got, err := r.Connector.(connectors.GroupManager).ChangeGroup(r.ctx, change)
	if err != nil {
		r.Fatalf("%s: %v", change.Op, err)
	}
	if got.Status != want {
		r.Fatalf("%s: %s %s, want %s", change.Op, got.Status, got.Detail, want)
	}
	if got.Status == connectors.Refused && got.Detail == "" {
		r.Errorf("%s is refused without a reason", change.Op)
	}
	return got
}

// group returns an entitlement as a snapshot shows it.
func (r *runner) group(name string) connectors.Entitlement {
	r.Helper()
	s := r.snapshot()
	i := slices.IndexFunc(s.listed, func(e connectors.Entitlement) bool { return e.Name == name && !e.Ambiguous })
	if i < 0 {
		r.Fatalf("there is no group %q", name)
	}
	return s.listed[i]
}

func (r *runner) wantNoGroup(name string) {
	r.Helper()
	if r.snapshot().entitlements[name] {
		r.Errorf("there is a group %q", name)
	}
}
