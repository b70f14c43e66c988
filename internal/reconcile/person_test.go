package reconcile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
)

// TestPreviewOfOnePerson: what is planned for one person is what the plan for
// everyone has for them, and when that is nothing no target is read as a whole.
func TestPreviewOfOnePerson(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T", "3 library T", "4 school T", "5 school T", "6 school T")
	h.settledRun()
	// Of those who leave each is within the limit, and all of them are not.
	h.hire("1 school T 2020-12-31", "2 library T", "3 library T", "4 school T 2020-12-31", "5 school T 2020-12-31", "6 school T")
	type of struct {
		Steps, Held []plan.Step
		Waiting     any
	}
	in := func(p *plan.Plan) of {
		o := of{Steps: p.Steps, Waiting: p.GatedGrants}
		for _, hold := range p.Holds {
			o.Held = append(o.Held, hold.Steps...)
		}
		return o
	}
	for _, key := range []string{"1", "2", "3", "4", "5", "6"} {
		id := h.ids(key)[0]
		want, _, err := h.e.Preview(t.Context(), reconcile.Scope{Person: id})
		if err != nil {
			t.Fatal(err)
		}
		before := h.one.snapshots + h.two.snapshots
		got, _, err := h.e.Look(t.Context(), reconcile.Scope{Person: id})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(in(want), in(got)); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
		if whole, nothing := h.one.snapshots+h.two.snapshots > before, len(want.Steps)+len(want.Holds) == 0; whole == nothing {
			t.Errorf("%s: nothing to do is %v, targets were read as a whole: %v", key, nothing, whole)
		}
	}
}
