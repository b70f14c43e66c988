package governance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Suspend takes everything from a person from now on, whatever HR says, or,
// with lift, ends that.
func (g *Governance) Suspend(ctx context.Context, p identity.Person, lift bool, by rights.Subject, reason string) (store.Decision, error) {
	action := rights.Suspend
	if lift {
		action = rights.LiftSuspension
	}
	return g.decideOn(ctx, p, action, store.SuspensionDecision, store.Suspend, lift, by, reason, nil)
}

// SetLegalHold keeps whatever of a person would be deleted, or, with lift, ends
// that.
func (g *Governance) SetLegalHold(ctx context.Context, p identity.Person, lift bool, by rights.Subject, reason string) (store.Decision, error) {
	return g.decideOn(ctx, p, rights.HoldLegally, store.LegalHoldDecision, store.Retain, lift, by, reason, nil)
}

// MostExemptDays is for how many days a person can be exempt from MFA at most, and
// MostScreenedDays for how many a screening is valid.
const (
	MostExemptDays   = 90
	MostScreenedDays = 3650
)

// Screen says until which day a screening (säkerhetsprövning) of a person is valid, or, with
// lift, that it is not any more.
func (g *Governance) Screen(ctx context.Context, p identity.Person, until identity.Date, lift bool, by rights.Subject, reason string) (store.Decision, error) {
	return g.decideUntil(ctx, p, rights.Screen, store.ScreeningDecision, store.Screened, until, MostScreenedDays, lift, by, reason)
}

// ExemptFromMFA lets a person have, until a day, what needs MFA without it, or, with lift,
// ends that.
func (g *Governance) ExemptFromMFA(ctx context.Context, p identity.Person, until identity.Date, lift bool, by rights.Subject, reason string) (store.Decision, error) {
	return g.decideUntil(ctx, p, rights.ExemptFromMFA, store.MFAExemptionDecision, store.Exempt, until, MostExemptDays, lift, by, reason)
}

// MostAllowedDays is for how many days a person can be allowed both sides of a conflict at
// most.
const MostAllowedDays = 365

// AllowConflict lets a person have both sides of a conflict until a day, or, with lift, ends
// that. The reason says which compensating control makes up for it.
func (g *Governance) AllowConflict(ctx context.Context, p identity.Person, conflict string, until identity.Date, lift bool, by rights.Subject, reason string) (store.Decision, error) {
	d, err := g.authorize(ctx, by, rights.AllowConflict, rights.Object{About: []identity.PersonID{p.ID}}, reason)
	if err != nil {
		return store.Decision{}, err
	}
	if _, known := g.Config.Rules.Catalogue.Conflict(conflict); !known && !lift {
		return store.Decision{}, noSuchConflict(conflict, g.Config.Rules.Catalogue.Conflicts)
	}
	all, err := g.DB.ConflictDecisions(ctx, store.Only(p.ID))
	if err != nil {
		return store.Decision{}, err
	}
	var before []store.Decision
	for _, d := range all {
		if d.Subject == store.ConflictSubject(conflict) {
			before = append(before, d)
		}
	}
	d.Kind, d.Verdict, d.Person, d.Subject, d.Until = store.ConflictDecision, store.Allow, p.ID, store.ConflictSubject(conflict), until
	return g.untilDay(ctx, d, before, MostAllowedDays, lift)
}

// decideUntil is decideOn for a decision that holds until a day, at most so many days from
// now. Another day replaces it.
func (g *Governance) decideUntil(ctx context.Context, p identity.Person, action rights.Action, kind store.DecisionKind, verdict store.Verdict, until identity.Date, most int, lift bool, by rights.Subject, reason string) (store.Decision, error) {
	d, err := g.authorize(ctx, by, action, rights.Object{About: []identity.PersonID{p.ID}}, reason)
	if err != nil {
		return store.Decision{}, err
	}
	before, err := g.DB.NewestDecisionPerPerson(ctx, kind, store.Only(p.ID))
	if err != nil {
		return store.Decision{}, err
	}
	d.Kind, d.Verdict, d.Person, d.Until = kind, verdict, p.ID, until
	return g.untilDay(ctx, d, before, most, lift)
}

