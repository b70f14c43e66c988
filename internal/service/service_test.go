package service_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

const configuration = `targets:
  one: {hold_above: {all: {number: 9999}}, memory: {groups: [staff, school]}}
  two: {hold_above: {all: {number: 9999}}, memory: {groups: [library]}}
`

const catalogue = `systems:
  base:
    target: one
    entitlements: {staff: {}, school: {}}
  lib:
    target: two
    entitlements: {library: {}}
`

const rules = `p, everyone, true, base:staff, allow, everybody
p, school, "r.sub.unit == 'school'", base:school, allow, school
p, library, "true", lib:library, allow, everybody reads
`

// target is one that can be told to be down, and that counts.
type target struct {
	*memory.Connector
	mu      sync.Mutex
	down    bool
	twice   []connectors.Change // what was asked for and already so
	applied int
	done    map[string]int // by person and kind of change
}

// count says how many changes were made.
func (x *target) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.applied
}

// acknowledged says whether so many changes of a kind were made for a person.
func (x *target) acknowledged(person string, op connectors.Op, n int) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.done[person+string(op)] >= n
}

func (x *target) is(down bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.down = down
}

func (x *target) err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.down {
		return connectors.Errorf(connectors.TargetDown, "nobody answers")
	}
	return nil
}

func (x *target) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	if err := x.err(); err != nil {
		return connectors.Completeness{}, err
	}
	return x.Connector.Snapshot(ctx, sink)
}

func (x *target) ReadAccounts(ctx context.Context, refs []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	if err := x.err(); err != nil {
		return connectors.Completeness{}, err
	}
	return x.Connector.ReadAccounts(ctx, refs, entitlements, sink)
}

func (x *target) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	if err := x.err(); err != nil {
		return slices.Repeat([]connectors.Result{{Err: err}}, len(changes))
	}
	results := x.Connector.Apply(ctx, changes)
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, r := range results {
		if r.Status == connectors.AlreadyApplied {
			x.twice = append(x.twice, changes[i])
		} else {
			x.applied++
			x.done[changes[i].Account.Anchor+string(changes[i].Op)]++
		}
	}
	return results
}

func (x *target) Close() error { return nil }

// fixture is an installation with two targets that all its services share.
type fixture struct {
	raw     *sql.DB // opened by countJobs
	t       testing.TB
	dir     string
	url     string
	master  *seal.Master
	config  *config.Config
	db      *store.DB
	targets map[string]*target
	log     *safeBuffer
	now     func() time.Time // the services' clock, and HR's
	todo    string           // when quiet looked last
}

// safeBuffer is written to by many.
type safeBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	most int // bytes that are kept, of the end; 0 is all
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.most > 0 {
		s.b.Next(max(0, s.b.Len()+len(p)-s.most))
	}
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func newFixture(t testing.TB, url string) *fixture {
	t.Helper()
	fixture := &fixture{t: t, dir: t.TempDir(), url: url, targets: map[string]*target{}, log: &safeBuffer{}, now: time.Now}
	key, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"behov.yaml": configuration, "catalogue.yaml": catalogue, "policy.csv": rules, "units.csv": "unit,parent,name\nschool,,\nlibrary,,\n"} {
		if err := os.WriteFile(filepath.Join(fixture.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if fixture.master, err = seal.ParseMaster(key); err != nil {
		t.Fatal(err)
	}
	fixture.config = fixture.load()
	for _, c := range fixture.config.Targets {
		m, err := memory.New(*c.Settings.(config.MemorySettings).Config)
		if err != nil {
			t.Fatal(err)
		}
		fixture.targets[c.Name] = &target{Connector: m, done: map[string]int{}}
	}
	if fixture.url == "" {
		fixture.url = "sqlite:" + filepath.Join(fixture.dir, "behov.db")
	}
	fixture.db = fixture.open()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(fixture.log.String(), fixture.jobs(), "\nto do:", fixture.todo)
		}
	})
	return fixture
}

func (fixture *fixture) load() *config.Config {
	fixture.t.Helper()
	c, problems := config.Load(fixture.dir)
	if c == nil {
		fixture.t.Fatal(problems)
	}
	return c
}

