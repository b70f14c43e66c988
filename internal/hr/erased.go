package hr

import (
	"context"
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// leaveOutErased leaves out the rows of erased people. When all their employments
// have ended it reports nothing; an employment that is active or starts later is
// a question, and affects no other person. A pushed record is accepted, and gives
// no access until it is decided.
func (r *run) leaveOutErased(ctx context.Context, tx *store.Tx) error {
	const many = 100
	erased, err := tx.Erased(ctx, len(r.Export.Rows) > many)
	if err != nil {
		return err
	}
	of := map[string]store.ErasedRecord{} // by person key
	byKey, running := map[string]bool{}, map[string]bool{}
	for _, row := range r.Export.Rows {
		record, key, found, err := erased.Find(ctx, identity.SourceKey{Source: r.Source.Name, Key: row.PersonKey}, row.Person.NationalID)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		of[row.PersonKey] = record
		byKey[row.PersonKey] = byKey[row.PersonKey] || key
		running[row.PersonKey] = running[row.PersonKey] || r.outlastsErasure(row, record)
	}
	for key := range of {
		_, known, err := tx.PersonByKey(ctx, identity.SourceKey{Source: r.Source.Name, Key: key})
		if err != nil {
			return err
		}
		// A number that HR reuses belongs to a new person, under a key of their
		// own.
		if known || !byKey[key] && running[key] {
			delete(of, key)
		}
	}
	if r.Source.SCIM {
		r.returned = of
		return nil
	}
	r.Export.Rows = slices.DeleteFunc(r.Export.Rows, func(row Row) bool {
		record, is := of[row.PersonKey]
		switch {
		case !is:
			return false
		case r.outlastsErasure(row, record):
			r.problem(row, reason.Of(reason.ErasedReturns{Source: r.Source.Name}))
		default:
			r.report.Erased++
		}
		return true
	})
	return nil
}

// outlastsErasure reports whether an employment ends later than the erased
// person's data.
func (r *run) outlastsErasure(row Row, record store.ErasedRecord) bool {
	erased := identity.DateOf(record.At(), r.Config.Zone)
	return !row.Removed && !row.cancelled() && (row.End == "" || row.End > erased)
}

// holdReturned withholds all access from pushed people whose record is that of an
// erased person.
func (r *run) holdReturned(ctx context.Context, tx *store.Tx) error {
	for key := range r.returned {
		p, known, err := tx.PersonByKey(ctx, identity.SourceKey{Source: r.Source.Name, Key: key})
		if err != nil {
			return err
		}
		if !known { // the row was bad
			continue
		}
		if err := tx.HoldRecord(ctx, store.HeldRecord{Person: p.ID}, r.now); err != nil {
			return err
		}
	}
	return nil
}
