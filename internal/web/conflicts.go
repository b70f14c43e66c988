package web

import (
	"net/url"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
)

// conflictsPage is the segregations of duties, and who has both sides.
type conflictsPage struct {
	Conflicts []access.ConflictState
	Counting  bool // who has both sides is not counted yet
	MayAllow  bool
}

func (s *site) conflicts() {
	s.page("/conflicts", "conflicts", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		counted, err := s.Counts.Get(v, s.answers)
		if err != nil {
			return nil, err
		}
		all, err := v.Conflicts(counted)
		if err != nil {
			return nil, err
		}
		may, _, err := v.May(rights.AllowConflict)
		return conflictsPage{all, counted == nil, may}, err
	})
	decide := func(lift bool) func(v *visit) (any, error) {
		return func(v *visit) (any, error) {
			p, err := v.Find(v.request.PathValue("person"))
			if err != nil {
				return nil, err
			}
			if err := v.needs(rights.AllowConflict, p); err != nil {
				return nil, err
			}
			conflict := v.request.PathValue("conflict")
			if _, known := v.config.Rules.Catalogue.Conflict(conflict); !known {
				return nil, &access.CursorError{}
			}
			path := "allow"
			if lift {
				path = "end-allowance"
			}
			ref := v.Ref(p.ID)
			page := decidePage{Title: v.T("decide."+path+".title", "who", v.Who(ref), "what", conflict), Text: v.T("decide." + path + ".text"), Person: &ref, Button: v.T("decide." + path + ".button"),
				To: "/conflicts/" + url.PathEscape(conflict) + "/" + string(p.ID) + "/" + path, Back: "/conflicts"}
			if !lift {
				page.FirstDay, page.LastDay = v.Today(), v.Today().AddDays(governance.MostAllowedDays)
			}
			return page, nil
		}
	}
	act := func(lift bool) func(v *visit) (string, error) {
		return func(v *visit) (string, error) {
			p, err := v.Find(v.request.PathValue("person"))
			if err != nil {
				return "", err
			}
			made, err := v.governance().AllowConflict(v, p, v.request.PathValue("conflict"), identity.Date(v.field("until")), lift, v.caller.Subject, v.field("reason"))
			return "/conflicts?done=" + strconv.FormatInt(made.Seq, 10), err
		}
	}
	s.page("/conflicts/{conflict}/{person}/allow", "decide", decide(false))
	s.form("/conflicts/{conflict}/{person}/allow", act(false))
	s.page("/conflicts/{conflict}/{person}/end-allowance", "decide", decide(true))
	s.form("/conflicts/{conflict}/{person}/end-allowance", act(true))
}
