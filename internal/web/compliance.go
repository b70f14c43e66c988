package web

import (
	"github.com/behov/behov/internal/access"
)

// compliancePage is what frameworks demand, and what the data show about it.
type compliancePage struct {
	Counted    bool // everyone's access was counted
	Frameworks []frameworkPart
}

// frameworkPart is one framework of the page.
type frameworkPart struct {
	Framework    access.Framework
	Met          int
	Requirements []access.Requirement
}

func (s *site) compliance() {
	s.page("/compliance", "compliance", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		counted, err := s.Counts.Get(v, s.answers)
		if err != nil {
			return nil, err
		}
		all, err := v.Compliance(counted)
		if err != nil {
			return nil, err
		}
		p := compliancePage{Counted: counted != nil}
		for _, of := range access.Frameworks {
			part := frameworkPart{Framework: of}
			for _, r := range all {
				if r.Framework != of {
					continue
				}
				part.Requirements = append(part.Requirements, r)
				if r.Standing == access.Met {
					part.Met++
				}
			}
			p.Frameworks = append(p.Frameworks, part)
		}
		return p, nil
	})
}
