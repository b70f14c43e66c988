package scim

import (
	"hash/maphash"
	"strings"
)

// ownGroups returns the IDs of the groups that a user lists as direct ones (RFC
// 7643 §4.1.2). said is false when the user lists none.
func (r resource) ownGroups() (in map[string]bool, said bool) {
	list, ok := r.field("groups").([]any)
	if !ok {
		return nil, false
	}
	in = map[string]bool{}
	for _, e := range list {
		o := asObject(e)
		id := o.refersTo()
		if id == "" {
			return nil, false
		}
		if !strings.EqualFold(text(o.field("type")), "indirect") {
			in[id] = true
		}
	}
	return in, true
}

// membershipDigest compares, at a full read, the groups that users list with the
// members that groups list. It keeps a sum of keyed hashes for each group instead
// of the members: equal sums mean equal members.
type membershipDigest struct {
	seed      maphash.Seed
	fromUsers map[string]uint64 // by group ID
	compared  bool              // there was something to compare
	differ    bool
}

func newTally() *membershipDigest {
	return &membershipDigest{seed: maphash.MakeSeed(), fromUsers: map[string]uint64{}}
}

func (t *membershipDigest) user(r resource) {
	in, _ := r.ownGroups()
	for id := range in {
		t.fromUsers[id] += maphash.String(t.seed, r.id())
	}
}

func (t *membershipDigest) group(id string, members []member, accounts map[string]bool) {
	var sum uint64
	for _, m := range members {
		if !m.group && accounts[m.id] {
			sum += maphash.String(t.seed, m.id)
			t.compared = true
		}
	}
	t.differ = t.differ || sum != t.fromUsers[id]
}

func (t *membershipDigest) agree() bool { return t.compared && !t.differ }
