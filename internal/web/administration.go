package web

import (
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
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

// rulesPage is the rules in use, and the versions that were.
type rulesPage struct {
	Digest   string
	Rules    []policy.RuleEffect
	Versions []rulesVersion
}

// rulesVersion is a version of the rules, and when it came into use.
type rulesVersion struct {
	At     time.Time
	Digest string
}

// rulesListed is how many versions of the rules the page lists.
const rulesListed = 50

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
	s.page("/administration/rules", "rules", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		records, err := s.DB.RulesRecords(v, rulesListed)
		p := rulesPage{Digest: s.Config.Rules.Digest, Rules: s.Config.Rules.Effects()}
		for _, r := range records {
			if k, err := r.Reason.Kind(); err == nil {
				if used, ok := k.(reason.RulesUsed); ok {
					p.Versions = append(p.Versions, rulesVersion{r.At, used.Digest})
				}
			}
		}
		return p, err
	})
	s.tokens()
	s.sessions()
	s.page("/administration/rights", "rights", func(v *visit) (any, error) {
		rows, err := s.Config.Rights.Matrix()
		return rightsPage{rows, s.Config.Rights.Columns()}, err
	})
}
