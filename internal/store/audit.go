package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

type pendingRecord struct {
	record audit.Record
	sealed []byte // personal payload, before sealing
}

// Audit appends records to the trail when the transaction commits.
func (tx *Tx) Audit(records ...audit.Record) {
	for _, r := range records {
		tx.records = append(tx.records, pendingRecord{record: r})
	}
}

// AuditSealed appends a record whose payload is personal: it is sealed with
// the key of the record's person.
func (tx *Tx) AuditSealed(r audit.Record, personal any) error {
	value, err := json.Marshal(personal)
	if err != nil {
		return fmt.Errorf("audit payload: %w", err)
	}
	tx.records = append(tx.records, pendingRecord{record: r, sealed: value})
	return nil
}

// sealedPayload is how a sealed payload stands in a record.
type sealedPayload struct {
	Sealed []byte `json:"sealed"`
}

const auditContext = "audit_record.payload"

const insertRecord = `INSERT INTO audit_record
	(idx, at_us, began_us, actor, action, person_id, target, entitlement, op, reason, plan, attempt, outcome, payload, prev, hash, operator, authority, leaf)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`

// lockHead locks the head until the transaction ends: no two transactions extend
// the chain from the same record. A transaction that waits for what others may hold,
// jobs and decisions on steps, takes the head first, as every decision does: taken
// in another order, two transactions would wait for each other.
func (tx *Tx) lockHead(ctx context.Context) error {
	if tx.headLocked {
		return nil
	}
	if err := tx.exec(ctx, `UPDATE head SET audit_idx = audit_idx + 0 WHERE id = 1`); err != nil {
		return fmt.Errorf("audit head: %w", err)
	}
	tx.headLocked = true
	return nil
}

func (tx *Tx) flushAudit(ctx context.Context) error {
	if err := tx.commitToEvents(); err != nil {
		return err
	}
	if len(tx.records) == 0 {
		return nil
	}
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	var head struct {
		Index int64  `db:"audit_idx"`
		Hash  []byte `db:"audit_hash"`
		Tree  []byte `db:"audit_tree"`
	}
	if err := tx.tx.GetContext(ctx, &head, `SELECT audit_idx, audit_hash, audit_tree FROM head WHERE id = 1`); err != nil {
		return fmt.Errorf("audit head: %w", err)
	}
	tree, err := audit.ParseTree(head.Index, head.Tree)
	if err != nil {
		return fmt.Errorf("audit head: %w", err)
	}
	var nodes []audit.TileNode
	insert, err := tx.tx.PrepareContext(ctx, insertRecord)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	defer insert.Close() //nolint:errcheck // closed with the transaction at the latest
	for _, p := range tx.records {
		r := p.record
		if p.sealed != nil {
			key, err := tx.key(ctx, r.Person)
			if err != nil {
				return err
			}
			sealed, err := key.Seal(auditContext, p.sealed)
			if err != nil {
				return fmt.Errorf("seal an audit payload: %w", err)
			}
			if r.Payload, err = json.Marshal(sealedPayload{Sealed: sealed}); err != nil {
				return fmt.Errorf("audit payload: %w", err)
			}
		}
		r.Operator = tx.db.operator
		r.Link(head.Index+1, head.Hash)
		head.Index, head.Hash = r.Index, r.Hash
		if err := tree.Append(r.Leaf, func(n audit.TileNode) { nodes = append(nodes, n) }); err != nil {
			return fmt.Errorf("audit record %d: %w", r.Index, err)
		}
		if _, err := insert.ExecContext(ctx, r.Index, micros(r.At), micros(r.Began), r.Actor, string(r.Action), r.Person, r.Target, r.Entitlement,
			r.Op, r.Reason, r.Plan, r.Attempt, r.Outcome, r.Payload, r.Prev, r.Hash, r.Operator, r.Authority, r.Leaf); err != nil {
			return fmt.Errorf("audit record %d: %w", r.Index, err)
		}
		if err := tx.projectInterval(ctx, r); err != nil {
			return fmt.Errorf("access interval of record %d: %w", r.Index, err)
		}
	}
	tx.records = nil
	for _, n := range nodes {
		if err := tx.exec(ctx, `INSERT INTO audit_node (level, idx, hash) VALUES ($1, $2, $3)`, n.Level, n.Index, n.Hash); err != nil {
			return fmt.Errorf("audit log: %w", err)
		}
	}
	if _, err := tx.tx.ExecContext(ctx, `UPDATE head SET audit_idx = $1, audit_hash = $2, audit_tree = $3 WHERE id = 1`, head.Index, head.Hash, tree.Bytes()); err != nil {
		return fmt.Errorf("audit head: %w", err)
	}
	return nil
}