func (fixture *fixture) open() *store.DB {
	fixture.t.Helper()
	db, err := store.Open(context.Background(), fixture.url, fixture.master)
	if err != nil {
		fixture.t.Fatal(err)
	}
	fixture.t.Cleanup(func() { _ = db.Close() })
	return db
}

// onBoth runs a test in an installation on SQLite and in one on PostgreSQL.
func onBoth(t *testing.T, f func(t *testing.T, fixture *fixture)) {
	t.Run("sqlite", func(t *testing.T) { f(t, newFixture(t, "")) })
	t.Run("postgres", func(t *testing.T) { f(t, newFixture(t, testenv.StartPostgres(t).Database())) })
}

// serve starts a service, and returns what stops it.
func (fixture *fixture) serve(with func(*service.Service)) (stop func()) {
	fixture.t.Helper()
	s := &service.Service{DB: fixture.open(), Config: fixture.config, Now: fixture.now, Every: time.Minute, Apply: true,
		Log:     slog.New(slog.NewTextHandler(fixture.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Connect: func(*config.Config) (map[string]connectors.Connector, error) { return fixture.connectors(), nil }}
	if with != nil {
		with(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	fixture.until("the service is ready", 30*time.Second, func() bool { return s.Ready(ctx) == nil })
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			fixture.t.Error(err)
		}
	})
	fixture.t.Cleanup(stop)
	return stop
}

func (fixture *fixture) connectors() map[string]connectors.Connector {
	all := map[string]connectors.Connector{}
	for name, x := range fixture.targets {
		all[name] = x
	}
	return all
}

// until waits for something to come true.
func (fixture *fixture) until(what string, most time.Duration, is func() bool) {
	fixture.t.Helper()
	for deadline := time.Now().Add(most); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			fixture.t.Fatalf("not within %s: %s", most, what)
		}
	}
}

// countJobs returns how many jobs of a kind are in one of the states.
func (fixture *fixture) countJobs(kind string, states ...string) int {
	fixture.t.Helper()
	n := 0
	if fixture.raw == nil {
		fixture.raw = testenv.Raw(fixture.t, fixture.url)
	}
	for _, state := range states {
		one := 0
		if err := fixture.raw.QueryRowContext(fixture.t.Context(), `SELECT COUNT(*) FROM river_job WHERE kind = $1 AND state = $2`, kind, state).Scan(&one); err != nil {
			fixture.t.Fatal(err)
		}
		n += one
	}
	return n
}

// drained waits until no job of a kind waits or works.
func (fixture *fixture) drained(kind string) {
	fixture.t.Helper()
	fixture.until("no job "+kind+" waits or works", 30*time.Second, func() bool { return fixture.countJobs(kind, "available", "running", "retryable") == 0 })
}

// completed waits until so many more jobs of a kind are completed.
func (fixture *fixture) completed(kind string, more int) {
	fixture.t.Helper()
	before := fixture.countJobs(kind, "completed")
	fixture.until(fmt.Sprintf("%d more jobs %s", more, kind), 60*time.Second, func() bool { return fixture.countJobs(kind, "completed") >= before+more })
}

// hr is what HR says: each row is "key unit", or "key unit end".
func (fixture *fixture) hr(rows ...string) {
	fixture.t.Helper()
	var text strings.Builder
	text.WriteString("person_id,employment_id,given_name,family_name,unit,start_date,end_date\n")
	for _, row := range rows {
		f := append(strings.Fields(row), "")
		fmt.Fprintf(&text, "%s,E%s,Given%s,Family%s,%s,2020-01-01,%s\n", f[0], f[0], f[0], f[0], f[1], f[2])
	}
	source := fixture.config.Sources["hr"]
	source.Changes = true // each import is about those it names
	im := hr.Importer{DB: fixture.db, Config: fixture.config, Now: fixture.now, Actor: "behov"}
	r, err := im.Import(context.Background(), "hr.csv", []byte(text.String()), source)
	if err != nil || len(r.Problems) > 0 || r.Held != nil {
		fixture.t.Fatalf("import: %+v %v", r, err)
	}
}

