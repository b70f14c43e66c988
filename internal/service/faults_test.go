package service_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/testenv"
)

// fault is what goes wrong, and how it is over.
type fault struct {
	name       string
	begin, end func()
	says       string // what the log says of it; empty when no one has to notice
	everywhere bool   // nothing goes on meanwhile
}

// remoteFixture is an installation whose target one is real and far away: around is how the
// service reaches it, straight how the test does.
type remoteFixture struct {
	*fixture
	around, straight func() connectors.Connector
}

func newRemoteFixture(t *testing.T, url, attributes string) *remoteFixture {
	t.Helper()
	fixture := &remoteFixture{fixture: newFixture(t, url)}
	text := strings.Replace(configuration, "one: {", "one: {attributes: {"+attributes+"}, reconcile_every: 5s, ", 1)
	if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fixture.config = fixture.load()
	return fixture
}

// newDirectoryFixture's target is a directory behind a wire.
func newDirectoryFixture(t *testing.T, url string) (*remoteFixture, *testenv.Slapd, *testenv.Wire) {
	t.Helper()
	fixture := newRemoteFixture(t, url, `cn: "{{.GivenName}}", sn: "{{.FamilyName}}"`)
	slapd := testenv.StartSlapd(t)
	for _, name := range []string{"staff", "school"} {
		dn := "cn=" + name + "," + slapd.GroupsDN
		r := goldap.NewAddRequest(dn, nil)
		r.Attribute("objectClass", []string{"groupOfNames"})
		r.Attribute("member", []string{dn})
		if err := slapd.Dial().Add(r); err != nil {
			t.Fatal(err)
		}
	}
	w := testenv.NewWire(t, strings.TrimPrefix(slapd.URL, "ldap://"))
	reach := func(url string) func() connectors.Connector {
		return func() connectors.Connector {
			c, err := ldap.New(ldap.Config{URL: url, BindDN: slapd.BindDN, Password: slapd.Password, Plaintext: true, PeopleDN: slapd.PeopleDN, GroupsDN: slapd.GroupsDN,
				Timeout: 2 * time.Second, Attributes: []string{"cn", "sn"}})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
	}
	fixture.around, fixture.straight = reach("ldap://"+w.Address()), reach(slapd.URL)
	return fixture, slapd, w
}

// front stands before an HTTP service, and answers in its place while answer is
// set.
type front struct {
	mu     sync.Mutex
	answer func(w http.ResponseWriter, pass http.Handler, r *http.Request)
	pass   http.Handler
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	answer := f.answer
	f.mu.Unlock()
	if answer == nil {
		f.pass.ServeHTTP(w, r)
		return
	}
	answer(w, f.pass, r)
}

func (f *front) answers(answer func(w http.ResponseWriter, pass http.Handler, r *http.Request)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

// newAppFixture's target is a SCIM service behind a front.
func newAppFixture(t *testing.T) (*remoteFixture, *front) {
	t.Helper()
	fixture := newRemoteFixture(t, "", `name.givenName: "{{.GivenName}}", name.familyName: "{{.FamilyName}}"`)
	server := testenv.SCIMMY(t)
	at, err := url.Parse(server.Service())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"staff", "school"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at.String()+"/Groups", strings.NewReader(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"`+name+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+server.Token)
		r.Header.Set("Content-Type", "application/scim+json")
		answer, err := http.DefaultClient.Do(r)
		if err != nil || answer.StatusCode != http.StatusCreated {
			t.Fatal(answer, err)
		}
		_ = answer.Body.Close()
	}
	f := &front{pass: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: at.Scheme, Host: at.Host})}
	web := httptest.NewServer(f)
	t.Cleanup(web.Close)
	reach := func(base string) func() connectors.Connector {
		return func() connectors.Connector {
			c, err := scim.New(scim.Config{URL: base, Token: server.Token, Plaintext: true, Timeout: 2 * time.Second, Attributes: []string{"name.givenName", "name.familyName"}})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
	}
	fixture.around, fixture.straight = reach(web.URL+at.Path), reach(at.String())
	return fixture, f
}

func (fixture *remoteFixture) serve(with func(*service.Service)) (stop func()) {
	return fixture.fixture.serve(func(s *service.Service) {
		if with != nil {
			with(s)
		}
		s.Connect = func(*config.Config) (map[string]connectors.Connector, error) {
			return map[string]connectors.Connector{"one": fixture.around(), "two": fixture.targets["two"]}, nil
		}
	})
}

// desired says whether the targets are as they should be, and the trail whole.
func (fixture *remoteFixture) desired(why *string) bool {
	direct := fixture.straight()
	defer func() { _ = direct.Close() }()
	e := reconcile.Engine{DB: fixture.db, Config: fixture.config, Targets: map[string]connectors.Connector{"one": direct, "two": fixture.targets["two"]}, Now: time.Now, Actor: "test"}
	p, err := e.Plan(context.Background(), reconcile.Scope{})
	if err != nil {
		*why = err.Error()
		return false
	}
	s, err := fixture.db.VerifyAudit(context.Background())
	*why = fmt.Sprintf("steps %v, holds %v, skipped %v, open %v, %v", p.Steps, p.Holds, p.SkippedSteps, s.OpenSteps, err)
	unreadable := false
	for _, f := range p.Findings {
		unreadable = unreadable || f.Kind == plan.Unreachable
	}
	return !unreadable && len(p.Steps)+len(p.Holds)+len(p.SkippedSteps)+len(s.OpenSteps) == 0 && err == nil
}

// endure has people come, move and go before, during and after a fault. What
// has nothing to do with the fault goes on meanwhile, and afterwards everything
// is as if it had never been.
func (fixture *remoteFixture) endure(t *testing.T, f fault, n int) {
	t.Helper()
	key := func(i int) string { return fmt.Sprint(100*n + i) }
	var rows []string
	for i := range 12 {
		rows = append(rows, key(i)+" school")
	}
	fixture.hr(rows...)
	why := ""
	fixture.until("what was before "+f.name, 60*time.Second, func() bool { return fixture.desired(&why) })
	said := len(fixture.log.String())
	f.begin()
	healed := sync.OnceFunc(f.end)
	defer healed()
	fixture.hr(key(0)+" library", key(1)+" school 2020-12-31", key(20)+" school", key(21)+" library")
	if f.says != "" {
		if !f.everywhere {
			fixture.until("the other target goes on", 30*time.Second, func() bool {
				return fixture.has(key(20), "two") == "account library" && fixture.has(key(1), "two") == ""
			})
		}
		fixture.until(fmt.Sprintf("the log says %q", f.says), 40*time.Second, func() bool { return strings.Contains(fixture.log.String()[said:], f.says) })
	} else {
		time.Sleep(2 * time.Second)
	}
	healed()
	fixture.hr(key(2)+" library", key(22)+" school")
	for deadline := time.Now().Add(90 * time.Second); !fixture.desired(&why); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", f.name, why)
		}
	}
}

