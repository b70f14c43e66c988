package governance

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// ConfirmOrder says that the change of a work order was made on a day; empty is today. The
// target has it from then on.
func (g *Governance) ConfirmOrder(ctx context.Context, order int64, day identity.Date, by rights.Subject, why string) (store.WorkOrder, store.Decision, error) {
	o, d, err := g.authorizeOrder(ctx, order, by, cmp.Or(strings.TrimSpace(why), "made"))
	if err != nil {
		return o, d, err
	}
	today := g.today()
	ordered := identity.DateOf(o.Ordered(), g.Config.Zone)
	if day = cmp.Or(day, today); noDate(day) || day < ordered || day > today {
		return o, d, refuse(reason.OrderDayWrong{From: ordered, To: today})
	}
	d.Verdict = store.Confirm
	return g.endOrder(ctx, o, d, func(d store.Decision) execute.OrderEnd {
		end := execute.OrderEnd{State: store.OrderDone, DoneOn: day, Why: reason.Of(reason.OrderConfirmed{Order: o.ID, Done: day, Decision: d.Seq})}
		if !o.Takes() { // access is an upper bound: it ends when that is known
			end.Since = g.startOf(day, o.Ordered())
		}
		return end
	})
}

// startOf returns the first instant of a day, not before another.
func (g *Governance) startOf(day identity.Date, earliest time.Time) time.Time {
	start, err := time.ParseInLocation(time.DateOnly, string(day), g.Config.Zone)
	if err != nil || start.Before(earliest) {
		return earliest
	}
	return start.UTC()
}

// CannotOrder says that the change of a work order cannot be made, and why. The step waits
// then for an operator, as one that a target refuses.
func (g *Governance) CannotOrder(ctx context.Context, order int64, by rights.Subject, why string) (store.WorkOrder, store.Decision, error) {
	o, d, err := g.authorizeOrder(ctx, order, by, why)
	if err != nil {
		return o, d, err
	}
	d.Verdict = store.Cannot
	return g.endOrder(ctx, o, d, func(d store.Decision) execute.OrderEnd {
		return execute.OrderEnd{State: store.OrderImpossible, Why: reason.Of(reason.OrderImpossible{Order: o.ID, Decision: d.Seq})}
	})
}

// authorizeOrder returns a work order that waits, and the decision on it to fill in.
func (g *Governance) authorizeOrder(ctx context.Context, order int64, by rights.Subject, why string) (store.WorkOrder, store.Decision, error) {
	o, err := g.DB.WorkOrder(ctx, order)
	if err != nil {
		return o, store.Decision{}, err
	}
	object, err := g.targetObject(ctx, o.Target, o.Entitlement)
	if err != nil {
		return o, store.Decision{}, err
	}
	object.About = []identity.PersonID{o.Person}
	d, err := g.authorize(ctx, by, rights.DecideOrder, object, why)
	if err == nil && o.State != store.OrderWaiting {
		err = refuse(reason.OrderEnded{Order: o.ID, State: string(o.State)})
	}
	d.Kind, d.Person, d.Entitlement, d.Subject = store.WorkOrderDecision, o.Person, o.Entitlement, store.WorkOrderSubject(o.ID)
	return o, d, err
}

// targetObject returns the object of a decision on a target without an interface: who makes
// the changes there, and who owns the system of the entitlement, or any in the target.
func (g *Governance) targetObject(ctx context.Context, target, entitlement string) (rights.Object, error) {
	object := rights.Object{About: []identity.PersonID{}, Managers: []identity.PersonID{}}
	c, _ := g.Config.Target(target)
	for _, key := range c.OrderReceivers() {
		p, known, err := g.DB.PersonByKey(ctx, key)
		if err != nil {
			return object, err
		}
		if known {
			object.Assignees = append(object.Assignees, p.ID)
		}
	}
	for _, system := range g.Config.Rules.Catalogue.SystemsIn(target) {
		if of, _, ok := strings.Cut(entitlement, ":"); ok && of != system {
			continue
		}
		owners, err := g.owners(ctx, system)
		if err != nil {
			return object, err
		}
		object.Owners = append(object.Owners, owners...)
	}
	return object, nil
}