// has says what a person has in a target.
func (fixture *fixture) has(key, name string) string {
	fixture.t.Helper()
	p, err := fixture.db.FindPerson(context.Background(), key, "hr")
	if err != nil {
		fixture.t.Fatal(err)
	}
	o := plan.NewObserved()
	c, err := fixture.targets[name].Connector.ReadAccounts(context.Background(), []connectors.AccountRef{{Anchor: string(p.ID)}}, []string{"staff", "school", "library"}, o)
	if err != nil {
		fixture.t.Fatal(err)
	}
	o.Done(c)
	var has []string
	for a := range o.All() {
		if a.Enabled {
			has = append(has, "account")
		}
		for _, e := range []string{"staff", "school", "library"} {
			if o.Member(a.ID, e) {
				has = append(has, e)
			}
		}
	}
	return strings.Join(has, " ")
}

// whole says that there is nothing to do, nothing open, that nothing was asked
// for twice, and that the trail verifies.
func (fixture *fixture) whole() {
	fixture.t.Helper()
	e := reconcile.Engine{DB: fixture.db, Config: fixture.config, Targets: fixture.connectors(), Now: fixture.now, Actor: "test"}
	p, err := e.Plan(context.Background(), reconcile.Scope{})
	if err != nil || len(p.Steps)+len(p.Holds) > 0 {
		fixture.t.Errorf("there is still to do: %v %v", p, err)
	}
	if s, err := fixture.db.VerifyAudit(context.Background()); err != nil || len(s.OpenSteps) > 0 {
		fixture.t.Errorf("the trail: %v, open %v", err, s.OpenSteps)
	}
	for name, x := range fixture.targets {
		x.mu.Lock()
		for _, c := range x.twice {
			fixture.t.Errorf("%s was asked twice for %s of %s", name, c.Op, c.Account.Anchor)
		}
		x.mu.Unlock()
	}
}

// TestHRChangesReachTargetsByEvents: an import by another process reaches the targets
// without a run for everyone.
func TestHRChangesReachTargetsByEvents(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		stop := fixture.serve(nil)
		// Targets that were never reconciled are due at once, beside the runs at the start.
		runs := func() int {
			return strings.Count(fixture.log.String(), " msg=run ") - strings.Count(fixture.log.String(), "because=start")
		}
		fixture.until("the runs at the start", 20*time.Second, func() bool {
			jobs := fixture.jobs()
			return strings.Contains(fixture.log.String(), " msg=run ") && !strings.Contains(jobs, "run available") && !strings.Contains(jobs, "run running")
		})
		atStart := runs()
		for n, step := range []struct{ row, one, two string }{
			{"1 school", "account staff school", "account library"},
			{"1 library", "account staff", "account library"},
			{"1 library 2020-12-31", "", ""},
			{"1 school", "account staff school", "account library"},
		} {
			began := time.Now()
			fixture.hr(step.row)
			fixture.until(fmt.Sprint("step ", n), 20*time.Second, func() bool { return fixture.has("1", "one") == step.one && fixture.has("1", "two") == step.two })
			t.Logf("%s: %s", step.row, time.Since(began))
		}
		stop()
		if n := runs() - atStart; n > 0 {
			t.Errorf("there were %d runs for everyone besides those at the start", n)
		}
		fixture.whole()
	})
}

// TestATargetThatIsDown: the others get what they need, and it does when it is
// back.
func TestATargetThatIsDown(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		stop := fixture.serve(nil)
		fixture.targets["one"].is(true)
		fixture.hr("1 school", "2 school")
		fixture.until("the other target", 20*time.Second, func() bool {
			return fixture.has("1", "two") == "account library" && fixture.has("2", "two") == "account library"
		})
		fixture.hr("3 library")
		fixture.until("the other target, again", 20*time.Second, func() bool { return fixture.has("3", "two") == "account library" })
		fixture.targets["one"].is(false)
		fixture.until("it is back", 30*time.Second, func() bool {
			return fixture.has("1", "one") == "account staff school" && fixture.has("2", "one") == "account staff school" && fixture.has("3", "one") == "account staff"
		})
		stop()
		for _, want := range []string{"target answers again", "stopping when the jobs that are under way have ended"} {
			if !strings.Contains(fixture.log.String(), want) {
				t.Errorf("the log does not say %q", want)
			}
		}
		fixture.whole()
	})
}

