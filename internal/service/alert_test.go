package service_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// postbox is a mail server and a webhook that keep what they get.
type postbox struct {
	mu     sync.Mutex
	mails  []string
	events []map[string]any
	broken int // how many requests the webhook refuses first
	// key is what bodies are signed with, in base64; unsigned is how many were not.
	key      string
	unsigned int
	// moved, when set, is where the webhook redirects the first request to.
	moved string
}

// NewSession implements smtp.Backend.
func (p *postbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{postbox: p}, nil }

type mailSession struct {
	*postbox
	to []string
}

func (m *mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (m *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	m.to = append(m.to, to)
	return nil
}
func (m *mailSession) Reset()        { m.to = nil }
func (m *mailSession) Logout() error { return nil }
func (m *mailSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mails = append(m.mails, strings.Join(m.to, ",")+"\n"+string(b))
	return err
}

func (p *postbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var event map[string]any
	body, err := io.ReadAll(r.Body)
	err = errors.Join(err, json.Unmarshal(body, &event))
	if p.key != "" {
		verifier, keyErr := standardwebhooks.NewWebhook(p.key)
		if keyErr != nil || verifier.VerifyIgnoringTimestamp(body, r.Header) != nil || r.Header.Get("webhook-id") != event["id"] {
			p.unsigned++
		}
	}
	switch {
	case p.moved != "":
		http.Redirect(w, r, p.moved, http.StatusTemporaryRedirect)
		p.moved = ""
	case r.Header.Get("Authorization") != "Bearer s3cret" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents+json") || err != nil:
		http.Error(w, "no", http.StatusForbidden)
	case p.broken > 0:
		p.broken--
		http.Error(w, "later", http.StatusServiceUnavailable)
	default:
		p.events = append(p.events, event)
	}
}

// got says whether a mail and an event say something, and how many there are.
func (p *postbox) got(text, kind string) (mails, events int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.mails {
		if strings.Contains(m, text) {
			mails++
		}
	}
	for _, e := range p.events {
		if e["type"] == kind {
			events++
		}
	}
	return mails, events
}

// openPostbox starts the servers.
func openPostbox(t *testing.T) (p *postbox, smtpAddress, hook string) {
	t.Helper()
	p = &postbox{}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mail := smtp.NewServer(p)
	go func() { _ = mail.Serve(l) }()
	web := httptest.NewServer(p)
	t.Cleanup(func() {
		web.Close()
		_ = mail.Close()
	})
	return p, l.Addr().String(), web.URL
}

// TestAlerts: a person is told of what is held, of steps that failed for good
// and of an HR source that is silent, once, by mail and over the webhook, also
// when that is down at first; and the metrics say the same.
func TestAlerts(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		p, mail, hook := openPostbox(t)
		p.broken = 1
		t.Setenv("BEHOV_TEST_HOOK", "s3cret")
		p.key = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32))
		t.Setenv("BEHOV_TEST_HOOK_KEY", "whsec_"+p.key)
		var elsewhere atomic.Int64
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
		defer other.Close()
		p.moved = other.URL
		text := strings.Replace(configuration, "one: {hold_above: {all: {number: 9999}}", "one: {hold_above: {removals: {number: 0}, disables: {number: 0}}", 1) + fmt.Sprintf(`
hr: {sources: {hr: {file: export.csv, every: 1h}}}
alerts:
  silent_after: 72h
  email: {from: behov@example.org, to: [iam@example.org, boss@example.org], server: %q}
  webhook: {url: %q, token: env:BEHOV_TEST_HOOK, secret: env:BEHOV_TEST_HOOK_KEY}
`, mail, hook)
		if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		fixture.config = fixture.load()
		fixture.hr("1 school", "2 library")
		// The next import is long ago.
		later := func() time.Time { return time.Now().Add(100 * time.Hour) }
		var served *service.Service
		stop := fixture.serve(func(s *service.Service) { served, s.Now = s, later })
		told := func(what, text, kind string) {
			t.Helper()
			fixture.until(what, 60*time.Second, func() bool {
				mails, events := p.got(text, kind)
				return mails > 0 && events > 0
			})
			if mails, events := p.got(text, kind); mails != 1 || events != 1 {
				t.Errorf("%s: %d mails and %d events", what, mails, events)
			}
		}
		told("HR is silent", "HR is silent: hr", "behov.source-silent")
		fixture.until("everybody is there", 20*time.Second, func() bool { return fixture.has("1", "one") == "account staff school" })
		fixture.hr("1 school 2020-12-31")
		told("it is held", "Held: one", "behov.hold-raised")
		p.mu.Lock()
		if all := strings.Join(p.mails, ""); !strings.Contains(all, "iam@example.org,boss@example.org") || !strings.Contains(all, "behov hold show") || strings.Contains(all, "Given1") {
			t.Errorf("the mails: %s", all)
		}
		if p.unsigned > 0 || p.moved != "" || elsewhere.Load() > 0 {
			t.Errorf("%d events are not signed, and %d went where a redirect leads", p.unsigned, elsewhere.Load())
		}
		for _, e := range p.events {
			if e["specversion"] != "1.0" || e["id"] == "" || e["source"] != "/behov" || e["datacontenttype"] != "application/json" {
				t.Errorf("the event: %v", e)
			}
		}
		p.mu.Unlock()
		if err := testutil.ScrapeAndCompare(serveMetrics(t, served), strings.NewReader(`
# HELP behov_holds What is held, by the target or HR source.
# TYPE behov_holds gauge
behov_holds{subject="hr"} 0
behov_holds{subject="one"} 1
behov_holds{subject="two"} 0
# HELP behov_target_up Whether the target answered this process when it last asked.
# TYPE behov_target_up gauge
behov_target_up{target="one"} 1
behov_target_up{target="two"} 1
`), "behov_holds", "behov_target_up"); err != nil {
			t.Error(err)
		}
		scraped := scrape(t, served)
		for _, want := range []string{`behov_steps_total{outcome="applied",target="one"} 5`, `behov_job_seconds_count{job="run",result="done"}`, `behov_oldest_unfinished_step_seconds{target="two"} 0`, "behov_hr_seconds_since_import{source=\"hr\"} 360", "go_goroutines"} {
			if !strings.Contains(scraped, want) {
				t.Errorf("the metrics lack %s:\n%s", want, scraped)
			}
		}
		stop()
	})
}

