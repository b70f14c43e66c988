package main

import (
	"testing"

	"github.com/behov/behov/internal/plan"
)

// TestATargetThatIsNotReadIsNotFine: "nothing to do" is not said of a target that could
// not be read.
func TestATargetThatIsNotReadIsNotFine(t *testing.T) {
	unread := plan.Finding{Kind: plan.Unreachable, Target: "ad"}
	for want, p := range map[string]*plan.Plan{
		"Nothing to do": {Findings: []plan.Finding{{Kind: plan.Orphan, Target: "ad"}}},
		"Nothing to do elsewhere; NOT READ, and so not planned: ad": {Findings: []plan.Finding{unread}},
	} {
		if got := nothingToDo(p); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}
