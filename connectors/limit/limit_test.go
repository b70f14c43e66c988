package limit_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/behov/behov/connectors/limit"
)

// Ten a second and a burst of ten: thirty requests take two seconds.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.New(limit.Limits{PerSecond: 10}, 1)
		began := time.Now()
		for range 30 {
			done, err := l.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			done()
		}
		if took := time.Since(began).Round(time.Millisecond); took != 2*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.New(limit.Limits{Concurrent: 3}, 100)
		var now, most atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				done, err := l.Wait(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer done()
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Second)
				now.Add(-1)
			})
		}
		wg.Wait()
		if most.Load() != 3 || l.Concurrent() != 3 {
			t.Errorf("%d at the same time", most.Load())
		}
	})
}

// The person who does not want to wait any longer is told so, and takes no one's
// place.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.New(limit.Limits{PerSecond: 1, Burst: 1, Concurrent: 1}, 1)
		done, err := l.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a place: %v", err)
		}
		done()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if done, err := l.Wait(t.Context()); err != nil {
			t.Error(err)
		} else {
			done()
		}
		if _, err := l.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without time: %v", err)
		}
		if done, err := l.Wait(t.Context()); err != nil {
			t.Error(err)
		} else {
			done()
		}
	})
}

func TestValidate(t *testing.T) {
	for _, l := range []limit.Limits{{PerSecond: -1}, {Burst: -1}, {Concurrent: -1}} {
		if l.Validate() == nil {
			t.Errorf("%+v passes", l)
		}
	}
	if err := (limit.Limits{}).Validate(); err != nil {
		t.Error(err)
	}
}
