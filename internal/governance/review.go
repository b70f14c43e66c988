package governance

import (
	"context"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Revise records that a system of the catalogue, or one of store.RevisedPolicies, was gone through and
// is as it should be.
func (g *Governance) Revise(ctx context.Context, subject string, by rights.Subject, reason string) (store.Decision, error) {
	object := rights.Object{}
	_, system := g.Config.Rules.Catalogue.System(subject)
	if system {
		var err error
		if object.Owners, err = g.owners(ctx, subject); err != nil {
			return store.Decision{}, err
		}
	}
	d, err := g.authorize(ctx, by, rights.Revise, object, reason)
	switch {
	case err != nil:
		return store.Decision{}, err
	case !system && !slices.Contains(store.RevisedPolicies, subject):
		return store.Decision{}, noSuchSystem(subject, systems(g.Config.Rules))
	}
	d.Kind, d.Verdict, d.Subject = store.RevisionDecision, store.Revised, store.RevisionSubject(subject)
	return g.record(ctx, d, func(*store.Tx, store.Decision) error { return nil })
}

// StartReview begins a review of a system: one item for each person and entitlement
// of the system that the person has now, with the reasons as they are. It returns
// the campaign's number and its items.
func (g *Governance) StartReview(ctx context.Context, system string, by rights.Subject) (campaign int64, items []store.ReviewItem, err error) {
	if _, ok := g.Config.Rules.Catalogue.System(system); !ok {
		return 0, nil, noSuchSystem(system, systems(g.Config.Rules))
	}
	owners, err := g.owners(ctx, system)
	if err != nil {
		return 0, nil, err
	}
	d, err := g.authorize(ctx, by, rights.StartReview, rights.Object{Owners: owners}, "a review of system "+system)
	if err != nil {
		return 0, nil, err
	}
	var intervals []audit.Interval
	for _, e := range g.Config.Rules.Catalogue.Entitlements {
		if e.System != system {
			continue
		}
		of, err := g.DB.Intervals(ctx, store.IntervalQuery{Entitlement: string(e.ID), Open: true})
		if err != nil {
			return 0, nil, err
		}
		intervals = append(intervals, of...)
	}
	audit.SortIntervals(intervals)
	if items, err = g.reviewItems(ctx, intervals); err != nil {
		return 0, nil, err
	}
	if len(items) == 0 {
		return 0, nil, nothingInSystem(system)
	}
	now := g.Now()
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		campaign, err = tx.StartReview(ctx, system, d.Maker, "", now, items)
		tx.Audit(audit.Record{At: now, Actor: d.Maker, Authority: d.Authority, Action: audit.ReviewStarted, Reason: reason.Of(reason.ReviewStarted{Review: campaign, System: system, Count: len(items)})})
		return err
	})
	for n := range items {
		items[n].Campaign, items[n].Number = campaign, int64(n+1)
	}
	return campaign, items, err
}

func systems(r *policy.Rules) []string {
	names := make([]string, 0, len(r.Catalogue.Systems))
	for _, s := range r.Catalogue.Systems {
		names = append(names, s.ID)
	}
	return names
}

// reviewPage is how many items are made at a time.
const reviewPage = 1000

// reviewItems returns an item for each interval, in their order, with the reasons as
// they are today. Pages are made side by side: while one is read, another is decided.
func (g *Governance) reviewItems(ctx context.Context, intervals []audit.Interval) ([]store.ReviewItem, error) {
	items := make([]store.ReviewItem, len(intervals))
	pages, ctx := errgroup.WithContext(ctx)
	pages.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(intervals); from += reviewPage {
		to := min(from+reviewPage, len(intervals))
		pages.Go(func() error {
			grants, err := g.grantsOf(ctx, intervals[from:to])
			if err != nil {
				return err
			}
			for n, i := range intervals[from:to] {
				items[from+n] = store.ReviewItem{Person: i.Person, Entitlement: i.Entitlement, Why: reasonsOf(grants[i.Person], policy.EntitlementID(i.Entitlement))}
			}
			return nil
		})
	}
	return items, pages.Wait()
}

