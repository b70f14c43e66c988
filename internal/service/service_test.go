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

// town is an installation with two targets that all its services share.
type town struct {
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

func newTown(t testing.TB, url string) *town {
	t.Helper()
	town := &town{t: t, dir: t.TempDir(), url: url, targets: map[string]*target{}, log: &safeBuffer{}, now: time.Now}
	key, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"behov.yaml": configuration, "catalogue.yaml": catalogue, "policy.csv": rules, "units.csv": "unit,parent,name\nschool,,\nlibrary,,\n"} {
		if err := os.WriteFile(filepath.Join(town.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if town.master, err = seal.ParseMaster(key); err != nil {
		t.Fatal(err)
	}
	town.config = town.load()
	for _, c := range town.config.Targets {
		m, err := memory.New(*c.Settings.(config.MemorySettings).Config)
		if err != nil {
			t.Fatal(err)
		}
		town.targets[c.Name] = &target{Connector: m, done: map[string]int{}}
	}
	if town.url == "" {
		town.url = "sqlite:" + filepath.Join(town.dir, "behov.db")
	}
	town.db = town.open()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(town.log.String(), town.jobs(), "\nto do:", town.todo)
		}
	})
	return town
}

func (town *town) load() *config.Config {
	town.t.Helper()
	c, problems := config.Load(town.dir)
	if c == nil {
		town.t.Fatal(problems)
	}
	return c
}

func (town *town) open() *store.DB {
	town.t.Helper()
	db, err := store.Open(context.Background(), town.url, town.master)
	if err != nil {
		town.t.Fatal(err)
	}
	town.t.Cleanup(func() { _ = db.Close() })
	return db
}

// onBoth runs a test in a town on SQLite and in one on PostgreSQL.
func onBoth(t *testing.T, f func(t *testing.T, town *town)) {
	t.Run("sqlite", func(t *testing.T) { f(t, newTown(t, "")) })
	t.Run("postgres", func(t *testing.T) { f(t, newTown(t, testenv.StartPostgres(t).Database())) })
}

// serve starts a service, and returns what stops it.
func (town *town) serve(with func(*service.Service)) (stop func()) {
	town.t.Helper()
	s := &service.Service{DB: town.open(), Config: town.config, Now: town.now, Every: time.Minute, Apply: true,
		Log:     slog.New(slog.NewTextHandler(town.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Connect: func(*config.Config) (map[string]connectors.Connector, error) { return town.connectors(), nil }}
	if with != nil {
		with(s)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	town.until("the service is ready", 30*time.Second, func() bool { return s.Ready(ctx) == nil })
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			town.t.Error(err)
		}
	})
	town.t.Cleanup(stop)
	return stop
}

func (town *town) connectors() map[string]connectors.Connector {
	all := map[string]connectors.Connector{}
	for name, x := range town.targets {
		all[name] = x
	}
	return all
}

// until waits for something to come true.
func (town *town) until(what string, most time.Duration, is func() bool) {
	town.t.Helper()
	for deadline := time.Now().Add(most); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			town.t.Fatalf("not within %s: %s", most, what)
		}
	}
}

// countJobs returns how many jobs of a kind are in one of the states.
func (town *town) countJobs(kind string, states ...string) int {
	town.t.Helper()
	n := 0
	if town.raw == nil {
		town.raw = testenv.Raw(town.t, town.url)
	}
	for _, state := range states {
		one := 0
		if err := town.raw.QueryRowContext(town.t.Context(), `SELECT COUNT(*) FROM river_job WHERE kind = $1 AND state = $2`, kind, state).Scan(&one); err != nil {
			town.t.Fatal(err)
		}
		n += one
	}
	return n
}

// drained waits until no job of a kind waits or works.
func (town *town) drained(kind string) {
	town.t.Helper()
	town.until("no job "+kind+" waits or works", 30*time.Second, func() bool { return town.countJobs(kind, "available", "running", "retryable") == 0 })
}

