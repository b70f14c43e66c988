package preview_test

import (
	"fmt"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
)

// BenchmarkSimulate tries other rules on everyone, beside the plan for everyone, which reads the
// same. Goal: 5 s more than reading for 100,000 people, and linear in the people.
func BenchmarkSimulate(b *testing.B) {
	for _, people := range []int{1_000, 10_000, 100_000} {
		people = testenv.BenchSize(people)
		o := office.Large(b, people, 3)
		other := "p, everyone, true, base:staff, allow, everybody\n"
		for n := range 2 { // one entitlement less
			other += fmt.Sprintf("p, r%d, true, sys%d:e, allow, all people need it\n", n, n)
		}
		trial := preview.Trial{Instead: config.Instead{Policy: &config.NewFile{Name: "policy.csv", Content: []byte(other)}}}
		per := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*people), "µs/person")
		}
		b.Run(fmt.Sprintf("people=%d/plan", people), func(b *testing.B) {
			for b.Loop() {
				if _, err := o.Engine.Plan(b.Context(), reconcile.Scope{}); err != nil {
					b.Fatal(err)
				}
			}
			per(b)
		})
		b.Run(fmt.Sprintf("people=%d/simulate", people), func(b *testing.B) {
			for b.Loop() {
				out, err := trial.Simulate(b.Context(), o.Engine, nil)
				if err != nil || len(out.Grants) < people {
					b.Fatal(out, err)
				}
			}
			per(b)
		})
	}
}
