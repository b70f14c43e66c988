package web

import (
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
	s.page("/administration/rights", "rights", func(v *visit) (any, error) {
		rows, err := s.Config.Rights.Matrix()
		return rightsPage{rows, s.Config.Rights.Columns()}, err
	})
}