// projectInterval keeps access_interval in step with the trail. What opens and closes
// an interval is audit's to say.
func (tx *Tx) projectInterval(ctx context.Context, r audit.Record) error {
	key, effect := audit.EffectOf(r)
	switch effect {
	case audit.Opens:
		return tx.openInterval(ctx, key, r)
	case audit.Closes:
		return tx.closeInterval(ctx, key, r)
	case audit.Unsees:
		_, err := tx.tx.ExecContext(ctx, `UPDATE access_interval SET unseen_us = $4, unseen_record = $5
			WHERE person_id = $1 AND target = $2 AND entitlement = $3 AND until_us IS NULL AND unseen_us IS NULL`,
			key.Person, key.Target, key.Entitlement, micros(r.At), r.Index)
		return err
	case audit.Sees:
		_, err := tx.tx.ExecContext(ctx, `UPDATE access_interval SET unseen_us = NULL, unseen_record = NULL
			WHERE person_id = $1 AND target = $2 AND entitlement = $3 AND until_us IS NULL`, key.Person, key.Target, key.Entitlement)
		return err
	case audit.Reopens:
		if err := tx.closeInterval(ctx, key, r); err != nil {
			return err
		}
		return tx.openInterval(ctx, key, r)
	case audit.ClosesAll:
		_, err := tx.tx.ExecContext(ctx, `UPDATE access_interval SET until_us = $3, until_record = $4
			WHERE person_id = $1 AND target = $2 AND until_us IS NULL`,
			key.Person, key.Target, micros(r.At), r.Index)
		return err
	case audit.ClosesTarget:
		_, err := tx.tx.ExecContext(ctx, `UPDATE access_interval SET until_us = $2, until_record = $3 WHERE target = $1 AND until_us IS NULL`,
			key.Target, micros(r.At), r.Index)
		return err
	}
	return nil
}

func (tx *Tx) openInterval(ctx context.Context, key audit.Key, r audit.Record) error {
	i := audit.Opened(key, r)
	for {
		res, err := tx.tx.ExecContext(ctx, `INSERT INTO access_interval (person_id, target, entitlement, since_us, since_record, given, reason)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (person_id, target, entitlement) WHERE until_us IS NULL DO NOTHING`,
			key.Person, key.Target, key.Entitlement, micros(i.Since), i.SinceRecord, i.Given, i.Reason)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		// One is open. If it is not seen any more, what opens now is other access.
		res, err = tx.tx.ExecContext(ctx, `UPDATE access_interval SET until_us = $4, until_record = $5
			WHERE person_id = $1 AND target = $2 AND entitlement = $3 AND until_us IS NULL AND unseen_us IS NOT NULL`,
			key.Person, key.Target, key.Entitlement, micros(r.At), r.Index)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
	}
}

func (tx *Tx) closeInterval(ctx context.Context, key audit.Key, r audit.Record) error {
	_, err := tx.tx.ExecContext(ctx, `UPDATE access_interval SET until_us = $4, until_record = $5
		WHERE person_id = $1 AND target = $2 AND entitlement = $3 AND until_us IS NULL`,
		key.Person, key.Target, key.Entitlement, micros(r.At), r.Index)
	return err
}

