package web

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// campaign is a review with the questions that the reader may see.
type campaign struct {
	access.Review
	ID       int64
	Mine     int // questions that the reader may answer
	Answered int // of these
	Others   int // questions that another person answers
	Rules    []question
	Accounts []question // about accounts that are no person's
	Items    []question
	MaySign  bool
	Open     int // questions without an answer, of everyone
	Later    int // questions that are shown once these are answered
}

// Left is how many of the reader's questions are not answered.
func (c campaign) Left() int { return c.Mine - c.Answered }

// question is one item with what the reader should know to answer it.
type question struct {
	access.ReviewItem
	Campaign int64
	Jobs     []access.Spell // today
	Next     bool           // the first without an answer
}

// SignedOn is the day of the person's last sign-in; empty when they never signed in, or the target
// does not tell.
func (q question) SignedOn() identity.Date {
	if q.NeverSignedIn() {
		return ""
	}
	return identity.Date(q.Evidence.SignedIn)
}

// NeverSignedIn reports whether the target says that the person never signed in.
func (q question) NeverSignedIn() bool { return q.Evidence.SignedIn == store.NeverSignedIn }

// SaysPeers reports whether why it is asked says how many others have the access.
func (q question) SaysPeers() bool {
	return slices.ContainsFunc(q.Asked, func(r access.Reason) bool { return r.Code() == reason.CodeOf(reason.AskedOutlier{}) })
}

// Answered reports whether it is.
func (q question) Answered() bool { return q.Decision != nil }

// reviewsPage lists reviews.
type reviewsPage struct {
	Reviews  []access.Review
	MayStart bool
}

func (s *site) reviews() {
	s.startReview()
	s.page("/reviews", "reviews", func(v *visit) (any, error) {
		all, err := v.Reviews()
		if err != nil {
			return nil, err
		}
		may, _, err := v.May(rights.StartReview)
		mine := slices.ContainsFunc(v.Systems(), func(s access.System) bool { return s.Mine })
		return reviewsPage{all, may || mine}, err
	})
	s.page("/reviews/{campaign}", "review", func(v *visit) (any, error) {
		id, err := v.campaignID()
		if err != nil {
			return nil, err
		}
		r, err := v.Review(id)
		if err != nil {
			return nil, err
		}
		items, err := v.ReviewQuestions(id)
		if err != nil {
			return nil, err
		}
		c := campaign{Review: r, ID: id, Open: r.Questions - r.Answered}
		if c.MaySign, err = v.maySign(r); err != nil {
			return nil, err
		}
		all := len(items)
		items = slices.DeleteFunc(items, func(i access.ReviewItem) bool { return !i.Mine && !v.SeesEveryone() })
		if len(items) == 0 && !c.MaySign {
			return nil, &access.CursorError{}
		}
		c.Others = all - len(items)
		return c, v.ask(&c, items)
	})
	s.page("/reviews/{campaign}/report", "review-report", func(v *visit) (any, error) {
		id, err := v.campaignID()
		if err != nil {
			return nil, err
		}
		return v.ReviewReport(id)
	})
	s.page("/rule-tasks", "rule-tasks", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, &access.CursorError{}
		}
		return v.RuleTasks()
	})
	for _, verdict := range verdicts {
		s.form("/reviews/{campaign}/"+string(verdict)+"/{item}", func(v *visit) (string, error) {
			item := v.request.PathValue("item")
			return v.decideItems([]string{item}, governance.Answer{Verdict: verdict, Until: identity.Date(v.field("until-" + item)), Reason: v.field("reason-" + item)})
		})
	}
	s.form("/reviews/{campaign}/hand-on/{item}", func(v *visit) (string, error) {
		item := v.request.PathValue("item")
		_, err := v.governance().HandOn(v, item, v.field("to-"+item), v.caller.Subject, cmp.Or(v.field("reason-"+item), v.T("review.reason-hand-on")))
		return "/reviews/" + v.request.PathValue("campaign") + "#next", err
	})
	s.form("/reviews/{campaign}/sign-off", func(v *visit) (string, error) {
		id, err := v.campaignID()
		if err != nil {
			return "", err
		}
		_, err = v.governance().SignOff(v, id, v.caller.Subject, v.field("reason"))
		return fmt.Sprintf("/reviews/%d/report", id), err
	})
	s.form("/reviews/{campaign}", func(v *visit) (string, error) {
		return v.decideItems(v.request.PostForm["item"], governance.Answer{Verdict: store.Verdict(v.field("verdict")), Reason: v.field("reason")})
	})
}

func (v *visit) campaignID() (int64, error) {
	id, err := strconv.ParseInt(v.request.PathValue("campaign"), 10, 64)
	if err != nil {
		return 0, &access.CursorError{}
	}
	return id, nil
}

// maySign reports whether the reader may sign a review off that is not.
func (v *visit) maySign(r access.Review) (bool, error) {
	if r.Signed != nil {
		return false, nil
	}
	may, _, err := v.May(rights.StartReview)
	return may || r.System != "" && slices.ContainsFunc(v.Systems(), func(s access.System) bool { return s.System == r.System && s.Mine }), err
}

// decideItems answers questions of the review in the address, all or none.
func (v *visit) decideItems(items []string, a governance.Answer) (to string, err error) {
	to = "/reviews/" + v.request.PathValue("campaign")
	if len(items) == 0 {
		return to, nil
	}
	for _, item := range items {
		if !strings.HasPrefix(item, v.request.PathValue("campaign")+"-") {
			return "", errBadForm
		}
	}
	if slices.Contains(verdicts, a.Verdict) {
		a.Reason = cmp.Or(a.Reason, v.T("review.reason-"+string(a.Verdict)))
	}
	_, err = v.governance().DecideItems(v, items, a, v.caller.Subject)
	return to + "#next", err
}

// questionsShown is how many questions of a review a page shows at a time: the others come as
// these are answered.
const questionsShown = 200

// verdicts are the answers to a question, by their address.
var verdicts = []store.Verdict{store.Keep, store.Revoke, store.ChangeRule, store.NotMine}

// ask puts the questions into a review, with where their people work; those without an answer
// come first.
func (v *visit) ask(c *campaign, items []access.ReviewItem) error {
	slices.SortStableFunc(items, func(a, b access.ReviewItem) int { return order(a.Decision != nil, b.Decision != nil) })
	first := true
	for _, i := range items {
		if i.Mine {
			c.Mine++
			if i.Decision != nil {
				c.Answered++
			}
		}
	}
	if len(items) > questionsShown { // those without an answer come first
		c.Later = len(items) - questionsShown
		items = items[:questionsShown]
	}
	var people []identity.PersonID
	for _, i := range items {
		if i.Kind == store.AccessItem {
			people = append(people, i.Person.ID)
		}
	}
	spells, err := v.SpellsOf(people)
	if err != nil {
		return err
	}
	for _, i := range items {
		q := question{ReviewItem: i, Campaign: c.ID}
		if i.Kind == store.RuleItem {
			c.Rules = append(c.Rules, q)
			continue
		}
		if i.Kind == store.AccountItem {
			c.Accounts = append(c.Accounts, q)
			continue
		}
		for _, s := range spells[i.Person.ID] {
			if today := v.Today(); s.From <= today && (s.To == "" || s.To >= today) {
				q.Jobs = append(q.Jobs, s)
			}
		}
		c.Items = append(c.Items, q)
	}
	for _, list := range [][]question{c.Rules, c.Accounts, c.Items} {
		for n := range list {
			if first && !list[n].Answered() {
				list[n].Next, first = true, false
			}
		}
	}
	return nil
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
