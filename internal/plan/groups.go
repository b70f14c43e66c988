package plan

import (
	"cmp"
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// The catalogue says of which entitlements behov creates the group. Such a group is known by
// the target's own ID, so that one that is renamed keeps its members: a plan changes
// memberships under the name that the group has, and the group itself before or after them.
// A group that behov did not create is never renamed and never deleted.

// Group is a group that behov created, or began to create, for an entitlement.
type Group struct {
	Mark string // which is in the group from its creation on
	ID   string // the target's own; empty until it is known
	// Found is set when it was not known before this reading, which shows the mark.
	Found bool
}

// FindGroups notes which of the groups that behov creates are in the target, and under which
// names.
func (t *Target) FindGroups(known map[policy.EntitlementID]Group) {
	t.Groups, t.GroupNames = map[policy.EntitlementID]Group{}, map[policy.EntitlementID]string{}
	for id, g := range known {
		if t.Observed != nil {
			if g.ID == "" {
				g.ID = t.Observed.marked[g.Mark]
				g.Found = g.ID != ""
			}
			if name, there := t.Observed.named[g.ID]; there {
				t.GroupNames[id] = name
			}
		}
		t.Groups[id] = g
	}
}

// Native returns the name in the target of an entitlement's group: the one that it has now,
// where behov created it and is to rename it.
func (t *Target) Native(e policy.Entitlement) string {
	if name := t.GroupNames[e.ID]; name != "" && e.Group != nil {
		return name
	}
	return t.Observed.Spelling(e.Native)
}

// noteGroup remembers the stable ID of a group, and the mark that is in it.
func (o *Observed) noteGroup(e connectors.Entitlement) {
	if e.ID == "" {
		return
	}
	if o.named == nil {
		o.named, o.marked = map[string]string{}, map[string]string{}
	}
	o.named[e.ID] = e.Name
	if e.Mark == "" {
		return
	}
	if other, twice := o.marked[e.Mark]; twice && other != e.ID {
		o.marked[e.Mark] = "" // a person copied the description: neither is known to be behov's
		return
	}
	o.marked[e.Mark] = e.ID
}

// planGroups plans the changes of the groups themselves.
func (b *builder) planGroups(wanted *policy.Catalogue) {
	if b.in.Subset || !b.t.Observed.Completeness.Complete {
		return
	}
	b.comes = map[policy.EntitlementID]bool{}
	for _, e := range wanted.Entitlements {
		if e.Target != b.t.Name || e.Group == nil {
			continue
		}
		known, begun := b.t.Groups[e.ID]
		name, there := b.t.GroupNames[e.ID]
		switch taken := b.t.Observed.Exists(e.Native); {
		case there:
			b.planKnownGroup(e, known, name)
		case taken:
			b.addFinding(Finding{Kind: Unmanaged, Entitlement: e.ID, Reason: reason.Of(reason.GroupNotCreated{Group: e.Native})})
		case e.Retired(), !b.t.Paused.IsZero():
		case b.t.NoGroups != "":
			b.addFinding(Finding{Kind: Missing, Entitlement: e.ID, Reason: reason.Of(reason.GroupNotCreatable{Group: e.Native, Detail: b.t.NoGroups})})
		default:
			b.comes[e.ID] = true
			b.addGroupStep(connectors.CreateGroup, e, "", reason.GroupNeeded{Group: e.Native, Again: begun && known.ID != ""})
		}
	}
	for id := range b.t.GroupNames {
		if e, ok := wanted.Entitlement(id); !ok || e.Target != b.t.Name || e.Group == nil {
			b.addFinding(Finding{Kind: Unmanaged, Entitlement: id, Reason: reason.Of(reason.GroupLeft{Group: b.t.GroupNames[id]})})
		}
	}
	slices.SortFunc(b.plan.Groups, func(x, y Step) int { return cmp.Or(cmp.Compare(x.Op, y.Op), cmp.Compare(x.Entitlement, y.Entitlement)) })
}

// planKnownGroup plans what becomes of a group that behov created and that is there.
func (b *builder) planKnownGroup(e policy.Entitlement, known Group, name string) {
	members := b.t.Observed.memberCount(name)
	renamed := b.t.Observed.canonicalName(name) != b.t.Observed.canonicalName(e.Native)
	switch {
	case e.Group.Retire == policy.RetireDelete && members == 0 && b.t.Paused.IsZero():
		b.addGroupStep(connectors.DeleteGroup, policy.Entitlement{ID: e.ID, Native: name}, known.ID, reason.GroupRetired{})
		return
	case e.Retired() && members > 0:
		b.addFinding(Finding{Kind: Unmanaged, Entitlement: e.ID, Reason: reason.Of(reason.GroupInUse{Group: name, Count: members})})
	}
	switch {
	case !renamed || !b.t.Paused.IsZero():
	case b.t.Observed.Ambiguous(e.Native) || b.t.Observed.Exists(e.Native) && b.t.Observed.Spelling(e.Native) != name: // which may be the same in other case
		b.addFinding(Finding{Kind: Ambiguous, Entitlement: e.ID, Reason: reason.Of(reason.GroupNameTaken{Group: e.Native, Former: name})})
	default:
		b.addGroupStep(connectors.RenameGroup, e, known.ID, reason.GroupChanged{Group: e.Native, Former: name})
	}
}

func (b *builder) addGroupStep(op connectors.Op, e policy.Entitlement, id string, why reason.Kind) {
	s := Step{Target: b.t.Name, Op: op, AccountID: id, Entitlement: e.ID, Native: e.Native, Reason: reason.Of(why), Destructive: op == connectors.DeleteGroup}
	s.ID = stepID(s)
	b.plan.Groups = append(b.plan.Groups, s)
}

// memberCount returns how many members an entitlement has that accounts are, and at least
// one when others are.
func (o *Observed) memberCount(native string) int {
	n := 0
	if number, known := o.natives.number[o.canonicalName(native)]; known {
		for _, m := range o.members {
			if m == number {
				n++
			}
		}
	}
	if n == 0 && o.outside[native] {
		n = 1
	}
	return n
}
