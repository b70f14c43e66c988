package connectors

// Waves divides the changes of one Apply into waves, each a list of their indexes. The
// changes in a wave do not depend on each other, so that a connector may merge them or
// carry them out in parallel; the waves come one after another. Changes of one account
// keep their order, one in each wave, except that memberships in different groups may
// share a wave.
func Waves(changes []Change) [][]int {
	type place struct {
		wave   int
		groups map[string]bool // nil after a change that is no membership
	}
	last := map[string]*place{}
	var waves [][]int
	for i, c := range changes {
		// An account that is being created has no ID yet.
		key := "id " + c.Account.ID
		if c.Op == CreateAccount {
			key = "anchor " + c.Account.Anchor
		}
		membership := c.Op == AddMember || c.Op == RemoveMember || c.Op == RemoveFormerMember
		p := last[key]
		switch {
		case p == nil:
			p = &place{}
			last[key] = p
		case !membership || p.groups == nil || p.groups[c.Entitlement]:
			p.wave++
			p.groups = nil
		}
		if membership {
			if p.groups == nil {
				p.groups = map[string]bool{}
			}
			p.groups[c.Entitlement] = true
		}
		if p.wave == len(waves) {
			waves = append(waves, nil)
		}
		waves[p.wave] = append(waves[p.wave], i)
	}
	return waves
}

// Queues groups items by a key (a group, a name), in the order in which the keys
// first came. The zero value is empty.
type Queues[T any] struct {
	List [][]T
	at   map[string]int
}

// Add appends an item to the list of the key.
func (q *Queues[T]) Add(key string, item T) {
	if q.at == nil {
		q.at = map[string]int{}
	}
	i, ok := q.at[key]
	if !ok {
		i = len(q.List)
		q.at[key] = i
		q.List = append(q.List, nil)
	}
	q.List[i] = append(q.List[i], item)
}