// untilDay records a decision that holds until a day, at most so many days from now, or the
// end of it. before is the one on the same, if there is one.
func (g *Governance) untilDay(ctx context.Context, d store.Decision, before []store.Decision, most int, lift bool) (store.Decision, error) {
	today := identity.DateOf(g.Now(), g.Config.Zone)
	holds := len(before) > 0 && before[0].Verdict != store.Lift && before[0].Until >= today
	switch {
	case lift && !holds:
		return store.Decision{}, nothingToLift(d.Kind)
	case lift:
		d.Verdict, d.Until = store.Lift, ""
	case noDate(d.Until) || d.Until < today || d.Until > today.AddDays(most):
		return store.Decision{}, lastDayWrong(today, today.AddDays(most))
	case holds && before[0].Until == d.Until:
		return before[0], errors.Join(g.DB.DecryptReasons(ctx, &before[0]), &AlreadyDecidedError{Decision: before[0]})
	}
	return g.record(ctx, d, func(*store.Tx, store.Decision) error { return nil })
}

func noDate(d identity.Date) bool {
	_, err := identity.ParseDate(time.DateOnly, string(d))
	return err != nil
}

// Protect marks a person's identity as protected, or, with lift, leaves it to
// HR again.
func (g *Governance) Protect(ctx context.Context, p identity.Person, lift bool, by rights.Subject, reason string) (store.Decision, error) {
	return g.decideOn(ctx, p, rights.Protect, store.ProtectionDecision, store.Protect, lift, by, reason, func(tx *store.Tx) error {
		return tx.SetProtected(ctx, p.ID, !lift)
	})
}

// SetMainEmployment says which employment speaks for a person while it runs, whatever the
// rule and HR's mark; none, the empty one, leaves it to them again.
func (g *Governance) SetMainEmployment(ctx context.Context, p identity.Person, e identity.EmploymentID, by rights.Subject, reason string) (store.Decision, error) {
	d, err := g.authorize(ctx, by, rights.SetMain, rights.Object{About: []identity.PersonID{p.ID}}, reason)
	if err != nil {
		return store.Decision{}, err
	}
	verdict := store.Main
	switch {
	case e == p.MainEmployment && e != "":
		return store.Decision{}, alreadyMain()
	case e == p.MainEmployment:
		return store.Decision{}, noMainDecision()
	case e == "":
		verdict = store.Lift
	case !slices.ContainsFunc(p.Employments, func(x identity.Employment) bool { return x.ID == e }):
		return store.Decision{}, notTheirEmployment(p.ID)
	}
	d.Kind, d.Verdict, d.Person, d.Subject = store.MainEmploymentDecision, verdict, p.ID, store.EmploymentSubject(e)
	return g.record(ctx, d, func(tx *store.Tx, _ store.Decision) error { return tx.SetMainEmployment(ctx, p.ID, e) })
}

// decideOn records a decision about a person as a whole. It refuses a decision that is in
// force already, so that no operator believes to have changed something.
func (g *Governance) decideOn(ctx context.Context, p identity.Person, action rights.Action, kind store.DecisionKind, verdict store.Verdict, lift bool, by rights.Subject, reason string, with func(*store.Tx) error) (store.Decision, error) {
	d, err := g.authorize(ctx, by, action, rights.Object{About: []identity.PersonID{p.ID}}, reason)
	if err != nil {
		return store.Decision{}, err
	}
	before, err := g.DB.NewestDecisionPerPerson(ctx, kind, store.Only(p.ID))
	if err != nil {
		return store.Decision{}, err
	}
	holds := len(before) > 0 && before[0].Verdict != store.Lift
	switch {
	case lift && !holds:
		return store.Decision{}, nothingToLift(kind)
	case !lift && holds:
		return before[0], errors.Join(g.DB.DecryptReasons(ctx, &before[0]), &AlreadyDecidedError{Decision: before[0]})
	case lift:
		verdict = store.Lift
	}
	d.Kind, d.Verdict, d.Person = kind, verdict, p.ID
	return g.record(ctx, d, func(tx *store.Tx, _ store.Decision) error {
		if with == nil {
			return nil
		}
		return with(tx)
	})
}

