package web

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/behov/behov/internal/access"
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
	s.page("/systems", "systems", func(v *visit) (any, error) { return v.Systems(), nil })
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
		p.MayStart = (may || p.Mine) && len(p.Has) > 0
		return p, err
	})
	s.form("/systems/{system}/review", func(v *visit) (string, error) {
		campaign, _, err := v.governance().StartReview(v, v.request.PathValue("system"), v.caller.Subject)
		return fmt.Sprintf("/reviews/%d", campaign), err
	})
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
