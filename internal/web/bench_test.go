package web_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
)

// benchEntitlements is how many entitlements each person of a benchmark has.
const benchEntitlements = 20

// BenchmarkPages measures pages over loopback at 50 requests a second, with nothing else to
// do and while one full run after another goes on, at 5,000 and 50,000 people with 20
// entitlements each: as an auditor, and as the owner of the systems. Goal: 99 of 100 within
// 100 ms, and none slower where there are more people.
func BenchmarkPages(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchSizes(b) })
	b.Run("postgres", func(b *testing.B) {
		b.Setenv("BEHOV_TEST_ON", "postgres")
		benchSizes(b)
	})
}

func benchSizes(b *testing.B) {
	for _, people := range []int{5_000, 50_000} {
		people = testenv.BenchSize(people)
		b.Run(fmt.Sprint(people), func(b *testing.B) {
			h := houseOf(b, office.Large(b, people, benchEntitlements))
			b.Run("quiet", func(b *testing.B) { benchPages(b, h, people, false) })
			b.Run("while-running", func(b *testing.B) { benchPages(b, h, people, true) })
		})
	}
}

func benchPages(b *testing.B, h *house, people int, whileRunning bool) {
	auditor, owner := h.as("auditor", "sv"), h.as("owner", "sv")
	ids := make([]string, 40)
	for i := range ids {
		ids[i] = string(h.Person(fmt.Sprint(rand.IntN(people))).ID)
	}
	_, _, _ = auditor.ask(http.MethodGet, "/organisation", nil) // it is counted beside
	pages := map[string]testenv.Question{}
	ask := func(name string, v *visitor, path func() string) {
		pages[name] = testenv.Question{Client: v.client, URL: func() string { return h.url + path() }}
	}
	same := func(path string) func() string { return func() string { return path } }
	person := func(path string) func() string {
		return func() string { return "/people/" + ids[rand.IntN(len(ids))] + path }
	}
	ask("start", auditor, same("/"))
	ask("owner-start", owner, same("/"))
	ask("people", auditor, same("/people"))
	ask("person", auditor, person(""))
	ask("person-then", auditor, person("?on=2026-06-01"))
	ask("why", auditor, person("/why?entitlement=sys3:e"))
	ask("system", auditor, same("/systems/sys3"))
	ask("owner-system", owner, same("/systems/sys3"))
	ask("who-had", auditor, same("/ask?what=sys3:e&from=2026-03-03"))
	ask("organisation", auditor, same("/organisation"))
	ask("changes", auditor, same("/changes"))
	ask("administration", auditor, same("/administration"))
	testenv.AskAtRate(b, pages, h.Runs(whileRunning))
}