type recordRow struct {
	Index       int64            `db:"idx"`
	AtUS        int64            `db:"at_us"`
	BeganUS     int64            `db:"began_us"`
	Actor       string           `db:"actor"`
	Operator    string           `db:"operator"`
	Authority   string           `db:"authority"`
	Action      string           `db:"action"`
	Person      string           `db:"person_id"`
	Target      string           `db:"target"`
	Entitlement string           `db:"entitlement"`
	Op          string           `db:"op"`
	Reason      reason.Reason    `db:"reason"`
	Plan        audit.PlanDigest `db:"plan"`
	Attempt     audit.AttemptID  `db:"attempt"`
	Outcome     string           `db:"outcome"`
	Payload     []byte           `db:"payload"`
	Prev        []byte           `db:"prev"`
	Hash        []byte           `db:"hash"`
	Leaf        []byte           `db:"leaf"`
}

func (r recordRow) record() audit.Record {
	return audit.Record{
		Index: r.Index, At: instant(r.AtUS), Began: instant(r.BeganUS), Actor: identity.Actor(r.Actor), Operator: identity.Actor(r.Operator), Authority: r.Authority, Action: audit.Action(r.Action), Person: identity.PersonID(r.Person),
		Target: r.Target, Entitlement: r.Entitlement, Op: r.Op, Reason: r.Reason, Plan: r.Plan, Attempt: r.Attempt,
		Outcome: audit.Outcome(r.Outcome), Payload: r.Payload, Prev: r.Prev, Hash: r.Hash, Leaf: r.Leaf,
	}
}

// AuditRecords streams the trail in its order, all of it or what is about some people.
func (db *DB) AuditRecords(ctx context.Context, of PersonSet) iter.Seq2[audit.Record, error] {
	return records(ctx, db.read, of)
}

func records(ctx context.Context, q queryer, of PersonSet) iter.Seq2[audit.Record, error] {
	where, args := of.condition(q, "person_id", nil)
	return recordsWhere(ctx, q, where, args...)
}

// recordsWhere returns the records that fulfil a condition, in their order.
func recordsWhere(ctx context.Context, q queryer, where string, args ...any) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		rows, err := q.QueryContext(ctx, `SELECT `+columns[recordRow]("")+` FROM audit_record WHERE `+where+` ORDER BY idx`, args...)
		if err != nil {
			yield(audit.Record{}, fmt.Errorf("read the audit trail: %w", err))
			return
		}
		defer rows.Close() //nolint:errcheck // reading
		for rows.Next() {
			var r recordRow // in the order of its columns; sqlx would find each by reflection
			if err := rows.Scan(&r.Index, &r.AtUS, &r.BeganUS, &r.Actor, &r.Operator, &r.Authority, &r.Action, &r.Person, &r.Target, &r.Entitlement,
				&r.Op, &r.Reason, &r.Plan, &r.Attempt, &r.Outcome, &r.Payload, &r.Prev, &r.Hash, &r.Leaf); err != nil {
				yield(audit.Record{}, fmt.Errorf("read the audit trail: %w", err))
				return
			}
			if !yield(r.record(), nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(audit.Record{}, fmt.Errorf("read the audit trail: %w", err))
		}
	}
}

// RecordQuery selects records of the trail.
type RecordQuery struct {
	Person identity.PersonID // empty for all
	// From and To are when they were recorded: From included, To not; zero for no limit.
	From, To time.Time
	After    int64 // the number of the record before
	Most     int
}

// inOrder is by how many records the order of their numbers and that of their instants may
// differ: writers take the instant before they take the number.
const inOrder = 1000

