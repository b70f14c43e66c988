package api_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/testenv/office"
)

// benchEntitlements is how many entitlements each person of a benchmark has.
const benchEntitlements = 20

// BenchmarkAnswers measures what the API answers, over loopback at 50 requests a second, with
// nothing else to do and while one full run after another goes on, at 5,000 and 50,000 people with 20 entitlements
// each, as an auditor, as a manager, and as the owner of the systems that all have. Goals: 99 of 100 answers within 100 ms, of a search
// within 50 ms, and none slower where there are more people.
func BenchmarkAnswers(b *testing.B) {
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
			h := benchHouse(b, people)
			b.Run("quiet", func(b *testing.B) { benchAnswers(b, h, people, false) })
			b.Run("while-running", func(b *testing.B) { benchAnswers(b, h, people, true) })
		})
	}
}

func benchAnswers(b *testing.B, h *house, people int, whileRunning bool) {
	server := httptest.NewServer(h.handler)
	defer server.Close()
	auditor, manager, owner := h.as("auditor"), h.as("0"), h.as("owner")
	one := func() string { return fmt.Sprint(rand.IntN(people)) }
	questions := map[string]testenv.Question{}
	ask := func(name, token string, path func() string) {
		questions[name] = testenv.Question{Client: http.DefaultClient, Token: token, URL: func() string { return server.URL + api.Path + path() }}
	}
	same := func(path string) func() string { return func() string { return path } }
	prefix := func() string { return "/people?limit=20&q=" + url.QueryEscape("Given"+one()[:1]) }
	ask("people", auditor, same("/people?limit=100"))
	ask("people-later", auditor, same("/people?limit=100&state=active"))
	ask("search", auditor, prefix)
	ask("search-owner", owner, prefix)
	ask("search-two", auditor, func() string { return "/people?limit=20&q=" + url.QueryEscape("fam giv"+one()) })
	ask("person", auditor, func() string { return "/people/" + one() })
	ask("grants", auditor, func() string { return "/people/" + one() + "/grants" })
	ask("explain", auditor, func() string { return "/people/" + one() + "/grants/sys3:e" })
	ask("access", auditor, func() string { return "/people/" + one() + "/access" })
	ask("who-had", auditor, same("/entitlements/sys3:e/access?limit=100"))
	ask("changes", auditor, same("/access-changes?limit=100"))
	ask("records", auditor, same("/records?limit=100"))
	ask("records-of", auditor, func() string { return "/records?limit=100&person=" + one() })
	ask("status", auditor, same("/status"))
	ask("holds", auditor, same("/holds"))
	ask("steps", auditor, same("/steps"))
	ask("review-items", auditor, same("/review-items"))
	ask("staff", manager, same("/people?limit=100"))
	testenv.AskAtRate(b, questions, h.Runs(whileRunning))
}

// benchHouse is the API of a large office.
func benchHouse(b *testing.B, people int) *house {
	b.Helper()
	return houseOf(b, office.Large(b, people, benchEntitlements))
}
