package governance

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
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

// Answer is an answer to a question of a review.
type Answer struct {
	Verdict store.Verdict // Keep, Revoke, ChangeRule or NotMine
	// Until is the last day of what is kept; empty without an end.
	Until  identity.Date
	Reason string
}

// itemAnswers are the answers to a question about access, ruleAnswers about a rule.
var (
	itemAnswers = []store.Verdict{store.Keep, store.Revoke, store.ChangeRule, store.NotMine}
	ruleAnswers = []store.Verdict{store.Keep, store.ChangeRule, store.NotMine}
	// accountAnswers are those about an account that is no person's: revoke retires it.
	accountAnswers = []store.Verdict{store.Keep, store.Revoke, store.NotMine}
)

// DecideItem answers a review item, named "campaign-number". A later answer replaces an
// earlier one, until the review is signed off. It is for the reviewer that the item names,
// the owner of the system, or who else rights allows.
func (g *Governance) DecideItem(ctx context.Context, name string, a Answer, by rights.Subject) (store.Decision, error) {
	made, err := g.DecideItems(ctx, []string{name}, a, by)
	if err != nil {
		return store.Decision{}, err
	}
	return made[0], nil
}

// DecideItems answers several items with the same: all of them, or none when one cannot be
// answered so. Access that few others in the same unit and job have is not kept along with
// others.
func (g *Governance) DecideItems(ctx context.Context, names []string, a Answer, by rights.Subject) ([]store.Decision, error) {
	answers := make([]answered, len(names))
	for n, name := range names {
		var err error
		if answers[n], err = g.answer(ctx, name, a, by); err != nil {
			return nil, err
		}
		if i := answers[n].item; len(names) > 1 && a.Verdict == store.Keep && !i.Evidence.Together {
			return nil, refuse(reason.NotKeptTogether{Item: name})
		}
	}
	made := make([]store.Decision, len(names))
	err := g.DB.Write(ctx, func(tx *store.Tx) (err error) {
		for n, answer := range answers {
			if made[n], err = tx.Decide(ctx, answer.decision, g.Now()); err != nil {
				return err
			}
			switch {
			case answer.decision.Verdict == store.NotMine || answer.passes:
				err = tx.AskAnother(ctx, answer.item, answer.next)
			case answer.settles:
				err = tx.DecideItem(ctx, answer.item, made[n].Seq)
			}
			if err == nil && answer.decision.Verdict == store.Revoke && answer.item.Kind == store.AccountItem {
				err = g.retireReviewed(ctx, tx, answer.account, made[n])
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return made, err
}

// answered is an answer that the subject may give.
type answered struct {
	item     store.ReviewItem
	decision store.Decision
	settles  bool           // the question is answered
	passes   bool           // it is for another to answer now
	next     identity.Actor // who is asked now
	account  store.NonHumanAccount
}

// answer returns what an answer to an item is, which the subject may give.
func (g *Governance) answer(ctx context.Context, name string, a Answer, by rights.Subject) (answered, error) {
	item, c, err := g.item(ctx, name)
	if err != nil {
		return answered{}, err
	}
	if !slices.Contains(itemAnswers, a.Verdict) {
		return answered{}, noVerdict(a.Verdict)
	}
	var approved [][]identity.PersonID
	if a.Verdict != store.NotMine { // which sends the question to another
		if approved, err = g.approvedBy(ctx, []store.ReviewItem{item}); err != nil {
			return answered{}, err
		}
	}
	d, err := g.mayAnswer(ctx, item, slices.Concat(approved...), by, a.Reason)
	switch {
	case err != nil:
		return answered{}, err
	case item.Kind == store.RuleItem && (!slices.Contains(ruleAnswers, a.Verdict) || a.Until != ""):
		return answered{}, refuse(reason.NotAboutRule{Item: name, Verdict: string(a.Verdict)})
	case item.Kind == store.AccountItem && (!slices.Contains(accountAnswers, a.Verdict) || a.Until != ""):
		return answered{}, refuse(reason.NotAboutAccess{Item: name, Verdict: string(a.Verdict)})
	case a.Until != "" && a.Until < g.today():
		return answered{}, refuse(reason.UntilPassed{Until: a.Until})
	}
	d.Kind, d.Verdict, d.Person, d.Entitlement, d.Subject = store.ReviewAnswerDecision, a.Verdict, item.Person, item.Entitlement, item.Subject()
	x := answered{item: item, settles: a.Verdict != store.NotMine}
	if item.Kind == store.AccountItem { // what is written is about no person
		d.Person, d.Entitlement = "", ""
		if x.account, err = g.reviewedAccount(ctx, item); err == nil && x.account.State != store.Registered {
			err = refuse(reason.AccountRetiredAlready{Account: x.account.Name})
		}
		if err != nil {
			return answered{}, err
		}
	}
	switch a.Verdict {
	case store.NotMine:
		if x.next, err = g.another(ctx, item, c, by.Person); err != nil {
			return answered{}, err
		}
	case store.Revoke:
		if item.Kind == store.AccessItem {
			d.Kind = store.ReviewDecision
		}
	case store.Keep:
		if x.settles, err = g.enough(ctx, item, c, d.Maker); err != nil {
			return answered{}, err
		}
		if item.Next == store.AsksOwner {
			x.settles, x.passes = false, true
		}
		if x.settles && item.Kind == store.AccessItem {
			d.Kind, d.Until = store.ReviewDecision, a.Until
		}
	}
	x.decision = d
	return x, nil
}

// item returns the item of a name, and its review, which is not signed off.
func (g *Governance) item(ctx context.Context, name string) (store.ReviewItem, store.Campaign, error) {
	campaign, number, ok := strings.Cut(name, "-")
	id, err1 := strconv.ParseInt(campaign, 10, 64)
	n, err2 := strconv.ParseInt(number, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return store.ReviewItem{}, store.Campaign{}, noReviewItem(name)
	}
	item, err := g.DB.ReviewItem(ctx, id, n)
	if err != nil {
		return item, store.Campaign{}, err
	}
	c, err := g.DB.Campaign(ctx, id)
	if err == nil && c.Signed != nil {
		err = refuse(reason.ReviewSigned{Review: id})
	}
	return item, c, err
}

// mayAnswer asks rights whether a subject may answer an item.
func (g *Governance) mayAnswer(ctx context.Context, item store.ReviewItem, approved []identity.PersonID, by rights.Subject, because string) (store.Decision, error) {
	owners, err := g.owners(ctx, item.System)
	if err != nil {
		return store.Decision{}, err
	}
	reviewer, _ := item.Reviewer.Person()
	o := rights.Object{Owners: owners, Reviewer: reviewer}
	if item.Person != "" {
		if o.About, err = g.subjectsOf(ctx, []store.ReviewItem{item}); err != nil {
			return store.Decision{}, err
		}
	}
	o.CausedBy = approved // no one looks at what they approved
	return g.authorize(ctx, by, rights.DecideReview, o, because)
}

// approvedBy returns, of each item, who approved the requests by which the access was given when
// the review began.
func (g *Governance) approvedBy(ctx context.Context, items []store.ReviewItem) ([][]identity.PersonID, error) {
	by := make([][]identity.PersonID, len(items))
	of := map[store.Subject][]int{} // the items, by the request
	var requests []int64
	for n, i := range items {
		for _, request := range requestsIn(i.Why) {
			subject := store.RequestSubject(request)
			if of[subject] == nil {
				requests = append(requests, request)
			}
			of[subject] = append(of[subject], n)
		}
	}
	if len(requests) == 0 {
		return by, nil
	}
	decisions, _, err := g.DB.RequestHistory(ctx, requests)
	for _, d := range decisions {
		if maker, ok := d.Maker.Person(); ok && d.Verdict == store.Approve {
			for _, n := range of[d.Subject] {
				by[n] = append(by[n], maker)
			}
		}
	}
	return by, err
}

// requestsIn returns the requests that a reason for access names.
func requestsIn(why reason.Reason) (requests []int64) {
	kind, err := why.Kind()
	if err != nil {
		return nil // of a later version
	}
	switch k := kind.(type) {
	case reason.Requested:
		return []int64{k.Request}
	case reason.EmergencyAccess:
		return []int64{k.Request}
	case reason.Several:
		for _, r := range k.Reasons {
			requests = append(requests, requestsIn(r)...)
		}
	}
	return requests
}

// enough reports whether so many have said keep, with one more, as the item needs. After
// another answer they all have to say so again.
func (g *Governance) enough(ctx context.Context, item store.ReviewItem, c store.Campaign, maker identity.Actor) (bool, error) {
	if item.Needs < 2 && c.Asks != store.AsksManagerThenOwner {
		return true, nil
	}
	var since int64
	if item.Decision != nil {
		last, err := g.DB.Decision(ctx, *item.Decision)
		if err != nil || last.Verdict == store.Keep {
			return err == nil, err
		}
		since = last.Seq
	}
	before, err := g.DB.ReviewAnswers(ctx, []store.ReviewItem{item})
	if err != nil {
		return false, err
	}
	said := map[identity.Actor]bool{}
	for _, d := range before {
		if d.Verdict == store.Keep && d.Seq > since {
			said[d.Maker] = true
		}
	}
	if said[maker] {
		return false, refuse(reason.AnsweredAlready{Item: item.Ref()})
	}
	return len(said)+1 >= item.Needs, nil
}

// another returns who is asked when a person says that a question is not theirs: the owner
// of the system, then the fallback of the review, then who started it.
func (g *Governance) another(ctx context.Context, item store.ReviewItem, c store.Campaign, not identity.PersonID) (identity.Actor, error) {
	owners, err := g.ownersWorking(ctx, item.System)
	if err != nil {
		return "", err
	}
	other := func(p identity.PersonID) bool { return p != not && p != item.Person }
	if item.Reviewer != "" && slices.ContainsFunc(owners, other) {
		return "", nil
	}
	for _, a := range []identity.Actor{c.Fallback, c.StartedBy} {
		if p, ok := a.Person(); ok && other(p) {
			return a, nil
		}
	}
	return "", refuse(reason.NoOtherReviewer{Item: item.Ref()})
}

// HandOn asks another person about an item from now on, by the record or the login of the
// person. It is for who may answer the item, who need not see the other one: that no such
// person works here is told as that they cannot be asked.
func (g *Governance) HandOn(ctx context.Context, name, to string, by rights.Subject, why string) (store.Decision, error) {
	item, _, err := g.item(ctx, name)
	if err != nil {
		return store.Decision{}, err
	}
	d, err := g.mayAnswer(ctx, item, nil, by, why)
	if err != nil {
		return store.Decision{}, err
	}
	p, err := g.DB.FindPerson(ctx, to, g.Config.First)
	if err != nil && !errors.Is(err, store.ErrNoPerson) && !errors.Is(err, store.ErrSeveralPeople) {
		return store.Decision{}, err
	}
	if err != nil || !p.IsActive(g.today()) || p.ID == item.Person {
		return store.Decision{}, refuse(reason.ReviewerAway{Item: name})
	}
	d.Kind, d.Verdict, d.Person, d.Entitlement, d.Subject = store.ReviewAnswerDecision, store.HandOn, item.Person, item.Entitlement, item.Subject()
	return g.record(ctx, d, func(tx *store.Tx, _ store.Decision) error {
		return tx.AskAnother(ctx, item, identity.PersonActor(p.ID))
	})
}

// SignOff ends a review of which every question is answered, or the last day has passed. No
// answer of it can change then. It is for who may start such a review.
func (g *Governance) SignOff(ctx context.Context, campaign int64, by rights.Subject, why string) (store.Decision, error) {
	c, err := g.DB.Campaign(ctx, campaign)
	if err != nil {
		return store.Decision{}, err
	}
	object := rights.Object{}
	system := c.System
	if c.Scope == store.EntitlementScope {
		system, _, _ = strings.Cut(c.Of, ":")
	}
	if system != "" {
		if object.Owners, err = g.owners(ctx, system); err != nil {
			return store.Decision{}, err
		}
	}
	d, err := g.authorize(ctx, by, rights.StartReview, object, why)
	if err != nil {
		return store.Decision{}, err
	}
	if c.Signed != nil {
		return store.Decision{}, refuse(reason.ReviewSigned{Review: campaign})
	}
	items, _, err := g.DB.ReviewItems(ctx, campaign)
	if err != nil {
		return store.Decision{}, err
	}
	open := len(slices.DeleteFunc(items, func(i store.ReviewItem) bool { return i.Decision != nil }))
	if open > 0 && c.ClosedUS == nil {
		return store.Decision{}, refuse(reason.ReviewOpen{Review: campaign, Count: open})
	}
	d.Kind, d.Verdict, d.Subject = store.ReviewAnswerDecision, store.SignOff, store.CampaignSubject(campaign)
	return g.record(ctx, d, func(tx *store.Tx, d store.Decision) error { return tx.SignReview(ctx, campaign, d) })
}

// CloseOverdue ends the reviews whose last day has passed: access about which no answer came
// is kept or revoked, as each review said when it began. A question about a rule stays
// without an answer. It returns how many reviews it closed.
func (g *Governance) CloseOverdue(ctx context.Context, by identity.Actor) (int, error) {
	open, err := g.DB.OpenCampaigns(ctx)
	if err != nil {
		return 0, err
	}
	closed := 0
	for _, c := range open {
		if c.Due == "" || c.Due >= g.today() {
			continue
		}
		items, _, err := g.DB.ReviewItems(ctx, c.ID)
		if err != nil {
			return closed, err
		}
		items = slices.DeleteFunc(items, func(i store.ReviewItem) bool { return i.Decision != nil })
		accounts := map[int64]store.NonHumanAccount{} // by the number of the question
		for _, i := range items {
			if i.Kind != store.AccountItem {
				continue
			}
			if accounts[i.Number], err = g.reviewedAccount(ctx, i); err != nil {
				return closed, err
			}
		}
		if err := g.DB.Write(ctx, func(tx *store.Tx) error { return g.close(ctx, tx, c, items, accounts, by) }); err != nil {
			return closed, err
		}
		closed++
	}
	return closed, nil
}

// close ends a review, with the items that no one answered.
func (g *Governance) close(ctx context.Context, tx *store.Tx, c store.Campaign, unanswered []store.ReviewItem, accounts map[int64]store.NonHumanAccount, by identity.Actor) error {
	if first, err := tx.CloseReview(ctx, c.ID, g.Now()); err != nil || !first { // another process has
		return err
	}
	for _, i := range unanswered {
		account := accounts[i.Number]
		if c.AfterDue != store.Revoke || i.Kind == store.RuleItem || i.Kind == store.AccountItem && account.State != store.Registered {
			continue
		}
		d := store.Decision{Kind: store.ReviewDecision, Verdict: store.Revoke, Person: i.Person, Entitlement: i.Entitlement, Subject: i.Subject(), Maker: by,
			Because: reason.Of(reason.ReviewUnanswered{Review: c.ID, Due: c.Due})}
		if i.Kind == store.AccountItem {
			d.Kind, d.Person, d.Entitlement = store.ReviewAnswerDecision, "", ""
		}
		d, err := tx.Decide(ctx, d, g.Now())
		if err == nil && i.Kind == store.AccountItem {
			err = g.retireReviewed(ctx, tx, account, d)
		}
		if err != nil {
			return err
		}
		if err := tx.DecideItem(ctx, i, d.Seq); err != nil {
			return err
		}
	}
	tx.Audit(audit.Record{At: g.Now(), Actor: by, Action: audit.ReviewClosed, Reason: reason.Of(reason.ReviewClosed{Review: c.ID, Count: len(unanswered), AfterDue: string(c.AfterDue)})})
	return nil
}
