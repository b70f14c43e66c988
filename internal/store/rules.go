package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
)

// rulesContext is what the sources of rules are sealed with: a catalogue names people by
// keys of HR, which may be personal numbers.
const rulesContext = "rules source"

// KeepRulesSource keeps the source of a version of the rules, sealed, once.
func (tx *Tx) KeepRulesSource(ctx context.Context, digest string, source []byte, at time.Time) error {
	sealed, err := tx.db.master.Seal(rulesContext, source)
	if err != nil {
		return fmt.Errorf("rules %s: %w", digest, err)
	}
	if err := tx.exec(ctx, `INSERT INTO rules_source (digest, sealed, recorded_us) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING`, digest, sealed, micros(at)); err != nil {
		return fmt.Errorf("rules %s: %w", digest, err)
	}
	return nil
}

// RulesSource returns the source of a version of the rules; nil when it is not kept.
func (db *DB) RulesSource(ctx context.Context, digest string) ([]byte, error) {
	var sealed []byte
	err := db.read.GetContext(ctx, &sealed, `SELECT sealed FROM rules_source WHERE digest = $1`, digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rules %s: %w", digest, err)
	}
	source, err := db.master.Open(rulesContext, sealed)
	if err != nil {
		return nil, fmt.Errorf("rules %s: %w", digest, err)
	}
	return source, nil
}

// RulesDecisions returns the decisions about versions of the rules, the newest first, at most
// so many.
func (db *DB) RulesDecisions(ctx context.Context, most int) ([]Decision, error) {
	var all []Decision
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("")+` FROM decision WHERE kind = 'rules' ORDER BY seq DESC LIMIT $1`, most); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// RulesDecisionsOn returns the decisions about one version of the rules, the oldest first.
func (db *DB) RulesDecisionsOn(ctx context.Context, digest string) ([]Decision, error) {
	var all []Decision
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("")+` FROM decision WHERE kind = $1 AND subject = $2 ORDER BY seq`, RulesDecision, RulesSubject(digest)); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// ApprovedRules returns the newest approval of a version of the rules; none when no version
// was approved.
func (db *DB) ApprovedRules(ctx context.Context) (d Decision, found bool, err error) {
	err = db.read.GetContext(ctx, &d, `SELECT `+columns[Decision]("")+` FROM decision WHERE kind = 'rules' AND verdict = 'approve' ORDER BY seq DESC LIMIT 1`)
	if errors.Is(err, sql.ErrNoRows) {
		return d, false, nil
	}
	if err != nil {
		return d, false, fmt.Errorf("read decisions: %w", err)
	}
	return d, true, nil
}

// VersionInUse returns the digest of the version that is recorded to be in use; empty when
// none is.
func (db *DB) VersionInUse(ctx context.Context, kind VersionKind) (digest string, err error) {
	err = db.read.GetContext(ctx, &digest, `SELECT digest FROM version_in_use WHERE kind = $1`, kind)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("version of the %s in use: %w", kind, err)
	}
	return digest, nil
}

// MayApplyRules reports whether a version of the rules was approved; while none was, the
// version that is recorded to be in use counts as approved.
func (db *DB) MayApplyRules(ctx context.Context, digest string) (bool, error) {
	if _, any, err := db.ApprovedRules(ctx); err != nil || !any {
		used, unread := db.VersionInUse(ctx, RulesVersion)
		return digest != "" && used == digest, errors.Join(err, unread)
	}
	all, err := db.RulesDecisionsOn(ctx, digest)
	return slices.ContainsFunc(all, func(d Decision) bool { return d.Verdict == Approve }), err
}

// Proposers returns the people who proposed a version of the rules.
func Proposers(decisions []Decision) []identity.PersonID {
	var people []identity.PersonID
	for _, d := range decisions {
		if id, ok := d.Maker.Person(); ok && d.Verdict == Propose && !slices.Contains(people, id) {
			people = append(people, id)
		}
	}
	return people
}
