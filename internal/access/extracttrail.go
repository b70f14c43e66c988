package access

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

func (x *extraction) accounts() error {
	for _, id := range x.ids {
		all, err := x.DB.AccountsOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, a := range all {
			x.out.Accounts = append(x.out.Accounts, ExtractAccount{Account{a.Target, a.Native, a.SignedIn}, instant(a.Created), instant(a.DisabledByBehov), instant(a.FoundDisabled), instant(a.Missing)})
		}
	}
	return nil
}

// access is every interval, in order of time.
func (x *extraction) access() error {
	for _, id := range x.ids {
		intervals, err := x.DB.Intervals(x.ctx, store.IntervalQuery{Person: id})
		if err != nil {
			return err
		}
		had, err := x.View.access(intervals, false)
		if err != nil {
			return err
		}
		x.out.Access = append(x.out.Access, had...)
	}
	slices.SortStableFunc(x.out.Access, func(a, b Access) int { return a.Since.Compare(b.Since) })
	return nil
}

// decisions are those about the person, and those that the person made.
func (x *extraction) decisions() error {
	seen := map[int64]bool{}
	for _, id := range x.ids {
		about, err := x.DB.DecisionsAbout(x.ctx, id, mostExtracted)
		if err != nil {
			return err
		}
		naming, err := x.DB.DecisionsNaming(x.ctx, id, mostExtracted)
		if err != nil {
			return err
		}
		x.cut("decisions", max(len(about), len(naming)))
		for _, d := range slices.Concat(about, naming) {
			if !seen[d.Seq] {
				seen[d.Seq] = true
				x.out.Decisions = append(x.out.Decisions, x.Decision(d))
			}
		}
		made, err := x.DB.DecisionsBy(x.ctx, identity.PersonActor(id), mostExtracted)
		if err != nil {
			return err
		}
		x.cut("decisions_made", len(made))
		for _, d := range made {
			x.out.Made = append(x.out.Made, ExtractMade{d.Seq, d.Kind, d.Verdict, x.Because(reason.Of(reason.Decided{Of: string(d.Kind), Verdict: string(d.Verdict)})), d.At(), d.Person})
		}
		imports, err := x.DB.ImportsBy(x.ctx, identity.PersonActor(id), mostExtracted)
		if err != nil {
			return err
		}
		x.cut("imports", len(imports))
		for _, i := range imports {
			x.out.Imports = append(x.out.Imports, ExtractImport{i.ID, i.Source, i.At()})
		}
	}
	slices.SortStableFunc(x.out.Decisions, func(a, b Decision) int { return int(b.Seq - a.Seq) })
	return nil
}

func (x *extraction) reviews() error {
	for _, id := range x.ids {
		items, err := x.DB.ReviewItemsOf(x.ctx, id, mostExtracted)
		if err != nil {
			return err
		}
		x.cut("review_items", len(items))
		var numbers []int64
		for _, i := range items {
			if i.Decision != nil {
				numbers = append(numbers, *i.Decision)
			}
		}
		made, err := x.DB.DecisionsBySeq(x.ctx, numbers)
		if err != nil {
			return err
		}
		bySeq := map[int64]store.Decision{}
		for _, d := range made {
			bySeq[d.Seq] = d
		}
		shown, err := x.reviewItems(items, bySeq)
		if err != nil {
			return err
		}
		x.out.Reviews = append(x.out.Reviews, shown...)
	}
	return nil
}

// signIns are sessions and tokens, without what opens them.
func (x *extraction) signIns() error {
	for _, id := range x.ids {
		enrolments, err := x.DB.EnrolmentHistory(x.ctx, id)
		if err != nil {
			return err
		}
		for _, e := range enrolments {
			shown := ExtractEnrolment{Method: e.Method, Since: e.SinceUS.Time()}
			if e.UntilUS != nil {
				until := e.UntilUS.Time()
				shown.Until = &until
			}
			x.out.Enrolments = append(x.out.Enrolments, shown)
		}
		sessions, err := x.DB.SessionsOf(x.ctx, id, time.Time{})
		if err != nil {
			return err
		}
		for _, s := range sessions {
			x.out.Sessions = append(x.out.Sessions, ExtractSession{s.ID, s.BeganUS.Time(), s.UsedUS.Time(), s.ExpiresUS.Time()})
		}
		tokens, err := x.DB.TokensOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			shown := ExtractToken{ID: t.ID, Name: t.Name, Scopes: t.Scopes, Systems: t.Systems, Groups: []string{}, Made: t.Created(), Used: instant(t.Used()), Expires: instant(t.Expires()), Revoked: instant(t.Revoked())}
			for group := range strings.SplitSeq(t.Groups, "\n") {
				if group != "" {
					shown.Groups = append(shown.Groups, group)
				}
			}
			x.out.Tokens = append(x.out.Tokens, shown)
		}
	}
	owned, err := x.DB.NonHumanAccountsAbout(x.ctx, x.ids)
	for _, a := range owned {
		x.out.Owned = append(x.out.Owned, ExtractOwned{a.ID, a.Target, a.Name, a.Kind, a.System, a.Purpose, a.Until, a.State})
	}
	return err
}