var askedAgain = regexp.MustCompile(`asked_again=\S+`)

// TestATargetThatIsMended: who has mended a target and says so does not wait
// until it would be asked again by itself.
func TestATargetThatIsMended(t *testing.T) {
	fixture := newFixture(t, "")
	fixture.serve(nil)
	person, decider := fixture.joins("1", "one"), fixture.joins("2", "one")
	var err error
	if fixture.config.Rights, err = rights.New([]rights.Line{{Member: "hr/2", Role: rights.Operator}}); err != nil {
		t.Fatal(err)
	}
	fixture.targets["one"].is(true)
	units := []string{"library", "school"}
	fixture.until("it is left alone for long", 60*time.Second, func() bool { // each time for longer
		fixture.hr("1 " + units[0])
		slices.Reverse(units)
		until := map[string]bool{}
		for _, m := range askedAgain.FindAllString(fixture.log.String(), -1) {
			until[m] = true
		}
		return len(until) >= 3
	})
	fixture.hr("1 library")
	failing := store.FailingStep{Key: "k", Target: "one", Person: person, Body: "{}", State: store.Parked, Outcome: "refused", Detail: reason.Of(reason.Answer{Text: "no"})}
	fixture.targets["one"].is(false)
	g := governance.Governance{DB: fixture.db, Config: fixture.config, Now: time.Now}
	fixture.until("the step is to be retried", 20*time.Second, func() bool {
		// A run that comes first forgets it: it is not needed.
		if err := fixture.db.Write(t.Context(), func(tx *store.Tx) error { return tx.PutFailingStep(t.Context(), failing, time.Time{}) }); err != nil {
			t.Fatal(err)
		}
		_, err := g.DecideSteps(t.Context(), []string{"k"}, store.Retry, rights.Subject{Person: decider, How: rights.Claimed}, "")
		return err == nil
	})
	fixture.until("it is asked at once", 3*time.Second, func() bool { return fixture.has("1", "one") == "account staff" })
}

// jobs are those that wait, or are under way, for people to read.
func (fixture *fixture) jobs() string {
	rows, err := testenv.Raw(fixture.t, fixture.url).QueryContext(context.Background(), `SELECT kind || ' ' || CAST(state AS TEXT) || ' ' || CAST(scheduled_at AS TEXT) || ' ' || CAST(args AS TEXT)
		FROM river_job WHERE finalized_at IS NULL ORDER BY scheduled_at LIMIT 100`)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = rows.Close() }()
	all := []string{"jobs at " + time.Now().UTC().Format(time.DateTime)}
	for rows.Next() {
		var job string
		if err := rows.Scan(&job); err != nil {
			return err.Error()
		}
		all = append(all, job)
	}
	if err := rows.Err(); err != nil {
		all = append(all, err.Error())
	}
	return strings.Join(all, "\n")
}

// joins has HR tell of a person, and waits until they are in a target.
func (fixture *fixture) joins(key, target string) identity.PersonID {
	fixture.t.Helper()
	fixture.hr(key + " school")
	fixture.until(key+" is there", 10*time.Second, func() bool { return fixture.has(key, target) != "" })
	p, err := fixture.db.FindPerson(fixture.t.Context(), key, "hr")
	if err != nil {
		fixture.t.Fatal(err)
	}
	return p.ID
}

// quiet says whether there is nothing to do.
func (fixture *fixture) quiet() bool {
	e := reconcile.Engine{DB: fixture.db, Config: fixture.config, Targets: fixture.connectors(), Now: time.Now, Actor: "test"}
	p, err := e.Plan(context.Background(), reconcile.Scope{})
	if err != nil {
		fixture.todo = err.Error()
		return false
	}
	fixture.todo = fmt.Sprint(p.Steps)
	return len(p.Steps) == 0
}
