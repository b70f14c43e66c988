package governance

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Request is what is asked for.
type Request struct {
	Entitlement policy.EntitlementID
	// Employment is the one that it is for: the access ends with it. Empty is the one in which
	// who asks is the manager, or else the main one.
	Employment identity.EmploymentID
	// Until is the last day; of emergency access empty for the last one that is allowed.
	Until identity.Date
	// Emergency takes the access at once. The approvers look at it afterwards.
	Emergency bool
	// Renews is the request that this one goes on with, for the same employment; 0 for none.
	Renews int64
}

// RequestAccess asks for access of a person that ends, or takes it in an emergency. It refuses
// what the person would not get if it were approved.
func (g *Governance) RequestAccess(ctx context.Context, p identity.Person, ask Request, by rights.Subject, why string) (store.AccessRequest, store.Decision, error) {
	action, verdict := rights.RequestAccess, store.Ask
	if ask.Emergency {
		action, verdict = rights.EmergencyAccess, store.Emergency
	}
	d, err := g.authorize(ctx, by, action, rights.Object{About: []identity.PersonID{p.ID}}, why)
	if err != nil {
		return store.AccessRequest{}, d, err
	}
	d.Verdict = verdict
	r, err := g.checkRequest(ctx, p, ask, by)
	if err != nil {
		return r, d, err
	}
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		if r, d, err = tx.AskAccess(ctx, r, d, g.Now()); err != nil {
			return err
		}
		first, err := tx.FirstWaiting(ctx, p.ID, r.Entitlement, r.Emergency, g.today())
		switch {
		case err != nil:
			return err
		case first != r.ID:
			return refuse(reason.RequestThere{Request: first})
		case r.Emergency:
			tx.Enqueue(alert.EmergencyAccess.Job(strconv.FormatInt(r.ID, 10)))
		}
		return nil
	})
	return r, d, err
}

// checkRequest returns the request to record, or why it cannot be asked.
func (g *Governance) checkRequest(ctx context.Context, p identity.Person, ask Request, by rights.Subject) (store.AccessRequest, error) {
	var none store.AccessRequest
	today := g.today()
	e, known := g.Config.Rules.Catalogue.Entitlement(ask.Entitlement)
	switch {
	case !known:
		return none, refuse(reason.NoSuchEntitlement{Entitlement: string(ask.Entitlement)})
	case ask.Emergency && !e.Requesting.Emergency, !ask.Emergency && !e.Requesting.Allowed:
		return none, refuse(reason.NotRequestable{Entitlement: string(e.ID), Emergency: ask.Emergency})
	}
	if ask.Renews != 0 {
		before, err := g.DB.AccessRequest(ctx, ask.Renews)
		if err != nil {
			return none, err
		}
		if before.Person != p.ID || before.Entitlement != string(e.ID) || before.Given == 0 || before.Until < today {
			return none, refuse(reason.RequestNotGiving{Request: ask.Renews})
		}
		ask.Employment = before.Employment
	}
	employment, err := g.employmentFor(ctx, p, ask.Employment, by)
	if err != nil {
		return none, err
	}
	day := max(today, employment.Start)
	days, control := e.Controls.RequestDaysAtMost(ask.Emergency)
	last := day.AddDays(days - 1)
	if end := employment.LastDay(); end != "" {
		last = min(last, end)
	}
	if ask.Emergency && ask.Until == "" {
		ask.Until = last
	}
	if noDate(ask.Until) || ask.Until < day || ask.Until > last {
		return none, refuse(reason.RequestDaysWrong{From: day, To: last, Control: control})
	}
	terms := employment.On(day)
	r := store.AccessRequest{Person: p.ID, Entitlement: string(e.ID), Employment: employment.ID, Since: today, Unit: terms.Unit, Manager: terms.Manager(employment.Key.Source),
		Until: ask.Until, Emergency: ask.Emergency, Renews: ask.Renews}
	s, err := g.personStatus(ctx, p)
	if err != nil {
		return none, err
	}
	return r, g.checkGives(s, r, day, true)
}

// employmentFor returns the employment that a request is for: the chosen one, the one of which
// the asker is the manager, or the main one.
func (g *Governance) employmentFor(ctx context.Context, p identity.Person, chosen identity.EmploymentID, by rights.Subject) (identity.Employment, error) {
	today := g.today()
	open := func(e identity.Employment) bool { return e.LastDay() == "" || e.LastDay() >= max(today, e.Start) }
	if chosen != "" {
		i := slices.IndexFunc(p.Employments, func(e identity.Employment) bool { return e.ID == chosen })
		switch {
		case i < 0:
			return identity.Employment{}, notTheirEmployment(p.ID)
		case !open(p.Employments[i]):
			return identity.Employment{}, refuse(reason.NoEmploymentToRequest{})
		}
		return p.Employments[i], nil
	}
	if by.Person != "" && by.Person != p.ID {
		manager, err := g.DB.Person(ctx, by.Person)
		if err != nil {
			return identity.Employment{}, err
		}
		for _, e := range p.Active(today) {
			key := e.On(today).Manager(e.Key.Source)
			if slices.Contains(keysOf(manager), key) {
				return e, nil
			}
		}
	}
	main, ok := p.Main(today, g.Config.Main)
	if !ok || !open(main) {
		return main, refuse(reason.NoEmploymentToRequest{})
	}
	return main, nil
}

