package testenv

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/server"
)

// Question is what a benchmark asks of a server, each time at a URL that it chooses.
type Question struct {
	Client *http.Client
	Token  string // when it is not empty
	URL    func() string
}

// AskAtRate asks a server 50 questions a second, each in turn, while work is done again and
// again beside it, unless that is nil. It reports how long half and 99 of 100 answers to
// each took, the size of the largest, and how often the work was done.
func AskAtRate(b *testing.B, questions map[string]Question, work func(context.Context) error) {
	b.Helper()
	server.ShareProcessors()
	rounds := 60
	if testing.Short() {
		rounds = 3
	}
	ctx, stop := context.WithCancel(b.Context())
	var working, asking sync.WaitGroup
	times := 0
	if work != nil {
		working.Go(func() {
			for ; ctx.Err() == nil; times++ {
				if err := work(ctx); err != nil && ctx.Err() == nil {
					b.Error(err)
				}
			}
		})
	}
	names := slices.Sorted(maps.Keys(questions))
	var mu sync.Mutex
	took, most := map[string][]time.Duration{}, map[string]int64{}
	b.ResetTimer()
	for n := 0; n < len(names)*rounds || b.Loop(); n++ {
		name := names[n%len(names)]
		asking.Go(func() {
			began := time.Now()
			size, err := questions[name].ask(b.Context())
			if err != nil {
				b.Errorf("%s: %v", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			took[name] = append(took[name], time.Since(began))
			most[name] = max(most[name], size)
		})
		time.Sleep(20 * time.Millisecond)
	}
	asking.Wait()
	b.StopTimer()
	stop()
	working.Wait()
	for _, name := range names {
		all := took[name]
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, name+"-p99-ms")
		b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, name+"-p50-ms")
		b.ReportMetric(float64(most[name])/1000, name+"-kB")
	}
	b.ReportMetric(float64(times), "times-worked")
}

func (q Question) ask(ctx context.Context) (int64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, q.URL(), nil)
	if err != nil {
		return 0, err
	}
	if q.Token != "" {
		r.Header.Set("Authorization", "Bearer "+q.Token)
	}
	answer, err := q.Client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return 0, errors.New(answer.Status)
	}
	return io.Copy(io.Discard, answer.Body)
}
