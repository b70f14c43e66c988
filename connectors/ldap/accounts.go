package ldap

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// create makes accounts. It first looks for those that are there already, by
// anchor and by name: the answer to an earlier attempt may have been lost.
func (c *Connector) create(ctx context.Context, s *session, todo []work) {
	todo = slices.DeleteFunc(todo, func(w work) bool {
		if w.Account.Name != "" && w.Account.Anchor != "" {
			return false
		}
		*w.result = refused("an account needs a name and an anchor")
		return true
	})
	anchors, names, err := c.existing(ctx, s, todo)
	if err != nil {
		fail(todo, err)
		return
	}
	sideBySide(len(todo), func(i int) {
		w := todo[i]
		switch {
		case anchors[w.Account.Anchor] != nil:
			*w.result = c.alreadyThere(anchors[w.Account.Anchor])
		case names[fold(w.Account.Name)] != nil:
			*w.result = refused(nameTaken)
		default:
			*w.result = c.createOne(ctx, s, w.Change)
		}
	})
}

const nameTaken = "the login name is taken"

// existing finds accounts with the anchors, and with the names, folded.
func (c *Connector) existing(ctx context.Context, s *session, todo []work) (anchors, names map[string]*ldap.Entry, err error) {
	byAnchor, byName := &found{m: map[string]*ldap.Entry{}}, &found{m: map[string]*ldap.Entry{}}
	chunks := slices.Collect(slices.Chunk(todo, lookupTerms))
	errs := make([]error, len(chunks))
	sideBySide(len(chunks), func(i int) {
		var filters []string
		for _, w := range chunks[i] {
			filters = append(filters, equals(c.cfg.AnchorAttribute, w.Account.Anchor), equals(c.cfg.NameAttribute, w.Account.Name))
		}
		attributes := []string{c.cfg.IDAttribute, c.cfg.AnchorAttribute, c.cfg.NameAttribute}
		errs[i] = c.lookup(ctx, s, filters, attributes, func(e *ldap.Entry) error {
			for _, v := range e.GetEqualFoldAttributeValues(c.cfg.AnchorAttribute) {
				byAnchor.set(v, e)
			}
			for _, v := range e.GetEqualFoldAttributeValues(c.cfg.NameAttribute) {
				byName.set(fold(v), e)
			}
			return nil
		})
	})
	return byAnchor.m, byName.m, first(errs)
}

func (c *Connector) alreadyThere(e *ldap.Entry) connectors.Result {
	id, err := c.idOf(e)
	if err != nil {
		return connectors.Result{Err: err}
	}
	c.cache.setAccount(id, e.DN)
	r := alreadySo()
	r.AccountID = id
	return r
}

func (c *Connector) createOne(ctx context.Context, s *session, change connectors.Change) connectors.Result {
	dn := c.cfg.NameAttribute + "=" + ldap.EscapeDN(change.Account.Name) + "," + c.cfg.PeopleDN
	request, why := c.addRequest(dn, change)
	if why != "" {
		return refused(why)
	}
	err := s.add(request)
	if err != nil && !is(err, ldap.LDAPResultEntryAlreadyExists) {
		return c.answer(ctx, "create an account", err)
	}
	// The server gave it an ID, which only reading tells.
	e, readErr := c.readOne(ctx, s, dn, equals(c.cfg.AnchorAttribute, change.Account.Anchor), []string{c.cfg.IDAttribute})
	switch {
	case readErr != nil:
		return connectors.Result{Err: readErr}
	case e == nil && err != nil:
		return refused(nameTaken)
	case e == nil:
		return connectors.Result{Err: connectors.Errorf(connectors.RetryLater, "ldap: create an account: it was created but cannot be read")}
	}
	r := c.alreadyThere(e)
	if err == nil && r.Err == nil {
		r.Status = connectors.Applied
	}
	return r
}