// checkGives returns why a person would not get what a request is for, or would lose something
// by it, on a day. New says that it is asked now: then it is refused also to who has it.
func (g *Governance) checkGives(s reconcile.PersonStatus, r store.AccessRequest, day identity.Date, isNew bool) error {
	rules := g.Config.Rules
	withheld := func(why reason.Reason) error {
		return refuse(reason.RequestWithheld{Entitlement: r.Entitlement, Because: why})
	}
	if !s.Facts.Suspended.IsZero() {
		return withheld(s.Facts.Suspended)
	}
	if !s.Undecided.IsZero() {
		return withheld(s.Undecided)
	}
	// As if it were given now, after every other decision.
	q := reconcile.RequestOf(r, "")
	q.ID, q.Decision = math.MaxInt64, math.MaxInt64
	if why := rules.RequestEnds(s.Person, day, q); !why.IsZero() {
		return withheld(why)
	}
	before, err := rules.Decide(s.Person, day, s.Facts)
	if err != nil {
		return err
	}
	facts := s.Facts
	facts.Requests = append(slices.Clone(facts.Requests), q)
	after, err := rules.Decide(s.Person, day, facts)
	if err != nil {
		return err
	}
	gives := func(g policy.Grant) bool {
		return g.Gate == policy.Open || g.Gate == policy.AwaitingMFA || g.Gate == policy.MFAUnknown
	}
	for _, b := range before {
		if isNew && string(b.Entitlement) == r.Entitlement && gives(b) && (b.Until == "" || b.Until >= r.Until) {
			return refuse(reason.HasAlready{Entitlement: r.Entitlement, Until: b.Until})
		}
	}
	for _, a := range after {
		if string(a.Entitlement) == r.Entitlement {
			if !gives(a) {
				return withheld(a.GateReason)
			}
			continue
		}
		if a.Gate == policy.Withheld && slices.ContainsFunc(before, func(b policy.Grant) bool {
			return b.Entitlement == a.Entitlement && b.Gate != policy.Withheld && b.Gate != policy.Revoked && b.Gate != policy.Denied
		}) {
			return refuse(reason.RequestTakes{Entitlement: string(a.Entitlement), Because: a.GateReason})
		}
	}
	return nil
}

// errMeanwhile is returned in a transaction when another approver decided after it was read
// what is needed: it is read again then.
var errMeanwhile = errors.New("another approver decided meanwhile")

// DecideRequest approves a request or refuses it, for the first part that waits for the
// subject. Of emergency access it is what an approver says of it afterwards: refused, it ends.
func (g *Governance) DecideRequest(ctx context.Context, request int64, verdict store.Verdict, by rights.Subject, why string) (store.Decision, error) {
	for {
		d, err := g.decideRequest(ctx, request, verdict, by, why)
		if !errors.Is(err, errMeanwhile) {
			return d, err
		}
	}
}

func (g *Governance) decideRequest(ctx context.Context, request int64, verdict store.Verdict, by rights.Subject, why string) (store.Decision, error) {
	r, err := g.DB.AccessRequest(ctx, request)
	if err != nil {
		return store.Decision{}, err
	}
	all, err := access.ApproversOf(ctx, g.DB, g.Config, g.today(), r)
	if err != nil {
		return store.Decision{}, err
	}
	parts := all[r.ID]
	d, part, err := g.authorizeApproval(ctx, r, parts, by, why)
	switch {
	case err != nil:
		return d, err
	case verdict != store.Approve && verdict != store.Refuse:
		return d, noVerdict(verdict)
	case r.State != store.RequestWaiting:
		return d, refuse(reason.RequestDecided{Request: r.ID, State: string(r.State)})
	case part < 0:
		return d, refuse(reason.NotTheApprover{Request: r.ID, Approvers: openParts(parts)})
	case verdict == store.Approve && !r.Emergency:
		if err := g.checkApproval(ctx, r); err != nil {
			return d, err
		}
	}
	last := !slices.ContainsFunc(parts, func(a access.Approver) bool { return a.Decision == 0 && a.As != parts[part].As })
	d.Kind, d.Verdict, d.Person, d.Entitlement, d.Subject, d.Until = store.RequestDecision, verdict, r.Person, r.Entitlement, store.RequestSubject(r.ID), r.Until
	return g.record(ctx, d, func(tx *store.Tx, d store.Decision) error {
		now, approvals, err := tx.AccessRequest(ctx, r.ID)
		switch {
		case err != nil:
			return err
		case now.State != r.State || slices.ContainsFunc(approvals, func(a store.Approval) bool { return isNew(a, parts) }):
			return errMeanwhile
		case verdict == store.Refuse:
			return tx.EndAccess(ctx, r.ID, store.RequestRefused)
		}
		return tx.ApproveAccess(ctx, store.Approval{Request: r.ID, Approver: string(parts[part].As), Decision: d.Seq}, last)
	})
}

