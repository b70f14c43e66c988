package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/identity"
)

const scimContext = "scim_resource.sealed"

// SCIMResource is what was pushed to a source, as it was pushed.
type SCIMResource struct {
	Source string
	ID     string
	// Key is the source's key of the person when they were created. It stays when the
	// person gets another externalId.
	Key     string
	Person  identity.PersonID
	Body    []byte // opened
	Version int64
	Made    time.Time
	Changed time.Time
}

type scimRow struct {
	Source    string            `db:"source"`
	ID        string            `db:"id"`
	Key       string            `db:"key"`
	Person    identity.PersonID `db:"person_id"`
	Sealed    []byte            `db:"sealed"`
	Version   int64             `db:"version"`
	MadeUS    int64             `db:"made_us"`
	ChangedUS int64             `db:"changed_us"`
}

// ErrUserNameTaken is returned for a userName that another resource has, and
// ErrKeyTaken, which is one too, for the key of another resource.
var (
	ErrUserNameTaken = errors.New("another resource has this userName or is of the same person")
	ErrKeyTaken      = fmt.Errorf("%w: the key is taken", ErrUserNameTaken)
)

// ResourcesChangedAt returns when a source's users were changed last; the zero
// time when it has none.
func (db *DB) ResourcesChangedAt(ctx context.Context, source string) (time.Time, error) {
	var us int64
	if err := db.read.GetContext(ctx, &us, `SELECT COALESCE(MAX(changed_us), 0) FROM scim_resource WHERE source = $1`, source); err != nil {
		return time.Time{}, fmt.Errorf("read pushed users: %w", err)
	}
	return instant(us), nil
}

// CountCreatedSince returns how many users a source made since an instant: those that
// are there, or the people that they became, whether they are there or not, whichever
// is more.
func (db *DB) CountCreatedSince(ctx context.Context, source string, since time.Time) (n int, err error) {
	var people int
	if err := db.read.GetContext(ctx, &n, `SELECT COUNT(*) FROM scim_resource WHERE source = $1 AND made_us >= $2`, source, micros(since)); err != nil {
		return 0, fmt.Errorf("count pushed users: %w", err)
	}
	// Events are in the order of their recording: what is read is the last hour's.
	if err := db.read.GetContext(ctx, &people, `SELECT COUNT(*) FROM hr_event WHERE source = $1 AND kind IN ($2, $3)
		AND seq > COALESCE((SELECT seq FROM hr_event WHERE recorded_us < $4 ORDER BY seq DESC LIMIT 1), 0)`,
		source, string(identity.PersonAdded), string(identity.PersonJoined), micros(since)); err != nil {
		return 0, fmt.Errorf("count pushed people: %w", err)
	}
	return max(n, people), nil
}

// ErrNoResource is returned for a resource that is not there.
var ErrNoResource = errors.New("there is no such resource")

// PutResource keeps a resource, sealed with the person's key. Its userName is
// one resource's only, however it is capitalised, and so is its key.
func (tx *Tx) PutResource(ctx context.Context, r SCIMResource, userName, externalID string) error {
	name, err := tx.db.scimHash("userName", r.Source, strings.ToLower(userName))
	if err != nil {
		return err
	}
	var external []byte
	if externalID != "" {
		if external, err = tx.db.scimHash("externalId", r.Source, externalID); err != nil {
			return err
		}
	}
	var taken []bool // whether it is by the key, of each resource in the way
	if err := tx.tx.SelectContext(ctx, &taken, `SELECT key = $3 FROM scim_resource WHERE source = $1 AND (name_hash = $2 OR key = $3) AND id <> $4`, r.Source, name, r.Key, r.ID); err != nil {
		return fmt.Errorf("SCIM resource: %w", err)
	}
	if slices.Contains(taken, true) {
		return ErrKeyTaken
	}
	if len(taken) > 0 {
		return ErrUserNameTaken
	}
	key, err := tx.key(ctx, r.Person)
	if err != nil {
		return err
	}
	sealed, err := key.Seal(scimContext, r.Body)
	if err != nil {
		return fmt.Errorf("seal a SCIM resource: %w", err)
	}
	if err := tx.exec(ctx, `INSERT INTO scim_resource (source, id, key, person_id, name_hash, external_hash, sealed, version, made_us, changed_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (source, id) DO UPDATE SET person_id = excluded.person_id, name_hash = excluded.name_hash, external_hash = excluded.external_hash, sealed = excluded.sealed, version = excluded.version, changed_us = excluded.changed_us`,
		r.Source, r.ID, r.Key, string(r.Person), name, external, sealed, r.Version, micros(r.Made), micros(r.Changed)); err != nil {
		return fmt.Errorf("SCIM resource: %w", err)
	}
	return nil
}