// addRequest puts a new entry together, or says why it cannot be.
func (c *Connector) addRequest(dn string, change connectors.Change) (request *ldap.AddRequest, why string) {
	own := map[string][]string{
		"objectclass":                          c.cfg.ObjectClasses,
		strings.ToLower(c.cfg.NameAttribute):   {change.Account.Name},
		strings.ToLower(c.cfg.AnchorAttribute): {change.Account.Anchor},
	}
	disable := c.cfg.Disable
	switch {
	case !change.Enabled:
		own[strings.ToLower(disable.Attribute)] = []string{disable.Value}
	case disable.Enabled != "":
		own[strings.ToLower(disable.Attribute)] = []string{disable.Enabled}
	}
	request = ldap.NewAddRequest(dn, nil)
	for _, name := range sortedKeys(own) {
		request.Attribute(name, own[name])
	}
	for _, name := range sortedKeys(change.Attributes) {
		values := distinct(change.Attributes[name])
		if len(values) == 0 {
			continue
		}
		if mine, taken := own[strings.ToLower(name)]; taken {
			if slices.Equal(mine, values) {
				continue
			}
			return nil, "the attribute " + name + " is set by the connector itself"
		}
		request.Attribute(name, values)
	}
	return request, ""
}

// change updates, enables and disables accounts.
func (c *Connector) change(ctx context.Context, s *session, todo []work) {
	attributes := []string{c.cfg.Disable.Attribute}
	for _, w := range todo {
		for name := range w.Attributes {
			if isDescriptor(name) && !slices.Contains(attributes, name) {
				attributes = append(attributes, name)
			}
		}
	}
	entries, err := c.resolve(ctx, s, todo, attributes)
	if err != nil {
		fail(todo, err)
		return
	}
	known, err := c.loadSchema(ctx, s)
	if err != nil {
		fail(todo, err)
		return
	}
	sideBySide(len(todo), func(i int) {
		w := todo[i]
		e := entries[w.Account.ID]
		if e == nil {
			*w.result = refused(noAccount)
			return
		}
		request := ldap.NewModifyRequest(e.DN, nil)
		switch w.Op {
		case connectors.UpdateAccount:
			c.difference(request, e, w.Attributes, known)
		case connectors.DisableAccount:
			if !c.disabled(e) {
				request.Replace(c.cfg.Disable.Attribute, []string{c.cfg.Disable.Value})
			}
		case connectors.EnableAccount:
			if c.disabled(e) {
				request.Replace(c.cfg.Disable.Attribute, distinct([]string{c.cfg.Disable.Enabled}))
			}
		}
		*w.result = c.modifyAccount(ctx, s, request)
	})
}

const noAccount = "no such account"

func (c *Connector) modifyAccount(ctx context.Context, s *session, request *ldap.ModifyRequest) connectors.Result {
	if len(request.Changes) == 0 {
		return alreadySo()
	}
	err := s.modify(request)
	if is(err, ldap.LDAPResultNoSuchObject) {
		// It was there a moment ago: moved, or deleted. The next try will tell.
		return connectors.Result{Err: connectors.Errorf(connectors.RetryLater, "ldap: change an account: it moved while it was being changed")}
	}
	return c.answer(ctx, "change an account", err)
}

// difference asks for what the entry does not have yet.
func (c *Connector) difference(request *ldap.ModifyRequest, e *ldap.Entry, want map[string][]string, known *schema) {
	for _, name := range sortedKeys(want) {
		values := distinct(want[name])
		has := e.GetEqualFoldAttributeValues(name)
		if canonical := known.known[strings.ToLower(name)]; canonical != "" {
			has = e.GetEqualFoldAttributeValues(canonical)
		}
		if !slices.Equal(values, distinct(has)) {
			request.Replace(name, values) // without values it removes the attribute
		}
	}
}

// delete removes accounts, and first their memberships: a server that keeps
// the DN of a deleted entry in its groups gives them to the next account with
// that name.
func (c *Connector) delete(ctx context.Context, s *session, todo []work) {
	entries, err := c.resolve(ctx, s, todo, nil)
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
	leaving := c.leaveGroups(ctx, s, todo, entries)
	sideBySide(len(todo), func(i int) {
		w := todo[i]
		if leaving[i] != nil {
			*w.result = *leaving[i]
			return
		}
		err := s.del(ldap.NewDelRequest(entries[w.Account.ID].DN, nil))
		if is(err, ldap.LDAPResultNoSuchObject) {
			*w.result = alreadySo()
			return
		}
		*w.result = c.answer(ctx, "delete an account", err)
		if w.result.Status == connectors.Applied {
			c.cache.setAccount(w.Account.ID, "")
		}
	})
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// distinct returns the values sorted, each once, without empty ones, which
// LDAP does not have.
func distinct(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.DeleteFunc(slices.Compact(values), func(v string) bool { return v == "" })
}
