package blastradius_test

import (
	"math"
	"testing"

	"github.com/behov/behov/internal/blastradius"
)

// TestLimits: of a number and a share the smaller counts, a share rounds up, and
// the defaults grow with the square root of the people.
func TestLimits(t *testing.T) {
	both, number, share := blastradius.Limit{People: 50, Share: 0.05}, blastradius.Limit{People: 5, Share: -1}, blastradius.Limit{People: -1, Share: 0.05}
	for _, c := range []struct {
		name       string
		limit      blastradius.Limit
		population int
		want       int
	}{
		{"both, small", both, 300, 15},
		{"both, the number", both, 6000, 50},
		{"both, large", both, 50_000, 50},
		{"number alone", number, 50_000, 5},
		{"share alone", share, 50_000, 2500},
		{"share alone, rounded up", share, 7, 1},
		{"share of nobody", share, 0, 0},
		{"nothing is allowed", blastradius.Limit{Share: -1}, 6000, 0},
		{"the zero value allows nothing", blastradius.Limit{}, 6000, 0},
		{"disables by default", blastradius.Default(blastradius.Disables), 300, 17},
		{"disables by default", blastradius.Default(blastradius.Disables), 6000, 77},
		{"disables by default", blastradius.Default(blastradius.Disables), 50_000, 223},
		{"removals by default", blastradius.Default(blastradius.Removals), 300, 34},
		{"removals by default", blastradius.Default(blastradius.Removals), 6000, 154},
		{"removals by default", blastradius.Default(blastradius.Removals), 50_000, 447},
		{"enables by default", blastradius.Default(blastradius.Enables), 6000, 77},
		{"creations by default", blastradius.Default(blastradius.Creations), 6000, 154},
		{"renames by default", blastradius.Default(blastradius.Renames), 6000, 77},
		{"grants by default", blastradius.Default(blastradius.Grants), 6000, math.MaxInt},
		{"changes by default", blastradius.Default(blastradius.Changes), 6000, 309},
		{"a handful by default", blastradius.Default(blastradius.Disables), 3, 5},
	} {
		if got := c.limit.Most(c.population); got != c.want {
			t.Errorf("%s: of %d people %d, want %d", c.name, c.population, got, c.want)
		}
		if c.want < math.MaxInt && c.limit.Allows(c.want+1, c.population) || !c.limit.Allows(c.want, c.population) {
			t.Errorf("%s: it does not hold at %d", c.name, c.want)
		}
	}
}
