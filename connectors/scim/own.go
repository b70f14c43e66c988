package scim

import (
	"hash/maphash"
	"strings"
)

// ownGroups returns the IDs of the groups that a user says he is in himself,
// and not through another group (RFC 7643 §4.1.2). said is false when he does
// not say.
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

// tally compares, while everything is read, what users say of their groups
// with what the groups say of their members. It keeps a sum for each group
// instead of the members: sums of keyed hashes that are the same are of the
// same members.
type tally struct {
	seed   maphash.Seed
	said   map[string]uint64 // by group ID
	told   bool              // something was there to compare
	differ bool
}

func newTally() *tally { return &tally{seed: maphash.MakeSeed(), said: map[string]uint64{}} }

func (t *tally) user(r resource) {
	in, _ := r.ownGroups()
	for id := range in {
		t.said[id] += maphash.String(t.seed, r.id())
	}
}

func (t *tally) group(id string, members []member, accounts map[string]bool) {
	var sum uint64
	for _, m := range members {
		if !m.group && accounts[m.id] {
			sum += maphash.String(t.seed, m.id)
			t.told = true
		}
	}
	t.differ = t.differ || sum != t.said[id]
}

func (t *tally) agree() bool { return t.told && !t.differ }
