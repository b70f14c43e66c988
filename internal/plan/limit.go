package plan

import (
	"math"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
)

// Kind is what a limit counts: one way in which a run may go wrong for many
// people at once.
type Kind string

// The kinds. A person whose account is closed counts once, under KindDisables, with
// everything that the account loses.
const (
	KindDisables  Kind = "disables"  // accounts disabled or deleted, sessions revoked
	KindRemovals  Kind = "removals"  // memberships or values removed from an account that stays open
	KindEnables   Kind = "enables"   // accounts enabled
	KindCreations Kind = "creations" // accounts created
	KindRenames   Kind = "renames"   // login names changed
	KindChanges   Kind = "changes"   // attributes of existing accounts changed
	KindGrants    Kind = "grants"    // memberships added to existing accounts
)

// Kinds lists every kind, in the order in which limits are checked.
var Kinds = []Kind{KindDisables, KindRemovals, KindEnables, KindCreations, KindRenames, KindChanges, KindGrants}

// Limit says how many people of a target may be concerned by steps of one
// kind, within a run and the hour before it, until a person has to release
// them. The zero value allows no one. Where both a number and a share are set the smaller one counts.
type Limit struct {
	// People is a number of people; negative when none is set.
	People int
	// Share is a share of the people with a usable account in the target, 0.1 is
	// a tenth, rounded up; negative when none is set.
	Share float64
	// Scale is used when neither is set: Scale times the square root of the
	// population, at least leastDefault.
	Scale float64
}

// leastDefault keeps the default limits from stopping the smallest targets.
const leastDefault = 5

// DefaultLimit returns the limit of a kind where the configuration sets none.
// It grows with the square root of the population, since what happens on an
// ordinary day does not grow in proportion:
//
//	kind                          300   6,000   50,000 people
//	disables, enables, renames     17      77      223
//	removals, creations            34     154      447
//	changes                        69     309      894
//	grants                      no limit: a hold would delay access that people need
func DefaultLimit(kind Kind) Limit {
	scale := 1.0
	switch kind {
	case KindRemovals, KindCreations:
		scale = 2
	case KindChanges:
		scale = 4
	case KindGrants:
		return Limit{People: math.MaxInt, Share: -1}
	}
	return Limit{People: -1, Share: -1, Scale: scale}
}

// Allows reports whether n people of a population are within the limit.
func (l Limit) Allows(n, population int) bool { return n <= l.Most(population) }

// Most returns the largest number of people of a population that the limit
// allows.
func (l Limit) Most(population int) int {
	if l.People < 0 && l.Share < 0 {
		return max(leastDefault, int(l.Scale*math.Sqrt(float64(population))))
	}
	most := math.MaxInt
	if l.People >= 0 {
		most = l.People
	}
	if l.Share >= 0 {
		most = min(most, int(math.Ceil(l.Share*float64(population)-1e-9)))
	}
	return most
}

// limitKind returns which limit counts the step; empty when none does.
func (b *builder) limitKind(s Step) Kind {
	switch {
	case s.Op == connectors.RenameAccount:
		return KindRenames
	case b.renames(s):
		return KindRenames
	case s.Op == connectors.UpdateAccount && s.Destructive:
		return KindRemovals
	case s.Op == connectors.UpdateAccount && s.AccountID != "":
		return KindChanges
	case s.Op == connectors.CreateAccount || s.Op == PrepareAccount:
		return KindCreations
	case s.Op == connectors.EnableAccount:
		return KindEnables
	case s.Op == connectors.AddMember && !b.creates[s.Person]:
		return KindGrants
	case s.RevokesAccess() && b.closes[s.Person]:
		return KindDisables
	case s.RevokesAccess():
		return KindRemovals
	}
	return ""
}

// renames reports whether an update changes an attribute that is part of where the
// account is.
func (b *builder) renames(s Step) bool {
	return s.Op == connectors.UpdateAccount && s.AccountID != "" && slices.ContainsFunc(b.t.Naming, func(name string) bool {
		for attribute := range s.Attributes {
			if strings.EqualFold(attribute, name) {
				return true
			}
		}
		return false
	})
}

// classify notes on every step which limit counts it.
func (b *builder) classify() {
	for _, s := range b.steps {
		if s.Op == connectors.DisableAccount || s.Op == connectors.DeleteAccount || s.Op == RevokeSessions {
			b.closes[s.Person] = true
		}
		if PhaseOf(s.Op) == PhaseCreate {
			b.creates[s.Person] = true
		}
	}
	for i := range b.steps {
		if b.steps[i].Kind = b.limitKind(b.steps[i]); b.isFirstLoad(b.steps[i]) {
			b.steps[i].Kind = "" // which no limit counts
		}
	}
}
