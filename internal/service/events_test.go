package service_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/service"
)

// signalBox is a receiver that is pushed to. What a token is, and its signature, package
// outbound's tests verify.
type signalBox struct {
	mu     sync.Mutex
	broken bool
	got    []string             // person and event
	at     map[string]time.Time // when it came first
}

func (b *signalBox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	parts := strings.Split(string(body), ".")
	var token struct {
		Subject map[string]string `json:"sub_id"`
		Events  map[string]any    `json:"events"`
	}
	if len(parts) == 3 {
		payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(payload, &token)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken || len(token.Events) != 1 {
		http.Error(w, "no", http.StatusServiceUnavailable)
		return
	}
	for uri := range token.Events {
		what := token.Subject["id"] + " " + uri[strings.LastIndex(uri, "/")+1:]
		b.got = append(b.got, what)
		if _, known := b.at[what]; !known {
			b.at[what] = time.Now()
		}
	}
	w.WriteHeader(http.StatusAccepted)
}

// came returns when a signal came first.
func (b *signalBox) came(what string) (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, ok := b.at[what]
	return at, ok
}

// configureSignals configures a receiver of signals, and a file of events, and returns the
// receiver.
func (fixture *fixture) configureSignals() *signalBox {
	t := fixture.t
	t.Helper()
	box := &signalBox{at: map[string]time.Time{}}
	web := httptest.NewServer(box)
	t.Cleanup(web.Close)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(fixture.dir, "ssf.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	text := configuration + fmt.Sprintf(`
events:
  archive: {file: events.jsonl}
  signals:
    ssf:
      issuer: https://behov.example.org
      key: file:ssf.key
      receivers:
        portal: {audience: ["https://portal.example.org"], push: {url: %q}}
`, web.URL)
	if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fixture.config = fixture.load()
	if fixture.config.Rights, err = rights.New([]rights.Line{{Member: "hr/9", Role: rights.Administrator}}); err != nil {
		t.Fatal(err)
	}
	return box
}

// TestReceiverKnowsWithinASecond: a receiver knows of a suspension and of a leaver within a
// second of the decision and of the import, which other processes record, while a target is
// down, too; and of the return.
func TestReceiverKnowsWithinASecond(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		box := fixture.configureSignals()
		fixture.hr("1 school", "2 library", "3 school", "9 school")
		var served *service.Service
		stop := fixture.serve(func(s *service.Service) { served = s })
		fixture.until("everybody is there", 30*time.Second, func() bool {
			return fixture.has("1", "one") == "account staff school" && fixture.has("2", "two") == "account library" && fixture.has("3", "two") == "account library"
		})
		within := func(what, key, signal string, cause func()) {
			t.Helper()
			p, err := fixture.db.FindPerson(t.Context(), key, "hr")
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			cause()
			recorded := time.Now()
			var at time.Time
			fixture.until(what, 10*time.Second, func() bool {
				var ok bool
				at, ok = box.came(string(p.ID) + " " + signal)
				return ok
			})
			took := at.Sub(recorded)
			t.Logf("%s: %s, of which %s to record it", what, at.Sub(began), recorded.Sub(began))
			if limit := time.Second; took > limit {
				t.Errorf("%s: the receiver knew after %s", what, took)
			}
		}
		within("the sessions of a leaver", "2", "session-revoked", func() { fixture.hr("2 library 2020-12-31") })
		within("the accounts of a leaver", "2", "account-disabled", func() {})
		fixture.targets["one"].is(true)
		within("a leaver, with a target down", "3", "account-disabled", func() { fixture.hr("3 school 2020-12-31") })
		fixture.targets["two"].is(true)
		within("a suspension, with every target down", "1", "session-revoked", func() { fixture.suspend("1", false) })
		fixture.targets["one"].is(false)
		fixture.targets["two"].is(false)
		fixture.until("the accounts are disabled", 60*time.Second, func() bool { return fixture.has("1", "one") == "staff school" && fixture.has("3", "one") == "" })
		fixture.suspend("1", true)
		fixture.until("the suspension is lifted", 30*time.Second, func() bool {
			p, err := fixture.db.FindPerson(t.Context(), "1", "hr")
			_, ok := box.came(string(p.ID) + " account-enabled")
			return err == nil && ok
		})
		fixture.until("nothing is behind", 10*time.Second, func() bool {
			scraped := scrape(t, served)
			return strings.Contains(scraped, `behov_event_stream_behind_records{stream="signals/portal"} 0`) && strings.Contains(scraped, `behov_event_stream_behind_records{stream="archive"} 0`)
		})
		stop()
		box.mu.Lock()
		defer box.mu.Unlock()
		for _, what := range box.got {
			if n := len(slices.DeleteFunc(slices.Clone(box.got), func(other string) bool { return other != what })); n > 1 {
				t.Errorf("%s was signalled %d times", what, n)
			}
		}
	})
}

// suspend decides that a person is suspended, or no longer, as another process does.
func (fixture *fixture) suspend(key string, lift bool) {
	fixture.t.Helper()
	ctx := context.Background()
	p, err := fixture.db.FindPerson(ctx, key, "hr")
	if err != nil {
		fixture.t.Fatal(err)
	}
	by, err := fixture.db.FindPerson(ctx, "9", "hr")
	if err != nil {
		fixture.t.Fatal(err)
	}
	g := governance.Governance{DB: fixture.db, Config: fixture.config, Now: time.Now}
	if _, err := g.Suspend(ctx, p, lift, rights.Subject{Person: by.ID, How: rights.Claimed}, "a test"); err != nil {
		fixture.t.Fatal(err)
	}
}

// TestReceiverThatIsDownDelaysNothing: with a receiver that does not answer, access is
// changed as ever, the metrics say how far it is behind, and it gets everything later.
func TestReceiverThatIsDownDelaysNothing(t *testing.T) {
	fixture := newFixture(t, "")
	box := fixture.configureSignals()
	box.broken = true
	fixture.hr("1 school", "2 library")
	var served *service.Service
	stop := fixture.serve(func(s *service.Service) { served = s })
	fixture.until("they are there", 30*time.Second, func() bool {
		return fixture.has("1", "one") == "account staff school" && fixture.has("2", "two") == "account library"
	})
	fixture.hr("1 school 2020-12-31")
	fixture.until("the account is disabled", 20*time.Second, func() bool { return fixture.has("1", "one") == "" && fixture.has("1", "two") == "" })
	fixture.until("the file has all", 10*time.Second, func() bool {
		return strings.Contains(scrape(t, served), `behov_event_stream_behind_records{stream="archive"} 0`)
	})
	if scraped := scrape(t, served); strings.Contains(scraped, `behov_event_stream_behind_records{stream="signals/portal"} 0`) || !strings.Contains(scraped, `behov_event_stream_behind_seconds{stream="signals/portal"}`) {
		t.Errorf("the metrics do not say that a receiver is behind:\n%s", scraped)
	}
	box.mu.Lock()
	box.broken = false
	box.mu.Unlock()
	p, err := fixture.db.FindPerson(t.Context(), "1", "hr")
	if err != nil {
		t.Fatal(err)
	}
	fixture.until("it gets what it missed", 60*time.Second, func() bool { _, ok := box.came(string(p.ID) + " account-disabled"); return ok })
	stop()
}
