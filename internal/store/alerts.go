package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/behov/behov/internal/alert"
)

// LastAlertAt returns when an alert was last sent; the zero time for never.
func (db *DB) LastAlertAt(ctx context.Context, about alert.About, subject string) (time.Time, error) {
	var us int64
	err := db.read.GetContext(ctx, &us, `SELECT at_us FROM alert_sent WHERE about = $1 AND subject = $2`, about, subject)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("read which alerts were sent: %w", err)
	}
	return instant(us), nil
}

// RecordAlertSent records that an alert is sent.
func (tx *Tx) RecordAlertSent(ctx context.Context, about alert.About, subject string, at time.Time) error {
	if err := tx.exec(ctx, `INSERT INTO alert_sent (about, subject, at_us) VALUES ($1, $2, $3)
		ON CONFLICT (about, subject) DO UPDATE SET at_us = excluded.at_us`, about, subject, micros(at)); err != nil {
		return fmt.Errorf("record that an alert is sent: %w", err)
	}
	return nil
}