// steps are those that are held, decided on, failing and under way.
func (x *extraction) steps() error {
	for _, id := range x.ids {
		held, err := x.DB.HeldStepsOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, h := range held {
			if step, readable := x.step(h.Body); readable {
				x.out.Held = append(x.out.Held, ExtractHeld{Hold: h.Hold, Kind: store.PlanHold, Step: &step})
			}
		}
		erasures, err := x.DB.ErasureHold(x.ctx, id)
		if err != nil {
			return err
		}
		for _, h := range erasures {
			x.out.Held = append(x.out.Held, ExtractHeld{Hold: h.Digest, Kind: h.Kind, Why: x.Because(h.Why)})
		}
		verdicts, err := x.DB.StepVerdictsOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, d := range verdicts {
			x.out.StepDecisions = append(x.out.StepDecisions, ExtractStepDecision{d.Step, d.Target, d.Verdict, d.Decision})
		}
		failing, err := x.DB.FailingSteps(x.ctx, "", store.Only(id))
		if err != nil {
			return err
		}
		shown, err := x.Steps(failing)
		if err != nil {
			return err
		}
		x.out.Steps = append(x.out.Steps, shown...)
		for _, target := range x.targets() {
			open, err := x.DB.OpenSteps(x.ctx, target, store.Only(id))
			if err != nil {
				return err
			}
			for _, o := range open {
				if step, readable := x.step(o.Body); readable {
					x.out.Open = append(x.out.Open, ExtractOpen{o.Intended(), x.Because(o.Detail), step})
				}
			}
		}
	}
	return nil
}

// targets returns those in which something of the person can be, sorted.
func (x *extraction) targets() (names []string) {
	for _, t := range x.Config.Targets {
		names = append(names, t.Name)
	}
	for _, a := range x.out.Accounts {
		names = append(names, a.Target)
	}
	for _, a := range x.out.Access {
		names = append(names, a.Target)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// step reads a plan's step; one that a later version wrote is not readable.
func (x *extraction) step(body string) (Step, bool) {
	var s plan.Step
	if json.Unmarshal([]byte(body), &s) != nil {
		return Step{}, false
	}
	return x.Step(&s), true
}

func (x *extraction) findings() error {
	for _, id := range x.ids {
		all, err := x.DB.FindingsOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, f := range all {
			x.out.Findings = append(x.out.Findings, ExtractFinding{f.Kind, f.Target, f.Entitlement, f.Other, f.Detail, instant(f.At)})
		}
	}
	return nil
}

// records are those of the audit trail about the person.
func (x *extraction) records() error {
	for _, id := range x.ids {
		all, next, err := x.Records(store.RecordQuery{Person: id, Most: mostExtracted}, false)
		if err != nil {
			return err
		}
		if next != 0 {
			x.cut("audit_records", mostExtracted)
		}
		x.out.Records = append(x.out.Records, all...)
	}
	slices.SortStableFunc(x.out.Records, func(a, b Record) int { return int(a.Index - b.Index) })
	for i := range x.out.Records {
		r := &x.out.Records[i]
		r.Operator = Actor{} // whose process wrote it says nothing of the person
		if r.Opened != nil {
			r.Opened = x.without(r.Opened)
		}
	}
	return nil
}

// retention is for how long each kind is kept.
func (x *extraction) retention() error {
	keep := func(what Retained, days int) {
		id := "extract.retention." + string(what)
		if days == 0 {
			id += "-unlimited"
		}
		x.out.Retention = append(x.out.Retention, ExtractRetention{what, days, x.words.Text(id, map[string]any{"count": days})})
	}
	files := 0
	for _, s := range x.Config.Sources {
		if d := s.Directory; d != nil {
			if files = max(files, d.KeepDays); d.KeepDays == 0 {
				files = 0
				break
			}
		}
	}
	if x.Config.Lifecycle.KeepMemberships > 0 {
		keep(RetainedMemberships, x.Config.Lifecycle.KeepMemberships)
	}
	keep(RetainedAccounts, x.Config.Lifecycle.DeleteAfter)
	keep(RetainedIdentity, x.Config.Lifecycle.EraseAfter)
	if slices.ContainsFunc(slices.Collect(maps.Keys(x.Config.Sources)), func(name string) bool { return x.Config.Sources[name].Directory != nil }) {
		keep(RetainedFiles, files)
	}
	keep(RetainedHolds, int(x.Config.HoldsExpire.Hours()/24))
	keep(RetainedTrail, 0)
	keep(RetainedNames, 0)
	return nil
}
