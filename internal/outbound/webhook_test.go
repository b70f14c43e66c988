package outbound_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
)

const secretEnv = "BEHOV_TEST_EVENTS_KEY"

var secret = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32))

// hook is a receiver of CloudEvents by HTTP that verifies signatures with the library of
// Standard Webhooks.
type hook struct {
	*httptest.Server
	t  testing.TB
	mu sync.Mutex
	// answer, when set, is asked how to answer the n-th request, from 1.
	answer   func(n int, w http.ResponseWriter) (taken bool)
	requests int
	events   []outbound.Event
	bodies   []string
	headers  []http.Header
	at       []time.Time
}

func newHook(t testing.TB) *hook {
	t.Helper()
	t.Setenv(secretEnv, secret)
	h := &hook{t: t}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hook) config() *config.Webhook {
	return &config.Webhook{URL: h.URL, Secret: "env:" + secretEnv}
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	h.at = append(h.at, time.Now())
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Errorf("the body: %v", err)
	}
	e, err := accept(r.Header, body)
	if err != nil {
		h.t.Errorf("request %d: %v\n%s", h.requests, err, body)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if h.answer != nil && !h.answer(h.requests, w) {
		return
	}
	h.events, h.bodies, h.headers = append(h.events, e), append(h.bodies, string(body)), append(h.headers, r.Header)
}

// accept verifies a request as a receiver does: the signature (Standard Webhooks 1.0.0),
// and the required attributes of CloudEvents 1.0.2 §3.1 in the structured mode of its HTTP
// binding §3.2.
func accept(header http.Header, body []byte) (e outbound.Event, err error) {
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err == nil {
		err = verifier.Verify(body, header)
	}
	if err != nil {
		return e, err
	}
	if got := header.Get("Content-Type"); got != "application/cloudevents+json; charset=utf-8" {
		return e, fmt.Errorf("content type %q", got)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return e, err
	}
	if e.SpecVersion != "1.0" || e.ID == "" || e.Source != "/behov" || !strings.HasPrefix(e.Type, "behov.") || e.DataContentType != "application/json" || e.Time.IsZero() || e.Time.Location() != time.UTC {
		return e, fmt.Errorf("the attributes: %+v", e)
	}
	if header.Get("webhook-id") != e.ID {
		return e, fmt.Errorf("webhook-id %q of event %q", header.Get("webhook-id"), e.ID)
	}
	return e, nil
}

// people returns whom the events are about, in the order in which they came.
func (h *hook) people() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]string, len(h.events))
	for i, e := range h.events {
		all[i] = string(e.Subject)
	}
	return all
}

// numbered returns p0, p1 and so on.
func numbered(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprint("p", i)
	}
	return all
}

// checkOnceInOrder checks that events came in the order of their records, and each once.
func (h *hook) checkOnceInOrder(n int) {
	h.t.Helper()
	if got := h.people(); !slices.Equal(got, numbered(n)) {
		h.t.Errorf("%d events, in this order: %v", len(got), got)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := 1; i < len(h.events); i++ {
		if h.events[i].Sequence <= h.events[i-1].Sequence || h.events[i].Data.Record <= h.events[i-1].Data.Record {
			h.t.Errorf("%s comes after %s", h.events[i].Sequence, h.events[i-1].Sequence)
		}
	}
}

// TestWebhookGetsEventsInOrder: a webhook gets each change once, signed, in the order of
// the trail, beginning with what happens after the stream is configured.
func TestWebhookGetsEventsInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, x *fixture) {
		h := newHook(t)
		x.grant(1000, 3) // before there was a stream
		x.config.Events = []config.EventStream{{Name: "hook", Webhook: h.config()}}
		stop := x.dispatch(x.db)
		for first := range 3 {
			x.grant(first*80, 80)
		}
		x.delivered()
		h.checkOnceInOrder(240)
		stop()
		// Another process goes on from there.
		x.grant(240, 10)
		x.dispatch(x.open())
		x.delivered()
		h.checkOnceInOrder(250)
		e := h.events[0]
		if e.Type != "behov.access.granted" || e.Data.Entitlement != "base:staff" || e.Data.Target != "ad" || e.Data.Actor != "behov" || string(e.Data.Reason) != `{"code":"rule","rule":"r1","version":"v1"}` {
			t.Errorf("%+v %s", e, e.Data.Reason)
		}
	})
}

// TestFromStart: a stream that says so begins with the first record.
func TestFromStart(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	h := newHook(t)
	x.grant(0, 120)
	x.config.Events = []config.EventStream{{Name: "hook", FromStart: true, Webhook: h.config()}}
	x.dispatch(x.db)
	x.delivered()
	h.checkOnceInOrder(120)
}

// TestOtherProcessesRecordsAreDelivered: what another process commits is delivered within
// a second, and what this one commits without waiting for a poll.
func TestOtherProcessesRecordsAreDelivered(t *testing.T) {
	onBoth(t, func(t *testing.T, x *fixture) {
		h := newHook(t)
		x.config.Events = []config.EventStream{{Name: "hook", Webhook: h.config()}}
		x.dispatch(x.open())
		began := time.Now()
		x.grant(0, 1)
		x.until("it is there", func() bool { return len(h.people()) == 1 })
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %s", took)
		} else {
			t.Logf("from another process: %s", took)
		}
	})
}

