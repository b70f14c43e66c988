package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/behov/behov/internal/identity"
)

// DeviceState is how a sign-in on a machine without a browser stands.
type DeviceState string

// The states of such a sign-in. One that got its token is gone.
const (
	DevicePending   DeviceState = "pending"
	DeviceConfirmed DeviceState = "confirmed"
	DeviceDenied    DeviceState = "denied"
)

// DeviceSignIn is a sign-in that was begun on a machine without a browser (RFC 8628).
type DeviceSignIn struct {
	CodeHash []byte      `db:"code_hash"`
	UserHash []byte      `db:"user_hash"`
	Machine  string      `db:"machine"` // as it calls itself
	State    DeviceState `db:"state"`
	// Person is who confirmed it, and How, Factors, Groups and SignedUS are of their session
	// in the browser.
	Person    identity.PersonID `db:"person_id"`
	How       string            `db:"how"`
	Factors   string            `db:"factors"`
	Groups    string            `db:"member_of"`
	SignedUS  Micros            `db:"signed_us"`
	Seconds   int64             `db:"seconds"`  // between two questions of the machine
	AskedUS   Micros            `db:"asked_us"` // when it asked last
	ExpiresUS Micros            `db:"expires_us"`
}

// HashDevice returns the hash by which a device code finds its sign-in. The code has 256
// random bits.
func HashDevice(code string) []byte {
	sum := sha256.Sum256([]byte(code))
	return sum[:]
}

// HashUserCode returns the keyed hash of the short code that a person compares: a plain hash
// of so short a code could be undone.
func (db *DB) HashUserCode(code string) ([]byte, error) { return db.master.Hash("device.code", code) }

// PutDeviceSignIn keeps a sign-in that begins, and drops those that have expired.
func (db *DB) PutDeviceSignIn(ctx context.Context, d DeviceSignIn, now time.Time) error {
	return db.Write(ctx, func(tx *Tx) error {
		if err := tx.exec(ctx, `DELETE FROM device_sign_in WHERE expires_us <= $1`, micros(now)); err != nil {
			return fmt.Errorf("drop expired sign-ins: %w", err)
		}
		if err := tx.exec(ctx, `INSERT INTO device_sign_in (`+columns[DeviceSignIn]("")+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			d.CodeHash, d.UserHash, d.Machine, d.State, string(d.Person), d.How, d.Factors, d.Groups, d.SignedUS, d.Seconds, d.AskedUS, d.ExpiresUS); err != nil {
			return fmt.Errorf("keep a sign-in: %w", err)
		}
		return nil
	})
}

// DeviceSignInByUserCode returns the sign-in whose short code has the hash, unless it has
// expired.
func (db *DB) DeviceSignInByUserCode(ctx context.Context, hash []byte, now time.Time) (DeviceSignIn, bool, error) {
	return db.deviceSignIn(ctx, `user_hash = $1 AND expires_us > $2`, hash, micros(now))
}

// DeviceSignIn returns the sign-in whose device code has the hash, also when it has expired.
func (db *DB) DeviceSignIn(ctx context.Context, hash []byte) (DeviceSignIn, bool, error) {
	return db.deviceSignIn(ctx, `code_hash = $1`, hash)
}

func (db *DB) deviceSignIn(ctx context.Context, where string, args ...any) (d DeviceSignIn, found bool, err error) {
	err = db.read.GetContext(ctx, &d, `SELECT `+columns[DeviceSignIn]("")+` FROM device_sign_in WHERE `+where, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return d, false, nil
	}
	if err != nil {
		return d, false, fmt.Errorf("read a sign-in: %w", err)
	}
	return d, true, nil
}

// DecideDeviceSignIn confirms or denies a sign-in that waits, once, and reports whether it
// did: another person, or another tab, may have been first.
func (db *DB) DecideDeviceSignIn(ctx context.Context, d DeviceSignIn, now time.Time) (decided bool, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		decided, err = tx.affects(ctx, `UPDATE device_sign_in SET state = $2, person_id = $3, how = $4, factors = $5, member_of = $6, signed_us = $7
			WHERE user_hash = $1 AND state = $8 AND expires_us > $9`, d.UserHash, d.State, string(d.Person), d.How, d.Factors, d.Groups, d.SignedUS, DevicePending, micros(now))
		return err
	})
	return decided, err
}

// AskDeviceSignIn notes that a machine asked, and after how many seconds it may ask again.
func (db *DB) AskDeviceSignIn(ctx context.Context, hash []byte, seconds int64, now time.Time) error {
	return db.Write(ctx, func(tx *Tx) error {
		return tx.exec(ctx, `UPDATE device_sign_in SET asked_us = $2, seconds = $3 WHERE code_hash = $1`, hash, micros(now), seconds)
	})
}

// ErrDeviceTaken is returned for a sign-in that got its token already.
var ErrDeviceTaken = errors.New("the sign-in got its token already")

// TakeDeviceSignIn ends a sign-in that is confirmed, in the transaction that makes its token:
// it gets one. It fails with ErrDeviceTaken when it has it.
func (tx *Tx) TakeDeviceSignIn(ctx context.Context, hash []byte) error {
	taken, err := tx.affects(ctx, `DELETE FROM device_sign_in WHERE code_hash = $1 AND state = $2`, hash, DeviceConfirmed)
	if err == nil && !taken {
		err = ErrDeviceTaken
	}
	return err
}

// DropDeviceSignIn ends a sign-in without a token.
func (db *DB) DropDeviceSignIn(ctx context.Context, hash []byte) error {
	return db.Write(ctx, func(tx *Tx) error {
		return tx.exec(ctx, `DELETE FROM device_sign_in WHERE code_hash = $1`, hash)
	})
}

// affects executes a statement, and reports whether it changed anything.
func (tx *Tx) affects(ctx context.Context, query string, args ...any) (bool, error) {
	res, err := tx.tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, fmt.Errorf("sign-in of a machine: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}