// TestParkedIsTold: what a target refuses again and again waits for a person,
// and a person is told of all of it at once.
func TestParkedIsTold(t *testing.T) {
	fixture := newFixture(t, "")
	p, mail, _ := openPostbox(t)
	text := configuration + fmt.Sprintf("alerts: {email: {from: behov@example.org, to: [iam@example.org], server: %q}}\n", mail)
	if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fixture.config = fixture.load()
	if err := fixture.db.Write(context.Background(), func(tx *store.Tx) error {
		for range 3 {
			tx.Enqueue(alert.StepsParked.Job("one"))
		}
		for n := range 2 {
			f := store.FailingStep{Key: audit.StepKey(fmt.Sprint("k", n)), Target: "one", Person: identity.PersonID(fmt.Sprint("p", n)), Body: "{}", Outcome: "refused", Detail: reason.Of(reason.Answer{Text: "no"})}
			f, err := tx.NextStepFailure(context.Background(), f, time.Now())
			if err != nil {
				return err
			}
			f.State = store.Parked
			if err := tx.PutFailingStep(context.Background(), f, time.Time{}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	stop := fixture.serve(func(s *service.Service) { s.Apply = false })
	fixture.until("an alert is sent", 20*time.Second, func() bool { mails, _ := p.got("In target one 2 steps failed", ""); return mails > 0 })
	fixture.drained("alert")
	if mails, _ := p.got("Steps failed", ""); mails != 1 {
		t.Errorf("%d mails", mails)
	}
	// What is parked soon afterwards is not told at once, and not forgotten.
	if err := fixture.db.Write(context.Background(), func(tx *store.Tx) error {
		tx.Enqueue(alert.StepsParked.Job("one"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	raw := testenv.Raw(t, fixture.url)
	fixture.until("it is put off", 20*time.Second, func() bool {
		n := 0
		err := raw.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM river_job WHERE kind = 'alert' AND state = 'scheduled'`).Scan(&n)
		return err == nil && n == 1
	})
	if mails, _ := p.got("Steps failed", ""); mails != 1 {
		t.Errorf("%d mails", mails)
	}
	stop()
}

// TestAwayIsTold: of a target that does not answer for long a person is told.
func TestAwayIsTold(t *testing.T) {
	fixture := newFixture(t, "")
	p, mail, _ := openPostbox(t)
	text := configuration + fmt.Sprintf("alerts: {email: {from: behov@example.org, to: [iam@example.org], server: %q}}\n", mail)
	if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fixture.config = fixture.load()
	var ahead atomic.Int64
	fixture.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	fixture.targets["one"].is(true)
	stop := fixture.serve(nil)
	fixture.hr("1 school")
	fixture.until("it is found out", 20*time.Second, func() bool { return strings.Contains(fixture.log.String(), "target does not answer") })
	fixture.drained("alert")
	if mails, _ := p.got("Does not answer", ""); mails != 0 {
		t.Error("somebody is told at once")
	}
	ahead.Store(int64(20 * time.Minute))
	fixture.until("an alert is sent", 30*time.Second, func() bool {
		mails, _ := p.got("Does not answer: one", "Target one has not answered")
		return mails > 0
	})
	fixture.targets["one"].is(false)
	fixture.until("it answers", 90*time.Second, func() bool {
		return strings.Contains(fixture.log.String(), "target answers again") && fixture.has("1", "one") != ""
	})
	if mails, _ := p.got("Does not answer", ""); mails != 1 {
		t.Errorf("%d mails", mails)
	}
	stop()
}

// TestRefusedIsToldOnce: an export that cannot be read is refused, recorded and
// told of once, however often it is looked at, until there is another one. Alerts are
// written in the language of alerts.language.
func TestRefusedIsToldOnce(t *testing.T) {
	fixture := newFixture(t, "")
	p, mail, _ := openPostbox(t)
	text := configuration + fmt.Sprintf("hr: {sources: {hr: {file: export.csv, every: 1s}}}\nalerts: {language: sv, email: {from: behov@example.org, to: [iam@example.org], server: %q}}\n", mail)
	export := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(fixture.dir, "export.csv"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	export("this is no export")
	fixture.config = fixture.load()
	stop := fixture.serve(nil)
	fixture.until("an alert is sent", 20*time.Second, func() bool { mails, _ := p.got("HR-export avvisad: hr", ""); return mails > 0 })
	fixture.completed("pull", 3) // more, each of which reads the same file
	fixture.drained("alert")
	refused := 0
	for r, err := range fixture.db.AuditRecords(t.Context(), store.Everyone()) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Action == audit.HRRefused {
			refused++
		}
	}
	if mails, _ := p.got("HR-export avvisad", ""); mails != 1 || refused != 1 {
		t.Errorf("%d mails, and %d records", mails, refused)
	}
	export("person_id,employment_id,given_name,family_name,unit,start_date\n1,E1,Given1,Family1,school,2020-01-01\n")
	fixture.until("another one goes in", 20*time.Second, func() bool {
		p, err := fixture.db.FindPerson(t.Context(), "1", "hr")
		return err == nil && p.GivenName == "Given1"
	})
	stop()
}

// TestARefusedPushIsToldThoughOthersCameAfterIt: what is pushed next is of
// another person, and makes up for nothing.
func TestARefusedPushIsToldThoughOthersCameAfterIt(t *testing.T) {
	fixture := newFixture(t, "")
	p, mail, _ := openPostbox(t)
	text := configuration + fmt.Sprintf("hr: {sources: {idp: {scim: true}}}\nalerts: {email: {from: behov@example.org, to: [iam@example.org], server: %q}}\n", mail)
	if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fixture.config = fixture.load()
	im := hr.Importer{DB: fixture.db, Config: fixture.config, Now: time.Now, Actor: "behov"}
	if err := im.Refuse(t.Context(), fixture.config.Sources["idp"], "SCIM", "0", errors.New("the user stays active")); err != nil {
		t.Fatal(err)
	}
	if err := fixture.db.Write(t.Context(), func(tx *store.Tx) error {
		return tx.RecordImport(t.Context(), store.Import{ID: "next", Source: "idp", FileHash: "1", Status: store.ImportDone}, time.Time{}, time.Now())
	}); err != nil {
		t.Fatal(err)
	}
	stop := fixture.serve(nil)
	defer stop()
	fixture.until("the refusal is told", 20*time.Second, func() bool { mails, _ := p.got("HR export refused: idp", ""); return mails > 0 })
}

// TestRowsLeftOutAreTold: an export of which most rows cannot be used takes
// no one's access and is held by nothing; a person has to know that it does not
// end anyone's either. A few bad rows are no alarm.
func TestRowsLeftOutAreTold(t *testing.T) {
	fixture := newFixture(t, "")
	p, mail, _ := openPostbox(t)
	text := configuration + fmt.Sprintf("hr: {sources: {hr: {file: export.csv, every: 1s}}}\nalerts: {email: {from: behov@example.org, to: [iam@example.org], server: %q}}\n", mail)
	export := func(wrong int) {
		t.Helper()
		var b strings.Builder
		b.WriteString("person_id,employment_id,given_name,family_name,unit,start_date\n")
		for i := range 20 {
			unit := "school"
			if i < wrong {
				unit = "SCHOOL"
			}
			fmt.Fprintf(&b, "%d,E%d,Given%d,Family%d,%s,2020-01-01\n", i, i, i, i, unit)
		}
		if err := os.WriteFile(filepath.Join(fixture.dir, "export.csv"), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	export(3)
	fixture.config = fixture.load()
	stop := fixture.serve(nil)
	in := func(bad int) func() bool {
		return func() bool {
			last, err := fixture.db.Imports(t.Context(), "hr", 1)
			return err == nil && len(last) == 1 && last[0].Status == "done" && last[0].BadRows == bad
		}
	}
	fixture.until("a few bad rows are left out", 20*time.Second, in(3))
	fixture.drained("alert")
	if mails, _ := p.got("left out", ""); mails != 0 {
		t.Errorf("%d mails because of three rows", mails)
	}
	export(20)
	fixture.until("all rows are left out", 20*time.Second, in(20))
	fixture.until("an alert is sent", 20*time.Second, func() bool { mails, _ := p.got("HR rows left out: hr", ""); return mails == 1 })
	stop()
}

func serveMetrics(t *testing.T, s *service.Service) string {
	t.Helper()
	web := httptest.NewServer(s.Metrics())
	t.Cleanup(web.Close)
	return web.URL
}

func scrape(t *testing.T, s *service.Service) string {
	t.Helper()
	r, err := http.Get(serveMetrics(t, s)) //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
