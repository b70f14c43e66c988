package service_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/build"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestTheProgramIsInTheTrail: which program served stands in the audit trail,
// once for as long as it is the same.
func TestTheProgramIsInTheTrail(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		for range 2 {
			fixture.serve(nil)()
		}
		var reasons []string
		for r, err := range fixture.db.AuditRecords(t.Context(), store.Everyone()) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Action == audit.VersionInUse {
				reasons = append(reasons, testenv.Words(r.Reason))
			}
		}
		if len(reasons) != 1 || !strings.Contains(reasons[0], build.Read().String()) {
			t.Errorf("the trail says %q", reasons)
		}
	})
}