// endOrder records the decision on a work order and ends it, in one transaction.
func (g *Governance) endOrder(ctx context.Context, o store.WorkOrder, d store.Decision, how func(store.Decision) execute.OrderEnd) (store.WorkOrder, store.Decision, error) {
	d, err := g.record(ctx, d, func(tx *store.Tx, d store.Decision) error {
		end := how(d)
		end.Actor, end.At, end.Decision = d.Maker, g.Now(), d.Seq
		o.State, o.DoneOn, o.Decision = end.State, end.DoneOn, d.Seq
		waited, err := execute.EndOrder(ctx, tx, o, end)
		switch {
		case errors.Is(err, store.ErrOrderNeedsAccount):
			return refuse(reason.OrderNeedsAccount{Order: o.ID})
		case errors.Is(err, store.ErrOrderNameTaken):
			return refuse(reason.OrderNameTaken{Order: o.ID})
		case err == nil && !waited:
			return refuse(reason.OrderEnded{Order: o.ID, State: string(store.OrderDone)})
		}
		return err
	})
	return o, d, err
}

// AccountFile is a list of the accounts of a target, as its system's owner has it.
type AccountFile struct {
	Name    string // of the file
	Content []byte
	// Day is the one of which the list is; empty for today. What was confirmed to be made
	// later is made in it.
	Day identity.Date
	// Shrunk takes a list that lacks more than the target's limits allow.
	Shrunk bool
}

// UploadList takes a list of accounts for what a target without an interface holds. Of a list
// with a fault, or one that may have been cut short, it takes nothing.
func (g *Governance) UploadList(ctx context.Context, target string, file AccountFile, by rights.Subject, why string) (store.ListVersion, store.Decision, error) {
	var none store.ListVersion
	c, known := g.Config.Target(target)
	if !known {
		return none, store.Decision{}, noSuchTarget(target)
	}
	object, err := g.targetObject(ctx, target, "")
	if err != nil {
		return none, store.Decision{}, err
	}
	d, err := g.authorize(ctx, by, rights.UploadList, object, cmp.Or(strings.TrimSpace(why), "a list of accounts"))
	if err != nil {
		return none, d, err
	}
	if _, is := c.Manual(); !is {
		return none, d, refuse(reason.NotManual{Target: target})
	}
	today := g.today()
	if file.Day = cmp.Or(file.Day, today); noDate(file.Day) || file.Day > today {
		return none, d, refuse(reason.OrderDayWrong{From: today.AddDays(-365), To: today})
	}
	accounts, err := readList(file.Name, file.Content, c.ListColumns())
	if err != nil {
		return none, d, err
	}
	if !file.Shrunk {
		if err := g.checkShrunk(ctx, target, c.Limits[blastradius.Disables], accounts); err != nil {
			return none, d, err
		}
	}
	d.Kind, d.Verdict, d.Subject = store.AccountListDecision, store.Upload, store.TargetSubject(target)
	var version store.ListVersion
	d, err = g.record(ctx, d, func(tx *store.Tx, d store.Decision) (err error) {
		version, err = tx.UseList(ctx, target, file.Day, d.Seq, accounts)
		tx.Enqueue(queue.Run{Target: target, Because: "a list of accounts"})
		return err
	})
	return version, d, err
}

// checkShrunk refuses a list that takes something from more accounts than a limit allows.
func (g *Governance) checkShrunk(ctx context.Context, target string, limit blastradius.Limit, accounts []store.ListedAccount) error {
	losing, known, err := g.DB.AccountList(target).Losing(ctx, accounts)
	if err != nil || limit.Allows(losing, known) {
		return err
	}
	return refuse(reason.ListShrank{Count: losing, Before: known, Most: limit.Most(known)})
}
