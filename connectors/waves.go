package connectors

// Waves divides the changes of one Apply into waves, as indexes: within a wave
// the order is of no account, so that a connector may merge its changes or
// carry them out side by side. An account's changes come in their order, one
// in each wave, except that memberships in different groups may go together.
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
		membership := c.Op == AddMember || c.Op == RemoveMember
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
