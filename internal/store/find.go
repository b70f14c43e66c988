package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/behov/behov/internal/identity"
)

// FindPerson returns the person that a reference names. The first of these that
// matches decides, so that no record of another source makes a reference mean
// another person: an opaque ID; a record as SOURCE/KEY; a key of the first source; a
// login; an e-mail address or another source's key. No match gives ErrNoPerson;
// several people in the last place an error that lists them.
func (db *DB) FindPerson(ctx context.Context, ref, first string) (identity.Person, error) {
	source, key, _ := strings.Cut(ref, "/")
	for _, q := range []struct {
		query string
		args  []any
	}{
		{`SELECT id FROM person WHERE id = $1`, []any{ref}},
		{`SELECT person_id FROM person_source_key WHERE source = $1 AND key = $2`, []any{source, key}},
		{`SELECT person_id FROM person_source_key WHERE source = $1 AND key = $2`, []any{first, ref}},
		{`SELECT id FROM person WHERE login = $1`, []any{ref}},
		{`SELECT id FROM person WHERE email = $1 UNION SELECT person_id FROM person_source_key WHERE key = $1`, []any{ref}},
	} {
		var ids []identity.PersonID
		if ref == "" {
			break
		}
		if err := db.read.SelectContext(ctx, &ids, q.query+` ORDER BY 1`, q.args...); err != nil {
			return identity.Person{}, fmt.Errorf("find a person: %w", err)
		}
		switch {
		case len(ids) == 1:
			return db.Person(ctx, ids[0])
		case len(ids) > 1:
			return identity.Person{}, db.ambiguous(ctx, ref, ids)
		}
	}
	return identity.Person{}, fmt.Errorf("%w (%q): give a person_id of %s, SOURCE/person_id, a login, an e-mail address or an ID", ErrNoPerson, ref, first)
}

// ErrSeveralPeople is returned for a reference that names several people.
var ErrSeveralPeople = errors.New("several people match that")

// severalPeopleError lists those whom a reference names.
type severalPeopleError struct {
	ref        string
	n          int
	candidates []string
}

func (e *severalPeopleError) Error() string {
	return fmt.Sprintf("%q names %d people: give one of %s", e.ref, e.n, strings.Join(e.candidates, ", "))
}

func (e *severalPeopleError) Is(target error) bool { return target == ErrSeveralPeople }

// ambiguous lists the people that a reference names, by a record of each.
func (db *DB) ambiguous(ctx context.Context, ref string, ids []identity.PersonID) error {
	var candidates []string
	people, err := db.PeopleByID(ctx, ids[:min(len(ids), 20)])
	if err != nil {
		return err
	}
	for _, p := range people {
		name := string(p.ID)
		if len(p.Keys) > 0 && !identity.HasNationalID(p.Keys[0].Key) {
			name = p.Keys[0].Source + "/" + p.Keys[0].Key
		}
		candidates = append(candidates, name)
	}
	return &severalPeopleError{ref, len(ids), candidates}
}
