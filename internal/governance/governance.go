// Package governance is where people decide: reviews of who has what, the release of
// what behov holds, suspensions, whose a record or an account is, pauses. Each
// decision asks rights, and is recorded with its audit record in one transaction. A
// decision is an input to policy.
//
// It must never write to a target, and never record a decision that rights does not
// allow to its maker.
package governance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Governance records decisions.
type Governance struct {
	DB     *store.DB
	Config *config.Config
	Now    func() time.Time
	// Targets reads targets, for what is about accounts in them; nil where nothing
	// is.
	Targets Targets
}

// Targets checks whether an account in a target may be bound to a person, and whether it
// is enabled, or entered in the register. *reconcile.Engine implements it.
type Targets interface {
	CheckBind(ctx context.Context, p identity.Person, target, account string) (enabled bool, err error)
	// FindAccount returns the native ID and the login name of the account that has the given
	// one of them, when it can be entered in the register of accounts that are no person's.
	FindAccount(ctx context.Context, target, account string) (id, name string, err error)
}

// AlreadyDecidedError is returned for a decision that says what holds already.
type AlreadyDecidedError struct{ Decision store.Decision }

func (e *AlreadyDecidedError) Error() string {
	return fmt.Sprintf("that holds already, by decision %d: %s", e.Decision.Seq, e.Decision.Reason)
}

func (g *Governance) today() identity.Date { return identity.DateOf(g.Now(), g.Config.Zone) }

func (g *Governance) personStatus(ctx context.Context, p identity.Person) (reconcile.PersonStatus, error) {
	return reconcile.PersonStatusOf(ctx, g.DB, g.Config, p, g.today())
}

// authorize asks rights whether a subject may take an action, and returns the decision
// with its maker and authority, for the caller to fill in and record. Managers that are nil are
// those of the people whom it is about.
func (g *Governance) authorize(ctx context.Context, by rights.Subject, action rights.Action, o rights.Object, reason string) (store.Decision, error) {
	if by.IsZero() {
		return store.Decision{}, noMaker()
	}
	if reason = identity.CleanText(reason); reason == "" { // one line, without what a terminal obeys
		return store.Decision{}, noReasonGiven()
	}
	known, err := access.KnownSubject(ctx, g.DB, g.Config, g.today(), by)
	if err != nil {
		return store.Decision{}, fmt.Errorf("the person who decides: %w", err)
	}
	// Another record of one's own is oneself.
	var same []identity.PersonID
	if by.Person != "" {
		if same, err = g.DB.LinkedPeople(ctx, by.Person); err != nil {
			return store.Decision{}, err
		}
	}
	if slices.ContainsFunc(o.About, func(p identity.PersonID) bool { return slices.Contains(same, p) }) {
		o.About = append(slices.Clone(o.About), by.Person)
	}
	if slices.ContainsFunc(o.CausedBy, func(p identity.PersonID) bool { return slices.Contains(same, p) }) {
		o.CausedBy = append(slices.Clone(o.CausedBy), by.Person)
	}
	if o.Managers == nil {
		if o.Managers, err = g.managers(ctx, o.About); err != nil {
			return store.Decision{}, err
		}
	}
	role, err := g.Config.Rights.May(known, action, o)
	if err != nil {
		return store.Decision{}, err
	}
	return store.Decision{Maker: by.Actor(), Authority: authority(string(role), by.How, g.Config.Rights.Digest()), Reason: reason}, nil
}

// As what a maker decides whom rights are not asked about.
const (
	asOwner      = "their own"       // of the token
	asFirstToken = "the first token" // while no person is known
)

// authority returns the text of store.Decision.Authority: as what the maker decides, how
// they were identified, and the digest of the rights that said so. What does not apply is
// empty.
func authority(as string, how rights.How, digest string) string {
	parts := []string{as}
	if how != "" {
		parts = append(parts, string(how))
	}
	if digest != "" {
		parts = append(parts, "rights "+digest)
	}
	return strings.Join(parts, ", ")
}

