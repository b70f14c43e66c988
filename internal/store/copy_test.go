package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/migrations"
)

// lived is a database with a row in most tables.
func lived(t *testing.T, url string, master *seal.Master) *store.DB {
	t.Helper()
	db := openWith(t, url, master)
	ctx := context.Background()
	write(t, db, func(tx *store.Tx) error {
		for n := range 1200 { // more than go into one statement
			tx.Audit(audit.Record{At: now, Actor: "behov", Action: audit.AccessFound, Person: identity.PersonID(fmt.Sprint("p", n)), Target: "t", Entitlement: "account"})
		}
		return errors.Join(tx.RecordEvents(ctx, "first", nil, append(hire(1), hire(2)...)), tx.BindAccount(ctx, store.AccountRef{Target: "t", Person: "0197-person-001", Native: "native-1"}), tx.RegisterNameIfFree(ctx, "t", "gota", "0197-person-001"),
			tx.RaiseHold(ctx, store.Hold{Digest: "d", Kind: store.PlanHold, Subject: "t", Why: reason.Of(reason.Answer{Text: "many"}), Body: "[]"}, nil, "behov", now))
	})
	return db
}

// TestCopy: a copy is what was copied, in every direction, and goes on.
func TestCopy(t *testing.T) {
	ctx := context.Background()
	server := testenv.StartPostgres(t)
	fresh := map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "behov.db") },
		"postgres": func(*testing.T) string { return server.Database() },
	}
	for from, newFrom := range fresh {
		for to, newTo := range fresh {
			t.Run(from+" to "+to, func(t *testing.T) {
				master := newMaster(t)
				source, copied := lived(t, newFrom(t), master), openWith(t, newTo(t), master)
				before, err := source.VerifyAudit(ctx)
				if err != nil {
					t.Fatal(err)
				}
				said, err := copied.CopyFrom(ctx, source, store.CopyOptions{From: "there", Actor: "os-uid:0", At: now, FailOnWrite: true})
				if err != nil {
					t.Fatal(err)
				}
				if said.Rows["audit_record"] != before.Records || said.Rows["person"] != 2 || said.Rows["employment"] != 2 || said.Rows["hold"] != 1 {
					t.Errorf("copied %v", said.Rows)
				}
				after, err := copied.VerifyAudit(ctx)
				if err != nil || after.Records != before.Records+1 || len(after.Intervals) != len(before.Intervals) {
					t.Errorf("the trail: %+v %v", after, err)
				}
				p, err := copied.FindPerson(ctx, "1001", "hr")
				if err != nil || p.GivenName != "Göta" || len(p.Employments) != 1 || p.Employments[0].Terms[0].Percent != 75 {
					t.Errorf("the person: %+v %v", p, err)
				}
				numbers, err := copied.NationalIDs(ctx, store.Everyone())
				if err != nil || numbers[p.ID] != "19700101-0019" {
					t.Errorf("sealed numbers: %v %v", numbers, err)
				}
				write(t, copied, func(tx *store.Tx) error { return tx.RecordEvents(ctx, "second", nil, hire(3)) })
				if sequences, err := copied.Sequences(ctx); err != nil || sequences.Events != 6 {
					t.Errorf("sequences %+v %v", sequences, err)
				}
				if _, err := copied.CopyFrom(ctx, source, store.CopyOptions{From: "there", At: now}); !errors.Is(err, store.ErrNotEmpty) {
					t.Errorf("a second time: %v", err)
				}
				stranger := open(t, newTo(t))
				if _, err := stranger.CopyFrom(ctx, source, store.CopyOptions{From: "there", At: now}); err == nil || !strings.Contains(err.Error(), "another key file") {
					t.Errorf("with another key: %v", err)
				}
				if sequences, err := stranger.Sequences(ctx); err != nil || sequences != (store.Sequences{}) {
					t.Errorf("something of it stayed: %+v %v", sequences, err)
				}
			})
		}
	}
}

// TestCopyOfAForgery: a copy of a trail that a person changed is none.
func TestCopyOfAForgery(t *testing.T) {
	ctx := context.Background()
	master := newMaster(t)
	file := filepath.Join(t.TempDir(), "behov.db")
	source := lived(t, "sqlite:"+file, master)
	raw, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.ExecContext(ctx, `UPDATE audit_record SET person_id = 'somebody else' WHERE idx = 7`); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	copied := openWith(t, "sqlite:"+filepath.Join(t.TempDir(), "copy.db"), master)
	if _, err := copied.CopyFrom(ctx, source, store.CopyOptions{From: "there", At: now}); err == nil || !strings.Contains(err.Error(), "must not be used") {
		t.Errorf("copied: %v", err)
	}
}

// TestEveryTableIsCopied: the person who adds a table says whether it is state.
func TestEveryTableIsCopied(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		there, err := db.Tables(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(there)
		// A session that has ended would be back with an old copy; requests and tasks are of
		// the hour.
		copied := append(store.CopiedTables(), "session", "device_sign_in", "idempotent_request", "task")
		slices.Sort(copied)
		if !slices.Equal(there, copied) {
			t.Errorf("the schema has %v, and copied are %v", there, copied)
		}
	})
}