// Merge decides that two people are one: the records of the second become the first's.
// The second stays as a person without employments, whose accounts end like a leaver's.
// Split undoes it.
func (g *Governance) Merge(ctx context.Context, into, from identity.Person, by rights.Subject, reason string) (store.Decision, error) {
	d, err := g.authorize(ctx, by, rights.Merge, rights.Object{About: []identity.PersonID{into.ID, from.ID}}, reason)
	switch {
	case err != nil:
		return store.Decision{}, err
	case into.ID == from.ID:
		return store.Decision{}, onePerson()
	case into.MergedInto != "" || from.MergedInto != "":
		return store.Decision{}, alreadyMerged()
	}
	if err := g.checkRecordRights(keysOf(from)...); err != nil {
		return store.Decision{}, err
	}
	if err := g.mayBeOne(ctx, into, from); err != nil {
		return store.Decision{}, err
	}
	d.Kind, d.Verdict, d.Person, d.Subject = store.RecordDecision, store.Merge, into.ID, store.PersonSubject(from.ID)
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.LockSequences(ctx); err != nil { // as an import begins: neither waits for the other
			return err
		}
		for _, k := range from.Keys {
			if err := tx.MoveRecord(ctx, g.Config.Precedence, k.SourceKey, from.ID, into.ID); err != nil {
				return err
			}
		}
		if err := tx.SetMergedInto(ctx, from.ID, into.ID); err != nil {
			return err
		}
		if err := tx.MoveAbsences(ctx, from.ID, into.ID); err != nil {
			return err
		}
		if err := tx.MoveNonHumanAccounts(ctx, from.ID, into.ID); err != nil {
			return err
		}
		var err error
		if d, err = tx.Decide(ctx, d, g.Now()); err != nil {
			return err
		}
		return g.carryOver(ctx, tx, from.ID, into.ID, d)
	})
	return d, err
}