// RecordsPage returns at most so many records, in the trail's order. It looks only at those
// of the time.
func (db *DB) RecordsPage(ctx context.Context, q RecordQuery) ([]audit.Record, error) {
	args := []any{q.After, q.Most}
	query := `SELECT ` + columns[recordRow]("") + ` FROM audit_record WHERE idx > $1`
	bound := func(t time.Time, condition, at string) error {
		var near int64
		if err := db.read.GetContext(ctx, &near, `SELECT COALESCE((SELECT idx FROM audit_record WHERE at_us >= $1 ORDER BY at_us LIMIT 1), (SELECT audit_idx FROM head))`, micros(t)); err != nil {
			return fmt.Errorf("read the audit trail: %w", err)
		}
		slack := int64(inOrder)
		if at == "at_us >=" {
			slack = -slack
		}
		args = append(args, near+slack, micros(t))
		query += fmt.Sprintf(" AND "+condition+" $%d AND "+at+" $%d", len(args)-1, len(args))
		return nil
	}
	if !q.From.IsZero() {
		if err := bound(q.From, "idx >=", "at_us >="); err != nil {
			return nil, err
		}
	}
	if !q.To.IsZero() {
		if err := bound(q.To, "idx <=", "at_us <"); err != nil {
			return nil, err
		}
	}
	if q.Person != "" {
		args = append(args, string(q.Person))
		query += fmt.Sprintf(" AND person_id = $%d", len(args))
	}
	var rows []recordRow
	if err := db.read.SelectContext(ctx, &rows, query+` ORDER BY idx LIMIT $2`, args...); err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	all := make([]audit.Record, len(rows))
	for i, r := range rows {
		all[i] = r.record()
	}
	return all, nil
}

// Record returns one record of the trail.
func (db *DB) Record(ctx context.Context, index int64) (audit.Record, error) {
	var r recordRow
	if err := db.read.GetContext(ctx, &r, `SELECT `+columns[recordRow]("")+` FROM audit_record WHERE idx = $1`, index); err != nil {
		return audit.Record{}, fmt.Errorf("audit record %d: %w", index, err)
	}
	return r.record(), nil
}

// RecordReasons returns the reasons of records of the trail, by their number.
func (db *DB) RecordReasons(ctx context.Context, numbers []int64) (map[int64]reason.Reason, error) {
	reasons, once := make(map[int64]reason.Reason, len(numbers)), interner[reason.Reason]{}
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(numbers))), peoplePage) {
		where, args := in(db.read, "idx", page, nil)
		var rows []struct {
			Index  int64         `db:"idx"`
			Reason reason.Reason `db:"reason"`
		}
		if err := db.read.SelectContext(ctx, &rows, `SELECT idx, reason FROM audit_record WHERE `+where, args...); err != nil {
			return nil, fmt.Errorf("read audit records: %w", err)
		}
		for _, r := range rows {
			once.intern(&r.Reason)
			reasons[r.Index] = r.Reason
		}
	}
	return reasons, nil
}

// EntitlementEverHeld reports whether anyone ever had an entitlement.
func (db *DB) EntitlementEverHeld(ctx context.Context, entitlement string) (ever bool, err error) {
	if err := db.read.GetContext(ctx, &ever, `SELECT EXISTS (SELECT 1 FROM access_interval WHERE entitlement = $1)`, entitlement); err != nil {
		return false, fmt.Errorf("read access intervals: %w", err)
	}
	return ever, nil
}