// grantsOf returns what each person who has any of the access is granted today.
func (g *Governance) grantsOf(ctx context.Context, access []audit.Interval) (map[identity.PersonID][]policy.Grant, error) {
	ids := make([]identity.PersonID, len(access))
	for i, a := range access {
		ids[i] = a.Person
	}
	people, err := g.DB.PeopleByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	standings, err := reconcile.PersonStatuses(ctx, g.DB, g.Config, people, g.today())
	if err != nil {
		return nil, err
	}
	grants := make(map[identity.PersonID][]policy.Grant, len(people))
	for i, s := range standings {
		if grants[people[i].ID], err = g.Config.Rules.Decide(s.Person, g.today(), s.Facts); err != nil {
			return nil, err
		}
	}
	return grants, nil
}

// reasonsOf returns the reasons of one entitlement.
func reasonsOf(grants []policy.Grant, entitlement policy.EntitlementID) reason.Reason {
	for _, grant := range grants {
		switch {
		case grant.Entitlement != entitlement:
		case len(grant.Reasons) > 0:
			return policy.Reasons(grant.Reasons)
		default:
			return grant.GateReason
		}
	}
	return reason.Of(reason.NoRule{})
}

// DecideItem answers a review item, named "campaign-number", with keep or revoke. A
// later answer replaces an earlier one. It is for the reviewer that the item names,
// the owner of the system, or who else rights allows.
func (g *Governance) DecideItem(ctx context.Context, name string, verdict store.Verdict, by rights.Subject, reason string) (store.Decision, error) {
	made, err := g.DecideItems(ctx, []string{name}, verdict, by, reason)
	if err != nil {
		return store.Decision{}, err
	}
	return made[0], nil
}

// DecideItems answers several items with the same: all of them, or none when one cannot be
// answered so.
func (g *Governance) DecideItems(ctx context.Context, names []string, verdict store.Verdict, by rights.Subject, reason string) ([]store.Decision, error) {
	items, made := make([]store.ReviewItem, len(names)), make([]store.Decision, len(names))
	for n, name := range names {
		var err error
		if items[n], made[n], err = g.answer(ctx, name, verdict, by, reason); err != nil {
			return nil, err
		}
	}
	err := g.DB.Write(ctx, func(tx *store.Tx) (err error) {
		for n := range made {
			if made[n], err = tx.Decide(ctx, made[n], g.Now()); err != nil {
				return err
			}
			if err := tx.DecideItem(ctx, items[n], made[n].Seq); err != nil {
				return err
			}
		}
		return nil
	})
	return made, err
}

// answer returns the item of a name, and the decision that answers it, which the subject may
// make.
func (g *Governance) answer(ctx context.Context, name string, verdict store.Verdict, by rights.Subject, reason string) (store.ReviewItem, store.Decision, error) {
	campaign, number, ok := strings.Cut(name, "-")
	c, err1 := strconv.ParseInt(campaign, 10, 64)
	n, err2 := strconv.ParseInt(number, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return store.ReviewItem{}, store.Decision{}, noReviewItem(name)
	}
	if verdict != store.Keep && verdict != store.Revoke {
		return store.ReviewItem{}, store.Decision{}, noVerdict(verdict)
	}
	item, err := g.DB.ReviewItem(ctx, c, n)
	if err != nil {
		return store.ReviewItem{}, store.Decision{}, err
	}
	system, _, _ := strings.Cut(item.Entitlement, ":")
	owners, err := g.owners(ctx, system)
	if err != nil {
		return store.ReviewItem{}, store.Decision{}, err
	}
	reviewer, _ := item.Reviewer.Person()
	d, err := g.authorize(ctx, by, rights.DecideReview, rights.Object{About: []identity.PersonID{item.Person}, Owners: owners, Reviewer: reviewer}, reason)
	if err != nil {
		return store.ReviewItem{}, store.Decision{}, err
	}
	d.Kind, d.Verdict, d.Person, d.Entitlement, d.Subject = store.ReviewDecision, verdict, item.Person, item.Entitlement, item.Subject()
	return item, d, nil
}