// carryOver has what is decided against a person, or to protect them, hold for another, too:
// of two who are one, or of whom one was taken for the other, neither gets by that what was
// taken. What a decision gave is not carried over.
func (g *Governance) carryOver(ctx context.Context, tx *store.Tx, from, to identity.PersonID, by store.Decision) error {
	var all []store.Decision
	for _, kind := range []store.DecisionKind{store.SuspensionDecision, store.LegalHoldDecision, store.ProtectionDecision} {
		decided, err := g.DB.NewestDecisionPerPerson(ctx, kind, store.Only(from))
		if err != nil {
			return err
		}
		all = append(all, decided...)
	}
	reviewed, err := g.DB.ReviewDecisions(ctx, store.Only(from))
	if err != nil {
		return err
	}
	all = append(all, slices.DeleteFunc(reviewed, func(d store.Decision) bool { return d.Verdict != store.Revoke && d.Until == "" })...)
	for _, was := range all {
		if was.Verdict == store.Lift {
			continue
		}
		d := store.Decision{Kind: was.Kind, Verdict: was.Verdict, Person: to, Entitlement: was.Entitlement, Subject: was.Subject, Maker: by.Maker, Authority: by.Authority, Until: was.Until,
			Because: reason.Of(reason.CarriedOver{Decision: was.Seq, By: by.Seq})}
		if _, err := tx.Decide(ctx, d, g.Now()); err != nil {
			return err
		}
		if was.Kind == store.ProtectionDecision {
			if err := tx.SetProtected(ctx, to, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayBeOne returns an error for two people who work here and of whom HR says that they are
// not one: neither a name nor the national identity number is the same. One of them changes
// when a person marries, or gets a personal number in place of a coordination number; both
// do not.
func (g *Governance) mayBeOne(ctx context.Context, a, b identity.Person) error {
	if !a.IsActive(g.today()) || !b.IsActive(g.today()) || strings.EqualFold(a.GivenName, b.GivenName) || strings.EqualFold(a.FamilyName, b.FamilyName) {
		return nil
	}
	differ, err := g.DB.NationalIDsDiffer(ctx, a.ID, b.ID)
	if err != nil || !differ {
		return err
	}
	return mergeOfTwo()
}

// Split decides that a source's record is not the person's: it becomes the record of the
// person who had it before, or of a new person. The next import does not join them again.
func (g *Governance) Split(ctx context.Context, p identity.Person, key identity.SourceKey, by rights.Subject, reason string) (identity.PersonID, store.Decision, error) {
	decision, err := g.authorize(ctx, by, rights.Split, rights.Object{About: []identity.PersonID{p.ID}}, reason)
	if err != nil {
		return "", store.Decision{}, err
	}
	i := slices.IndexFunc(p.Keys, func(k identity.Record) bool { return k.SourceKey == key })
	if i < 0 {
		return "", store.Decision{}, noSuchRecord(key)
	}
	if len(p.Keys) < 2 {
		return "", store.Decision{}, onlyRecord()
	}
	if err := g.checkRecordRights(key); err != nil {
		return "", store.Decision{}, err
	}
	before, err := g.DB.FormerOwner(ctx, key)
	if err != nil {
		return "", store.Decision{}, err
	}
	subject, err := g.DB.RecordSubject(key)
	if err != nil {
		return "", store.Decision{}, err
	}
	var d store.Decision
	other := before
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.LockSequences(ctx); err != nil {
			return err
		}
		if other == "" {
			other = identity.PersonID(uuid.Must(uuid.NewV7()).String())
			if err := g.addSplitPerson(ctx, tx, p, key, other); err != nil {
				return err
			}
		} else if err := tx.SetMergedInto(ctx, other, ""); err != nil {
			return err
		}
		if err := tx.MoveRecord(ctx, g.Config.Precedence, key, p.ID, other); err != nil {
			return err
		}
		// Marked distinct, the record and the people, so that no import joins them again.
		split, apart := decision, decision
		split.Kind, split.Verdict, split.Person, split.Subject = store.RecordDecision, store.Split, p.ID, subject
		if d, err = tx.Decide(ctx, split, g.Now()); err != nil {
			return err
		}
		apart.Kind, apart.Verdict, apart.Person, apart.Subject = store.RecordDecision, store.Apart, p.ID, store.PersonSubject(other)
		if _, err := tx.Decide(ctx, apart, g.Now()); err != nil {
			return err
		}
		return g.carryOver(ctx, tx, p.ID, other, d)
	})
	return other, d, err
}

// addSplitPerson adds the person to whom a split record goes.
func (g *Governance) addSplitPerson(ctx context.Context, tx *store.Tx, p identity.Person, key identity.SourceKey, id identity.PersonID) error {
	records, err := tx.HRRecords(ctx, p.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(records, func(k identity.Record) bool { return k.SourceKey == key })
	template := g.Config.Login
	if records[i].Facts.Protected || p.Protected {
		template = g.Config.LoginProtected
	}
	base, err := template.Execute(identity.View{PersonFacts: g.Config.Precedence.Merge(records[i : i+1]), PersonID: id})
	if err != nil {
		return fmt.Errorf("login of person %s: %w", id, err)
	}
	login, err := tx.ReserveLogin(ctx, base, id)
	if err != nil {
		return err
	}
	return tx.AddPerson(ctx, id, login)
}

// MarkDistinct says that two people who look like one are two.
func (g *Governance) MarkDistinct(ctx context.Context, a, b identity.Person, by rights.Subject, reason string) (store.Decision, error) {
	d, err := g.authorize(ctx, by, rights.Merge, rights.Object{About: []identity.PersonID{a.ID, b.ID}}, reason)
	if err != nil {
		return store.Decision{}, err
	}
	d.Kind, d.Verdict, d.Person, d.Subject = store.RecordDecision, store.Apart, a.ID, store.PersonSubject(b.ID)
	return g.record(ctx, d, nil)
}

// Erase proposes to destroy the personal data of a person who has left, whose accounts
// are gone, and who has no legal hold. Another person has to release it: it cannot be
// undone. The audit trail keeps what the person had access to, under an ID that names no
// one.
func (g *Governance) Erase(ctx context.Context, p identity.Person, by rights.Subject, reason string) (Proposal, error) {
	d, err := g.authorize(ctx, by, rights.Erase, rights.Object{About: []identity.PersonID{p.ID}}, reason)
	if err != nil {
		return Proposal{}, err
	}
	if err := g.erasable(ctx, p); err != nil {
		return Proposal{}, err
	}
	d.Kind, d.Person = store.ErasureDecision, p.ID
	return g.propose(ctx, d, store.ErasureHold, string(p.ID), erasureProposed(p.ID), proposed{Person: p.ID})
}

func erasureProposed(p identity.PersonID) func(store.Decision) reason.Kind {
	return func(d store.Decision) reason.Kind {
		return reason.ErasureProposed{Person: p, Decision: d.Seq, Maker: d.Maker}
	}
}

// erasable returns why a person cannot be erased, or nil.
func (g *Governance) erasable(ctx context.Context, p identity.Person) error {
	standing, err := g.personStatus(ctx, p)
	if err != nil {
		return err
	}
	switch standing.Stage.State {
	case identity.Ended, identity.Retained, identity.ToErase, identity.Known:
	default:
		return stillHere(standing.Stage.State)
	}
	if !standing.Facts.LegalHold.IsZero() {
		return &reason.Refusal{Reason: reason.Of(reason.KeptByLegalHold{By: standing.Facts.LegalHold})}
	}
	if err := g.checkRecordRights(keysOf(p)...); err != nil {
		return err
	}
	for _, t := range g.Config.Targets {
		has, err := g.DB.HasAccount(ctx, t.Name, p.ID)
		if err != nil {
			return err
		}
		if has {
			return accountLeft(t.Name, g.Config.Lifecycle.DeleteAfter)
		}
	}
	return nil
}

// erase carries out what was proposed.
func (g *Governance) erase(ctx context.Context, d store.Decision, id identity.PersonID) (store.Decision, error) {
	sequences, err := g.DB.Sequences(ctx)
	if err != nil {
		return d, err
	}
	p, err := g.DB.Person(ctx, id)
	if err != nil {
		return d, err
	}
	if err := g.erasable(ctx, p); err != nil {
		return d, err
	}
	d.Kind, d.Verdict, d.Person, d.Subject = store.ErasureDecision, store.Erase, p.ID, ""
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.LockSequences(ctx); err != nil {
			return err
		}
		for _, t := range g.Config.Targets {
			touched, err := tx.PeopleAffectedSince(ctx, t.Name, store.Only(p.ID), sequences)
			if err != nil {
				return err
			}
			if touched[p.ID] {
				return seenSinceAsked()
			}
		}
		if d, err = tx.Decide(ctx, d, g.Now()); err != nil {
			return err
		}
		tx.Audit(audit.Record{At: g.Now(), Actor: d.Maker, Authority: d.Authority, Action: audit.PersonErased, Person: p.ID, Reason: reason.Of(reason.ByDecision{Decision: d.Seq})})
		return tx.ErasePerson(ctx, p.ID, g.Now())
	})
	return d, err
}
