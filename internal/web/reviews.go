package web

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// campaign is a review with the questions that the reader may see.
type campaign struct {
	ID       int64
	System   string
	Mine     int // questions that the reader may answer
	Answered int // of these
	Others   int // questions that another person answers
	Items    []question
}

// Left is how many of the reader's questions are not answered.
func (c campaign) Left() int { return c.Mine - c.Answered }

// Percent is how many of a hundred are.
func (c campaign) Percent() int { return 100 * c.Answered / max(1, c.Mine) }

// question is one item with what the reader should know to answer it.
type question struct {
	access.ReviewItem
	Jobs  []access.Spell // today
	Since *access.Access
	Odd   bool // no rule gives it
	State identity.State
}

// Answered reports whether it is.
func (q question) Answered() bool { return q.Decision != nil }

func (s *site) reviews() {
	s.page("/reviews", "reviews", func(v *visit) (any, error) { return v.Reviews() })
	s.page("/reviews/{campaign}", "review", func(v *visit) (any, error) {
		id, err := strconv.ParseInt(v.request.PathValue("campaign"), 10, 64)
		if err != nil {
			return nil, &access.CursorError{}
		}
		items, err := v.Review(id)
		if err != nil {
			return nil, err
		}
		all := len(items)
		items = slices.DeleteFunc(items, func(i access.ReviewItem) bool { return !i.Mine && !v.SeesEveryone() })
		if len(items) == 0 {
			return nil, &access.CursorError{}
		}
		c := v.campaign(id, items)
		c.Others = all - len(items)
		return v.withEvidence(c)
	})
	for _, verdict := range verdicts {
		s.form("/reviews/{campaign}/"+string(verdict)+"/{item}", func(v *visit) (string, error) {
			return v.decideItems([]string{v.request.PathValue("item")}, verdict, "")
		})
	}
	s.form("/reviews/{campaign}", func(v *visit) (string, error) {
		return v.decideItems(v.request.PostForm["item"], store.Verdict(v.field("verdict")), v.field("reason"))
	})
}

// decideItems answers questions of the review in the address, all or none.
func (v *visit) decideItems(items []string, verdict store.Verdict, why string) (to string, err error) {
	to = "/reviews/" + v.request.PathValue("campaign")
	if len(items) == 0 {
		return to, nil
	}
	for _, item := range items {
		if !strings.HasPrefix(item, v.request.PathValue("campaign")+"-") {
			return "", errBadForm
		}
	}
	_, err = v.governance().DecideItems(v, items, verdict, v.caller.Subject, cmp.Or(why, v.T("review.reason-"+string(verdict))))
	return to + "#next", err
}

// verdicts are the answers to a question, by their address.
var verdicts = []store.Verdict{store.Keep, store.Revoke}

// campaign returns a review with its questions.
func (v *visit) campaign(id int64, items []access.ReviewItem) campaign {
	e, _ := v.site.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(items[0].Entitlement))
	c := campaign{ID: id, System: e.System}
	for _, i := range items {
		if i.Mine {
			c.Mine++
			if i.Decision != nil {
				c.Answered++
			}
		}
		c.Items = append(c.Items, question{ReviewItem: i, Odd: i.Why.Code() == reason.CodeOf(reason.NoRule{}) || i.Why.IsZero()})
	}
	return c
}

// withEvidence adds to each question what speaks for and against it; unanswered and odd ones
// come first.
func (v *visit) withEvidence(c campaign) (campaign, error) {
	had := map[string]map[identity.PersonID]*access.Access{}
	for i := range c.Items {
		q := &c.Items[i]
		if had[q.Entitlement] == nil {
			now, err := v.WhoHad(q.Entitlement, nil)
			if err != nil {
				return c, err
			}
			had[q.Entitlement] = map[identity.PersonID]*access.Access{}
			for n, a := range now {
				had[q.Entitlement][a.Person.ID] = &now[n]
			}
		}
		q.Since = had[q.Entitlement][q.Person.ID]
		spells, err := v.Spells(string(q.Person.ID))
		if err != nil {
			return c, fmt.Errorf("question %s: %w", q.Item, err)
		}
		for _, s := range spells {
			if today := v.Today(); s.From <= today && (s.To == "" || s.To >= today) {
				q.Jobs = append(q.Jobs, s)
			}
		}
	}
	slices.SortStableFunc(c.Items, func(a, b question) int {
		return cmp.Or(order(a.Answered(), b.Answered()), order(b.Odd, a.Odd))
	})
	return c, nil
}

// order puts what is not so before what is.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// IsAccount reports whether the question is about an account.
func (q question) IsAccount() bool { return q.Entitlement == audit.Account }