// TestReceiverThatIsDown: a receiver that does not take an event is asked again when it
// wants to be, gets everything in order, and no other stream waits for it.
func TestReceiverThatIsDown(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	down, up := newHook(t), newHook(t)
	down.answer = func(n int, w http.ResponseWriter) bool {
		switch n {
		case 3:
			w.Header().Set("Retry-After", "3")
			http.Error(w, "later", http.StatusTooManyRequests)
		case 4:
			http.Error(w, "no", http.StatusInternalServerError)
		default:
			return true
		}
		return false
	}
	x.config.Events = []config.EventStream{{Name: "down", Webhook: down.config()}, {Name: "up", Webhook: up.config()}}
	x.dispatch(x.db)
	x.grant(0, 20)
	x.until("the other stream has all", func() bool { return len(up.people()) == 20 })
	if n := len(down.people()); n > 2 {
		t.Errorf("the one that is down has %d by then", n)
	}
	x.delivered()
	down.checkOnceInOrder(20)
	up.checkOnceInOrder(20)
	if wait := down.at[3].Sub(down.at[2]); wait < 3*time.Second {
		t.Errorf("it was asked again after %s, though it said 3 seconds", wait)
	}
	if wait := down.at[4].Sub(down.at[3]); wait < 500*time.Millisecond {
		t.Errorf("it was asked again after %s", wait)
	}
	if log := x.log.String(); !strings.Contains(log, "429 Too Many Requests") || !strings.Contains(log, "stream=down") || strings.Contains(log, down.URL) {
		t.Errorf("the log: %s", log)
	}
}

// TestForgedAndReplayed: a receiver refuses what another signed, what was changed, and
// what was sent long ago: behov signs the ID, the time and the body.
func TestForgedAndReplayed(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	h := newHook(t)
	x.config.Events = []config.EventStream{{Name: "hook", Webhook: h.config()}}
	x.dispatch(x.db)
	x.grant(0, 1)
	x.delivered()
	body, header := []byte(h.bodies[0]), h.headers[0]
	if _, err := accept(header, body); err != nil {
		t.Fatalf("the one that came: %v", err)
	}
	change := func(f func(http.Header)) http.Header {
		other := header.Clone()
		f(other)
		return other
	}
	old := strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)
	forger, err := standardwebhooks.NewWebhookRaw(bytes.Repeat([]byte("x"), 32))
	if err != nil {
		t.Fatal(err)
	}
	forged, err := forger.Sign(header.Get("webhook-id"), time.Now(), body)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	replayed, err := verifier.Sign(header.Get("webhook-id"), time.Now().Add(-time.Hour), body)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		header http.Header
		body   []byte
	}{
		"another body":      {header, bytes.Replace(body, []byte("p0"), []byte("p9"), 1)},
		"another key":       {change(func(h http.Header) { h.Set("webhook-signature", forged) }), body},
		"another ID":        {change(func(h http.Header) { h.Set("webhook-id", "1-00000000") }), body},
		"another time":      {change(func(h http.Header) { h.Set("webhook-timestamp", old) }), body},
		"an hour ago":       {change(func(h http.Header) { h.Set("webhook-timestamp", old); h.Set("webhook-signature", replayed) }), body},
		"without signature": {change(func(h http.Header) { h.Del("webhook-signature") }), body},
	} {
		if _, err := accept(c.header, c.body); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

// TestKilledBetweenDeliveryAndCursor: a process that is killed when the receiver has
// taken an event, and before the cursor is moved, delivers it again in its next life, and
// none is lost or out of order.
func TestKilledBetweenDeliveryAndCursor(t *testing.T) {
	onBoth(t, func(t *testing.T, x *fixture) {
		h := newHook(t)
		x.config.Events = []config.EventStream{{Name: "hook", Webhook: h.config()}}
		x.dispatch(x.db)() // the stream begins
		x.grant(0, 60)
		var child *exec.Cmd
		kills := map[int]bool{7: true, 31: true, 32: true}
		h.answer = func(n int, w http.ResponseWriter) bool {
			if kills[n] {
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				_ = child.Process.Kill()
			}
			return true
		}
		for life := range len(kills) + 1 {
			lived, cancel := context.WithTimeout(t.Context(), 20*time.Second) // when nothing is delivered it is not killed
			h.mu.Lock()
			child = exec.CommandContext(lived, os.Args[0], "-test.run=^$")
			child.Env = append(os.Environ(), "BEHOV_TEST_DISPATCH="+x.url, "BEHOV_TEST_MASTER="+string(x.key), "BEHOV_TEST_HOOK="+h.URL)
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			h.mu.Unlock()
			if life == len(kills) {
				x.delivered()
				_ = child.Process.Kill()
			}
			_ = child.Wait()
			cancel()
		}
		// Each life goes on at or before where the last one ended, and never behind.
		seen := 0
		twice := 0
		for i, p := range h.people() {
			n, err := strconv.Atoi(strings.TrimPrefix(p, "p"))
			switch {
			case err != nil || n > seen:
				t.Fatalf("event %d is about %s, and %d were seen before", i, p, seen)
			case n < seen:
				twice++
			default:
				seen++
			}
		}
		if seen != 60 || twice == 0 {
			t.Errorf("%d of 60 were delivered, %d of them again", seen, twice)
		}
	})
}

// dispatchForEver is a process that delivers until it is killed.
func dispatchForEver() {
	master, err := seal.ParseMaster([]byte(os.Getenv("BEHOV_TEST_MASTER")))
	if err != nil {
		panic(err)
	}
	x := &fixture{log: &buffer{}}
	db, err := store.Open(contextForEver(), os.Getenv("BEHOV_TEST_DISPATCH"), master)
	if err != nil {
		panic(err)
	}
	d := &outbound.Dispatcher{DB: db, Now: time.Now, Log: x.logger()}
	d.Use(&config.Config{Events: []config.EventStream{{Name: "hook", Webhook: &config.Webhook{URL: os.Getenv("BEHOV_TEST_HOOK"), Secret: "env:" + secretEnv}}}})
	d.Run(contextForEver())
}