// TestATargetsFaults: whatever happens between us and a directory, nothing is
// lost, the other target goes on, and the person who looks is told.
func TestATargetsFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs servers")
	}
	fixture, slapd, wire := newDirectoryFixture(t, "")
	stop := fixture.serve(nil)
	thaw := func() {}
	const silent = "target does not answer"
	for n, f := range []fault{
		{name: "latency", begin: func() { wire.Suffers(testenv.Trouble{Latency: 200 * time.Millisecond, Jitter: 300 * time.Millisecond}) }, end: wire.Heals},
		{name: "connections that are reset", begin: func() { wire.Suffers(testenv.Trouble{Reset: true}) }, end: wire.Heals, says: silent},
		{name: "connections that are reset now and then", begin: func() { wire.Suffers(testenv.Trouble{Reset: true, ResetAfter: 40 * time.Millisecond}) }, end: wire.Heals},
		{name: "connections that are half open", begin: func() { wire.Suffers(testenv.Trouble{Silent: true}) }, end: wire.Heals, says: silent},
		{name: "hardly any bandwidth", begin: func() { wire.Suffers(testenv.Trouble{Rate: 1000}) }, end: wire.Heals},
		{name: "answers that break off", begin: func() { wire.Suffers(testenv.Trouble{Limit: 900}) }, end: wire.Heals, says: silent},
		{name: "answers in small pieces", begin: func() {
			wire.Suffers(testenv.Trouble{Slice: 3, SliceDelay: 100 * time.Microsecond})
		}, end: wire.Heals},
		{name: "nobody who listens", begin: wire.Cut, end: wire.Mend, says: silent},
		{name: "a server that was killed", begin: slapd.Kill, end: slapd.Restart, says: silent},
		{name: "a server that hangs", begin: func() { thaw = slapd.Freeze() }, end: func() { thaw() }, says: silent},
	} {
		began := time.Now()
		fixture.endure(t, f, n+1)
		t.Logf("%s: %s", f.name, time.Since(began).Round(100*time.Millisecond))
	}
	stop()
}

