package reconcile_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// scripted is a memory target that can be told to misbehave.
type scripted struct {
	*memory.Connector
	before     func(changes []connectors.Change)           // called before a change is carried out
	snapshot   error                                       // what Snapshot fails with
	incomplete bool                                        // Snapshot shows nothing, and says so
	answer     func(r connectors.Result) connectors.Result // what is told of what was done
	refuse     string                                      // Apply does nothing and refuses with it
	mfaBroken  bool
	mu         sync.Mutex // guards calls, snapshots and created
	calls      int
	snapshots  int
	// findIncomplete: FindAccounts finds nothing, and says that it may not have.
	findIncomplete bool
	// hidden are accounts that no reading shows; elsewhere is where they are found
	// when they are looked for, nowhere when it is empty. unsearchable: nothing can
	// be looked for.
	hidden       func(connectors.Account) bool
	elsewhere    string
	gone         string // a group that no reading shows
	unsearchable bool
	created      int // accounts
}

// hiding is a sink that does not see what is hidden.
type hiding struct {
	connectors.Sink
	hidden func(connectors.Account) bool
	ids    map[string]bool
	gone   string
}

func (h hiding) Entitlement(e connectors.Entitlement) error {
	if e.Name == h.gone {
		return nil
	}
	return h.Sink.Entitlement(e)
}

func (h hiding) Account(a connectors.Account) error {
	if h.hidden != nil && h.hidden(a) {
		h.ids[a.ID] = true
		return nil
	}
	return h.Sink.Account(a)
}

func (h hiding) Membership(m connectors.Membership) error {
	if m.Entitlement == h.gone {
		return nil
	}
	if h.ids[m.AccountID] {
		m.AccountID = ""
	}
	return h.Sink.Membership(m)
}

func (s *scripted) sees(sink connectors.Sink) connectors.Sink {
	return hiding{sink, s.hidden, map[string]bool{}, s.gone}
}

func (s *scripted) LocateAccounts(ctx context.Context, refs []connectors.AccountRef, found func(connectors.Location) error) (connectors.Completeness, error) {
	if s.unsearchable {
		return connectors.Completeness{Why: "it may not be searched"}, nil
	}
	return s.Connector.LocateAccounts(ctx, refs, func(l connectors.Location) error {
		if s.hidden != nil && s.hidden(l.Account) {
			if s.elsewhere == "" {
				return nil
			}
			l.Place, l.InScope = s.elsewhere, false
		}
		return found(l)
	})
}

func (s *scripted) FindAccounts(ctx context.Context, names []string, values map[string][]string, sink connectors.Sink) (connectors.Completeness, error) {
	if s.findIncomplete {
		return connectors.Completeness{Why: "it broke off"}, nil
	}
	return s.Connector.FindAccounts(ctx, names, values, sink)
}

func (s *scripted) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	s.add(&s.snapshots)
	if s.snapshot != nil {
		return connectors.Completeness{}, s.snapshot
	}
	if s.incomplete {
		return connectors.Completeness{Why: "it broke off"}, nil
	}
	return s.Connector.Snapshot(ctx, s.sees(sink))
}

func (s *scripted) ReadAccounts(ctx context.Context, refs []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	if s.snapshot != nil {
		return connectors.Completeness{}, s.snapshot
	}
	if s.incomplete {
		return connectors.Completeness{Why: "it broke off"}, nil
	}
	return s.Connector.ReadAccounts(ctx, refs, entitlements, s.sees(sink))
}

func (s *scripted) add(n *int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
}

func (s *scripted) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	s.add(&s.calls)
	if s.before != nil {
		s.before(changes)
	}
	if s.refuse != "" {
		refused := connectors.Result{Outcome: connectors.Outcome{Status: connectors.Refused, Detail: s.refuse}}
		return slices.Repeat([]connectors.Result{refused}, len(changes))
	}
	results := s.Connector.Apply(ctx, changes)
	for i, c := range changes {
		if c.Op == connectors.CreateAccount && results[i].Status == connectors.Applied {
			s.add(&s.created)
		}
	}
	if s.answer != nil {
		for i := range results {
			results[i] = s.answer(results[i])
		}
	}
	return results
}

func (s *scripted) MFAEnrolled(ctx context.Context, emit func(string, connectors.MFAMethod) error) (connectors.Completeness, error) {
	if s.mfaBroken {
		return connectors.Completeness{Why: "it broke off"}, nil
	}
	return s.Connector.MFAEnrolled(ctx, emit)
}