// completed waits until so many more jobs of a kind are completed.
func (town *town) completed(kind string, more int) {
	town.t.Helper()
	before := town.countJobs(kind, "completed")
	town.until(fmt.Sprintf("%d more jobs %s", more, kind), 60*time.Second, func() bool { return town.countJobs(kind, "completed") >= before+more })
}

// hr is what HR says: each row is "key unit", or "key unit end".
func (town *town) hr(rows ...string) {
	town.t.Helper()
	var text strings.Builder
	text.WriteString("person_id,employment_id,given_name,family_name,unit,start_date,end_date\n")
	for _, row := range rows {
		f := append(strings.Fields(row), "")
		fmt.Fprintf(&text, "%s,E%s,Given%s,Family%s,%s,2020-01-01,%s\n", f[0], f[0], f[0], f[0], f[1], f[2])
	}
	source := town.config.Sources["hr"]
	source.Changes = true // each import is about those it names
	im := hr.Importer{DB: town.db, Config: town.config, Now: town.now, Actor: "behov"}
	r, err := im.Import(context.Background(), "hr.csv", []byte(text.String()), source)
	if err != nil || len(r.Problems) > 0 || r.Held != nil {
		town.t.Fatalf("import: %+v %v", r, err)
	}
}

// has says what a person has in a target.
func (town *town) has(key, name string) string {
	town.t.Helper()
	p, err := town.db.FindPerson(context.Background(), key, "hr")
	if err != nil {
		town.t.Fatal(err)
	}
	o := plan.NewObserved()
	c, err := town.targets[name].Connector.ReadAccounts(context.Background(), []connectors.AccountRef{{Anchor: string(p.ID)}}, []string{"staff", "school", "library"}, o)
	if err != nil {
		town.t.Fatal(err)
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
func (town *town) whole() {
	town.t.Helper()
	e := reconcile.Engine{DB: town.db, Config: town.config, Targets: town.connectors(), Now: town.now, Actor: "test"}
	p, err := e.Plan(context.Background(), reconcile.Scope{})
	if err != nil || len(p.Steps)+len(p.Holds) > 0 {
		town.t.Errorf("there is still to do: %v %v", p, err)
	}
	if s, err := town.db.VerifyAudit(context.Background()); err != nil || len(s.OpenSteps) > 0 {
		town.t.Errorf("the trail: %v, open %v", err, s.OpenSteps)
	}
	for name, x := range town.targets {
		x.mu.Lock()
		for _, c := range x.twice {
			town.t.Errorf("%s was asked twice for %s of %s", name, c.Op, c.Account.Anchor)
		}
		x.mu.Unlock()
	}
}

// TestHRChangesReachTargetsByEvents: an import by another process reaches the targets
// without a run for everyone.
func TestHRChangesReachTargetsByEvents(t *testing.T) {
	onBoth(t, func(t *testing.T, town *town) {
		stop := town.serve(nil)
		for n, step := range []struct{ row, one, two string }{
			{"1 school", "account staff school", "account library"},
			{"1 library", "account staff", "account library"},
			{"1 library 2020-12-31", "", ""},
			{"1 school", "account staff school", "account library"},
		} {
			began := time.Now()
			town.hr(step.row)
			town.until(fmt.Sprint("step ", n), 20*time.Second, func() bool { return town.has("1", "one") == step.one && town.has("1", "two") == step.two })
			t.Logf("%s: %s", step.row, time.Since(began))
		}
		stop()
		if n := strings.Count(town.log.String(), " msg=run ") - strings.Count(town.log.String(), "because=start"); n > 0 {
			t.Errorf("there were %d runs for everyone besides those at the start", n)
		}
		town.whole()
	})
}

// TestATargetThatIsDown: the others get what they need, and it does when it is
// back.
func TestATargetThatIsDown(t *testing.T) {
	onBoth(t, func(t *testing.T, town *town) {
		stop := town.serve(nil)
		town.targets["one"].is(true)
		town.hr("1 school", "2 school")
		town.until("the other target", 20*time.Second, func() bool {
			return town.has("1", "two") == "account library" && town.has("2", "two") == "account library"
		})
		town.hr("3 library")
		town.until("the other target, again", 20*time.Second, func() bool { return town.has("3", "two") == "account library" })
		town.targets["one"].is(false)
		town.until("it is back", 30*time.Second, func() bool {
			return town.has("1", "one") == "account staff school" && town.has("2", "one") == "account staff school" && town.has("3", "one") == "account staff"
		})
		stop()
		for _, want := range []string{"target answers again", "stopping when the jobs that are under way have ended"} {
			if !strings.Contains(town.log.String(), want) {
				t.Errorf("the log does not say %q", want)
			}
		}
		town.whole()
	})
}

var askedAgain = regexp.MustCompile(`asked_again=\S+`)

// TestATargetThatIsMended: who has mended a target and says so does not wait
// until it would be asked again by itself.
func TestATargetThatIsMended(t *testing.T) {
	town := newTown(t, "")
	town.serve(nil)
	person, decider := town.joins("1", "one"), town.joins("2", "one")
	var err error
	if town.config.Rights, err = rights.New([]rights.Line{{Member: "hr/2", Role: rights.Operator}}); err != nil {
		t.Fatal(err)
	}
	town.targets["one"].is(true)
	units := []string{"library", "school"}
	town.until("it is left alone for long", 60*time.Second, func() bool { // each time for longer
		town.hr("1 " + units[0])
		slices.Reverse(units)
		until := map[string]bool{}
		for _, m := range askedAgain.FindAllString(town.log.String(), -1) {
			until[m] = true
		}
		return len(until) >= 3
	})
	town.hr("1 library")
	failing := store.FailingStep{Key: "k", Target: "one", Person: person, Body: "{}", State: store.Parked, Outcome: "refused", Detail: "no"}
	town.targets["one"].is(false)
	g := governance.Governance{DB: town.db, Config: town.config, Now: time.Now}
	town.until("the step is to be retried", 20*time.Second, func() bool {
		// A run that comes first forgets it: it is not needed.
		if err := town.db.Write(t.Context(), func(tx *store.Tx) error { return tx.PutFailingStep(t.Context(), failing, time.Time{}) }); err != nil {
			t.Fatal(err)
		}
		_, err := g.DecideSteps(t.Context(), []string{"k"}, store.Retry, rights.Subject{Person: decider, How: rights.Claimed}, "")
		return err == nil
	})
	town.until("it is asked at once", 3*time.Second, func() bool { return town.has("1", "one") == "account staff" })
}

// jobs are those that wait, or are under way, for people to read.
func (town *town) jobs() string {
	rows, err := testenv.Raw(town.t, town.url).QueryContext(context.Background(), `SELECT kind || ' ' || CAST(state AS TEXT) || ' ' || CAST(scheduled_at AS TEXT) || ' ' || CAST(args AS TEXT)
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

// joins has HR tell of somebody, and waits until they are in a target.
func (town *town) joins(key, target string) identity.PersonID {
	town.t.Helper()
	town.hr(key + " school")
	town.until(key+" is there", 10*time.Second, func() bool { return town.has(key, target) != "" })
	p, err := town.db.FindPerson(town.t.Context(), key, "hr")
	if err != nil {
		town.t.Fatal(err)
	}
	return p.ID
}

// quiet says whether there is nothing to do.
func (town *town) quiet() bool {
	e := reconcile.Engine{DB: town.db, Config: town.config, Targets: town.connectors(), Now: time.Now, Actor: "test"}
	p, err := e.Plan(context.Background(), reconcile.Scope{})
	if err != nil {
		town.todo = err.Error()
		return false
	}
	town.todo = fmt.Sprint(p.Steps)
	return len(p.Steps) == 0
}
