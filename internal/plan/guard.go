package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
)

// Limit says how many people something may happen to in one target, in one run
// and a while before it, until a person is asked: the larger of a number and a
// share of those who have a usable account there.
type Limit struct {
	People int
	Share  float64 // 0.1 is a tenth
}

// Allows says whether it may happen to n of a population.
func (l Limit) Allows(n, population int) bool { return n <= l.most(population) }

func (l Limit) most(population int) int {
	return max(l.People, int(l.Share*float64(population)))
}

// guard holds what a person has to look at first. What gives access to those
// who need it goes through.
func (b *builder) guard(steps []Step) (through []Step, holds []Hold) {
	hold := func(why string, held func(Step) bool) {
		var rest, these []Step
		ids := map[string]bool{}
		for _, s := range through { // a step comes after those it depends on
			if held(s) || slices.ContainsFunc(s.DependsOn, func(id string) bool { return ids[id] }) {
				these = append(these, s)
				ids[s.ID] = true
			} else {
				rest = append(rest, s)
			}
		}
		through = rest
		holds = append(holds, Hold{Digest: holdDigest(b.t.Name, these), Target: b.t.Name, Why: why, Steps: these})
	}
	population := max(b.enabled, b.t.Population)
	count := func(counts func(Step) bool, before map[identity.PersonID]bool) int {
		people := maps.Clone(before)
		if people == nil {
			people = map[identity.PersonID]bool{}
		}
		for _, s := range through {
			if counts(s) {
				people[s.Person] = true
			}
		}
		return len(people)
	}
	through = steps
	together := 0
	if b.in.Few {
		together = b.in.Together
	}

	former := func(s Step) bool { return b.former[s.Person] }
	if n := count(former, nil); n > 0 {
		hold(fmt.Sprintf("accounts that were there before behov are those of %d people who need none here any more, and would be closed", n), former)
	}
	if n := count(Step.Takes, b.t.Lost); !b.t.Limit.Allows(max(n, together), population) && slices.ContainsFunc(through, Step.Takes) {
		hold(fmt.Sprintf("it would take something from %d of the %d people who have an account in %s%s; without a release at most %d may lose something at a time",
			n, population, b.t.Name, lately(b.t.Lost), b.t.Limit.most(population)), Step.Takes)
	}
	if n := count(b.changes, b.t.Changed); !b.t.Changes.Allows(max(n, together), population) && slices.ContainsFunc(through, b.changes) {
		hold(fmt.Sprintf("it would change or make the accounts of %d people, of %d in %s%s; without a release it may be %d at a time",
			n, population, b.t.Name, lately(b.t.Changed), b.t.Changes.most(population)), b.changes)
	}
	return through, holds
}

// lately says how many of those a limit counts were earlier.
func lately(before map[identity.PersonID]bool) string {
	if len(before) == 0 {
		return ""
	}
	return fmt.Sprintf(", with the %d of the last hour", len(before))
}

// changes says whether a step is one of those that a wrong mapping or a wrong
// rule of adoption makes in masses: an account that is there gets other values
// or another name, or one is made though there may be one already.
func (b *builder) changes(s Step) bool {
	made := s.Op == connectors.CreateAccount || s.Op == PrepareAccount
	return s.Changes() || made && b.claiming // what is changed of an account that is made now is part of that
}

// holdDigest names exactly these changes to exactly these accounts.
func holdDigest(target string, steps []Step) string {
	h := sha256.New()
	fmt.Fprintf(h, "hold %q\n", target)
	for _, s := range steps {
		fmt.Fprintf(h, "%s %q\n", s.ID, s.AccountID)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
