package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/server"
)

// TestAddressRate checks the answer to an address that asks for too much, that another is
// answered, and that probes are.
func TestAddressRate(t *testing.T) {
	t.Parallel()
	h, log := inChain(func(http.ResponseWriter, *http.Request) {}, func(c *server.Chain, _ *server.Mount) {
		c.PerAddress = server.Rate{PerSecond: 0.1, Burst: 5}
	})
	var warned string
	for i := range 5 {
		w := ask(h, "GET", "/api/", "")
		if w.Code != http.StatusOK {
			t.Fatalf("request %d: %d", i, w.Code)
		}
		warned = w.Header().Get("RateLimit")
	}
	if warned != `"address";r=0;t=1` {
		t.Errorf("the last request says %q", warned)
	}
	w := ask(h, "GET", "/api/", "")
	var problem struct {
		Type     string   `json:"type"`
		Status   int      `json:"status"`
		Violated []string `json:"violated-policies"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusTooManyRequests || problem.Status != w.Code || !slices.Equal(problem.Violated, []string{"address"}) || !strings.HasSuffix(problem.Type, "#quota-exceeded") ||
		w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
	if err != nil || seconds < 9 || seconds > 10 {
		t.Errorf("Retry-After is %q", w.Header().Get("Retry-After"))
	}
	if got, want := w.Header().Get("RateLimit"), fmt.Sprintf(`"address";r=0;t=%d`, seconds); got != want {
		t.Errorf("RateLimit is %s, not %s", got, want)
	}
	if got := w.Header().Get("RateLimit-Policy"); got != `"address";q=5;w=50` {
		t.Errorf("RateLimit-Policy is %s", got)
	}
	for _, path := range []string{"/health", "/ready"} {
		if w := ask(h, "GET", path, ""); w.Code != http.StatusOK {
			t.Errorf("%s is refused: %d", path, w.Code)
		}
	}
	if w := ask(h, "GET", "/nowhere", ""); w.Code != http.StatusTooManyRequests {
		t.Errorf("a path without a mount is not limited: %d", w.Code)
	}
	r := httptest.NewRequest("GET", "/api/", nil)
	r.RemoteAddr = "198.51.100.9:1"
	other := httptest.NewRecorder()
	if h.ServeHTTP(other, r); other.Code != http.StatusOK {
		t.Errorf("another address: %d", other.Code)
	}
	for range 100 {
		ask(h, "GET", "/api/", "")
	}
	if n := strings.Count(log.String(), `"status":429`); n != 1 {
		t.Errorf("102 refusals are %d lines in the log", n)
	}
}

// TestIPv6AddressesOfOneNetworkShareARate checks that a client cannot ask from another of
// its addresses.
func TestIPv6AddressesOfOneNetworkShareARate(t *testing.T) {
	t.Parallel()
	h, _ := inChain(func(http.ResponseWriter, *http.Request) {}, func(c *server.Chain, _ *server.Mount) { c.PerAddress = server.Rate{PerSecond: 0.1, Burst: 2} })
	from := func(address string) int {
		r := httptest.NewRequest("GET", "/api/", nil)
		r.RemoteAddr = "[" + address + "]:1"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	from("2001:db8::1")
	from("2001:db8::2")
	if code := from("2001:db8::3"); code != http.StatusTooManyRequests {
		t.Errorf("a third address of the network: %d", code)
	}
	if code := from("2001:db8:0:1::1"); code != http.StatusOK {
		t.Errorf("another network: %d", code)
	}
}

// TestSubjectRate checks that one subject's requests do not count as another's, and that
// those without a subject pass.
func TestSubjectRate(t *testing.T) {
	t.Parallel()
	limited := server.LimitSubject(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	h, _ := inChain(func(w http.ResponseWriter, r *http.Request) {
		if subject := r.Header.Get("Subject"); subject != "" {
			server.SetSubject(r.Context(), subject)
		}
		limited.ServeHTTP(w, r)
	}, func(c *server.Chain, _ *server.Mount) { c.PerSubject = server.Rate{PerSecond: 0.1, Burst: 3} })
	codes := map[string][]int{}
	for range 4 {
		for _, subject := range []string{"a", "b", ""} {
			w := ask(h, "GET", "/api/", "", "Subject: "+subject)
			codes[subject] = append(codes[subject], w.Code)
			if w.Code == http.StatusTooManyRequests && !strings.Contains(w.Body.String(), `"violated-policies":["subject"]`) {
				t.Errorf("%s", w.Body)
			}
		}
	}
	for subject, want := range map[string][]int{"a": {200, 200, 200, 429}, "b": {200, 200, 200, 429}, "": {200, 200, 200, 200}} {
		if !slices.Equal(codes[subject], want) {
			t.Errorf("%q is answered %v", subject, codes[subject])
		}
	}
}

// TestLimiter checks the counting, and that asking counts nothing.
func TestLimiter(t *testing.T) {
	t.Parallel()
	l := server.NewLimiter("failed-sign-ins", server.PerMinute(6))
	for i := range 6 {
		if wait := l.RetryAfter("a"); wait != 0 {
			t.Errorf("after %d events: wait %s", i, wait)
		}
		if ok, wait := l.Allow("a"); !ok || wait != 0 {
			t.Errorf("event %d: %v, %s", i, ok, wait)
		}
	}
	ok, wait := l.Allow("a")
	if ok || wait < 9*time.Second || wait > 10*time.Second {
		t.Errorf("the seventh: %v, %s", ok, wait)
	}
	if again := l.RetryAfter("a"); again < 9*time.Second || again > 10*time.Second {
		t.Errorf("asked: %s", again)
	}
	if ok, _ := l.Allow("b"); !ok {
		t.Error("another key is refused")
	}
	none := server.NewLimiter("none", server.Rate{})
	if ok, _ := none.Allow("a"); !ok || none.RetryAfter("a") != 0 {
		t.Error("no limit limits")
	}
}

// TestLimiterForgets checks that a million keys take the memory of a few thousand.
func TestLimiterForgets(t *testing.T) {
	l := server.NewLimiter("address", server.PerMinute(1))
	l.Allow("first")
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	for i := range n {
		l.Allow(strconv.Itoa(i))
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("%d keys take %d bytes", n, grown)
	}
	if ok, _ := l.Allow(strconv.Itoa(n - 1)); ok {
		t.Error("the last key is forgotten")
	}
	if ok, _ := l.Allow("first"); !ok {
		t.Error("a key of long ago is remembered")
	}
	runtime.KeepAlive(l)
}

// TestFailedSignInsDoNotSlowOthers checks that 200 wrong sign-ins a second, from the same
// address, neither refuse nor slow right ones.
func TestFailedSignInsDoNotSlowOthers(t *testing.T) {
	failed := server.NewLimiter("failed-sign-ins", server.PerMinute(30))
	h, log := inChain(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer right" {
			server.SetSubject(r.Context(), "subject")
			return
		}
		if ok, wait := failed.Allow(server.ClientAddress(r.Context()).String()); !ok {
			failed.Refuse(w, wait)
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}, func(c *server.Chain, _ *server.Mount) {
		c.PerAddress, c.PerSubject = server.PerSecond(300), server.PerSecond(50)
	})
	seconds := 3
	if testing.Short() {
		seconds = 1
	}
	codes := map[int]int{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				codes[ask(h, "POST", "/api/", "", "Authorization: Bearer wrong").Code]++
			}
		}
	})
	var took []time.Duration
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		start := time.Now()
		if w := ask(h, "POST", "/api/", "", "Authorization: Bearer right"); w.Code != http.StatusOK {
			t.Errorf("a right sign-in is answered %d", w.Code)
		}
		took = append(took, time.Since(start))
	}
	close(stop)
	wg.Wait()
	slices.Sort(took)
	t.Logf("%d right sign-ins, median %s, longest %s, beside %v wrong ones", len(took), took[len(took)/2], took[len(took)-1], codes)
	if median := took[len(took)/2]; median > 20*time.Millisecond {
		t.Errorf("half of the right sign-ins took more than %s", median)
	}
	if codes[http.StatusUnauthorized] < 30 || codes[http.StatusUnauthorized] > 34 || codes[http.StatusTooManyRequests] < 50*seconds {
		t.Errorf("wrong sign-ins are answered %v", codes)
	}
	if n := strings.Count(log.String(), `"status":429`); n > 1 {
		t.Errorf("the refusals are %d lines in the log", n)
	}
}
