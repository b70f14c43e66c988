package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
)

// kept is the checkpoint of a database, as someone else keeps it.
func kept(t *testing.T, db *store.DB) audit.Checkpoint {
	t.Helper()
	c, err := db.LogHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// verified verifies a database by itself, and then against a checkpoint.
func verified(t *testing.T, db *store.DB, old audit.Checkpoint) (alone, against error) {
	t.Helper()
	_, alone = db.VerifyAudit(t.Context())
	head, err := db.LogHead(t.Context())
	if err != nil {
		return alone, err
	}
	return alone, audit.CheckConsistent(t.Context(), db, head, old)
}

// forge changes the trail of a database with every hash mended, as its owner can: a trail that
// is whole by itself.
func forge(t *testing.T, file string, master *seal.Master, change func([]audit.Record) []audit.Record) {
	t.Helper()
	ctx := context.Background()
	db := openWith(t, "sqlite:"+file, master)
	var all []audit.Record
	for r, err := range db.AuditRecords(ctx, store.Everyone()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	all = change(all)
	raw, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	run := func(query string, args ...any) {
		t.Helper()
		if _, err := raw.ExecContext(ctx, query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	run(`CREATE TEMP TABLE forged AS SELECT * FROM audit_record`)
	run(`DELETE FROM audit_record`)
	run(`DELETE FROM audit_node`)
	tree, err := audit.ParseTree(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	var prev []byte
	for i, r := range all {
		was := r.Index
		r.Link(int64(i+1), prev)
		prev = r.Hash
		if err := tree.Append(r.Leaf, func(n audit.TileNode) {
			run(`INSERT INTO audit_node (level, idx, hash) VALUES (?, ?, ?)`, n.Level, n.Index, n.Hash)
		}); err != nil {
			t.Fatal(err)
		}
		run(`INSERT INTO audit_record SELECT * FROM forged WHERE idx = ?`, was)
		run(`UPDATE audit_record SET idx = ?, actor = ?, person_id = ?, at_us = ?, prev = ?, hash = ?, leaf = ? WHERE idx = ?`, -r.Index, string(r.Actor), string(r.Person), r.At.UnixMicro(), r.Prev, r.Hash, r.Leaf, was)
	}
	run(`UPDATE audit_record SET idx = -idx`)
	run(`UPDATE head SET audit_idx = ?, audit_hash = ?, audit_tree = ?`, len(all), prev, tree.Bytes())
	// The intervals are made anew as well.
	run(`DELETE FROM access_interval`)
	run(`DROP TABLE forged`)
}

// longLived is a database with so many records and more.
func longLived(t *testing.T, records int) (db *store.DB, file string, master *seal.Master) {
	t.Helper()
	master = newMaster(t)
	file = filepath.Join(t.TempDir(), "behov.db")
	db = openWith(t, "sqlite:"+file, master)
	for n := 0; n < records; n += 50 {
		write(t, db, func(tx *store.Tx) error {
			for i := range 50 {
				tx.Audit(audit.Record{At: now, Actor: "person:x", Action: audit.RulesInUse, Target: fmt.Sprintf("%d", n+i)})
			}
			return nil
		})
	}
	return db, file, master
}

// TestAForgedTrailIsFound: a trail that was made anew, with every hash mended, is whole by
// itself and does not continue a checkpoint that someone else kept. Neither does one that lacks
// its end, or an older copy that was put back.
func TestAForgedTrailIsFound(t *testing.T) {
	for name, change := range map[string]func([]audit.Record) []audit.Record{
		"a record changed":  func(all []audit.Record) []audit.Record { all[3].Actor = "person:y"; return all },
		"its time":          func(all []audit.Record) []audit.Record { all[300].At = all[300].At.Add(1e9); return all },
		"a record removed":  func(all []audit.Record) []audit.Record { return append(all[:7:7], all[8:]...) },
		"two swapped":       func(all []audit.Record) []audit.Record { all[4], all[5] = all[5], all[4]; return all },
		"the end cut":       func(all []audit.Record) []audit.Record { return all[:len(all)-5] },
		"the first removed": func(all []audit.Record) []audit.Record { return all[1:] },
		"the last changed":  func(all []audit.Record) []audit.Record { all[len(all)-1].Actor = "person:y"; return all },
	} {
		t.Run(name, func(t *testing.T) {
			db, file, master := longLived(t, 600)
			old := kept(t, db)
			write(t, db, func(tx *store.Tx) error {
				tx.Audit(audit.Record{At: now, Actor: "person:x", Action: audit.RulesInUse, Target: "later"})
				return nil
			})
			if alone, against := verified(t, db, old); alone != nil || against != nil {
				t.Fatalf("untouched: %v, %v", alone, against)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if name == "the last changed" { // after the checkpoint, so that no one can know
				forge(t, file, master, change)
				alone, against := verified(t, openWith(t, "sqlite:"+file, master), old)
				if alone != nil || against != nil {
					t.Errorf("%v, %v", alone, against)
				}
				return
			}
			forge(t, file, master, change)
			alone, against := verified(t, openWith(t, "sqlite:"+file, master), old)
			if alone != nil {
				t.Errorf("the forgery is not whole by itself: %v", alone)
			}
			if against == nil {
				t.Error("the forgery continues the checkpoint")
			}
		})
	}
	t.Run("an older copy", func(t *testing.T) {
		db, file, master := longLived(t, 300)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		copied, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		db = openWith(t, "sqlite:"+file, master)
		write(t, db, func(tx *store.Tx) error {
			tx.Audit(audit.Record{At: now, Actor: "person:x", Action: audit.RulesInUse})
			return nil
		})
		old := kept(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		for _, more := range []string{"-wal", "-shm"} {
			if err := os.Remove(file + more); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(file, copied, 0o600); err != nil {
			t.Fatal(err)
		}
		alone, against := verified(t, openWith(t, "sqlite:"+file, master), old)
		if alone != nil || against == nil || !strings.Contains(against.Error(), "older copy") {
			t.Errorf("%v, %v", alone, against)
		}
	})
}

// TestEveryFieldOfTheLogIsVerified: of the records, the head and the hashes of tiles each field
// is verified, without a checkpoint.
func TestEveryFieldOfTheLogIsVerified(t *testing.T) {
	db, file, master := longLived(t, 600)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	columns := strings.Fields("at_us began_us actor operator authority action person_id target entitlement op reason plan attempt outcome payload prev hash leaf")
	statements := []string{
		`DELETE FROM audit_record WHERE idx = 300`, `DELETE FROM audit_record WHERE idx = 600`, `DELETE FROM audit_node WHERE idx = 1`, `INSERT INTO audit_node VALUES (1, 2, x'00')`,
		`UPDATE audit_node SET hash = x'00' WHERE idx = 0`, `UPDATE head SET audit_idx = 599`, `UPDATE head SET audit_tree = x''`, `UPDATE head SET audit_hash = x'00'`,
		`UPDATE head SET audit_tree = substr(audit_tree, 1, 32) || substr(audit_tree, 1)`, `UPDATE audit_record SET idx = -idx WHERE idx = 300`,
	}
	for _, column := range columns {
		value := "'{}'"
		switch column {
		case "at_us", "began_us":
			value = "17"
		case "reason":
			value = `'{"code":"ready"}'`
		case "payload", "prev", "hash", "leaf":
			value = "x'0102'"
		}
		statements = append(statements, fmt.Sprintf("UPDATE audit_record SET %s = %s WHERE idx = 300", column, value))
	}
	for _, statement := range statements {
		copied := filepath.Join(t.TempDir(), "copy.db")
		if err := os.WriteFile(copied, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		raw, err := sql.Open("sqlite", copied)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		if err := raw.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := openWith(t, "sqlite:"+copied, master).VerifyAudit(t.Context()); err == nil {
			t.Errorf("not found: %s", statement)
		}
	}
}

// TestPublishAndProve: what is published grows with the log, and a proof is of its record
// alone. A log that does not continue what was published is not published over it.
func TestPublishAndProve(t *testing.T) {
	ctx := t.Context()
	db, file, master := longLived(t, 300)
	dir := t.TempDir()
	first, err := audit.Publish(ctx, db, dir)
	if err != nil {
		t.Fatal(err)
	}
	write(t, db, func(tx *store.Tx) error {
		for range 400 {
			tx.Audit(audit.Record{At: now, Actor: "person:x", Action: audit.RulesInUse})
		}
		return nil
	})
	second, err := audit.Publish(ctx, db, dir)
	if err != nil || bytes.Equal(first, second) {
		t.Fatalf("%s, %v", second, err)
	}
	for _, name := range []string{"checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/000", "tile/entries/002.p/188"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, record := range []int64{1, 256, 257, 700} {
		proof, entry, err := audit.Prove(ctx, db, record)
		if err != nil || !bytes.HasPrefix(proof, fmt.Appendf(nil, "c2sp.org/tlog-proof@v1\nindex %d\n", record-1)) || !bytes.Contains(entry, fmt.Appendf(nil, `"index":%d,`, record)) {
			t.Errorf("%s, %s, %v", proof, entry, err)
		}
	}
	for _, record := range []int64{0, 701} {
		if _, _, err := audit.Prove(ctx, db, record); err == nil {
			t.Errorf("record %d is proved", record)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	forge(t, file, master, func(all []audit.Record) []audit.Record { all[3].Actor = "person:y"; return all })
	if _, err := audit.Publish(ctx, openWith(t, "sqlite:"+file, master), dir); err == nil || !strings.Contains(err.Error(), "are not those of the checkpoint") {
		t.Errorf("a forgery is published: %v", err)
	}
	if now, err := os.ReadFile(filepath.Join(dir, "checkpoint")); err != nil || !bytes.Equal(now, second) {
		t.Errorf("%s, %v", now, err)
	}
}

// wantFound runs each statement on a copy of a database, which is then found to be changed.
func wantFound(t *testing.T, whole []byte, master *seal.Master, words string, statements []string) {
	t.Helper()
	for _, statement := range statements {
		copied := filepath.Join(t.TempDir(), "copy.db")
		if err := os.WriteFile(copied, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		raw, err := sql.Open("sqlite", copied)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		if err := raw.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := openWith(t, "sqlite:"+copied, master).VerifyAudit(t.Context()); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// TestEveryFieldOfAnEventIsVerified: of the HR events each field is under a record, and none can
// be removed, put in, moved or changed unseen. So is what is sealed in them, also when the person
// is erased.
func TestEveryFieldOfAnEventIsVerified(t *testing.T) {
	master := newMaster(t)
	file := filepath.Join(t.TempDir(), "behov.db")
	db := openWith(t, "sqlite:"+file, master)
	for n := range 3 {
		write(t, db, func(tx *store.Tx) error {
			return tx.RecordEvents(t.Context(), fmt.Sprint("import-", n), nil, append(hire(2*n+1), hire(2*n+2)...))
		})
	}
	if _, err := db.VerifyAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	statements := []string{
		`DELETE FROM hr_event WHERE seq = 3`, `DELETE FROM hr_event WHERE seq = (SELECT MAX(seq) FROM hr_event)`, `UPDATE hr_event SET seq = -seq WHERE seq = 3`, `UPDATE hr_event SET seq = seq + 100`,
		`INSERT INTO hr_event SELECT MAX(seq) + 1, 'x', 'hr', 'person-added', 'p', '', '2026-01-01', 1, x'00' FROM hr_event`, `UPDATE head SET event_seq = event_seq + 1`,
		`UPDATE hr_event SET seq = 1000 WHERE seq = 2; UPDATE hr_event SET seq = 2 WHERE seq = 3; UPDATE hr_event SET seq = 3 WHERE seq = 1000`,
		`DELETE FROM hr_event; UPDATE head SET event_seq = 0`,
	}
	for column, value := range map[string]string{
		"import_id": "'x'", "source": "'other'", "kind": "'employment-withdrawn'", "person_id": "'x'", "employment_id": "'x'", "effective": "'2001-01-01'", "recorded_us": "17", "payload_sealed": "x'0102'",
	} {
		statements = append(statements, fmt.Sprintf("UPDATE hr_event SET %s = %s WHERE seq = 3", column, value))
	}
	wantFound(t, whole, master, "HR event", statements)
}

// TestFactsAreUnderTheLog: what is known of people and their employments is what HR's events say,
// field by field, and no row is put in or taken out.
func TestFactsAreUnderTheLog(t *testing.T) {
	master := newMaster(t)
	file := filepath.Join(t.TempDir(), "behov.db")
	db := openWith(t, "sqlite:"+file, master)
	for n := range 3 {
		write(t, db, func(tx *store.Tx) error {
			return tx.RecordEvents(t.Context(), fmt.Sprint("import-", n), nil, append(hire(2*n+1), hire(2*n+2)...))
		})
	}
	if _, err := db.VerifyAudit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const one = " WHERE rowid = (SELECT MIN(rowid) FROM %s)"
	var statements []string
	for table, columns := range map[string]map[string]string{
		"employment": {"source": "'other'", "key": "'x'", "person_key": "'x'", "sponsor_key": "'x'", "start_date": "'2001-01-01'", "end_date": "'2001-01-01'", "end_said": "'2001-01-01'", "withdrawn_from": "'2001-01-01'",
			"reported": `'{"x":1}'`, "terms": `'[{"unit":"library"}]'`, "leaves": `'[{"start":"2001-01-01"}]'`, "stamp": "'x'", "id": "'x'"},
		"person_source_key": {"source": "'other'", "key": "'x'", "given_name": "'x'", "family_name": "'x'", "email": "'x'", "phone": "'x'", "protected": "1", "stamp": "'x'"},
		"person":            {"given_name": "'x'", "family_name": "'x'", "email": "'x'", "phone": "'x'", "protected": "1"},
	} {
		for column, value := range columns {
			statements = append(statements, fmt.Sprintf("UPDATE %s SET %s = %s"+one, table, column, value, table))
		}
	}
	statements = append(statements, fmt.Sprintf("DELETE FROM employment"+one, "employment"),
		`INSERT INTO employment (id, person_id, source, key, start_date, end_date) SELECT 'x', id, 'hr', 'x', '2020-01-01', '' FROM person LIMIT 1`,
		`INSERT INTO person_source_key (source, key, person_id) SELECT 'other', 'x', id FROM person LIMIT 1`,
		fmt.Sprintf("UPDATE employment SET person_id = (SELECT MAX(id) FROM person)"+one, "employment"),
		fmt.Sprintf("UPDATE person_source_key SET person_id = (SELECT MAX(id) FROM person)"+one, "person_source_key"))
	wantFound(t, whole, master, "", statements)
}
