package main

import (
	"context"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// local answers of an installation on this machine, as an operator in a shell may see it, and
// decides as the person whom by names.
type local struct {
	app *app
	*installation
	by string
}

func (l *local) view(ctx context.Context) *access.View { return l.app.view(ctx, l.installation) }

func (l *local) People(ctx context.Context, state identity.State) ([]access.PersonState, error) {
	rows, _, err := l.view(ctx).People(state)
	return rows, err
}

func (l *local) Person(ctx context.Context, ref string) (access.Person, error) {
	return l.view(ctx).Person(ref, nil)
}

func (l *local) Grants(ctx context.Context, ref string) (access.PersonGrants, error) {
	v := l.view(ctx)
	if _, err := v.Find(ref); err != nil {
		return access.PersonGrants{}, err
	}
	e, done, err := l.app.engine(ctx, l.installation)
	if err != nil {
		return access.PersonGrants{}, err
	}
	defer done()
	return v.Grants(ref, e)
}

func (l *local) Explain(ctx context.Context, ref string, id policy.EntitlementID) (access.Explanation, error) {
	v := l.view(ctx)
	if _, err := v.Find(ref); err != nil {
		return access.Explanation{}, err
	}
	e, done, err := l.app.engine(ctx, l.installation)
	if err != nil {
		return access.Explanation{}, err
	}
	defer done()
	return v.Explain(ref, id, e)
}

func (l *local) Roles(ctx context.Context, ref string) (access.Roles, error) {
	p, err := l.db.FindPerson(ctx, ref, l.config.First)
	if err != nil {
		return access.Roles{}, err
	}
	return l.view(ctx).Roles(p.ID)
}

func (l *local) SuggestRules(ctx context.Context) (*access.Suggestions, error) {
	return l.view(ctx).Suggest()
}

func (l *local) RulesApproval(ctx context.Context) (access.RulesApproval, error) {
	return l.view(ctx).RulesApproval()
}

func (l *local) Duplicates(ctx context.Context) ([]access.Duplicate, error) {
	return l.view(ctx).Duplicates()
}

func (l *local) Managers(ctx context.Context, everyone bool) ([]access.Manager, error) {
	return l.view(ctx).Managers(everyone)
}

// everyPage returns every item of a list that is read part by part.
func everyPage[T any](read func(access.Page) ([]T, string, error)) ([]T, error) {
	var all []T
	page := access.Page{Limit: 1000}
	for {
		items, next, err := read(page)
		if all = append(all, items...); err != nil || next == "" {
			return all, err
		}
		page.After = next
	}
}

func (l *local) WhoHad(ctx context.Context, of string, p *access.Period) ([]access.Access, error) {
	v := l.view(ctx)
	return everyPage(func(page access.Page) ([]access.Access, string, error) { return v.WhoHadPage(of, p, page) })
}

func (l *local) AccessOf(ctx context.Context, ref string, p *access.Period) ([]access.Access, error) {
	v := l.view(ctx)
	person, err := v.FindInTrail(ref)
	if err != nil {
		return nil, err
	}
	return everyPage(func(page access.Page) ([]access.Access, string, error) { return v.AccessPage(person, p, page) })
}

func (l *local) Changes(ctx context.Context, p access.Period) ([]access.Change, error) {
	v := l.view(ctx)
	return everyPage(func(page access.Page) ([]access.Change, string, error) { return v.ChangesPage(p, page) })
}

func (l *local) Records(ctx context.Context, ref string, p access.Period, stored bool, each func(access.Record) error) (err error) {
	q := store.RecordQuery{From: p.From, To: p.To, Most: 1000}
	if ref != "" {
		if q.Person, err = l.view(ctx).FindInTrail(ref); err != nil {
			return err
		}
	}
	for {
		records, last, err := l.view(ctx).Records(q, stored)
		if err != nil {
			return err
		}
		for _, r := range records {
			if err := each(r); err != nil {
				return err
			}
		}
		if last == 0 {
			return nil
		}
		q.After = last
	}
}

func (l *local) Imports(ctx context.Context, source string, most int) ([]access.ImportEntry, error) {
	return l.view(ctx).Imports(source, most)
}

func (l *local) Status(ctx context.Context) (access.Status, error) { return l.view(ctx).Status() }
