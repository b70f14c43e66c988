package governance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// Suspend takes everything from a person from now on, whatever HR says, or,
// with lift, ends that.
func (g *Governance) Suspend(ctx context.Context, p identity.Person, lift bool, maker, reason string) (store.Decision, error) {
	return g.decideOn(ctx, p, store.SuspensionDecision, store.Suspend, lift, maker, reason, nil)
}

// HoldLegally keeps whatever of a person would be deleted, or, with lift, ends
// that.
func (g *Governance) HoldLegally(ctx context.Context, p identity.Person, lift bool, maker, reason string) (store.Decision, error) {
	return g.decideOn(ctx, p, store.LegalHoldDecision, store.Retain, lift, maker, reason, nil)
}

// Protect marks a person's identity as protected, or, with lift, leaves it to
// HR again.
func (g *Governance) Protect(ctx context.Context, p identity.Person, lift bool, maker, reason string) (store.Decision, error) {
	return g.decideOn(ctx, p, store.ProtectionDecision, store.Protect, lift, maker, reason, func(tx *store.Tx) error {
		return tx.SetProtected(ctx, p.ID, !lift)
	})
}

// Main says which employment speaks for a person while it runs, whatever the
// rule and HR's mark; none, the empty one, leaves it to them again.
func (g *Governance) Main(ctx context.Context, p identity.Person, e identity.EmploymentID, maker, reason string) (store.Decision, error) {
	if err := g.mayDecideOn(ctx, maker, p.ID, reason); err != nil {
		return store.Decision{}, err
	}
	verdict := store.Main
	switch {
	case e == p.MainEmployment && e != "":
		return store.Decision{}, errors.New("that employment speaks for the person by a decision already")
	case e == p.MainEmployment:
		return store.Decision{}, errors.New("there is no decision on which employment speaks for the person")
	case e == "":
		verdict = store.Lift
	case !slices.ContainsFunc(p.Employments, func(x identity.Employment) bool { return x.ID == e }):
		return store.Decision{}, fmt.Errorf("it is no employment of person %s", p.ID)
	}
	var d store.Decision
	err := g.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if d, err = tx.Decide(ctx, store.Decision{Kind: store.MainDecision, Verdict: verdict, Person: string(p.ID), Subject: string(e), Maker: maker, Reason: reason}, g.Now()); err != nil {
			return err
		}
		return tx.SetMain(ctx, p.ID, e)
	})
	return d, err
}

// decideOn records a decision about a person as a whole. One that says what
// holds already is refused, so that nobody believes to have changed something.
func (g *Governance) decideOn(ctx context.Context, p identity.Person, kind store.DecisionKind, verdict string, lift bool, maker, reason string, with func(*store.Tx) error) (store.Decision, error) {
	if err := g.mayDecideOn(ctx, maker, p.ID, reason); err != nil {
		return store.Decision{}, err
	}
	before, err := g.DB.PersonDecisions(ctx, kind, string(p.ID))
	if err != nil {
		return store.Decision{}, err
	}
	holds := len(before) > 0 && before[0].Verdict != store.Lift
	switch {
	case lift && !holds:
		return store.Decision{}, fmt.Errorf("there is no %s of this person to lift", kind)
	case !lift && holds:
		return before[0], &AlreadyError{Decision: before[0]}
	case lift:
		verdict = store.Lift
	}
	var d store.Decision
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		if d, err = tx.Decide(ctx, store.Decision{Kind: kind, Verdict: verdict, Person: string(p.ID), Maker: maker, Reason: reason}, g.Now()); err != nil || with == nil {
			return err
		}
		return with(tx)
	})
	return d, err
}

// AlreadyError is returned for a decision that says what holds already.
type AlreadyError struct{ Decision store.Decision }

func (e *AlreadyError) Error() string {
	return fmt.Sprintf("that holds already, by decision %d: %s", e.Decision.Seq, e.Decision.Reason)
}

// Merge says that two people are one: the records of the second become the
// first's. The second stays as somebody without employments, whose accounts
// end as a leaver's do. Split undoes it.
func (g *Governance) Merge(ctx context.Context, into, from identity.Person, maker, reason string) (store.Decision, error) {
	switch {
	case into.ID == from.ID:
		return store.Decision{}, errors.New("they are one person already")
	case into.MergedInto != "" || from.MergedInto != "":
		return store.Decision{}, errors.New("one of them was found to be somebody else's record already: name that person")
	}
	for _, p := range []identity.Person{into, from} {
		if err := g.mayDecideOn(ctx, maker, p.ID, reason); err != nil {
			return store.Decision{}, err
		}
	}
	var keys []string
	for _, k := range from.Keys {
		keys = append(keys, k.Source+"/"+k.Key)
	}
	var d store.Decision
	err := g.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Still(ctx); err != nil { // as an import begins: neither waits for the other
			return err
		}
		for _, k := range from.Keys {
			if err := tx.MoveRecord(ctx, g.Config.Precedence, k.SourceKey, from.ID, into.ID); err != nil {
				return err
			}
		}
		if err := tx.SetMerged(ctx, from.ID, into.ID); err != nil {
			return err
		}
		var err error
		d, err = tx.Decide(ctx, store.Decision{Kind: store.RecordDecision, Verdict: store.Merge, Person: string(into.ID), Subject: string(from.ID), Maker: maker,
			Reason: reason + " (records: " + strings.Join(keys, ", ") + ")"}, g.Now())
		return err
	})
	return d, err
}

