package demo

import (
	"context"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// requests has a teacher ask for access until a day, and another one take it in an emergency.
func (s *Story) requests(ctx context.Context) error {
	asker, other, owner := s.m.first("2120", 1), s.m.first("2120", 2), s.m.first("4400", 0)
	s.title("A request: " + name(asker) + ", teacher, asks to order books until next week")
	p, err := s.db.Person(ctx, s.person(asker))
	if err != nil {
		return err
	}
	until := s.today().AddDays(7)
	r, _, err := s.govern.RequestAccess(ctx, p, governance.Request{Entitlement: "library:purchase", Until: until}, s.subject(asker), "the reading week")
	if err != nil {
		return err
	}
	_, err = s.govern.DecideRequest(ctx, r.ID, store.Approve, s.subject(asker), "I need it")
	s.check(rights.IsSelf(err), nil, "the teacher cannot approve it")
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	s.checkMember(asker, "library-purchase", false)
	if _, err := s.govern.DecideRequest(ctx, r.ID, store.Approve, s.subject(owner), "agreed with the school"); err != nil {
		return err
	}
	done, err := s.apply(ctx)
	if err != nil {
		return err
	}
	s.reasonFor(done, asker, "library:purchase")
	s.checkMember(asker, "library-purchase", true)
	s.tell("   It ends by itself after %s, and earlier when the teacher moves or leaves.", until)

	s.tell("   %s takes the same in an emergency; the owner sees it afterwards, and refuses it.", name(other))
	if p, err = s.db.Person(ctx, s.person(other)); err != nil {
		return err
	}
	if r, _, err = s.govern.RequestAccess(ctx, p, governance.Request{Entitlement: "library:purchase", Emergency: true}, s.subject(other), "the order has to go out today"); err != nil {
		return err
	}
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	s.checkMember(other, "library-purchase", true)
	if _, err := s.govern.DecideRequest(ctx, r.ID, store.Refuse, s.subject(owner), "it could have waited"); err != nil {
		return err
	}
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	s.checkMember(other, "library-purchase", false)
	return nil
}
