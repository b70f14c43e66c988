package web

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// startReviewPage is the form by which a review is started.
type startReviewPage struct {
	Systems []access.System // of which the reader may start a review
	Units   []unitChoice    // empty for who starts reviews of their own systems only
	All     bool            // the reader may start a review of everything
	Asks    []store.CampaignAsks
	Values  map[string]string
	Would   *governance.Asked // what it would ask
	Rules   int               // of these about rules
	Wrong   string
}

// About is what a review is about, as the form sends it: SCOPE:OF.
func (p *startReviewPage) About(scope, of string) string { return scope + ":" + of }

// startDays is for how many days answers are awaited, unless the reader says otherwise.
const startDays = "30"

func (s *site) startReview() {
	s.page("/reviews/start", "start-review", func(v *visit) (any, error) {
		values := map[string]string{"days": startDays}
		for _, field := range []string{"about", "asks", "days", "after_due", "fallback", "all", "wrong"} {
			if value := v.query(field); value != "" {
				values[field] = value
			}
		}
		p, err := v.startReviewPage(values)
		if err != nil || values["about"] == "" || v.query("look") == "" {
			return p, err
		}
		asked, err := v.previewReview(values)
		if p.Wrong, err = v.wrong(err); err != nil || p.Wrong != "" {
			return p, err
		}
		p.Would = &asked
		for _, i := range asked.Items {
			if i.Kind == store.RuleItem {
				p.Rules++
			}
		}
		return p, nil
	})
	s.form("/reviews/start", func(v *visit) (string, error) {
		values := map[string]string{}
		for field := range v.request.PostForm {
			values[field] = v.field(field)
		}
		r, err := v.reviewToStart(values)
		var asked governance.Asked
		if err == nil {
			asked, err = v.governance().StartReview(v, r, v.caller.Subject)
		}
		wrong, err := v.wrong(err)
		if err != nil {
			return "", err
		}
		if wrong != "" {
			p, err := v.startReviewPage(values)
			if err != nil {
				return "", err
			}
			p.Wrong = wrong
			return "", &unfinished{"start-review", p}
		}
		return fmt.Sprintf("/reviews/%d", asked.Campaign.ID), nil
	})
}

// wrong returns what a reader can mend by entering something else, or the error.
func (v *visit) wrong(err error) (string, error) {
	var refused *reason.Refusal
	if errors.As(err, &refused) {
		return v.words.Error(err), nil
	}
	return "", err
}

func (v *visit) startReviewPage(values map[string]string) (*startReviewPage, error) {
	p := &startReviewPage{Values: values, Asks: []store.CampaignAsks{store.AsksOwner, store.AsksManager, store.AsksManagerThenOwner}}
	may, _, err := v.May(rights.StartReview)
	if err != nil {
		return nil, err
	}
	for _, s := range v.Systems() {
		if may || s.Mine {
			p.Systems = append(p.Systems, s)
		}
	}
	if p.All = may; may {
		p.Units = v.units()
	}
	if len(p.Systems) == 0 {
		return nil, v.config.Rights.Refuse(rights.StartReview)
	}
	return p, nil
}

func (v *visit) previewReview(values map[string]string) (governance.Asked, error) {
	r, err := v.reviewToStart(values)
	if err != nil {
		return governance.Asked{}, err
	}
	return v.governance().PreviewReview(v, r, v.caller.Subject)
}

// reviewToStart returns the review that was entered.
func (v *visit) reviewToStart(values map[string]string) (governance.Review, error) {
	scope, of, _ := strings.Cut(values["about"], ":")
	r := governance.Review{Scope: store.CampaignScope(scope), Of: of, Asks: store.CampaignAsks(values["asks"]), AfterDue: store.Verdict(values["after_due"]), All: values["all"] != ""}
	switch r.Scope {
	case store.SystemScope, store.UnitScope, store.EntitlementScope, store.EverythingScope:
	default:
		return r, &reason.Refusal{Reason: reason.Of(reason.ReviewOfOne{})}
	}
	days, err := strconv.Atoi(values["days"])
	if last := v.Today().AddDays(governance.MostAnswerDays); err != nil || days < 1 || days > governance.MostAnswerDays {
		return r, &reason.Refusal{Reason: reason.Of(reason.LastDayWrong{From: v.Today().AddDays(1), To: last})}
	}
	r.Days = days
	if r.KnownWrong, err = v.knownWrong(values["wrong"]); err != nil {
		return r, err
	}
	if values["fallback"] != "" {
		p, err := v.site.DB.FindPerson(v, values["fallback"], v.config.First)
		switch {
		case errors.Is(err, store.ErrNoPerson) || errors.Is(err, store.ErrSeveralPeople): // no one learns by it who works here
			return r, &reason.Refusal{Reason: reason.Of(reason.ReviewerAway{})}
		case err != nil:
			return r, err
		}
		r.Fallback = p.ID
	}
	return r, nil
}

// knownWrong reads what is known to be wrong, PERSON=ENTITLEMENT on each line, of people whom the
// reader may see.
func (v *visit) knownWrong(text string) ([]governance.KnownWrong, error) {
	var all []governance.KnownWrong
	for line := range strings.Lines(text) {
		who, what, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok {
			continue
		}
		p, err := v.Find(strings.TrimSpace(who))
		if err != nil {
			return nil, err
		}
		all = append(all, governance.KnownWrong{Person: p.ID, Entitlement: policy.EntitlementID(strings.TrimSpace(what))})
	}
	return all, nil
}