const configuration = `mfa: {target: one}
targets:
  one: {hold_above: {removals: {number: 2}, disables: {number: 2}}, attributes: {mail: "{{.Email}}"}, memory: {groups: [staff, school, secret]}}
  two: {hold_above: {removals: {number: 2}, disables: {number: 2}}, memory: {groups: [library]}}
`

const catalogue = `systems:
  base:
    owner: hr/2
    target: one
    entitlements: {staff: {}, school: {}, secret: {mfa: true, authoritative: true}}
  lib:
    target: two
    entitlements: {library: {}}
`

const rulesCSV = `p, everyone, "r.sub.job_code != 'BOSS'", base:staff, allow, everybody
p, school, "r.sub.unit == 'school'", base:school, allow, school
p, secret, "r.sub.job_code == 'S'", base:secret, allow, secret
p, library, "r.sub.job_code != 'BOSS'", lib:library, allow, everybody reads
`

type fixture struct {
	t        *testing.T
	e        *reconcile.Engine
	one, two *scripted
}

func newFixture(t *testing.T) *fixture { return newFixtureWith(t, configuration) }

func newFixtureWith(t *testing.T, configuration string) *fixture {
	t.Helper()
	return newFixtureOf(t, map[string]string{"behov.yaml": configuration})
}

// newFixtureOf has these files instead of the usual ones.
func newFixtureOf(t *testing.T, files map[string]string) *fixture {
	t.Helper()
	dir := t.TempDir()
	key, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"behov.yaml": configuration, "catalogue.yaml": catalogue, "policy.csv": rulesCSV, "units.csv": "unit,parent,name\nschool,,\nlibrary,,\n"}
	maps.Copy(all, files)
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	master, err := seal.ParseMaster(key)
	if err != nil {
		t.Fatal(err)
	}
	if c.Rights, err = rights.New([]rights.Line{{Member: "office/boss", Role: rights.Administrator}, {Member: "office/boss2", Role: rights.Administrator}, {Member: "hr/9", Role: rights.Administrator}}); err != nil {
		t.Fatal(err)
	}
	c.Database = testenv.Database(t)
	db, err := store.Open(t.Context(), c.Database, master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	h := &fixture{t: t}
	for _, target := range c.Targets {
		m, err := memory.New(*target.Settings.(config.MemorySettings).Config)
		if err != nil {
			t.Fatal(err)
		}
		s := &scripted{Connector: m}
		if target.Name == "one" {
			h.one = s
		} else {
			h.two = s
		}
	}
	h.e = &reconcile.Engine{DB: db, Config: c, Targets: map[string]connectors.Connector{"one": h.one, "two": h.two}, Now: time.Now, Actor: "behov", RetryAllSteps: true}
	return h
}

// hire imports an export; each row is "key unit job", or "key unit job end".
func (h *fixture) hire(rows ...string) {
	h.t.Helper()
	var text strings.Builder
	for _, row := range rows {
		f := append(strings.Fields(row), "")
		fmt.Fprintf(&text, "%s,E%s,Given%s,Family%s,%s@x,%s,%s,2020-01-01,%s\n", f[0], f[0], f[0], f[0], f[0], f[1], f[2], f[3])
	}
	h.export("person_id,employment_id,given_name,family_name,email,unit,job_code,start_date,end_date\n" + text.String())
}

// decider is an administrator whom no rule of the fixture gives anything, from a source
// of their own.
func (h *fixture) decider() rights.Subject { return h.deciderCalled("boss") }

