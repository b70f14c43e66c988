package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// KnownSubject returns what rights needs to know of a person or a service account who decides
// or asks.
func KnownSubject(ctx context.Context, db SubjectReader, c *config.Config, day identity.Date, by rights.Subject) (rights.Known, error) {
	k := rights.Known{Subject: by}
	if by.Service != "" {
		return knownService(ctx, db, c, day, by)
	}
	p, err := db.Person(ctx, by.Person)
	if err != nil {
		return k, err
	}
	status, err := reconcile.PersonStatusOf(ctx, db, c, p, day)
	if err != nil {
		return k, err
	}
	held, err := db.HeldRecords(ctx, store.Only(p.ID))
	if err != nil {
		return k, err
	}
	// While a record is held it is not decided which person it is.
	k.Works = works(status.Stage) && len(held) == 0
	k.Suspended = !status.Facts.Suspended.IsZero()
	k.Member = append(memberNames(c, status.Person, day), by.GroupNames()...)
	k.InPlaceOf, err = inPlaceOf(ctx, db, c, day, p.ID)
	return k, err
}

func works(s identity.Stage) bool {
	return s.State == identity.Working || s.State == identity.OnLeave
}

// memberNames are the names by which rights.csv may give a person a role: their
// records, and the units and jobs of the employments that the first source knows.
// Another source gives no role: its people may be pushed by another organisation.
func memberNames(c *config.Config, p identity.Person, day identity.Date) []string {
	var names []string
	for _, k := range p.Keys {
		names = append(names, k.Source+"/"+k.Key)
	}
	tree := c.Rules.Units.On(day)
	for _, e := range p.Active(day) {
		if e.Key.Source != c.First {
			continue
		}
		terms := e.On(day)
		if terms.JobCode != "" {
			names = append(names, rights.JobPrefix+terms.JobCode)
		}
		for _, line := range c.Rights.Given() {
			if unit, ok := strings.CutPrefix(line.Member, rights.UnitPrefix); ok && tree.Under(tree.Current(terms.Unit), unit) {
				names = append(names, line.Member)
			}
		}
	}
	return names
}

// isOwner reports whether one of a person's member names is the owner of a system or a
// deputy.
func isOwner(s policy.System, member []string) bool {
	refs := append([]string{s.Owner}, s.Deputies...)
	return slices.ContainsFunc(member, func(name string) bool { return slices.Contains(refs, name) })
}

// Roles is what a person may be asked to decide as, or what a service account reads as.
type Roles struct {
	Person  *Ref   `json:"person,omitempty"`  // of a person
	Service string `json:"service,omitempty"` // the service account, which decides nothing
	// Active: the person works here today. Others decide nothing.
	Active    bool          `json:"active"`
	Suspended bool          `json:"suspended"`
	Roles     []rights.Role `json:"roles"` // that rights.csv gives
	Owns      []string      `json:"owns"`  // the systems, as owner or deputy
}

// Roles returns the roles of a person, and the systems that the person owns or deputizes
// for.
func (v *View) Roles(person identity.PersonID) (Roles, error) {
	k, err := KnownSubject(v.ctx, v.DB, v.Config, v.Today(), rights.Subject{Person: person})
	if err != nil {
		return Roles{}, fmt.Errorf("person %s: %w", person, err)
	}
	return v.rolesOf(k)
}

// ViewerRoles returns the roles of the viewer, who is a person or a service account.
func (v *View) ViewerRoles() (Roles, error) {
	if v.viewer.Subject.Service != "" {
		return v.rolesOf(v.known)
	}
	return v.Roles(v.viewer.Subject.Person)
}

func (v *View) rolesOf(k rights.Known) (Roles, error) {
	r := Roles{Person: v.optional(k.Person), Service: k.Service, Active: k.Works, Suspended: k.Suspended, Roles: []rights.Role{}, Owns: []string{}}
	roles, err := v.Config.Rights.RolesOf(k.Member)
	if err != nil {
		return r, err
	}
	r.Roles = append(r.Roles, roles...)
	for _, s := range v.Config.Rules.Catalogue.Systems {
		if isOwner(s, k.Member) {
			r.Owns = append(r.Owns, s.ID)
		}
	}
	return r, nil
}
