package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// tables are all that hold our state, each after those that it refers to. What
// is waiting to be done (River's own tables) is not state: it is worked out
// again from what is here.
var tables = []string{
	"person", "person_word", "person_source_key", "person_key", "person_position", "employment", "employment_manager", "employment_unit", "login_register",
	"hr_import", "hr_event", "hr_position", "api_token", "scim_resource", "held_record", "erased_record",
	"decision", "access_request", "access_request_approval", "non_human_account", "absence", "mfa_enrolment", "review_campaign", "review_trigger", "review_item", "hold", "hold_step", "step_decision", "gated_grant",
	"account", "account_name", "connector_memory", "alert_sent", "notice", "target_state", "disable_proof", "limit_usage", "unrepaired_drift", "entitlement_group", "managed_group", "open_step", "failing_step", "work_order", "account_list", "listed_account", "listed_membership",
	"rules_version", "rules_source", "version_in_use", "evaluator_difference", "audit_record", "audit_node", "access_interval", "outbound_cursor", "head",
}

// CopyResult says what was copied.
type CopyResult struct {
	Rows map[string]int64 `json:"rows"` // by table
	Head int64            `json:"head"` // the audit trail's last record
}

// CopyOptions says how a copy is made.
type CopyOptions struct {
	// From names the other database for people, Actor who copies it, and At is
	// when: both stand in the copy's audit trail.
	From  string
	Actor identity.Actor
	At    time.Time
	// FailOnWrite: what is written to the other database meanwhile makes it fail.
	// Otherwise the copy is of one instant.
	FailOnWrite bool
	// Restored: the other database is a backup, and what happened since is not in
	// it.
	Restored bool
	// Progress, when set, is called with how many rows of a table are copied.
	Progress func(table string, done, total int)
}

// errNotEmpty is returned for a database that something is in already.
var errNotEmpty = errors.New("there is something in the database already: it must be a new one")

// CopyFrom makes an empty database what another one is: the same rows, counted,
// and an audit trail that verifies with the same head, in one transaction. Both
// have the same master key. In the copy it is recorded where it comes from.
func (db *DB) CopyFrom(ctx context.Context, other *DB, how CopyOptions) (CopyResult, error) {
	progress := how.Progress
	if progress == nil {
		progress = func(string, int, int) {}
	}
	c := CopyResult{Rows: map[string]int64{}}
	if db.file != "" && other.file != "" {
		detach, err := db.attach(ctx, other.file)
		if err != nil {
			return c, fmt.Errorf("copy: %w", err)
		}
		defer detach()
	}
	source, err := other.read.BeginTxx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: other.snapshotIsolation()})
	if err != nil {
		return c, fmt.Errorf("copy: %w", err)
	}
	defer source.Rollback() //nolint:errcheck // reading
	var hash []byte
	if err := source.QueryRowxContext(ctx, `SELECT audit_idx, audit_hash FROM head`).Scan(&c.Head, &hash); err != nil {
		return c, fmt.Errorf("copy: %w", err)
	}
	err = db.Write(ctx, func(tx *Tx) error {
		if err := tx.checkEmpty(ctx); err != nil {
			return err
		}
		for _, table := range tables {
			n, err := tx.copyTable(ctx, other, source, table, progress)
			if err != nil {
				return fmt.Errorf("copy %s: %w", table, err)
			}
			c.Rows[table] = n
		}
		if err := tx.checkMasterKey(ctx); err != nil {
			return err
		}
		if !how.FailOnWrite {
			return nil
		}
		now, err := other.Sequences(ctx)
		if err == nil && now.Audit != c.Head {
			err = &reason.Refusal{Reason: reason.Of(reason.CopyChanged{})}
		}
		return err
	})
	if err != nil {
		return c, err
	}
	progress("verify", 0, 0)
	summary, err := db.VerifyAudit(ctx)
	if err == nil && (summary.Records != c.Head || !bytes.Equal(summary.Head, hash)) {
		err = fmt.Errorf("the trail ends with record %d and not with %d", summary.Records, c.Head)
	}
	if err != nil {
		return c, fmt.Errorf("the copy does not verify and must not be used: %w", err)
	}
	return c, db.Write(ctx, func(tx *Tx) error {
		if how.Restored {
			if err := tx.exec(ctx, `UPDATE head SET restored_us = $1 WHERE id = 1`, micros(how.At)); err != nil {
				return fmt.Errorf("copy: %w", err)
			}
		}
		tx.Audit(audit.Record{At: how.At, Actor: how.Actor, Action: audit.DatabaseCopied, Reason: reason.Of(reason.DatabaseCopied{From: how.From, Record: c.Head, Hash: hex.EncodeToString(hash)})})
		return nil
	})
}

// RestoredAt returns when the database was made of a backup, UTC; the zero time
// when it was not.
func (db *DB) RestoredAt(ctx context.Context) (time.Time, error) {
	var us int64
	if err := db.read.GetContext(ctx, &us, `SELECT restored_us FROM head WHERE id = 1`); err != nil {
		return time.Time{}, fmt.Errorf("read when the database was restored: %w", err)
	}
	return instant(us), nil
}