// isNew reports whether an approval is of a part that was read as open.
func isNew(a store.Approval, parts []access.Approver) bool {
	return slices.ContainsFunc(parts, func(p access.Approver) bool { return string(p.As) == a.Approver && p.Decision == 0 })
}

func openParts(parts []access.Approver) (open reason.AnyOf) {
	for _, a := range parts {
		if a.Decision == 0 {
			open = append(open, string(a.As))
		}
	}
	return open
}

// authorizeApproval asks rights whether the subject may approve a request, and returns which
// part of it waits for them; -1 when none does.
func (g *Governance) authorizeApproval(ctx context.Context, r store.AccessRequest, parts []access.Approver, by rights.Subject, why string) (store.Decision, int, error) {
	o := rights.Object{About: []identity.PersonID{r.Person}, Managers: []identity.PersonID{}}
	if asked, ok := r.AskedBy.Person(); ok {
		o.CausedBy = append(o.CausedBy, asked)
	}
	for _, a := range parts {
		if a.Decision == 0 {
			continue
		}
		d, err := g.DB.Decision(ctx, a.Decision)
		if err != nil {
			return d, -1, err
		}
		if maker, ok := d.Maker.Person(); ok {
			o.CausedBy = append(o.CausedBy, maker) // one person is not two approvers
		}
	}
	part := slices.IndexFunc(parts, func(a access.Approver) bool { return a.Decision == 0 && slices.Contains(a.People, by.Person) })
	if part < 0 {
		vacant := slices.IndexFunc(parts, func(a access.Approver) bool { return a.Decision == 0 && len(a.People) == 0 })
		if vacant >= 0 {
			d, err := g.authorize(ctx, by, rights.ApproveInstead, o, why)
			return d, vacant, err
		}
		// Who is the manager or an owner is told which part is open; other people are not.
		e, _ := g.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(r.Entitlement))
		var err error
		if o.Owners, err = g.owners(ctx, e.System); err != nil {
			return store.Decision{}, -1, err
		}
		o.Managers = nil
		d, err := g.authorize(ctx, by, rights.ApproveRequest, o, why)
		return d, -1, err
	}
	if parts[part].As == policy.ManagerApprover {
		o.Managers = parts[part].People
	} else {
		o.Owners = parts[part].People
	}
	d, err := g.authorize(ctx, by, rights.ApproveRequest, o, why)
	return d, part, err
}

// checkApproval returns why a request can no longer be approved: what it hangs on has changed,
// or the person would not get it.
func (g *Governance) checkApproval(ctx context.Context, r store.AccessRequest) error {
	p, err := g.DB.Person(ctx, r.Person)
	if err != nil {
		return err
	}
	s, err := g.personStatus(ctx, p)
	if err != nil {
		return err
	}
	day := g.today()
	if i := slices.IndexFunc(s.Person.Employments, func(e identity.Employment) bool { return e.ID == r.Employment }); i >= 0 {
		day = max(day, s.Person.Employments[i].Start)
	}
	if why := g.Config.Rules.RequestEnds(s.Person, day, reconcile.RequestOf(r, "")); !why.IsZero() && why.Code() != reason.CodeOf(reason.RequestOnLeave{}) {
		return refuse(reason.RequestStale{Request: r.ID, Because: why})
	}
	return g.checkGives(s, r, day, false)
}

// WithdrawRequest ends a request, and the access that it gives. Emergency access that was taken
// is looked at by the approvers all the same.
func (g *Governance) WithdrawRequest(ctx context.Context, request int64, by rights.Subject, why string) (store.Decision, error) {
	r, err := g.DB.AccessRequest(ctx, request)
	if err != nil {
		return store.Decision{}, err
	}
	d, err := g.authorize(ctx, by, rights.WithdrawRequest, rights.Object{About: []identity.PersonID{r.Person}}, why)
	if err != nil {
		return d, err
	}
	d.Kind, d.Verdict, d.Person, d.Entitlement, d.Subject = store.RequestDecision, store.Withdraw, r.Person, r.Entitlement, store.RequestSubject(r.ID)
	return g.record(ctx, d, func(tx *store.Tx, _ store.Decision) error {
		now, _, err := tx.AccessRequest(ctx, r.ID)
		if err != nil {
			return err
		}
		ended := now.State == store.RequestRefused || now.State == store.RequestWithdrawn
		switch {
		case ended, now.Emergency && now.Given == 0:
			if !ended {
				now.State = store.RequestWithdrawn
			}
			return refuse(reason.RequestDecided{Request: r.ID, State: string(now.State)})
		case now.Emergency && now.State == store.RequestWaiting:
			return tx.EndAccess(ctx, r.ID, store.RequestWaiting)
		}
		return tx.EndAccess(ctx, r.ID, store.RequestWithdrawn)
	})
}
