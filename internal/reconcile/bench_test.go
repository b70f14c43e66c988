package reconcile_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

const benchCatalogue = `systems:
  base:
    target: one
    entitlements: {staff: {}, school: {}, library: {}}
  mail:
    target: two
    entitlements: {users: {}, schoolmail: {}}
  lib:
    target: three
    entitlements: {readers: {}}
`

const benchRules = `p, everyone, true, base:staff, allow, everybody
p, school, "under(r.sub.unit, 'school')", base:school, allow, school
p, library, "under(r.sub.unit, 'library')", base:library, allow, library
p, mail, true, mail:users, allow, everybody has mail
p, schoolmail, "under(r.sub.unit, 'school')", mail:schoolmail, allow, school
p, readers, true, lib:readers, allow, everybody reads
`

// benchHouse is an installation with so many people and three targets.
func benchHouse(b *testing.B, url string, people int) *reconcile.Engine {
	b.Helper()
	dir := b.TempDir()
	key, err := seal.NewMaster()
	if err != nil {
		b.Fatal(err)
	}
	target := `{hold_above: {all: {number: 1000000}}, attributes: {sn: "{{.FamilyName}}", mail: "{{.Email}}"}, memory: {groups: [%s]}}`
	for name, text := range map[string]string{
		"behov.yaml":     "targets:\n  one: " + fmt.Sprintf(target, "staff, school, library") + "\n  two: " + fmt.Sprintf(target, "users, schoolmail") + "\n  three: " + fmt.Sprintf(target, "readers") + "\n",
		"catalogue.yaml": benchCatalogue, "policy.csv": benchRules, "units.csv": "unit,parent,name\nschool,,\nlibrary,,\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	c, problems := config.Load(dir)
	if c == nil {
		b.Fatal(problems)
	}
	master, err := seal.ParseMaster(key)
	if err != nil {
		b.Fatal(err)
	}
	if url == "" {
		url = c.Database
	}
	db, err := store.Open(b.Context(), url, master)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	e := &reconcile.Engine{DB: db, Config: c, Targets: map[string]connectors.Connector{}, Now: time.Now, Actor: "behov"}
	for _, t := range c.Targets {
		if e.Targets[t.Name], err = memory.New(*t.Settings.(config.MemorySettings).Config); err != nil {
			b.Fatal(err)
		}
	}
	benchImport(b, e, 0, people, "")
	return e
}

// benchImport hires people, or says of them whatever else.
func benchImport(b *testing.B, e *reconcile.Engine, from, to int, end string) {
	b.Helper()
	var text strings.Builder
	text.WriteString("person_id,employment_id,given_name,family_name,email,unit,job_code,start_date,end_date\n")
	for n := from; n < to; n++ {
		fmt.Fprintf(&text, "%d,E%d,Given%d,Family%d,p%d@example.org,%s,T,2020-01-01,%s\n", n, n, n, n, n, []string{"school", "library"}[n%2], end)
	}
	source := e.Config.Sources["hr"]
	source.Changes = true
	im := hr.Importer{DB: e.DB, Config: e.Config, Now: time.Now, Actor: "behov"}
	if r, err := im.Import(b.Context(), "hr.csv", []byte(text.String()), source); err != nil || len(r.Problems) > 0 || r.Held != nil {
		b.Fatalf("import: %+v %v", r, err)
	}
}

// onDatabases runs a benchmark on SQLite and on PostgreSQL.
func onDatabases(b *testing.B, f func(b *testing.B, url string)) {
	b.Run("sqlite", func(b *testing.B) { f(b, "") })
	b.Run("postgres", func(b *testing.B) { f(b, testenv.StartPostgres(b).Database()) })
}

// BenchmarkSteps carries out the steps of people who are new, in three targets
// in memory, with intents, outcomes, audit trail and intervals, and compares
// that with inserting the same rows bare.
func BenchmarkSteps(b *testing.B) {
	onDatabases(b, func(b *testing.B, url string) {
		for range b.N {
			e := benchHouse(b, url, testenv.BenchSize(3000))
			began := time.Now()
			r, err := e.Run(b.Context(), reconcile.Scope{})
			if err != nil || r.Err() != nil {
				b.Fatal(err, r.Err())
			}
			steps := float64(len(r.Plan.Steps))
			rate := steps / time.Since(began).Seconds()
			bare := steps / bare(b, url, r).Seconds()
			b.ReportMetric(rate, "steps/s")
			b.ReportMetric(bare, "bare/s")
			b.ReportMetric(rate/bare, "share")
			b.ReportMetric(0, "ns/op")
		}
	})
}

// bare inserts the rows that a result's steps need into an empty database of the
// same kind and schema, in transactions of the same size: what a step is
// written down as before and after it is carried out, and what is projected.
func bare(b *testing.B, like string, r *execute.Result) time.Duration {
	b.Helper()
	url, driver, dsn := "sqlite:"+filepath.Join(b.TempDir(), "bare.db"), "sqlite", ""
	if like != "" {
		url, driver = testenv.StartPostgres(b).Database(), "pgx"
		dsn = url
	} else {
		dsn = "file:" + strings.TrimPrefix(url, "sqlite:") + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(1)&_txlock=immediate"
	}
	key, err := seal.NewMaster()
	if err != nil {
		b.Fatal(err)
	}
	master, err := seal.ParseMaster(key)
	if err != nil {
		b.Fatal(err)
	}
	schema, err := store.Open(b.Context(), url, master)
	if err != nil {
		b.Fatal(err)
	}
	if err := schema.Close(); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	began := time.Now()
	idx := 0
	hash := make([]byte, 32)
	tx := func(f func(tx *sql.Tx) error) {
		t, err := db.BeginTx(b.Context(), nil)
		if err == nil {
			err = f(t)
		}
		if err == nil {
			err = t.Commit()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	each := func(t *sql.Tx, steps []plan.Step, query string, args func(i int, s plan.Step) []any) error {
		statement, err := t.PrepareContext(b.Context(), query)
		if err != nil {
			return err
		}
		for i, s := range steps {
			if _, err := statement.ExecContext(b.Context(), args(i, s)...); err != nil {
				return err
			}
		}
		return statement.Close() //nolint:sqlclosecheck // or with its transaction
	}
	record := func(t *sql.Tx, steps []plan.Step, action string) error {
		return each(t, steps, `INSERT INTO audit_record (idx, at_us, began_us, actor, action, person_id, target, entitlement, op, reason, plan, attempt, outcome, payload, prev, hash, leaf)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`, func(_ int, s plan.Step) []any {
			idx++
			return []any{idx, 1, 1, "behov", action, string(s.Person), s.Target, string(s.Entitlement), string(s.Op), s.Reason, r.Plan.Digest, s.ID, "applied", nil, hash, hash, hash}
		})
	}
	for steps := range slices.Chunk(r.Plan.Steps, 200) {
		tx(func(t *sql.Tx) error {
			return errors.Join(each(t, steps, `INSERT INTO open_step (id, target, person_id, body, plan, intended_us) VALUES ($1, $2, $3, $4, $5, $6)`, func(_ int, s plan.Step) []any {
				body, err := json.Marshal(s)
				if err != nil {
					b.Fatal(err)
				}
				return []any{s.ID, s.Target, string(s.Person), string(body), r.Plan.Digest, 1}
			}), record(t, steps, "step.intended"))
		})
		tx(func(t *sql.Tx) error {
			return errors.Join(each(t, steps, `DELETE FROM open_step WHERE id = $1`, func(_ int, s plan.Step) []any { return []any{s.ID} }), record(t, steps, "step.ended"),
				each(t, steps, `INSERT INTO access_interval (person_id, target, entitlement, since_us, since_record, given, reason) VALUES ($1, $2, $3, $4, $5, TRUE, $6)`, func(i int, s plan.Step) []any {
					return []any{string(s.Person), s.Target, string(s.Entitlement), 1, idx + i, s.Reason}
				}))
		})
	}
	return time.Since(began)
}

// BenchmarkNothingToDo looks at everyone in three targets when nothing has
// changed, with the collector set as behov sets it: how much memory that takes
// at most, and the work for one person, as time and as bytes allocated.
func BenchmarkNothingToDo(b *testing.B) {
	for _, people := range []int{10_000, 100_000} {
		people = testenv.BenchSize(people)
		b.Run(fmt.Sprint(people), func(b *testing.B) {
			e := benchHouse(b, "", people)
			if r, err := e.Run(b.Context(), reconcile.Scope{}); err != nil || r.Err() != nil {
				b.Fatal(err, r.Err())
			}
			for name, c := range e.Targets {
				e.Targets[name] = newOnDisk(b, c)
			}
			defer debug.SetGCPercent(debug.SetGCPercent(35))
			b.ReportAllocs()
			for b.Loop() {
				began, peak := time.Now(), watchMemory()
				r, err := e.Run(b.Context(), reconcile.Scope{})
				if err != nil || len(r.Plan.Steps) > 0 {
					b.Fatal(err, len(r.Plan.Steps))
				}
				b.ReportMetric(float64(peak())/1e6, "MB")
				b.ReportMetric(float64(time.Since(began).Microseconds())/float64(people), "µs/person")
			}
		})
	}
}

// onDisk is a target that takes no memory: its snapshot is read from a file.
type onDisk struct {
	connectors.Connector
	file         string
	completeness connectors.Completeness
}

type diskRow struct {
	Account     *connectors.Account     `json:",omitempty"`
	Entitlement *connectors.Entitlement `json:",omitempty"`
	Membership  *connectors.Membership  `json:",omitempty"`
}

type diskSink struct{ *json.Encoder }

func (s diskSink) Account(a connectors.Account) error { return s.Encode(diskRow{Account: &a}) }
func (s diskSink) Entitlement(e connectors.Entitlement) error {
	return s.Encode(diskRow{Entitlement: &e})
}
func (s diskSink) Membership(m connectors.Membership) error { return s.Encode(diskRow{Membership: &m}) }

func newOnDisk(b *testing.B, c connectors.Connector) onDisk {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "snapshot"))
	if err != nil {
		b.Fatal(err)
	}
	completeness, err := c.Snapshot(b.Context(), diskSink{json.NewEncoder(f)})
	if err = errors.Join(err, f.Close()); err != nil {
		b.Fatal(err)
	}
	nothing, err := memory.New(memory.Config{})
	if err != nil {
		b.Fatal(err)
	}
	return onDisk{Connector: nothing, file: f.Name(), completeness: completeness}
}

func (d onDisk) Snapshot(_ context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	f, err := os.Open(d.file)
	if err != nil {
		return connectors.Completeness{}, err
	}
	defer f.Close()
	for decoder := json.NewDecoder(f); ; {
		var row diskRow
		err := decoder.Decode(&row)
		switch {
		case errors.Is(err, io.EOF):
			return d.completeness, nil
		case err != nil:
		case row.Account != nil:
			err = sink.Account(*row.Account)
		case row.Entitlement != nil:
			err = sink.Entitlement(*row.Entitlement)
		default:
			err = sink.Membership(*row.Membership)
		}
		if err != nil {
			return connectors.Completeness{}, err
		}
	}
}

// watchMemory returns what says how much memory the heap had at most.
func watchMemory() (peak func() uint64) {
	runtime.GC()
	most := uint64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		return most
	}
}