// DeleteResource forgets a resource.
func (tx *Tx) DeleteResource(ctx context.Context, source, id string) error {
	return tx.exec(ctx, `DELETE FROM scim_resource WHERE source = $1 AND id = $2`, source, id)
}

func (db *DB) scimHash(attribute, source, value string) ([]byte, error) {
	hash, err := db.master.Hash("scim."+attribute, source+"\x00"+value)
	if err != nil {
		return nil, fmt.Errorf("SCIM resource: %w", err)
	}
	return hash, nil
}

// Resource returns a resource by its ID, or ErrNoResource.
func (db *DB) Resource(ctx context.Context, source, id string) (SCIMResource, error) {
	all, err := db.resources(ctx, `source = $1 AND id = $2`, source, id)
	switch {
	case err != nil:
		return SCIMResource{}, err // which must not look as if it were not there
	case len(all) == 0:
		return SCIMResource{}, ErrNoResource
	}
	return all[0], nil
}

// ResourcesByUserName returns the resource with the userName, if there is one.
func (db *DB) ResourcesByUserName(ctx context.Context, source, userName string) ([]SCIMResource, error) {
	hash, err := db.scimHash("userName", source, strings.ToLower(userName))
	if err != nil {
		return nil, err
	}
	return db.resources(ctx, `source = $1 AND name_hash = $2`, source, hash)
}

// ResourcesByExternalID returns the resources with the externalId.
func (db *DB) ResourcesByExternalID(ctx context.Context, source, externalID string) ([]SCIMResource, error) {
	hash, err := db.scimHash("externalId", source, externalID)
	if err != nil {
		return nil, err
	}
	return db.resources(ctx, `source = $1 AND external_hash = $2`, source, hash)
}

// ResourcesByKey returns the resource that came with the key, if there is one.
func (db *DB) ResourcesByKey(ctx context.Context, source, key string) ([]SCIMResource, error) {
	return db.resources(ctx, `source = $1 AND key = $2`, source, key)
}

// ResourceRange limits resources by when they were made and changed. From is
// inclusive, Until exclusive; the zero time is no limit.
type ResourceRange struct{ CreatedFrom, CreatedUntil, ChangedFrom, ChangedUntil time.Time }

// where returns the condition for the resources of a source in the range.
func (r ResourceRange) where(source string) (string, []any) {
	where, args := `source = $1`, []any{source}
	for _, limit := range []struct {
		condition string
		at        time.Time
	}{{"made_us >=", r.CreatedFrom}, {"made_us <", r.CreatedUntil}, {"changed_us >=", r.ChangedFrom}, {"changed_us <", r.ChangedUntil}} {
		if !limit.at.IsZero() {
			args = append(args, micros(limit.at))
			where += fmt.Sprintf(" AND %s $%d", limit.condition, len(args))
		}
	}
	return where, args
}

// CountResources returns how many resources of a source are in the range.
func (db *DB) CountResources(ctx context.Context, source string, r ResourceRange) (n int, err error) {
	where, args := r.where(source)
	if err := db.read.GetContext(ctx, &n, `SELECT COUNT(*) FROM scim_resource WHERE `+where, args...); err != nil {
		return 0, fmt.Errorf("count SCIM resources: %w", err)
	}
	return n, nil
}

// ResourcePage returns those resources of a source in the range that come after
// the first skip, at most limit, in the order in which they were made.
func (db *DB) ResourcePage(ctx context.Context, source string, r ResourceRange, skip, limit int) ([]SCIMResource, error) {
	where, args := r.where(source)
	args = append(args, limit, skip)
	return db.resourcesOrdered(ctx, where, fmt.Sprintf("LIMIT $%d OFFSET $%d", len(args)-1, len(args)), args...)
}

