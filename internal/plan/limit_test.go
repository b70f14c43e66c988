package plan_test

import (
	"math"
	"testing"

	"github.com/behov/behov/internal/plan"
)

// TestLimits: of a number and a share the smaller counts, a share rounds up, and
// the defaults grow with the square root of the people.
func TestLimits(t *testing.T) {
	both, number, share := plan.Limit{People: 50, Share: 0.05}, plan.Limit{People: 5, Share: -1}, plan.Limit{People: -1, Share: 0.05}
	for _, c := range []struct {
		name       string
		limit      plan.Limit
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
		{"nothing is allowed", plan.Limit{Share: -1}, 6000, 0},
		{"the zero value allows nothing", plan.Limit{}, 6000, 0},
		{"disables by default", plan.DefaultLimit(plan.KindDisables), 300, 17},
		{"disables by default", plan.DefaultLimit(plan.KindDisables), 6000, 77},
		{"disables by default", plan.DefaultLimit(plan.KindDisables), 50_000, 223},
		{"removals by default", plan.DefaultLimit(plan.KindRemovals), 300, 34},
		{"removals by default", plan.DefaultLimit(plan.KindRemovals), 6000, 154},
		{"removals by default", plan.DefaultLimit(plan.KindRemovals), 50_000, 447},
		{"enables by default", plan.DefaultLimit(plan.KindEnables), 6000, 77},
		{"creations by default", plan.DefaultLimit(plan.KindCreations), 6000, 154},
		{"renames by default", plan.DefaultLimit(plan.KindRenames), 6000, 77},
		{"grants by default", plan.DefaultLimit(plan.KindGrants), 6000, math.MaxInt},
		{"changes by default", plan.DefaultLimit(plan.KindChanges), 6000, 309},
		{"a handful by default", plan.DefaultLimit(plan.KindDisables), 3, 5},
	} {
		if got := c.limit.Most(c.population); got != c.want {
			t.Errorf("%s: of %d people %d, want %d", c.name, c.population, got, c.want)
		}
		if c.want < math.MaxInt && c.limit.Allows(c.want+1, c.population) || !c.limit.Allows(c.want, c.population) {
			t.Errorf("%s: it does not hold at %d", c.name, c.want)
		}
	}
}
