package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// changesPage is what waits for a person, or for a target.
type changesPage struct {
	Holds    []access.Hold
	Steps    []access.FailingStep
	Parked   int
	Status   access.Status
	MayRetry bool
	Busy     bool // other plans are being made
	BadDay   bool // the day has come already, or is none
	Tomorrow identity.Date
}

// holdPage is a hold with what it would do.
type holdPage struct {
	access.Hold
	Would  access.HoldContent
	Counts []stepCount // of a plan's steps, most first
	Shown  []access.Step
	Events []heldEvents
	May    bool
}

// stepCount is how many steps of one kind there are.
type stepCount struct {
	Op    string
	Count int
	// Share is how many of a hundred the longest bar is.
	Share int
}

// heldEvents are the people whom a held import would change in one way.
type heldEvents struct {
	Kind   identity.Kind
	Count  int
	People []access.Ref
}

// holdListed is how many steps or people of a hold a page lists.
const holdListed = 100

func (s *site) changes() {
	s.page("/changes", "changes", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		p := changesPage{Busy: v.request.URL.Query().Has("busy"), BadDay: v.request.URL.Query().Has("day"), Tomorrow: v.Today().AddDays(1)}
		var err error
		if p.Holds, _, err = v.Holds(false); err != nil {
			return nil, err
		}
		if p.Steps, p.Parked, err = v.FailingSteps("", false); err != nil {
			return nil, err
		}
		if p.Status, err = v.Status(); err != nil {
			return nil, err
		}
		p.MayRetry, _, err = v.May(rights.RetryStep)
		return p, err
	})
	s.form("/steps/{key}", func(v *visit) (string, error) {
		verdict := store.Retry
		if v.field("verdict") == string(store.GiveUp) {
			verdict = store.GiveUp
		}
		_, err := v.governance().DecideSteps(v, []string{v.request.PathValue("key")}, verdict, v.caller.Subject, v.field("reason"))
		return "/changes", err
	})
	s.page("/holds/{digest}", "hold", func(v *visit) (any, error) { return v.hold(v.request.PathValue("digest")) })
	for _, d := range []struct {
		path    string
		verdict store.Verdict
	}{{"release", store.Release}, {"reject", store.Reject}} {
		s.page("/holds/{digest}/"+d.path, "decide", func(v *visit) (any, error) {
			p, err := v.hold(v.request.PathValue("digest"))
			if err != nil {
				return nil, err
			}
			if may, need, err := v.May(actionOf(p.Kind)); err != nil || may && need > 0 {
				return nil, cmp.Or(err, error(&rights.AssuranceError{Action: actionOf(p.Kind), Requires: need}))
			}
			return decidePage{Title: v.T("decide." + d.path + ".title"), Text: p.Why.Text, Consequences: v.consequences(p, d.verdict), Button: v.T("decide." + d.path + ".button"),
				To: "/holds/" + string(p.Digest) + "/" + d.path, Back: "/holds/" + string(p.Digest), Grave: d.verdict == store.Release}, nil
		})
		s.form("/holds/{digest}/"+d.path, func(v *visit) (string, error) {
			made, err := v.governance().DecideHold(v, v.request.PathValue("digest"), d.verdict, nil, v.caller.Subject, v.field("reason"))
			return "/changes?done=" + strconv.FormatInt(made.Seq, 10), err
		})
	}
}

// actionOf returns what deciding on a hold takes.
func actionOf(kind store.HoldKind) rights.Action {
	switch kind {
	case store.HRImportHold, store.HREndingsHold, store.HRStartHold:
		return rights.DecideImport
	case store.AccountBindHold:
		return rights.BindAccount
	case store.ErasureHold:
		return rights.Erase
	}
	return rights.DecideHold
}

func (v *visit) hold(digest string) (p holdPage, err error) {
	if !v.SeesEveryone() {
		return p, errEveryone
	}
	if digest == "" || strings.Trim(digest, "0123456789abcdef") != "" {
		return p, &access.CursorError{}
	}
	var h governance.HoldContent
	if h, err = v.governance().HoldContent(v, digest); err != nil {
		return p, err
	}
	if p.Would, err = v.HoldContent(h.HoldState, h.Steps); err != nil {
		return p, err
	}
	p.Hold = v.Hold(h.HoldState)
	p.Counts = counts(h.Steps)
	p.Shown = p.Would.Steps[:min(len(p.Would.Steps), holdListed)]
	for kind, people := range p.Would.Events {
		p.Events = append(p.Events, heldEvents{kind, len(people), people[:min(len(people), holdListed)]})
	}
	slices.SortFunc(p.Events, func(a, b heldEvents) int { return cmp.Compare(a.Kind, b.Kind) })
	p.May, _, err = v.May(actionOf(p.Kind))
	p.May = p.May && p.Decision == nil && p.Current
	return p, err
}

// counts counts steps by what they do.
func counts(steps []plan.Step) (all []stepCount) {
	by := map[string]int{}
	for _, s := range steps {
		by[string(s.Op)]++
	}
	for op, n := range by {
		all = append(all, stepCount{Op: op, Count: n})
	}
	slices.SortFunc(all, func(a, b stepCount) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Op, b.Op)) })
	for i := range all {
		all[i].Share = max(1, 100*all[i].Count/all[0].Count)
	}
	return all
}

// consequences says what a decision on a hold would do.
func (v *visit) consequences(p holdPage, verdict store.Verdict) (all []string) {
	if verdict == store.Reject {
		return []string{v.T("decide.reject.then")}
	}
	for _, c := range p.Counts {
		all = append(all, v.T("step."+c.Op, "count", c.Count))
	}
	for _, e := range p.Events {
		all = append(all, v.T("event."+string(e.Kind), "count", e.Count))
	}
	return all
}