// resourceChunk is how many resources EachResource holds in memory at a time.
const resourceChunk = 500

// EachResource calls f with the resources of a source in the range, in the order
// in which they were made, until f returns an error.
func (db *DB) EachResource(ctx context.Context, source string, r ResourceRange, f func(SCIMResource) error) error {
	where, args := r.where(source)
	n := len(args)
	after := fmt.Sprintf("%s AND (made_us > $%d OR made_us = $%d AND id > $%d)", where, n+1, n+1, n+2)
	made, id := int64(math.MinInt64), ""
	for {
		rows, err := db.resourceRows(ctx, after, fmt.Sprintf("LIMIT %d", resourceChunk), append(slices.Clone(args), made, id)...)
		if err != nil {
			return err
		}
		chunk, err := db.openResources(ctx, rows)
		if err != nil {
			return err
		}
		for _, resource := range chunk {
			if err := f(resource); err != nil {
				return err
			}
		}
		if len(rows) < resourceChunk {
			return nil
		}
		made, id = rows[len(rows)-1].MadeUS, rows[len(rows)-1].ID
	}
}

// ResourcesByID returns the resources with these IDs, at most a few hundred, in
// the order in which they were made. IDs of deleted resources are left out.
func (db *DB) ResourcesByID(ctx context.Context, source string, ids []string) ([]SCIMResource, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	where, args := in(db.read, "id", ids, []any{source})
	return db.resources(ctx, "source = $1 AND "+where, args...)
}

// ResourcesState identifies the content of a source's resources: it differs after
// any of them was made, changed or deleted.
type ResourcesState struct {
	Count     int   `db:"n"`
	Versions  int64 `db:"versions"`
	ChangedUS int64 `db:"changed_us"`
}

// ResourcesState returns the state of a source's resources.
func (db *DB) ResourcesState(ctx context.Context, source string) (state ResourcesState, err error) {
	if err := db.read.GetContext(ctx, &state, `SELECT COUNT(*) AS n, CAST(COALESCE(SUM(version), 0) AS BIGINT) AS versions, COALESCE(MAX(changed_us), 0) AS changed_us FROM scim_resource WHERE source = $1`, source); err != nil {
		return state, fmt.Errorf("read the state of SCIM resources: %w", err)
	}
	return state, nil
}

func (db *DB) resources(ctx context.Context, where string, args ...any) ([]SCIMResource, error) {
	return db.resourcesOrdered(ctx, where, "", args...)
}

func (db *DB) resourcesOrdered(ctx context.Context, where, limit string, args ...any) ([]SCIMResource, error) {
	rows, err := db.resourceRows(ctx, where, limit, args...)
	if err != nil {
		return nil, err
	}
	return db.openResources(ctx, rows)
}

func (db *DB) resourceRows(ctx context.Context, where, limit string, args ...any) ([]scimRow, error) {
	var rows []scimRow
	if err := sqlx.SelectContext(ctx, db.read, &rows, `SELECT source, id, key, person_id, sealed, version, made_us, changed_us FROM scim_resource WHERE `+where+` ORDER BY made_us, id `+limit, args...); err != nil {
		return nil, fmt.Errorf("read SCIM resources: %w", err)
	}
	return rows, nil
}

// openResources opens resources with the keys of their people; those of people
// who are erased meanwhile are left out.
func (db *DB) openResources(ctx context.Context, rows []scimRow) ([]SCIMResource, error) {
	people := make([]identity.PersonID, len(rows))
	for i, r := range rows {
		people[i] = r.Person
	}
	keys, err := db.keys(ctx, people)
	if err != nil {
		return nil, err
	}
	all := make([]SCIMResource, 0, len(rows))
	for _, r := range rows {
		key, there := keys[r.Person]
		if !there {
			continue
		}
		body, err := key.Open(scimContext, r.Sealed)
		if err != nil {
			return nil, err
		}
		all = append(all, SCIMResource{Source: r.Source, ID: r.ID, Key: r.Key, Person: r.Person, Body: body, Version: r.Version, Made: instant(r.MadeUS), Changed: instant(r.ChangedUS)})
	}
	return all, nil
}