// checkEmpty fails when anything was ever written.
func (tx *Tx) checkEmpty(ctx context.Context) error {
	for _, table := range tables {
		var any bool
		if err := tx.tx.GetContext(ctx, &any, `SELECT EXISTS (SELECT 1 FROM `+table+`)`); err != nil {
			return fmt.Errorf("copy: %w", err)
		}
		if any && table != "head" {
			return errNotEmpty
		}
	}
	var h Sequences
	if err := tx.tx.GetContext(ctx, &h, `SELECT event_seq, decision_seq, audit_idx FROM head`); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	if h != (Sequences{}) {
		return errNotEmpty
	}
	if _, err := tx.tx.ExecContext(ctx, `DELETE FROM head`); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	return nil
}

// attached is what another SQLite database is called while it is copied from.
const attached = "copied_from"

// attach lets the writing connection read another SQLite file, until detach.
func (db *DB) attach(ctx context.Context, file string) (detach func(), err error) {
	if _, err := db.write.ExecContext(ctx, `ATTACH DATABASE $1 AS `+attached, file); err != nil {
		return nil, err
	}
	return func() { _, _ = db.write.ExecContext(context.WithoutCancel(ctx), `DETACH DATABASE `+attached) }, nil // or it is closed with the connection
}

// copyTable copies a table's rows and counts them on both sides. Between two SQLite
// files of the same schema the database does it by itself, page by page where it
// can. Source: sqlite.org/src, xferOptimization in insert.c.
func (tx *Tx) copyTable(ctx context.Context, other *DB, source *sqlx.Tx, table string, progress func(string, int, int)) (int64, error) {
	var total int64
	if err := source.GetContext(ctx, &total, `SELECT COUNT(*) FROM `+table); err != nil {
		return 0, err
	}
	progress("copy "+table, 0, int(total))
	var copied int64
	var err error
	if tx.db.file != "" && other.file != "" && tx.sameColumns(ctx, table) {
		var done sql.Result
		if done, err = tx.tx.ExecContext(ctx, `INSERT INTO main.`+table+` SELECT * FROM `+attached+`.`+table); err == nil {
			copied, err = done.RowsAffected()
		}
	} else {
		copied, err = tx.copyRows(ctx, source, table, int(total), progress)
	}
	if err != nil {
		return 0, err
	}
	var now int64
	if err := tx.tx.GetContext(ctx, &now, `SELECT COUNT(*) FROM `+table); err != nil {
		return 0, err
	}
	if now != total || copied != total {
		return 0, fmt.Errorf("%d rows became %d", total, now)
	}
	return total, nil
}

// sameColumns reports whether a table has the same columns in the attached database,
// in the same order.
func (tx *Tx) sameColumns(ctx context.Context, table string) bool {
	var here, there []string
	const query = `SELECT name || ' ' || type FROM pragma_table_info($1, $2) ORDER BY cid`
	err := errors.Join(tx.tx.SelectContext(ctx, &here, query, table, "main"), tx.tx.SelectContext(ctx, &there, query, table, attached))
	return err == nil && len(here) > 0 && slices.Equal(here, there)
}

// copyRows copies a table's rows, many with each statement.
func (tx *Tx) copyRows(ctx context.Context, source *sqlx.Tx, table string, total int, progress func(string, int, int)) (copied int64, err error) {
	rows, err := source.QueryxContext(ctx, `SELECT * FROM `+table)
	if err != nil {
		return 0, err
	}
	defer rows.Close() //nolint:errcheck // reading
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	truths, err := tx.booleanColumns(ctx, table)
	if err != nil {
		return 0, err
	}
	to := inserts{table: table, columns: columns}
	var values []any
	flush := func() error {
		err := tx.insert(ctx, to, values)
		copied += int64(len(values) / len(columns))
		values = values[:0]
		progress("copy "+table, int(copied), total)
		return err
	}
	for rows.Next() {
		row, err := rows.SliceScan()
		if err != nil {
			return 0, err
		}
		for i, column := range columns {
			if n, number := row[i].(int64); number && truths[column] {
				row[i] = n != 0
			}
		}
		if values = append(values, row...); len(values) >= to.fullRows()*len(columns) {
			if err := flush(); err != nil {
				return 0, err
			}
		}
	}
	return copied, errors.Join(rows.Err(), flush())
}

// booleanColumns returns which of a table's columns hold true or false: SQLite has
// numbers for that.
func (tx *Tx) booleanColumns(ctx context.Context, table string) (map[string]bool, error) {
	rows, err := tx.tx.QueryContext(ctx, `SELECT * FROM `+table+` WHERE 1 = 0`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // reading
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	truths := map[string]bool{}
	for _, t := range types {
		truths[t.Name()] = strings.HasPrefix(t.DatabaseTypeName(), "BOOL")
	}
	return truths, rows.Err()
}

// checkMasterKey returns an error when sealed values do not open with the master key.
func (tx *Tx) checkMasterKey(ctx context.Context) error {
	var person identity.PersonID
	err := tx.tx.GetContext(ctx, &person, `SELECT person_id FROM person_key LIMIT 1`)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		_, err = loadKey(ctx, tx.tx, tx.db.master, person)
	}
	if err != nil {
		return fmt.Errorf("it was sealed with another key file: use the one that belongs to it: %w", err)
	}
	return nil
}

// CopiedTables returns the tables that a copy has.
func CopiedTables() []string { return slices.Clone(tables) }