func (h *fixture) deciderCalled(key string) rights.Subject {
	h.t.Helper()
	p, known, err := h.e.DB.PersonByKey(h.t.Context(), identity.SourceKey{Source: "office", Key: key})
	if err == nil && !known {
		im := hr.Importer{DB: h.e.DB, Config: h.e.Config, Now: h.e.Now, Actor: "behov"}
		text := []byte("person_id,employment_id,given_name,family_name,job_code,start_date\n" + key + ",E" + key + ",Boss,Boss,BOSS,2020-01-01\n")
		report, failed := im.Import(h.t.Context(), "office.csv", text, config.Source{Name: "office", Changes: true})
		if err = failed; err == nil {
			if len(report.Problems) > 0 || report.Held != nil {
				h.t.Fatalf("%+v", report)
			}
			p, _, err = h.e.DB.PersonByKey(h.t.Context(), identity.SourceKey{Source: "office", Key: key})
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return by(p.ID)
}

// by is a person who decides.
func by(p identity.PersonID) rights.Subject {
	return rights.Subject{Person: p, How: rights.Claimed}
}

// export imports a whole export. What is held of it as its cell is empty and was not
// before, such as the end of a person who comes back, is released.
func (h *fixture) export(text string) {
	h.t.Helper()
	r := h.deliver(text)
	if releaseEmptied(h.t, h.e, r) {
		r = h.deliver(text)
	}
	if len(r.Problems) > 0 || r.Held != nil {
		h.t.Fatalf("import: %+v", r)
	}
}

// releaseEmptied releases the hold of an import that was held for emptied cells only, as
// an operator does who knows that HR is right. It reports whether it did.
func releaseEmptied(t *testing.T, e *reconcile.Engine, r *hr.Report) bool {
	t.Helper()
	emptied := func(p diagnostic.Problem) bool {
		return p.Warning && strings.Contains(testenv.ProblemText(p), ": it is empty")
	}
	if r.EndingsHeld == nil || slices.ContainsFunc(r.Problems, func(p diagnostic.Problem) bool { return !emptied(p) }) {
		return false
	}
	if err := e.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Decide(t.Context(), store.Decision{Kind: store.HoldDecision, Verdict: store.Release, Subject: store.HoldSubject(r.EndingsHeld.Digest), Maker: "person:x", Reason: "so it is"}, e.Now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return true
}

func (h *fixture) deliver(text string) *hr.Report {
	h.t.Helper()
	im := hr.Importer{DB: h.e.DB, Config: h.e.Config, Now: time.Now, Actor: "behov"}
	im.Now = h.e.Now
	export, err := hr.Read("hr.csv", []byte(text), h.e.Config.Sources["hr"], h.e.Config.Attributes, h.e.Config.Rules.Units, im.Today())
	if err != nil {
		h.t.Fatal(err)
	}
	// HR may say again what it said before.
	r, err := im.Deliver(h.t.Context(), hr.Delivery{Source: h.e.Config.Sources["hr"], Name: "hr.csv", Hash: hr.HashOf([]byte(text)), ExportTimeStated: true, Export: export})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *fixture) run() *execute.Result {
	h.t.Helper()
	r, err := h.e.Run(h.t.Context(), reconcile.Scope{})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// settledRun is run for when everything is to go well.
func (h *fixture) settledRun() *execute.Result {
	h.t.Helper()
	r := h.run()
	if err := r.Err(); err != nil {
		h.t.Fatal(err)
	}
	return r
}

// has says which of a person's accesses the trail says are there, and holds
// that against the targets.
func (h *fixture) has(key string) string {
	h.t.Helper()
	p, err := h.e.DB.FindPerson(h.t.Context(), key, "hr")
	if err != nil {
		h.t.Fatal(err)
	}
	intervals, err := h.e.DB.Intervals(h.t.Context(), store.IntervalQuery{Person: p.ID, Open: true})
	if err != nil {
		h.t.Fatal(err)
	}
	var said, seen []string
	for _, i := range intervals {
		said = append(said, i.Target+"/"+i.Entitlement)
	}
	for name, s := range map[string]*scripted{"one": h.one, "two": h.two} {
		o := plan.NewObserved()
		c, err := s.Connector.Snapshot(h.t.Context(), o)
		if err != nil {
			h.t.Fatal(err)
		}
		o.Done(c)
		for _, a := range o.ByAnchor(string(p.ID)) {
			if a.Enabled {
				seen = append(seen, name+"/account")
			}
			for _, e := range h.e.Config.Rules.Catalogue.Entitlements {
				if e.Target == name && o.Member(a.ID, e.Native) {
					seen = append(seen, name+"/"+string(e.ID))
				}
			}
		}
	}
	slices.Sort(said)
	slices.Sort(seen)
	if !slices.Equal(said, seen) {
		h.t.Errorf("the trail says that %s has %v, the targets %v", key, said, seen)
	}
	return strings.Join(seen, " ")
}

const everything = "one/account one/base:school one/base:staff two/account two/lib:library"

func records(t *testing.T, h *fixture) []audit.Record {
	t.Helper()
	var all []audit.Record
	for r, err := range h.e.DB.AuditRecords(t.Context(), store.Everyone()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}
