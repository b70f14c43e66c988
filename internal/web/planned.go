package web

import (
	"cmp"
	"errors"
	"slices"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// planPage is a plan that is being made, or was.
type planPage struct {
	Task     store.Task
	AsOf     identity.Date
	Plan     *access.Plan
	Counts   []stepCount
	BySystem bool
	Groups   []planGroup
	More     int // groups that are not listed
	Waits    int // grants
}

// planGroup are the steps about a person, or in a system.
type planGroup struct {
	Person *access.Ref
	System string // what it is called
	Steps  []access.Step
	More   int // steps that are not listed
}

const (
	groupsListed = 60
	stepsListed  = 12
)

// Running reports whether the plan is being made.
func (p planPage) Running() bool { return p.Task.State == store.TaskRunning }

func (s *site) planned() {
	s.form("/changes/plan", func(v *visit) (string, error) {
		if !v.SeesEveryone() {
			return "", errEveryone
		}
		day := identity.Date(v.field("as_of"))
		if day != "" && (!isDate(day) || day <= v.Today()) {
			return "/changes?day", nil
		}
		t, err := s.Plans.Start(v, string(v.caller.Subject.Person), reconcile.Scope{AsOf: day}, v.wordOf)
		if errors.Is(err, preview.ErrBusy) {
			return "/changes?busy", nil
		}
		return "/changes/plan/" + t.ID, err
	})
	s.page("/changes/plan/{id}", "plan", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		t, made, _, err := s.Plans.Find(v, string(v.caller.Subject.Person), v.request.PathValue("id"))
		if errors.Is(err, preview.ErrNone) {
			return nil, &access.CursorError{}
		}
		if err != nil || made == nil {
			return planPage{Task: t}, err
		}
		p := planPage{Task: t, BySystem: v.query("by") == "system", Counts: counts(slices.Concat(made.Groups, made.Steps)), Waits: len(made.GatedGrants)}
		shown, err := v.PlanListed(made, groupsListed)
		if err != nil {
			return nil, err
		}
		p.Plan = &shown
		if p.AsOf = made.Basis.AsOf; p.AsOf <= identity.DateOf(t.BeganUS.Time(), s.Config.Zone) {
			p.AsOf = ""
		}
		p.group(v.book)
		return p, nil
	})
}

// wordOf says why a plan could not be made, as far as it is a reason. It names no one: the
// request is over by then, and the view of its reader with it.
func (b *book) wordOf(err error) string {
	var known interface{ Because() reason.Reason }
	if errors.As(err, &known) {
		return wording.Sentence(b.words.Reason(known.Because()))
	}
	return b.T("error.internal-text")
}

// group groups the steps by person, or by system.
func (p *planPage) group(b *book) {
	at := map[string]int{}
	for i := range p.Plan.Steps {
		s := p.Plan.Steps[i]
		key := string(s.Person.ID)
		if p.BySystem {
			e, known := b.config.Rules.Catalogue.Entitlement(s.Entitlement)
			if key = e.System; !known {
				key = s.Target
			}
		}
		n, there := at[key]
		if !there {
			n = len(p.Groups)
			at[key] = n
			g := planGroup{System: b.System(key)}
			if !p.BySystem {
				g.Person = &p.Plan.Steps[i].Person
			}
			p.Groups = append(p.Groups, g)
		}
		g := &p.Groups[n]
		if len(g.Steps) < stepsListed && (!p.BySystem || s.Person.DisplayName != "") {
			g.Steps = append(g.Steps, s)
		} else {
			g.More++
		}
	}
	if p.BySystem {
		slices.SortStableFunc(p.Groups, func(a, b planGroup) int { return cmp.Compare(len(b.Steps)+b.More, len(a.Steps)+a.More) })
	} else {
		p.Groups = slices.DeleteFunc(p.Groups, func(g planGroup) bool { // whom PlanListed leaves out
			out := g.Person.DisplayName == ""
			if out {
				p.More++
			}
			return out
		})
	}
	if len(p.Groups) > groupsListed {
		p.More += len(p.Groups) - groupsListed
		p.Groups = p.Groups[:groupsListed]
	}
}
