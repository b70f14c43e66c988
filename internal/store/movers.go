package store

import (
	"context"
	"fmt"

	"github.com/behov/behov/internal/identity"
)

// PersonPositions returns where each person was seen to work by the last run.
func (db *DB) PersonPositions(ctx context.Context) (map[identity.PersonID]string, error) {
	var rows []struct {
		Person   identity.PersonID `db:"person_id"`
		Position string            `db:"position"`
	}
	if err := db.read.SelectContext(ctx, &rows, `SELECT person_id, position FROM person_position`); err != nil {
		return nil, fmt.Errorf("positions: %w", err)
	}
	positions := make(map[identity.PersonID]string, len(rows))
	for _, r := range rows {
		positions[r.Person] = r.Position
	}
	return positions, nil
}

// SetPersonPosition notes where a person works now.
func (tx *Tx) SetPersonPosition(ctx context.Context, person identity.PersonID, position string) error {
	if _, err := tx.tx.ExecContext(ctx, `INSERT INTO person_position (person_id, position) VALUES ($1, $2)
		ON CONFLICT (person_id) DO UPDATE SET position = excluded.position`, person, position); err != nil {
		return fmt.Errorf("position of person %s: %w", person, err)
	}
	return nil
}
