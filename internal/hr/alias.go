package hr

import (
	"context"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// resolveAliases sets the rows' keys to those under which their people and
// employments are stored. Keys are cleaned where they are read; a database may
// hold keys that an older version did not clean: "1001" is then the person stored
// as "1001" with a trailing zero-width space, and no second person.
func (r *run) resolveAliases(ctx context.Context, tx *store.Tx) error {
	if r.Export.Partial {
		known, err := r.knowsKeys(ctx, tx)
		if err != nil || known {
			return err
		}
	}
	people, employments, err := tx.Keys(ctx, r.Source.Name)
	if err != nil {
		return err
	}
	sponsors := people
	if in := r.Source.Contracts.In; in != "" && in != r.Source.Name {
		if sponsors, _, err = tx.Keys(ctx, in); err != nil {
			return err
		}
	}
	person, employment, sponsor := aliases(people), aliases(employments), aliases(sponsors)
	for i := range r.Export.Rows {
		row := &r.Export.Rows[i]
		row.PersonKey, row.EmploymentKey = defaultString(person[row.PersonKey], row.PersonKey), defaultString(employment[row.EmploymentKey], row.EmploymentKey)
		row.Terms.ManagerKey, row.SponsorKey = defaultString(person[row.Terms.ManagerKey], row.Terms.ManagerKey), defaultString(sponsor[row.SponsorKey], row.SponsorKey)
	}
	// A person who may be affected by a bad row is not changed.
	markAliases(r.Export.BadPeople, people)
	markAliases(r.Export.Protected, people)
	markAliases(r.Export.BadEmployments, employments)
	for key, of := range r.Export.Cancelled {
		r.Export.Cancelled[defaultString(employment[key], key)] = defaultString(person[of], of)
	}
	return nil
}

// knowsKeys reports whether all rows are of people and employments that are
// stored under exactly these keys.
func (r *run) knowsKeys(ctx context.Context, tx *store.Tx) (bool, error) {
	if len(r.Export.BadPeople)+len(r.Export.BadEmployments) > 0 {
		return false, nil
	}
	for _, row := range r.Export.Rows {
		known, err := tx.HasKeys(ctx, r.Source.Name, row.PersonKey, row.EmploymentKey)
		if err != nil || !known {
			return false, err
		}
	}
	return true, nil
}

// aliases returns the stored keys that are not clean, by their clean form, except
// those that are stored in clean form, too.
func aliases(stored []string) map[string]string {
	found, exact := map[string]string{}, map[string]bool{}
	for _, key := range stored {
		if clean := identity.CleanText(key); clean == key {
			exact[key] = true
		} else if found[clean] == "" {
			found[clean] = key
		}
	}
	for key := range exact {
		delete(found, key)
	}
	return found
}

// markAliases marks all stored keys whose clean form equals that of a marked one.
func markAliases(marked map[string]bool, stored []string) {
	for _, key := range stored {
		if clean := identity.CleanText(key); clean != key && marked[clean] {
			marked[key] = true
		}
	}
}
