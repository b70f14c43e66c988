package access

import (
	"cmp"
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// ConflictState is a segregation of duties, and who has both sides.
type ConflictState struct {
	Conflict string          `json:"conflict"`
	Why      string          `json:"why"`
	Severity policy.Severity `json:"severity"`
	Refused  bool            `json:"refused"` // the last side gives way, unless a decision allows it
	// Sides are those of each pair.
	Sides [][]policy.EntitlementID `json:"sides"`
	// Count is how many people have both sides, and Holders the first of them.
	Count   int              `json:"count"`
	Holders []ConflictPerson `json:"holders"`
}

// ConflictPerson is a person who has both sides of a conflict.
type ConflictPerson struct {
	Person Ref            `json:"person"`
	Sides  []ConflictSide `json:"sides"`
	// Allowed is the decision that lets them, and has not ended.
	Allowed Reason `json:"allowed,omitzero"`
}

// ConflictSide is what a person has of a side, and why.
type ConflictSide struct {
	Entitlement policy.EntitlementID `json:"entitlement"`
	Reason      Reason               `json:"reason"`
}

// Conflicts returns the segregations of duties, the most severe first, with those who have
// both sides, for a viewer who sees everyone. counted is nil when they are not counted yet.
func (v *View) Conflicts(counted *Organisation) ([]ConflictState, error) {
	all := []ConflictState{}
	for _, c := range v.Config.Rules.Catalogue.Conflicts {
		if n := len(all); n > 0 && all[n-1].Conflict == c.Name { // one pair of several
			all[n-1].Sides = append(all[n-1].Sides, c.Sides...)
			continue
		}
		x := ConflictState{Conflict: c.Name, Why: c.Why, Severity: c.Severity, Refused: c.Refused, Sides: slices.Clone(c.Sides), Holders: []ConflictPerson{}}
		if counted != nil && v.everyone {
			held := counted.Conflicts[c.Name]
			x.Count = held.Count
			var err error
			if x.Holders, err = v.conflictHolders(c.Name, held.First); err != nil {
				return nil, err
			}
		}
		all = append(all, x)
	}
	slices.SortStableFunc(all, func(a, b ConflictState) int {
		return cmp.Or(cmp.Compare(slices.Index(policy.Severities, b.Severity), slices.Index(policy.Severities, a.Severity)), cmp.Compare(a.Conflict, b.Conflict))
	})
	return all, nil
}

func (v *View) conflictHolders(name string, held []ConflictHolder) ([]ConflictPerson, error) {
	ids := make([]identity.PersonID, len(held))
	for i, h := range held {
		ids[i] = h.Person
	}
	if err := v.Load(ids); err != nil {
		return nil, err
	}
	decisions, err := v.DB.ConflictDecisions(v.ctx, store.Only(ids...))
	if err != nil {
		return nil, err
	}
	allowed := map[identity.PersonID]reason.Reason{}
	for _, d := range decisions {
		if d.Subject == store.ConflictSubject(name) && d.Verdict == store.Allow && d.Until >= v.Today() {
			allowed[d.Person] = reason.Of(reason.ConflictAllowed{Conflict: name, Decision: d.Seq, Maker: d.Maker, Until: d.Until})
		}
	}
	why := map[audit.Key]reason.Reason{}
	has, err := v.DB.OpenIntervalsOf(v.ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, i := range has {
		why[audit.Key{Person: i.Person, Entitlement: i.Entitlement}] = i.Reason
	}
	return each(held, func(h ConflictHolder) ConflictPerson {
		return ConflictPerson{v.Ref(h.Person), each(h.Sides, func(id policy.EntitlementID) ConflictSide {
			return ConflictSide{id, v.Because(why[audit.Key{Person: h.Person, Entitlement: string(id)}])}
		}), v.Because(allowed[h.Person])}
	}), nil
}