// TestALaterVersionsSchema: a version that does not know the last migration
// goes on working, so that several are upgraded one after another.
func TestALaterVersionsSchema(t *testing.T) {
	onBothURLs(t, func(t *testing.T, url string) {
		ctx := context.Background()
		master := newMaster(t)
		lived(t, url, master)
		driver, dsn := "sqlite", strings.TrimPrefix(url, "sqlite:")
		if dsn == url {
			driver = "pgx"
		}
		raw, err := sql.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = raw.Close() }()
		for _, statement := range []string{`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`, `ALTER TABLE person ADD COLUMN shoe_size TEXT NOT NULL DEFAULT ''`, `CREATE TABLE later (id BIGINT)`} {
			if _, err := raw.ExecContext(ctx, statement); err != nil {
				t.Fatal(err)
			}
		}
		db := openWith(t, url, master)
		write(t, db, func(tx *store.Tx) error { return tx.RecordEvents(ctx, "second", nil, hire(3)) })
		if p, err := db.FindPerson(ctx, "1003", "hr"); err != nil || p.GivenName != "Göta" {
			t.Errorf("%+v %v", p, err)
		}
		if v, err := db.SchemaVersion(ctx); err != nil || v != 9999 {
			t.Errorf("version %d %v", v, err)
		}
	})
}

// rebuilds reports whether a statement drops an index that the migration makes
// again, or makes it: over the same rows, only in another order.
func rebuilds(statement, migration string) bool {
	words := strings.Fields(statement)
	index := words[len(words)-1]
	if strings.HasPrefix(statement, "CREATE UNIQUE INDEX ") {
		index = words[3]
	} else if !strings.HasPrefix(statement, "DROP INDEX ") {
		return false
	}
	return strings.Contains(migration, "DROP INDEX "+index+";") && strings.Contains(migration, " INDEX "+index+" ON ")
}

// TestMigrationsOnlyAdd: what the version before knows stays as it knows it.
// From the first that was in use beside another on.
func TestMigrationsOnlyAdd(t *testing.T) {
	const first = "00004"
	for _, dir := range []string{"sqlite", "postgres"} {
		files, err := migrations.FS.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if f.Name() < first {
				continue
			}
			b, err := migrations.FS.ReadFile(dir + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			up, _, _ := strings.Cut(string(b), "-- +goose Down")
			for statement := range strings.SplitSeq(withoutComments(up), ";") {
				if s := strings.ToUpper(strings.Join(strings.Fields(statement), " ")); s != "" && !addsOnly(s) && !fillsNew(s, strings.ToUpper(up)) && !rebuilds(s, strings.ToUpper(up)) {
					t.Errorf("%s/%s: the version before may not go on with this: %s", dir, f.Name(), s)
				}
			}
		}
	}
	for _, s := range []string{"DROP TABLE PERSON", "ALTER TABLE HOLD RENAME COLUMN WHY TO BECAUSE", "ALTER TABLE HOLD ADD COLUMN BODY TEXT NOT NULL", "CREATE UNIQUE INDEX X ON HOLD (WHY)", "UPDATE HOLD SET WHY = ''"} {
		if addsOnly(s) {
			t.Errorf("let through: %s", s)
		}
	}
}

func withoutComments(s string) string {
	var lines []string
	for line := range strings.SplitSeq(s, "\n") {
		line, _, _ = strings.Cut(line, "--")
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func addsOnly(s string) bool {
	switch {
	case strings.HasPrefix(s, "CREATE TABLE "), strings.HasPrefix(s, "CREATE INDEX "):
		return true
	case strings.HasPrefix(s, "ALTER TABLE ") && strings.Contains(s, " ADD COLUMN "):
		return !strings.Contains(s, " NOT NULL") || strings.Contains(s, " DEFAULT ")
	}
	return false
}

// fillsNew reports whether a statement fills a column that the same migration
// adds: the version before does not read it.
func fillsNew(s, up string) bool {
	fields := strings.Fields(s)
	return len(fields) > 3 && fields[0] == "UPDATE" && fields[2] == "SET" && strings.Contains(up, "ALTER TABLE "+fields[1]+" ADD COLUMN "+fields[3]+" ")
}

// TestThereAndBack: what went to PostgreSQL and came back is what it was, byte
// for byte.
func TestThereAndBack(t *testing.T) {
	ctx := context.Background()
	master := newMaster(t)
	first, last := filepath.Join(t.TempDir(), "first.db"), filepath.Join(t.TempDir(), "last.db")
	from := lived(t, "sqlite:"+first, master)
	for _, url := range []string{testenv.StartPostgres(t).Database(), "sqlite:" + last} {
		to := openWith(t, url, master)
		if _, err := to.CopyFrom(ctx, from, store.CopyOptions{From: "there", Actor: "os-uid:0", At: now}); err != nil {
			t.Fatal(err)
		}
		from = to
	}
	was, is := dump(t, first), dump(t, last)
	for _, table := range store.CopiedTables() {
		switch table {
		case "head": // which went on with each copy
		case "audit_record":
			if !slices.Equal(is[table][:len(was[table])], was[table]) || len(is[table]) != len(was[table])+2 {
				t.Errorf("the trail is not what it was, and two records more")
			}
		default:
			if !slices.Equal(was[table], is[table]) {
				t.Errorf("%s was\n%v\nand is\n%v", table, was[table], is[table])
			}
		}
	}
}

func dump(t *testing.T, file string) map[string][]string {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all := map[string][]string{}
	for _, table := range store.CopiedTables() {
		rows, err := sqlx.NewDb(db, "sqlite").QueryxContext(t.Context(), `SELECT * FROM `+table+` ORDER BY 1, 2`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			row, err := rows.SliceScan()
			if err != nil {
				t.Fatal(err)
			}
			all[table] = append(all[table], fmt.Sprintf("%#v", row))
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil { //nolint:sqlclosecheck // or with the test
			t.Fatal(err)
		}
	}
	return all
}
