package ldap

import (
	"context"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// delete deletes accounts, after it has removed the references to them: a server
// that keeps the DN of a deleted entry in its groups gives their access to the
// next account with that DN.
func (c *Connector) delete(ctx context.Context, s *session, todo []work) {
	entries, err := c.resolve(ctx, s, ids(todo), []string{s.cfg.NameAttribute})
	if err != nil {
		fail(todo, err)
		return
	}
	todo = slices.DeleteFunc(todo, func(w work) bool {
		if entries[w.Account.ID] != nil {
			return false
		}
		*w.result = alreadySo()
		return true
	})
	leaving := make([]*connectors.Result, len(todo))
	if !s.flavour.maintainsReferences || s.membersAreNames() {
		leaving = c.leaveGroups(ctx, s, todo, entries)
	}
	c.inParallel(len(todo), func(i int) {
		w := todo[i]
		if leaving[i] != nil {
			*w.result = *leaving[i]
			return
		}
		*w.result = c.deleteOne(ctx, s, w.Account.ID, entries[w.Account.ID])
	})
}

func (c *Connector) deleteOne(ctx context.Context, s *session, id string, e *ldap.Entry) connectors.Result {
	if !s.flavour.maintainsReferences {
		if err := c.followReferences(ctx, s, e.DN, ""); err != nil {
			return connectors.Result{Err: err}
		}
	}
	err := s.del(ctx, ldap.NewDelRequest(e.DN, nil))
	switch {
	case is(err, ldap.LDAPResultNoSuchObject):
		return alreadySo()
	case is(err, ldap.LDAPResultNotAllowedOnNonLeaf):
		return refused("the account's entry has entries below it: delete them first")
	case is(err, ldap.LDAPResultInsufficientAccessRights):
		return refused(s.detail(err) + ": the account in bind_dn may not delete it, or it is protected from deletion")
	}
	r := s.answer(ctx, "delete an account", err)
	if done(r) {
		c.cache.setAccount(id, "")
		c.unfinished.moveFinished(id)
	}
	return r
}
