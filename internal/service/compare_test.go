package service_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/store"
)

// damaged makes the fast evaluator give one entitlement for another.
func damaged(c *config.Config) *config.Config {
	e := c.Rules.Catalogue.Entitlements
	e[0].ID, e[1].ID, e[2].ID = e[1].ID, e[2].ID, e[0].ID
	return c
}

// TestDifferenceFoundWhileServingHoldsThePeople: nothing of their access is
// changed, until the two evaluators agree.
func TestDifferenceFoundWhileServingHoldsThePeople(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		const has = "account staff"
		// No one has everything, so that each gets something else.
		text := strings.Replace(rules, `p, library, "true"`, `p, library, "r.sub.unit == 'library'"`, 1)
		if err := os.WriteFile(filepath.Join(fixture.dir, "policy.csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		fixture.config = fixture.load()
		fixture.hr("1 school", "2 library")
		stop := fixture.serve(nil)
		fixture.until("everybody is there", 20*time.Second, func() bool {
			return fixture.has("1", "one") == "account staff school" && fixture.has("2", "one") == has
		})
		stop()

		fixture.config = damaged(fixture.load())
		digest := fixture.config.Rules.Digest
		differences := func() int {
			found, err := fixture.db.EvaluatorDifferences(t.Context(), digest, store.Everyone())
			if err != nil {
				t.Fatal(err)
			}
			return len(found)
		}
		var served *service.Service
		stop = fixture.serve(func(s *service.Service) { served, s.CompareEvery, s.Apply = s, time.Second, false })
		fixture.until("the differences are found", 20*time.Second, func() bool { return differences() == 4 })
		found, err := fixture.db.EvaluatorDifferences(t.Context(), digest, store.Everyone())
		if err != nil || found[0].Person == "" || !strings.Contains(found[0].Detail, "rule ") || !strings.Contains(found[0].Detail, string(found[0].Person)) {
			t.Errorf("found %+v, %v", found, err)
		}
		answer := httptest.NewRecorder()
		served.Metrics().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
		if !strings.Contains(answer.Body.String(), "behov_evaluator_differences ") || strings.Contains(answer.Body.String(), "behov_evaluator_differences 0") {
			t.Error("the metrics do not have it")
		}
		if !strings.Contains(fixture.log.String(), "the fast evaluator and Casbin do not agree") {
			t.Error("the log does not have it")
		}
		stop()

		stop = fixture.serve(func(s *service.Service) { s.CompareEvery = time.Second })
		fixture.hr("2 school")
		fixture.completed("people", 1)
		if got := fixture.has("2", "one"); got != has {
			t.Errorf("a person who is held has %s, not %s", got, has)
		}
		if n := strings.Count(fixture.log.String(), "entitlement=base:staff"); n > 4 {
			t.Errorf("the log says it %d times", n)
		}
		stop()

		fixture.config = fixture.load()
		stop = fixture.serve(func(s *service.Service) { s.CompareEvery = time.Second })
		fixture.until("they agree again, and who has moved has what they need", 30*time.Second, func() bool { return differences() == 0 && fixture.has("2", "one") == "account staff school" })
		stop()
	})
}

// TestRulesThatAreEvaluatedInTwoWaysAreRefused: the old version goes on.
func TestRulesThatAreEvaluatedInTwoWaysAreRefused(t *testing.T) {
	fixture := newFixture(t, "")
	var served *service.Service
	again := make(chan os.Signal)
	fixture.serve(func(s *service.Service) {
		served, s.Again = s, again
		s.Load = func() (*config.Config, error) { return damaged(fixture.load()), nil }
	})
	if err := os.WriteFile(filepath.Join(fixture.dir, "policy.csv"), []byte(rules+"p, more, \"r.sub.unit == 'library'\", base:school, allow, also the library\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	again <- os.Interrupt
	fixture.until("it is refused", 30*time.Second, func() bool { return served.Refused() != nil })
	if text := served.Refused().Error(); !strings.Contains(text, "rule ") || !strings.Contains(text, "the fast evaluator") || !strings.Contains(text, "base:") {
		t.Errorf("refused: %s", text)
	}
	fixture.hr("1 school")
	fixture.until("the old rules go on", 20*time.Second, func() bool { return fixture.has("1", "one") == "account staff school" })
}