// Split says that a source's record is not the person's: it becomes somebody
// else's again, who it was before, or who is new. The next import does not
// join them again.
func (g *Governance) Split(ctx context.Context, p identity.Person, key identity.SourceKey, maker, reason string) (identity.PersonID, store.Decision, error) {
	if err := g.mayDecideOn(ctx, maker, p.ID, reason); err != nil {
		return "", store.Decision{}, err
	}
	i := slices.IndexFunc(p.Keys, func(k identity.Record) bool { return k.SourceKey == key })
	if i < 0 {
		return "", store.Decision{}, fmt.Errorf("the person has no record %s/%s: behov people show lists them", key.Source, key.Key)
	}
	if len(p.Keys) < 2 {
		return "", store.Decision{}, errors.New("it is the only record the person has: there is nothing to split")
	}
	before, err := g.DB.Formerly(ctx, key)
	if err != nil {
		return "", store.Decision{}, err
	}
	var d store.Decision
	other := before
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Still(ctx); err != nil {
			return err
		}
		if other == "" {
			other = identity.PersonID(uuid.Must(uuid.NewV7()).String())
			if err := g.newcomer(ctx, tx, p, key, other); err != nil {
				return err
			}
		} else if err := tx.SetMerged(ctx, other, ""); err != nil {
			return err
		}
		if err := tx.MoveRecord(ctx, g.Config.Precedence, key, p.ID, other); err != nil {
			return err
		}
		// So that nobody takes them for one again: the record, and the people.
		if d, err = tx.Decide(ctx, store.Decision{Kind: store.RecordDecision, Verdict: store.Split, Person: string(p.ID), Subject: key.Source + "/" + key.Key, Maker: maker, Reason: reason}, g.Now()); err != nil {
			return err
		}
		_, err := tx.Decide(ctx, store.Decision{Kind: store.RecordDecision, Verdict: store.Apart, Person: string(p.ID), Subject: string(other), Maker: maker, Reason: reason}, g.Now())
		return err
	})
	return other, d, err
}

// newcomer makes the person whom a record is split off for.
func (g *Governance) newcomer(ctx context.Context, tx *store.Tx, p identity.Person, key identity.SourceKey, id identity.PersonID) error {
	records, err := tx.Records(ctx, p.ID)
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
	login, err := tx.TakeLogin(ctx, base, id)
	if err != nil {
		return err
	}
	return tx.AddPerson(ctx, id, login)
}

// Apart says that two people who look like one are two.
func (g *Governance) Apart(ctx context.Context, a, b identity.Person, maker, reason string) (store.Decision, error) {
	for _, p := range []identity.Person{a, b} {
		if err := g.mayDecideOn(ctx, maker, p.ID, reason); err != nil {
			return store.Decision{}, err
		}
	}
	var d store.Decision
	err := g.DB.Write(ctx, func(tx *store.Tx) error {
		var err error
		d, err = tx.Decide(ctx, store.Decision{Kind: store.RecordDecision, Verdict: store.Apart, Person: string(a.ID), Subject: string(b.ID), Maker: maker, Reason: reason}, g.Now())
		return err
	})
	return d, err
}

// Erase destroys what is known of a person who has left, whose accounts are
// gone, and on whom there is no legal hold. What they had access to stays in
// the trail, of somebody whom nobody can name.
func (g *Governance) Erase(ctx context.Context, p identity.Person, maker, reason string) error {
	if err := g.mayDecideOn(ctx, maker, p.ID, reason); err != nil {
		return err
	}
	heads, err := g.DB.Heads(ctx)
	if err != nil {
		return err
	}
	standing, err := g.standing(ctx, p)
	if err != nil {
		return err
	}
	switch standing.Stage.State {
	case identity.Ended, identity.Retained, identity.ToErase, identity.Known:
	default:
		return fmt.Errorf("the person is %s: nobody is erased who works here or will", standing.Stage.State)
	}
	if standing.Facts.LegalHold != "" {
		return fmt.Errorf("a legal hold keeps the person: %s", standing.Facts.LegalHold)
	}
	for _, t := range g.Config.Targets {
		has, err := g.DB.HasAccount(ctx, t.Name, p.ID)
		if err != nil {
			return err
		}
		if has {
			return fmt.Errorf("the person still has an account in %s: nobody could say whose it is afterwards; it is deleted %d days after the last day, or delete it there and run behov apply", t.Name, g.Config.Lifecycle.DeleteAfter)
		}
	}
	return g.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := tx.Still(ctx); err != nil {
			return err
		}
		for _, t := range g.Config.Targets {
			touched, err := tx.Touched(ctx, t.Name, store.Few{p.ID}, heads, "")
			if err != nil {
				return err
			}
			if touched[p.ID] {
				return errors.New("something new is known of the person since you asked: look again")
			}
		}
		if _, err := tx.Decide(ctx, store.Decision{Kind: store.ErasureDecision, Verdict: store.Erase, Person: string(p.ID), Maker: maker, Reason: reason}, g.Now()); err != nil {
			return err
		}
		tx.Audit(audit.Record{At: g.Now(), Actor: maker, Action: audit.PersonErased, Person: string(p.ID), Reason: reason})
		return tx.ErasePerson(ctx, p.ID, g.Now())
	})
}
