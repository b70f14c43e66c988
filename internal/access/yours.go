package access

import (
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// toAnswer is what of a review the viewer may answer.
type toAnswer struct {
	any  bool // the viewer may answer a question
	mine int  // questions without an answer that the viewer is asked
}

// toAnswer returns, of reviews, what the viewer may answer. Questions are counted by who is asked
// and system, and only those about the viewer are looked at one by one: no one answers these.
func (v *View) toAnswer(reviews []int64) (map[int64]toAnswer, error) {
	open, err := v.DB.OpenQuestions(v.ctx, reviews)
	if err != nil {
		return nil, err
	}
	out := map[int64]toAnswer{}
	count := func(campaign int64, system string, by identity.Actor, about identity.PersonID, n int) error {
		reviewer, _ := by.Person()
		of, _ := v.Config.Rules.Catalogue.System(system)
		may, err := v.mayAnswer(reviewer, "", of)
		if err != nil || !may {
			return err
		}
		if about != "" {
			if may, err = v.mayAnswer(reviewer, about, of); err != nil || may {
				return err
			}
		}
		x := out[campaign]
		x.any = true
		if reviewer == "" && v.owns(of) || v.isAsked(reviewer) {
			x.mine += n
		}
		out[campaign] = x
		return nil
	}
	for _, q := range open {
		if err := count(q.Campaign, q.System, q.Reviewer, "", q.Count); err != nil {
			return nil, err
		}
	}
	about, err := v.openAboutViewer(reviews)
	if err != nil {
		return nil, err
	}
	for _, i := range about { // which the viewer may not answer is not theirs
		if err := count(i.Campaign, i.System, i.Reviewer, v.reviewed(i), -1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// openAboutViewer returns the questions of reviews without an answer about the viewer, those in
// whose place the viewer decides, and accounts of the register that any of these own.
func (v *View) openAboutViewer(reviews []int64) ([]store.ReviewItem, error) {
	people := append(v.places(), v.linked...)
	if len(people) == 0 {
		return nil, nil
	}
	accounts, err := v.DB.NonHumanAccountsAbout(v.ctx, people)
	if err != nil {
		return nil, err
	}
	for _, a := range accounts {
		v.nonHuman[a.ID] = a
		people = append(people, a.ID)
	}
	return v.DB.OpenItemsAbout(v.ctx, reviews, people)
}
