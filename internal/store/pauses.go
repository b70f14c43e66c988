package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// Pauses returns the decisions by which targets are paused now: by target, or
// EveryTarget for all.
func (db *DB) Pauses(ctx context.Context) (map[string]Decision, error) { return pauses(ctx, db.read) }

// Pauses is DB.Pauses as the transaction sees it.
func (tx *Tx) Pauses(ctx context.Context) (map[string]Decision, error) { return pauses(ctx, tx.tx) }

func pauses(ctx context.Context, q sqlx.QueryerContext) (map[string]Decision, error) {
	var all []Decision
	err := sqlx.SelectContext(ctx, q, &all, `SELECT `+columns[Decision]("d")+` FROM decision d WHERE kind = $1 AND verdict <> $2
		AND NOT EXISTS (SELECT 1 FROM decision n WHERE n.kind = d.kind AND n.subject = d.subject AND n.seq > d.seq)`, string(PauseDecision), Resume)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	paused := map[string]Decision{}
	for _, d := range all {
		paused[d.Target()] = d
	}
	return paused, nil
}