// checkRecordRights returns an error when a record is named where rights are given: they would
// pass with it to another person, or to the next person who gets the key.
func (g *Governance) checkRecordRights(keys ...identity.SourceKey) error {
	for _, k := range keys {
		ref, place := k.Source+"/"+k.Key, ""
		for _, line := range g.Config.Rights.Given() {
			if line.Member == ref {
				place = fmt.Sprintf("%s:%d", line.File, line.LineNumber)
			}
		}
		for _, s := range g.Config.Rules.Catalogue.Systems {
			if s.Owner == ref || slices.Contains(s.Deputies, ref) {
				place = "the catalogue, of system " + s.ID
			}
		}
		for _, t := range g.Config.Targets {
			if settings, _ := t.Manual(); settings.To == ref || settings.Escalate == ref {
				place = "manual in behov.yaml, of target " + t.Name
			}
		}
		for _, s := range g.Config.ServiceAccounts {
			if slices.Contains(s.Responsible, k) {
				place = "service_accounts in behov.yaml, of " + s.Name
			}
		}
		for _, operator := range g.Config.Operators {
			if operator == k {
				place = "operators in behov.yaml"
			}
		}
		if place != "" {
			return recordHasRights(place)
		}
	}
	return nil
}

func keysOf(p identity.Person) []identity.SourceKey {
	keys := make([]identity.SourceKey, len(p.Keys))
	for i, k := range p.Keys {
		keys[i] = k.SourceKey
	}
	return keys
}

// MayImport returns an error when a subject may not import a file of their choosing into
// an HR source: what HR says gives units, jobs and managers, and with them rights. While no
// person is known there is no one to ask: by is the zero Subject then.
func (g *Governance) MayImport(ctx context.Context, by rights.Subject) error {
	n, err := g.DB.CountPeople(ctx)
	if err != nil || n == 0 {
		return err
	}
	_, err = g.authorize(ctx, by, rights.ImportFile, rights.Object{}, "an import")
	return err
}

// managers returns who manages each of the people today, by an employment of theirs.
func (g *Governance) managers(ctx context.Context, people []identity.PersonID) ([]identity.PersonID, error) {
	var common []identity.PersonID
	for n, id := range people {
		if n > 0 && len(common) == 0 {
			return nil, nil
		}
		p, err := g.DB.Person(ctx, id)
		if err != nil {
			return nil, err
		}
		var of []identity.PersonID
		for _, e := range p.Active(g.today()) {
			key := e.On(g.today()).Manager(e.Key.Source)
			if key.Key == "" || e.Key.Source != g.Config.First { // another source makes no one a manager
				continue
			}
			manager, ok, err := g.DB.PersonByKey(ctx, key)
			if err != nil {
				return nil, err
			}
			if ok {
				of = append(of, manager.ID)
			}
		}
		if n > 0 {
			of = slices.DeleteFunc(of, func(m identity.PersonID) bool { return !slices.Contains(common, m) })
		}
		common = of
	}
	return common, nil
}

// owners returns the people who own a system or deputize for its owner. A record that
// no one has is left out: behov check says so.
func (g *Governance) owners(ctx context.Context, system string) ([]identity.PersonID, error) {
	s, _ := g.Config.Rules.Catalogue.System(system)
	var people []identity.PersonID
	for _, ref := range append([]string{s.Owner}, s.Deputies...) {
		source, key, ok := strings.Cut(ref, "/")
		if !ok {
			continue
		}
		p, known, err := g.DB.PersonByKey(ctx, identity.SourceKey{Source: source, Key: key})
		if err != nil {
			return nil, err
		}
		if known {
			people = append(people, p.ID)
		}
	}
	return people, nil
}

// record writes a decision in a transaction of its own, with what else belongs to it.
func (g *Governance) record(ctx context.Context, d store.Decision, with func(tx *store.Tx, d store.Decision) error) (store.Decision, error) {
	err := g.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if d, err = tx.Decide(ctx, d, g.Now()); err != nil || with == nil {
			return err
		}
		return with(tx, d)
	})
	return d, err
}
