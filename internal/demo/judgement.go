package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// conflict has a manager, who approves invoices, ask to order as well: that is refused, until a
// decision says what makes up for it.
func (s *Story) conflict(ctx context.Context) error {
	asker, owner, administrator := s.m.first("1110", 0), s.m.first("4400", 0), s.m.first("1720", 0)
	s.title("A conflict: " + name(asker) + ", who approves invoices, asks to order books as well")
	p, err := s.db.Person(ctx, s.person(asker))
	if err != nil {
		return err
	}
	until := s.today().AddDays(14)
	ask := governance.Request{Entitlement: "library:purchase", Until: until}
	_, _, err = s.govern.RequestAccess(ctx, p, ask, s.subject(asker), "the librarian is away")
	var refused *reason.Refusal
	s.check(errors.As(err, &refused), nil, "the request is refused")
	if refused != nil {
		s.tell("   %s", s.words.Error(refused))
	}
	s.tell("   An administrator allows it until %s, and says what makes up for it.", until)
	if _, err := s.govern.AllowConflict(ctx, p, "order-and-approve", until, false, s.subject(administrator), "the chief executive approves these invoices meanwhile"); err != nil {
		return err
	}
	r, _, err := s.govern.RequestAccess(ctx, p, ask, s.subject(asker), "the librarian is away")
	if err != nil {
		return err
	}
	if _, err := s.govern.DecideRequest(ctx, r.ID, store.Approve, s.subject(owner), "as agreed"); err != nil {
		return err
	}
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	s.checkMember(asker, "library-purchase", true)
	return nil
}

// outlier has the review of an entitlement ask about a teacher, because no other teacher there has
// it; and as the owner approved it, another is asked.
func (s *Story) outlier(ctx context.Context) error {
	asker, head, administrator := s.m.first("2120", 1), s.m.first("1110", 0), s.m.first("1720", 0)
	s.title("An outlier: who else at the school orders books?")
	asked, err := s.govern.StartReview(ctx, governance.Review{Scope: store.EntitlementScope, Of: "library:purchase", Fallback: s.person(head)}, s.subject(administrator))
	if err != nil {
		return err
	}
	i := slices.IndexFunc(asked.Items, func(x store.ReviewItem) bool { return x.Person == s.person(asker) })
	if i < 0 {
		return fmt.Errorf("review %d does not ask about the teacher", asked.Campaign.ID)
	}
	item := asked.Items[i]
	odd := slices.ContainsFunc(item.Asked.Each(), func(r reason.Reason) bool { return r.Code() == reason.CodeOf(reason.AskedOutlier{}) })
	s.check(odd, nil, "it asks about %s: %s", name(asker), s.words.Reason(item.Asked))
	reviewer, _ := item.Reviewer.Person()
	s.check(reviewer == s.person(head), nil, "the owner, who approved it, is not asked: %s is", name(head))
	if _, err := s.govern.DecideItem(ctx, item.Ref(), governance.Answer{Verdict: store.Revoke, Reason: "the reading week is over"}, s.subjectOf(reviewer)); err != nil {
		return err
	}
	done, err := s.apply(ctx)
	if err != nil {
		return err
	}
	s.reasonFor(done, asker, "library:purchase")
	s.checkMember(asker, "library-purchase", false)
	return nil
}
