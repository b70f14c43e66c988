package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/behov/behov/internal/identity"
)

// Limit says how many people may lose something in one target in one run
// before a person is asked: the larger of a number and a share of those who
// have a usable account there.
type Limit struct {
	People int
	Share  float64 // 0.1 is a tenth
}

// Allows says whether n of a population may lose something.
func (l Limit) Allows(n, population int) bool {
	return n <= max(l.People, int(l.Share*float64(population)))
}

// guard holds everything that takes something away in the target when it
// concerns more people than the limit allows. What gives goes through.
func guard(t Target, steps []Step, population int) ([]Step, *Hold) {
	gives, takes := split(steps)
	concerned := map[identity.PersonID]bool{}
	for _, s := range takes {
		concerned[s.Person] = true
	}
	if t.Limit.Allows(len(concerned), population) {
		return steps, nil
	}
	return gives, &Hold{
		Digest: holdDigest(t.Name, takes),
		Target: t.Name,
		Why: fmt.Sprintf("it would take access from %d of the %d people who have it in %s; without a release at most %d may lose something at a time",
			len(concerned), population, t.Name, max(t.Limit.People, int(t.Limit.Share*float64(population)))),
		Steps: takes,
	}
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
