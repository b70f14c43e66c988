package web

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// systemPage is a system: what people can have in it, who has it, and by which rules.
type systemPage struct {
	access.System
	Owners   []access.Ref // and deputies
	Rules    []ruleLine
	Chosen   string // an entitlement, or the system itself
	Has      []access.Access
	Next     string
	MayStart bool // a review
	Reviews  []access.Review
	State    access.SystemState
	// MayRevise: the reader may say that the system was gone through.
	MayRevise bool
	Suppliers []supplierRow
}

// supplierRow is a supplier, or one that works for it.
type supplierRow struct {
	policy.Supplier
	For string // the supplier for whom it works; empty for none
}

// revisionsPage is when everything was last gone through.
type revisionsPage struct {
	Revisions []access.Revision
	MayRevise bool // the rules, the controls and the rights
}

// ruleLine is a rule that gives something of the system.
type ruleLine struct {
	policy.Rule
	Entitlement policy.EntitlementID
	Via         string
}

// errNoSystem is returned for a system that is not in the catalogue.
var errNoSystem = &access.UnknownTargetError{Target: "system"}

func (s *site) systems() {
	s.page("/systems", "systems", func(v *visit) (any, error) {
		counted, err := s.countedFor(v)
		if err != nil {
			return nil, err
		}
		return v.SystemStates(counted)
	})
	s.page("/systems/revisions", "revisions", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		all, err := v.Revisions()
		if err != nil {
			return nil, err
		}
		may, _, err := v.May(rights.Revise)
		return revisionsPage{all, may}, err
	})
	s.form("/systems/revisions", func(v *visit) (string, error) {
		subject := v.field("subject")
		made, err := v.governance().Revise(v, subject, v.caller.Subject, v.field("reason"))
		to := "/systems/revisions"
		if v.field("from") == "system" {
			to = "/systems/" + url.PathEscape(subject)
		}
		return to + "?done=" + strconv.FormatInt(made.Seq, 10), err
	})
	s.page("/systems/{system}", "system", func(v *visit) (any, error) {
		p := systemPage{Chosen: v.query("entitlement")}
		for _, x := range v.Systems() {
			if x.System == v.request.PathValue("system") {
				p.System = x
			}
		}
		if p.System.System == "" {
			return nil, errNoSystem
		}
		of, known := p.System.System, p.Chosen == ""
		for _, e := range p.Entitlements {
			if string(e.Entitlement) == p.Chosen {
				of, known = p.Chosen, true
			}
			given, via := s.Config.Rules.Giving(e.Entitlement)
			for i, r := range given {
				p.Rules = append(p.Rules, ruleLine{r, e.Entitlement, via[i]})
			}
		}
		if !known {
			return nil, errNoSystem
		}
		var next string
		var err error
		if p.Has, next, err = v.WhoHadPage(of, nil, access.Page{After: v.query("after"), Limit: listed}); err != nil {
			return nil, err
		}
		if next != "" {
			p.Next = "/systems/" + url.PathEscape(p.System.System) + "?" + url.Values{"entitlement": {p.Chosen}, "after": {next}}.Encode()
		}
		if p.Owners, err = v.owners(p.System); err != nil {
			return nil, err
		}
		reviews, err := v.Reviews()
		if err != nil {
			return nil, err
		}
		for _, r := range reviews {
			if r.System == p.System.System {
				p.Reviews = append(p.Reviews, r)
			}
		}
		may, _, err := v.May(rights.StartReview)
		if err != nil {
			return nil, err
		}
		p.MayStart = (may || p.Mine) && len(p.Has) > 0
		if may, _, err = v.May(rights.Revise); err != nil {
			return nil, err
		}
		p.MayRevise = may || p.Mine
		counted, err := s.countedFor(v)
		if err != nil {
			return nil, err
		}
		if p.State, err = v.SystemState(p.System.System, counted); err != nil {
			return nil, err
		}
		for _, x := range p.State.Suppliers {
			p.Suppliers = append(p.Suppliers, supplierRow{Supplier: x})
			for _, sub := range x.SubSuppliers {
				p.Suppliers = append(p.Suppliers, supplierRow{sub, x.Name})
			}
		}
		return p, nil
	})
	s.form("/systems/{system}/review", func(v *visit) (string, error) {
		asked, err := v.governance().StartReview(v, governance.Review{Scope: store.SystemScope, Of: v.request.PathValue("system")}, v.caller.Subject)
		return fmt.Sprintf("/reviews/%d", asked.Campaign.ID), err
	})
}

// countedFor returns the last count for those who see what is in it; nil for others.
func (s *site) countedFor(v *visit) (*access.Organisation, error) {
	if !v.SeesEveryone() && !slices.ContainsFunc(v.Systems(), func(x access.System) bool { return x.Mine }) {
		return nil, nil
	}
	return s.Counts.Get(v, s.answers)
}

// owners returns the owner of a system and the deputies, those who are known. Who they are
// is for everyone to know.
func (v *visit) owners(s access.System) ([]access.Ref, error) {
	var refs []access.Ref
	for _, key := range append([]string{s.Owner}, s.Deputies...) {
		if key == "" {
			continue
		}
		p, err := v.site.DB.FindPerson(v, key, v.site.Config.First)
		switch {
		case errors.Is(err, store.ErrNoPerson):
			continue
		case err != nil:
			return nil, err
		}
		if err := v.Load([]identity.PersonID{p.ID}); err != nil {
			return nil, err
		}
		ref := v.Ref(p.ID)
		if ref.DisplayName == "" && !p.Protected {
			ref.DisplayName = p.Name()
		}
		refs = append(refs, ref)
	}
	return refs, nil
}
