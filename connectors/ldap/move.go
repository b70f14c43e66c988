package ldap

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// move gives the entry another value for what names it, or another place, or
// both, with a ModifyDN (RFC 4511 §4.9), and then corrects whatever refers to
// it by its old name.
func (a *alteration) move(ctx context.Context, attribute, value, superior string) connectors.Result {
	s := a.session
	rdn := rdnOf(a.entry.DN)
	if rdn == nil {
		return connectors.Result{Err: connectors.Errorf(connectors.Permanent, "ldap: move an account: the server gave it a DN that is none")}
	}
	login := naming(a.entry, s.cfg.NameAttribute)
	if attribute == "" {
		if attribute = s.cfg.RDNAttribute; len(rdn.Attributes) > 0 {
			attribute = rdn.Attributes[0].Type
		}
		value, _ = names(rdn, attribute)
		value = strings.TrimSuffix(value, addition(login))
	}
	candidates := []string{value}
	if s.distinguishes(attribute) {
		candidates = append(candidates, value+addition(login))
	}
	under := superior
	if under == "" {
		under = parent(a.entry.DN)
	}
	var r connectors.Result
	for _, value := range candidates {
		newRDN := rename(rdn, attribute, value)
		if foldDN(newRDN+","+under) == foldDN(a.entry.DN) && newRDN+","+under == a.entry.DN {
			return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Applied}}
		}
		a.unfinished.leave(a.id, oldName{dn: a.entry.DN, login: login})
		err := s.modifyDN(ctx, ldap.NewModifyDNRequest(a.entry.DN, newRDN, true, superior))
		if _, answered := code(err); answered {
			a.unfinished.moveFinished(a.id) // it did not move, and what was left from before is done
		}
		if is(err, ldap.LDAPResultEntryAlreadyExists) {
			r = refused("another entry has that name there already")
			if strings.EqualFold(attribute, s.cfg.NameAttribute) {
				r = refused(nameTaken)
			}
			continue
		}
		if is(err, ldap.LDAPResultNoSuchObject) {
			return connectors.Result{Err: connectors.Errorf(connectors.RetryLater, "ldap: move an account: it moved while it was being changed, or the place it goes to is not there")}
		}
		if r = s.answer(ctx, "move an account", err); !done(r) {
			return r
		}
		a.moved(newRDN+","+under, attribute, value)
		if err := a.finishMove(ctx, s, a.id, a.entry); err != nil {
			return connectors.Result{Err: err}
		}
		return r
	}
	return r
}

// moved notes where the entry is now.
func (a *alteration) moved(dn, attribute, value string) {
	a.entry.DN = dn
	for _, attr := range a.entry.Attributes {
		if strings.EqualFold(attr.Name, attribute) {
			attr.Values = []string{value}
		}
	}
	a.cache.setAccount(a.id, dn)
}

// oldName is what an account was called before a move.
type oldName struct{ dn, login string }

// leave remembers a name that groups may have, until they do not.
func (u *unfinished) leave(id string, old oldName) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.moves == nil {
		u.moves = map[string][]oldName{}
	}
	u.moves[id] = append(u.moves[id], old)
}

func (u *unfinished) left(id string) []oldName {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.moves[id]
}

func (u *unfinished) moveFinished(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.moves, id)
}

// finishMove corrects what refers to an account by names that it had, unless
// another has them by now. The account keeps its memberships then, and whoever
// gets its old name does not get them.
func (c *Connector) finishMove(ctx context.Context, s *session, id string, e *ldap.Entry) error {
	for _, old := range c.unfinished.left(id) {
		var err error
		if s.membersAreNames() {
			err = c.followName(ctx, s, old.login, naming(e, s.cfg.NameAttribute))
		}
		if err == nil && !s.flavour.keepsNames && foldDN(old.dn) != foldDN(e.DN) {
			err = c.followDN(ctx, s, old.dn, e.DN)
		}
		if err != nil {
			return err
		}
	}
	c.unfinished.moveFinished(id)
	return nil
}

// followName corrects groups that hold login names.
func (c *Connector) followName(ctx context.Context, s *session, from, to string) error {
	if from == to || from == "" {
		return nil
	}
	taken := false
	err := c.lookup(ctx, s, []string{equals(s.cfg.NameAttribute, from)}, []string{s.cfg.NameAttribute}, func(e *ldap.Entry) error {
		taken = taken || slices.Contains(e.GetEqualFoldAttributeValues(s.cfg.NameAttribute), from)
		return nil
	})
	if err != nil || taken {
		return err
	}
	return c.follow(ctx, s, s.cfg.GroupsDN, s.isGroup(), s.cfg.MemberAttribute, from, to)
}

// followDN corrects groups that hold DNs, and references between accounts.
func (c *Connector) followDN(ctx context.Context, s *session, from, to string) error {
	result, err := s.search(ctx, &ldap.SearchRequest{BaseDN: from, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
	if err != nil && !is(err, ldap.LDAPResultNoSuchObject) {
		return s.failure(ctx, "see who has an account's old name", err)
	}
	if len(result.Entries) > 0 {
		return nil
	}
	if !s.membersAreNames() {
		if err := c.follow(ctx, s, s.cfg.GroupsDN, s.isGroup(), s.cfg.MemberAttribute, from, to); err != nil {
			return err
		}
	}
	return c.followReferences(ctx, s, from, to)
}

func (c *Connector) followReferences(ctx context.Context, s *session, from, to string) error {
	for _, attribute := range s.cfg.References {
		for _, base := range s.bases() {
			if err := c.follow(ctx, s, base, s.isAccount(), attribute, from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow replaces a value by another in every entry that has it; with no
// other it removes it. A server that has done so itself is no hindrance.
func (c *Connector) follow(ctx context.Context, s *session, base, filter, attribute, from, to string) error {
	var holders []string
	q := search{"find what refers to an account", base, allOf(filter, equals(attribute, from)), []string{"1.1"}, accountPage}
	err := c.find(ctx, s, q, func(e *ldap.Entry) error { holders = append(holders, e.DN); return nil })
	if err != nil {
		return err
	}
	errs := make([]error, len(holders))
	c.sideBySide(len(holders), func(i int) {
		send := func(add, remove bool) error {
			m := ldap.NewModifyRequest(holders[i], nil)
			if add && to != "" {
				m.Add(attribute, []string{to})
			}
			if remove {
				m.Delete(attribute, []string{from})
			}
			if len(m.Changes) == 0 {
				return nil
			}
			return s.modify(ctx, m)
		}
		// Together where it can be: a single value has no room for two, and a
		// group may not be empty in between.
		err := send(true, true)
		if conflict(s, err) {
			if err = send(true, false); conflict(s, err) {
				err = nil
			}
			if err == nil {
				err = send(false, true)
			}
		}
		if err != nil && !conflict(s, err) && !is(err, ldap.LDAPResultNoSuchObject) {
			errs[i] = s.failure(ctx, "correct what refers to an account that moved", err)
		}
	})
	return first(errs)
}