// VerifyAudit checks the chain, that the stored intervals are those the
// records give, and that the decisions in force are those that were recorded:
// a deleted or an inserted decision would change access.
func (db *DB) VerifyAudit(ctx context.Context) (audit.Summary, error) {
	// One reading transaction, so that what is written meanwhile is no error.
	tx, err := db.read.BeginTxx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: db.snapshotIsolation()})
	if err != nil {
		return audit.Summary{}, fmt.Errorf("read the audit trail: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // reading
	decided := map[string]bool{}
	var imported []recordedSpan
	summary, err := audit.Verify(func(yield func(audit.Record, error) bool) {
		for r, err := range records(ctx, tx, Everyone()) {
			if r.Action == audit.DecisionMade {
				decided[decisionKey(r)] = true
			}
			if s, is := spanOf(r); is {
				imported = append(imported, s)
			}
			if !yield(r, err) {
				return
			}
		}
	})
	if err != nil {
		return audit.Summary{}, err
	}
	if err := compareEvents(ctx, tx, db.master, imported); err != nil {
		return audit.Summary{}, err
	}
	if err := compareDecisions(ctx, tx, decided); err != nil {
		return audit.Summary{}, err
	}
	var head struct {
		Index int64  `db:"audit_idx"`
		Hash  []byte `db:"audit_hash"`
		Tree  []byte `db:"audit_tree"`
	}
	if err := tx.GetContext(ctx, &head, `SELECT audit_idx, audit_hash, audit_tree FROM head`); err != nil {
		return audit.Summary{}, fmt.Errorf("audit head: %w", err)
	}
	if head.Index != summary.Records || string(head.Hash) != string(summary.Head) {
		return audit.Summary{}, fmt.Errorf("the trail ends at record %d, its stored head is record %d: records are missing from the end", summary.Records, head.Index)
	}
	if err := compareTree(ctx, tx, head.Tree, summary); err != nil {
		return audit.Summary{}, err
	}
	stored, err := intervals(ctx, tx, IntervalQuery{})
	if err != nil {
		return audit.Summary{}, err
	}
	return summary, audit.CompareIntervals(stored, summary.Intervals)
}

func decisionKey(r audit.Record) string {
	return fmt.Sprintf("%q %q %q %q %q %q %q", r.Actor, r.Authority, r.Person, r.Entitlement, r.Outcome, r.Reason.JSON(), r.Payload)
}

func compareDecisions(ctx context.Context, q sqlx.QueryerContext, recorded map[string]bool) error {
	var stored []Decision
	if err := sqlx.SelectContext(ctx, q, &stored, `SELECT `+columns[Decision]("")+` FROM decision ORDER BY seq`); err != nil {
		return fmt.Errorf("read decisions: %w", err)
	}
	for _, d := range stored {
		r, err := d.record()
		if err != nil {
			return err
		}
		if !recorded[decisionKey(r)] {
			return fmt.Errorf("decision %d is not the one that was recorded: it was put in or changed", d.Seq)
		}
	}
	if len(stored) != len(recorded) {
		return fmt.Errorf("%d decisions were recorded and %d are stored: decisions are missing", len(recorded), len(stored))
	}
	return nil
}

// snapshotIsolation is what gives a reading transaction one view throughout.
// SQLite's always has, and its driver knows no other word for it.
func (db *DB) snapshotIsolation() sql.IsolationLevel {
	if db.postgres {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault
}

// DecryptPayload returns a record's payload with what is sealed in it opened. It
// is nil when the person's key was destroyed.
func (db *DB) DecryptPayload(ctx context.Context, r audit.Record) ([]byte, error) {
	opened, err := db.DecryptPayloads(ctx, []audit.Record{r})
	if err != nil {
		return nil, err
	}
	return opened[0], nil
}

// DecryptPayloads is DecryptPayload of several records, in their order.
func (db *DB) DecryptPayloads(ctx context.Context, records []audit.Record) ([][]byte, error) {
	opened, sealed := make([][]byte, len(records)), make([][]byte, len(records))
	var people []identity.PersonID
	for i, r := range records {
		var p sealedPayload
		if err := json.Unmarshal(r.Payload, &p); err != nil || p.Sealed == nil {
			opened[i] = r.Payload // without a seal it is returned as it is
			continue
		}
		sealed[i], people = p.Sealed, append(people, r.Person)
	}
	keys, err := db.keys(ctx, people)
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		if key := keys[r.Person]; sealed[i] != nil && key != nil {
			if opened[i], err = key.Open(auditContext, sealed[i]); err != nil {
				return nil, fmt.Errorf("payload of audit record %d: %w", r.Index, err)
			}
		}
	}
	return opened, nil
}
