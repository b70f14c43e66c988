package web

import (
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/rights"
)

// administrationPage is where sources and targets stand, and who may do what.
type administrationPage struct {
	Status  access.Status
	Imports []access.ImportEntry
}

// rightsPage is who may do what.
type rightsPage struct {
	Rows  []rights.Row
	Roles []rights.Role
}

// targetPage is what a target can do, and how it stands.
type targetPage struct {
	Target    access.TargetStatus
	Abilities []abilityRow
}

// abilityRow is an ability, by the name of its words.
type abilityRow struct {
	Name string
	connectors.Support
}

// importsListed is how many imports of each source the page lists.
const importsListed = 20

func (s *site) administration() {
	s.page("/administration", "administration", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		var p administrationPage
		var err error
		if p.Status, err = v.Status(); err != nil {
			return nil, err
		}
		p.Imports, err = v.Imports("", importsListed)
		return p, err
	})
	s.page("/administration/targets/{target}", "target", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		status, err := v.Status()
		if err != nil {
			return nil, err
		}
		name := v.request.PathValue("target")
		i := slices.IndexFunc(status.Targets, func(t access.TargetStatus) bool { return t.Name == name })
		connector := s.Engine.Targets[name]
		if i < 0 || connector == nil {
			return nil, &access.UnknownTargetError{Target: name}
		}
		p := targetPage{Target: status.Targets[i]}
		can := connector.Capabilities()
		for _, ability := range connectors.Abilities() {
			p.Abilities = append(p.Abilities, abilityRow{strings.ReplaceAll(strings.ToLower(string(ability)), " ", "-"), can[ability]})
		}
		return p, nil
	})
	s.tokens()
	s.sessions()
	s.page("/administration/rights", "rights", func(v *visit) (any, error) {
		rows, err := s.Config.Rights.Matrix()
		return rightsPage{rows, s.Config.Rights.Columns()}, err
	})
}
