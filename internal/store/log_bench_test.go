package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// BenchmarkLog compares appending records to the log with a bare insert of the same rows, and
// says how many records are verified in a second.
func BenchmarkLog(b *testing.B) {
	ctx := context.Background()
	record := func(i int) audit.Record {
		return audit.Record{At: now.Add(time.Duration(i) * time.Second), Actor: "person:0193f2a4-7c1e-7000-8000-00000000aaaa", Action: audit.GrantReady, Person: identity.PersonID(fmt.Sprintf("0193f2a4-7c1e-7000-8000-%012d", i)), Target: "directory",
			Entitlement: "school:register", Op: "refresh", Reason: reason.Of(reason.NeededFor{Entitlement: "school:register"}), Plan: "0011223344556677889900112233445566778899001122334455667788990011", Attempt: audit.AttemptID(fmt.Sprintf("0193f2a4-7c1e-7000-9000-%012d", i)), Outcome: audit.Applied}
	}
	const batch = 400
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(b.TempDir(), "behov.db"), newMaster(b))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	raw := testenv.Raw(b, "sqlite:"+filepath.Join(b.TempDir(), "bare.db"))
	if _, err := raw.ExecContext(ctx, `PRAGMA journal_mode = WAL; CREATE TABLE audit_record (idx INTEGER PRIMARY KEY, at_us BIGINT, began_us BIGINT, actor TEXT, action TEXT, person_id TEXT, target TEXT, entitlement TEXT, op TEXT, reason TEXT, plan TEXT, attempt TEXT, outcome TEXT, payload BLOB, prev BLOB, hash BLOB, operator TEXT, authority TEXT, leaf BLOB);
		CREATE INDEX a ON audit_record (person_id, idx); CREATE INDEX c ON audit_record (at_us)`); err != nil {
		b.Fatal(err)
	}
	n := 0
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			if err := db.Write(ctx, func(tx *store.Tx) error {
				for range batch {
					n++
					tx.Audit(record(n))
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/record")
	})
	bare := 0
	b.Run("bare-insert", func(b *testing.B) {
		for b.Loop() {
			tx, err := raw.BeginTx(ctx, nil)
			if err != nil {
				b.Fatal(err)
			}
			insert, err := tx.PrepareContext(ctx, `INSERT INTO audit_record VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`)
			if err != nil {
				b.Fatal(err)
			}
			defer insert.Close()
			for range batch {
				bare++
				r := record(bare)
				hash := make([]byte, 32)
				if _, err := insert.ExecContext(ctx, bare, r.At.UnixMicro(), 0, string(r.Actor), string(r.Action), string(r.Person), r.Target, r.Entitlement, r.Op, r.Reason.JSON(), string(r.Plan), string(r.Attempt), string(r.Outcome), nil, hash, hash, "os-uid:0", "", hash); err != nil {
					b.Fatal(err)
				}
			}
			if err := tx.Commit(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch), "ns/record")
	})
	b.Run("verify", func(b *testing.B) {
		records := int64(0)
		for b.Loop() {
			s, err := db.VerifyAudit(ctx)
			if err != nil {
				b.Fatal(err)
			}
			records += s.Records
		}
		b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
	})
}
