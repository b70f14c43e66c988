// Package blastradius bounds how many people a run may concern in a target until a
// person has looked: by kind of change, with limits that are a number, a share, or grow
// with the target.
//
// It is pure arithmetic: it must never read anything, and knows neither plans nor
// configuration, which both use it.
package blastradius

import "math"

// Kind is what a limit counts: one way in which a run may go wrong for many
// people at once.
type Kind string

// The kinds. A person whose account is closed counts once, under Disables, with
// everything that the account loses.
const (
	Disables  Kind = "disables"  // accounts disabled or deleted, sessions revoked
	Removals  Kind = "removals"  // memberships or values removed from an account that stays open
	Enables   Kind = "enables"   // accounts enabled
	Creations Kind = "creations" // accounts created
	Renames   Kind = "renames"   // login names changed
	Changes   Kind = "changes"   // attributes of existing accounts changed
	Grants    Kind = "grants"    // memberships added to existing accounts
)

// Kinds lists every kind, in the order in which limits are checked.
var Kinds = []Kind{Disables, Removals, Enables, Creations, Renames, Changes, Grants}

// Limit says how many people of a target may be concerned by steps of one
// kind, within a run and the hour before it, until a person has to release
// them. The zero value allows no one. Where both a number and a share are set the
// smaller one counts.
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

// Default returns the limit of a kind where the configuration sets none.
// It grows with the square root of the population, since what happens on an
// ordinary day does not grow in proportion:
//
//	kind                          300   6,000   50,000 people
//	disables, enables, renames     17      77      223
//	removals, creations            34     154      447
//	changes                        69     309      894
//	grants                      no limit: a hold would delay access that people need
func Default(kind Kind) Limit {
	scale := 1.0
	switch kind {
	case Removals, Creations:
		scale = 2
	case Changes:
		scale = 4
	case Grants:
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
