package api_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/reconcile"
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
	tokens := map[string]string{"auditor": h.as("auditor"), "manager": h.as("0"), "owner": h.as("owner")}
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	runs := 0
	running.Go(func() {
		for whileRunning && ctx.Err() == nil {
			if _, err := h.Engine.Run(ctx, reconcile.Scope{}); err != nil && ctx.Err() == nil {
				b.Error(err)
			}
			runs++
		}
	})
	one := func() string { return fmt.Sprint(rand.IntN(people)) }
	asked := map[string]func() string{
		"people":       func() string { return "/people?limit=100" },
		"people-later": func() string { return "/people?limit=100&state=active" },
		"search":       func() string { return "/people?limit=20&q=" + url.QueryEscape("Given"+one()[:1]) },
		"search-owner": func() string { return "/people?limit=20&q=" + url.QueryEscape("Given"+one()[:1]) },
		"search-two":   func() string { return "/people?limit=20&q=" + url.QueryEscape("fam giv"+one()) },
		"person":       func() string { return "/people/" + one() },
		"grants":       func() string { return "/people/" + one() + "/grants" },
		"explain":      func() string { return "/people/" + one() + "/grants/sys3:e" },
		"access":       func() string { return "/people/" + one() + "/access" },
		"who-had":      func() string { return "/entitlements/sys3:e/access?limit=100" },
		"changes":      func() string { return "/access-changes?limit=100" },
		"records":      func() string { return "/records?limit=100" },
		"records-of":   func() string { return "/records?limit=100&person=" + one() },
		"status":       func() string { return "/status" },
		"holds":        func() string { return "/holds" },
		"steps":        func() string { return "/steps" },
		"review-items": func() string { return "/review-items" },
		"staff":        func() string { return "/people?limit=100" },
	}
	names := make([]string, 0, len(asked))
	for name := range asked {
		names = append(names, name)
	}
	slices.Sort(names)
	var mu sync.Mutex
	took := map[string][]time.Duration{}
	var answers sync.WaitGroup
	requests := 0
	b.ResetTimer()
	for n := 0; n < len(names)*rounds() || b.Loop(); n++ {
		name := names[n%len(names)]
		who := "auditor"
		switch name {
		case "staff":
			who = "manager"
		case "search-owner":
			who = "owner"
		}
		requests++
		answers.Go(func() {
			began := time.Now()
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, server.URL+api.Path+asked[name](), nil)
			if err != nil {
				b.Error(err)
				return
			}
			r.Header.Set("Authorization", "Bearer "+tokens[who])
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			defer func() { _ = res.Body.Close() }()
			if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
				b.Errorf("%s: %s, %v", name, res.Status, err)
			}
			mu.Lock()
			defer mu.Unlock()
			took[name] = append(took[name], time.Since(began))
		})
		time.Sleep(20 * time.Millisecond)
	}
	answers.Wait()
	b.StopTimer()
	stop()
	running.Wait()
	for _, name := range names {
		all := took[name]
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, name+"-p99-ms")
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, name+"-p50-ms")
	}
	b.ReportMetric(float64(runs), "runs")
}

// benchHouse is the API of a large office.
func benchHouse(b *testing.B, people int) *house {
	b.Helper()
	return houseOf(b, office.Large(b, people, benchEntitlements))
}

// rounds is how often each question is asked at least.
func rounds() int {
	if testing.Short() {
		return 3
	}
	return 60
}
