package outbound_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/testenv"
)

// TestOneProcessDelivers: of several processes on one database one delivers a stream, and
// when it is gone another does, from where it stopped.
func TestOneProcessDelivers(t *testing.T) {
	x := newFixture(t, testenv.StartPostgres(t).Database())
	h := newHook(t)
	h.answer = func(int, http.ResponseWriter) bool { time.Sleep(10 * time.Millisecond); return true } // long enough for the others to see what is new
	x.config.Events = []config.EventStream{{Name: "hook", Webhook: h.config()}}
	stops := []func(){x.dispatch(x.open()), x.dispatch(x.open()), x.dispatch(x.open())}
	n := 0
	for _, stop := range stops {
		x.grant(n, 40)
		n += 40
		x.delivered()
		h.checkOnceInOrder(n)
		stop()
	}
}

// TestTakeOver: when the connections of the process that delivers break, as when it dies,
// another takes its place within seconds, and nothing is lost.
func TestTakeOver(t *testing.T) {
	x := newFixture(t, testenv.StartPostgres(t).Database())
	h := newHook(t)
	x.config.Events = []config.EventStream{{Name: "hook", Webhook: h.config()}}
	dead := x.open()
	x.dispatch(dead)
	x.grant(0, 5)
	x.delivered()
	x.dispatch(x.open())
	_ = dead.Close()
	began := time.Now()
	x.grant(5, 5)
	x.delivered()
	h.checkOnceInOrder(10)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// TestStreamsAreReplaced: with another configuration streams begin, go on, change and end,
// without a new process; one that comes back goes on where it stopped.
func TestStreamsAreReplaced(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	kept, gone, moved := newHook(t), newHook(t), newHook(t)
	d := &outbound.Dispatcher{DB: x.db, Now: time.Now, Log: x.logger()}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); d.Run(ctx) }()
	defer func() { cancel(); <-done }()
	use := func(streams ...config.EventStream) {
		x.config.Events = streams
		d.Use(x.config)
		x.begun()
	}
	use(config.EventStream{Name: "kept", Webhook: kept.config()}, config.EventStream{Name: "other", Webhook: gone.config()})
	x.grant(0, 3)
	x.delivered()
	// Its receiver is down and would be asked again in seconds; another address is asked at once.
	gone.mu.Lock()
	gone.answer = func(_ int, w http.ResponseWriter) bool { http.Error(w, "no", http.StatusGone); return false }
	gone.mu.Unlock()
	x.grant(3, 3)
	x.until("it is down", func() bool { gone.mu.Lock(); defer gone.mu.Unlock(); return gone.requests > 3 })
	use(config.EventStream{Name: "kept", Webhook: kept.config()}, config.EventStream{Name: "other", Webhook: moved.config()})
	x.delivered()
	if got := moved.people(); len(got) != 3 || got[0] != "p3" {
		t.Errorf("at the other address: %v", got)
	}
	use(config.EventStream{Name: "kept", Webhook: kept.config()})
	x.grant(6, 3)
	x.until("the one that is kept", func() bool { return len(kept.people()) == 9 })
	if n := len(moved.people()); n != 3 {
		t.Errorf("the one that ended got %d", n)
	}
	use(config.EventStream{Name: "kept", Webhook: kept.config()}, config.EventStream{Name: "other", Webhook: moved.config()})
	x.delivered()
	kept.checkOnceInOrder(9)
	if got := moved.people(); len(got) != 6 || got[5] != "p8" {
		t.Errorf("when it came back: %v", got)
	}
}
