package ldap

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// move gives the entry another RDN, another parent, or both, with a ModifyDN (RFC
// 4511 §4.9), and then corrects the references to its old name.
func (a *accountChange) move(ctx context.Context, attribute, value, superior string) connectors.Result {
	s := a.session
	rdn := rdnOf(a.entry.DN)
	if rdn == nil {
		return connectors.Result{Err: connectors.Errorf(connectors.Permanent, "ldap: move an account: the server returned an invalid DN")}
	}
	login := namingValue(a.entry, s.cfg.NameAttribute)
	if attribute == "" {
		if attribute = s.cfg.RDNAttribute; len(rdn.Attributes) > 0 {
			attribute = rdn.Attributes[0].Type
		}
		value, _ = names(rdn, attribute)
		value = strings.TrimSuffix(value, nameSuffix(login))
	}
	candidates := []string{value}
	if s.needsSuffix(attribute) {
		candidates = append(candidates, value+nameSuffix(login))
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
		a.unfinished.addOldName(a.id, oldName{dn: a.entry.DN, login: login})
		err := s.modifyDN(ctx, ldap.NewModifyDNRequest(a.entry.DN, newRDN, true, superior))
		if _, answered := code(err); answered {
			a.unfinished.moveFinished(a.id) // it did not move, and earlier moves are finished
		}
		if is(err, ldap.LDAPResultEntryAlreadyExists) {
			r = refused("another entry has that name there already")
			if strings.EqualFold(attribute, s.cfg.NameAttribute) {
				r = refused(nameTaken)
			}
			continue
		}
		if is(err, ldap.LDAPResultNoSuchObject) {
			return connectors.Result{Err: connectors.Errorf(connectors.RetryLater, "ldap: move an account: another client moved it meanwhile, or the destination DN does not exist")}
		}
		if r = s.answer(ctx, "move an account", err); !done(r) {
			return r
		}
		a.recordMove(newRDN+","+under, attribute, value)
		if err := a.finishMove(ctx, s, a.id, a.entry); err != nil {
			return connectors.Result{Err: err}
		}
		return r
	}
	return r
}

// recordMove records the entry's new DN.
func (a *accountChange) recordMove(dn, attribute, value string) {
	a.entry.DN = dn
	for _, attr := range a.entry.Attributes {
		if strings.EqualFold(attr.Name, attribute) {
			attr.Values = []string{value}
		}
	}
	a.cache.setAccount(a.id, dn)
}

// oldName is the name of an account before a move.
type oldName struct{ dn, login string }

// addOldName remembers a name that groups may hold, until they do not.
func (u *unfinished) addOldName(id string, old oldName) {
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

// finishMove corrects the references to earlier names of an account, unless
// another entry has the name now. The account keeps its memberships, and the next
// entry with the old name does not inherit them.
func (c *Connector) finishMove(ctx context.Context, s *session, id string, e *ldap.Entry) error {
	for _, old := range c.unfinished.left(id) {
		var err error
		if s.membersAreNames() {
			err = c.replaceLogin(ctx, s, old.login, namingValue(e, s.cfg.NameAttribute))
		}
		if err == nil && !s.flavour.maintainsReferences && foldDN(old.dn) != foldDN(e.DN) {
			err = c.replaceDN(ctx, s, old.dn, e.DN)
		}
		if err != nil {
			return err
		}
	}
	c.unfinished.moveFinished(id)
	return nil
}

// replaceLogin corrects groups that hold login names.
func (c *Connector) replaceLogin(ctx context.Context, s *session, from, to string) error {
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
	return c.replaceReferences(ctx, s, s.cfg.GroupsDN, s.isGroup(), s.cfg.MemberAttribute, from, to)
}

// replaceDN corrects groups that hold DNs, and references between accounts.
func (c *Connector) replaceDN(ctx context.Context, s *session, from, to string) error {
	result, err := s.search(ctx, &ldap.SearchRequest{BaseDN: from, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
	if err != nil && !is(err, ldap.LDAPResultNoSuchObject) {
		return s.failure(ctx, "look up the entry with an account's old name", err)
	}
	if len(result.Entries) > 0 {
		return nil
	}
	if !s.membersAreNames() {
		if err := c.replaceReferences(ctx, s, s.cfg.GroupsDN, s.isGroup(), s.cfg.MemberAttribute, from, to); err != nil {
			return err
		}
	}
	return c.followReferences(ctx, s, from, to)
}

func (c *Connector) followReferences(ctx context.Context, s *session, from, to string) error {
	for _, attribute := range s.cfg.References {
		for _, base := range s.accountBases() {
			if err := c.replaceReferences(ctx, s, base, s.isAccount(), attribute, from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// replaceReferences replaces a value by another in every entry that has it; an
// empty new value removes it. An entry that the server has already corrected is
// no error.
func (c *Connector) replaceReferences(ctx context.Context, s *session, base, filter, attribute, from, to string) error {
	var holders []string
	q := search{"find what refers to an account", base, allOf(filter, equals(attribute, from)), []string{"1.1"}, accountPage}
	err := c.find(ctx, s, q, func(e *ldap.Entry) error { holders = append(holders, e.DN); return nil })
	if err != nil {
		return err
	}
	errs := make([]error, len(holders))
	c.inParallel(len(holders), func(i int) {
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
		// Both in one request where possible: a single-valued attribute has no
		// room for two values, and a group may not be empty in between.
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