// TestAServicesFaults: a service over HTTP that answers what it should not.
func TestAServicesFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs servers")
	}
	fixture, front := newAppFixture(t)
	stop := fixture.serve(nil)
	always := func(status int, kind, body string, headers ...string) func() {
		return func() {
			front.answers(func(w http.ResponseWriter, _ http.Handler, _ *http.Request) {
				w.Header().Set("Content-Type", kind)
				for i := 0; i+1 < len(headers); i += 2 {
					w.Header().Set(headers[i], headers[i+1])
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			})
		}
	}
	passes := func() { front.answers(nil) }
	const silent, scimJSON = "target does not answer", "application/scim+json"
	for n, f := range []fault{
		{name: "too many requests", begin: always(http.StatusTooManyRequests, scimJSON, "{}", "Retry-After", "1"), end: passes, says: silent},
		{name: "service unavailable", begin: always(http.StatusServiceUnavailable, "text/plain", "later"), end: passes, says: silent},
		{name: "a page for people", begin: always(http.StatusOK, "text/html", "<html><body>We are working on it.</body></html>"), end: passes, says: silent},
		{name: "garbage", begin: always(http.StatusOK, scimJSON, "{\"Resources\": [{\"id\": 7, ]"), end: passes, says: silent},
		{name: "nothing at all", begin: always(http.StatusOK, scimJSON, ""), end: passes, says: silent},
		{name: "answers that get lost", begin: func() {
			n := 0
			var mu sync.Mutex
			front.answers(func(w http.ResponseWriter, pass http.Handler, r *http.Request) {
				mu.Lock()
				n++
				lost := n%3 == 0 && r.Method != http.MethodGet
				mu.Unlock()
				if !lost {
					pass.ServeHTTP(w, r)
					return
				}
				pass.ServeHTTP(httptest.NewRecorder(), r) // it is done, and no one hears of it
				panic(http.ErrAbortHandler)
			})
		}, end: passes},
	} {
		began := time.Now()
		fixture.endure(t, f, n+1)
		t.Logf("%s: %s", f.name, time.Since(began).Round(100*time.Millisecond))
	}
	stop()
}

// TestTheDatabasesFaults: PostgreSQL is slow, cut off, restarted and crashes
// under a service that goes on.
func TestTheDatabasesFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs servers")
	}
	server := testenv.StartPostgres(t)
	direct := server.Database()
	database := testenv.NewWire(t, server.Address())
	fixture, _, _ := newDirectoryFixture(t, direct)
	fixture.url = strings.Replace(direct, server.Address(), database.Address(), 1)
	var served *service.Service
	stop := fixture.serve(func(s *service.Service) { served = s })
	const broke = "the connection to the database broke"
	for n, f := range []fault{
		{name: "latency", begin: func() {
			database.Suffers(testenv.Trouble{Latency: 10 * time.Millisecond, Jitter: 20 * time.Millisecond})
		}, end: database.Heals},
		{name: "connections that are reset", begin: func() { database.Suffers(testenv.Trouble{Reset: true}) }, end: database.Heals, says: broke, everywhere: true},
		{name: "connections that are reset now and then", begin: func() { database.Suffers(testenv.Trouble{Reset: true, ResetAfter: 100 * time.Millisecond}) }, end: database.Heals},
		{name: "connections that are half open", begin: func() {
			database.Suffers(testenv.Trouble{Silent: true})
			if err := served.Ready(t.Context()); err == nil {
				t.Error("it says that it is ready, and nobody answers it")
			}
		}, end: database.Heals, says: broke, everywhere: true},
		{name: "nobody who listens", begin: database.Cut, end: database.Mend, says: broke, everywhere: true},
		{name: "a crash and a restart", begin: func() {
			server.Crash()
			server.Restart()
			fixture.connectAgain()
		}, end: func() {}, says: broke},
	} {
		began := time.Now()
		fixture.endure(t, f, n+1)
		t.Logf("%s: %s", f.name, time.Since(began).Round(100*time.Millisecond))
	}
	fixture.jobsEnd(direct)
	stop()
}

// TestTheDatabaseFailsOver: the server with the database is lost, and its
// standby takes over.
func TestTheDatabaseFailsOver(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs servers")
	}
	first := testenv.StartPostgres(t)
	standby := first.Standby()
	either := first.Either(first.Database(), standby)
	fixture, _, _ := newDirectoryFixture(t, either)
	var served *service.Service
	stop := fixture.serve(func(s *service.Service) { served = s })
	fixture.endure(t, fault{name: "a failover", begin: func() {
		first.Crash()
		fixture.until("it says that it is not ready", 30*time.Second, func() bool { return served.Ready(t.Context()) != nil })
		standby.Promote()
		fixture.connectAgain()
	}, end: func() {}, says: "the connection to the database broke"}, 1)
	fixture.jobsEnd(either)
	stop()
}

// connectAgain waits until the test's own connections, which broke as well, are
// whole.
func (fixture *fixture) connectAgain() {
	fixture.t.Helper()
	whole := 0
	fixture.until("the database is back", 60*time.Second, func() bool {
		if _, err := fixture.db.Sequences(fixture.t.Context()); err != nil {
			whole = -1
		}
		whole++
		return whole > 10
	})
}

// jobsEnd waits until no job is taken for under way: River may have lost what
// became of one, and then it is done again.
func (fixture *fixture) jobsEnd(url string) {
	t := fixture.t
	raw, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	began := time.Now()
	running := 0
	fixture.until("no job counts as under way on which no worker works", 90*time.Second, func() bool {
		err := raw.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM river_job WHERE state = 'running'`).Scan(&running)
		return err == nil && running == 0
	})
	t.Logf("jobs are whole after %s", time.Since(began).Round(time.Second))
}
