package main

import (
	"context"
	"errors"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// findAuditedPerson finds the person that a question about the audit trail names. An
// erased person is known by their opaque ID only.
func findAuditedPerson(ctx context.Context, i *installation, ref string) (identity.PersonID, error) {
	p, err := i.db.FindPerson(ctx, ref, i.config.First)
	if err == nil || !errors.Is(err, store.ErrNoPerson) {
		return p.ID, err
	}
	id := identity.PersonID(ref)
	there, trailErr := i.db.HasAuditRecords(ctx, id)
	if trailErr != nil {
		return "", trailErr
	}
	if there {
		return id, nil
	}
	return "", err
}
