package ldap

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

const (
	nameTaken = "the login name is taken"
	noAccount = "no such account"
)

// create makes accounts. It first looks for those that are there already, by
// anchor and by name: the answer to an earlier attempt may have been lost.
func (c *Connector) create(ctx context.Context, s *session, todo []work) {
	todo = slices.DeleteFunc(todo, func(w work) bool {
		why := s.badName(w.Account.Name)
		if w.Account.Name == "" || w.Account.Anchor == "" {
			why = "an account needs a name and an anchor"
		}
		if why != "" {
			*w.result = refused(why)
		}
		return why != ""
	})
	todo, again := apart(todo)
	if len(again) > 0 {
		defer c.create(ctx, s, again)
	}
	anchors, names, err := c.existing(ctx, s, todo)
	if err != nil {
		fail(todo, err)
		return
	}
	todo, err = c.pointed(ctx, s, todo)
	if err != nil {
		fail(todo, err)
		return
	}
	b := &birth{Connector: c, session: s}
	if b.passwords, b.length, err = c.passwordsFor(ctx, s); err != nil {
		fail(todo, err)
		return
	}
	added := make([]bool, len(todo))
	c.sideBySide(len(todo), func(i int) {
		w := todo[i]
		switch e := anchors[w.Account.Anchor]; {
		case e != nil:
			*w.result = b.alreadyThere(ctx, w.Change, e)
		case names[fold(w.Account.Name)] != nil:
			*w.result = refused(nameTaken)
		default:
			added[i] = b.add(ctx, w)
		}
	})
	var fresh []work
	for i, w := range todo {
		if added[i] {
			fresh = append(fresh, w)
		}
	}
	b.identify(ctx, fresh)
}

// apart divides creations so that no two of the first have the same name: not
// every server keeps that from happening.
func apart(todo []work) (first, again []work) {
	seen := map[string]bool{}
	for _, w := range todo {
		name := fold(w.Account.Name)
		if seen[name] {
			again = append(again, w)
			continue
		}
		seen[name] = true
		first = append(first, w)
	}
	return first, again
}

// passwordsFor says how first passwords are set, nil when they are not, and
// how long they are.
func (c *Connector) passwordsFor(ctx context.Context, s *session) (passwords, int, error) {
	if !s.cfg.setsPassword(s.flavour) {
		return nil, 0, nil
	}
	p := s.flavour.passwords
	minimum, err := p.minimum(ctx, s)
	return p, max(minimum, s.cfg.FirstPassword.Length), err
}

// existing finds accounts with the anchors, and with the names, folded.
func (c *Connector) existing(ctx context.Context, s *session, todo []work) (anchors, names map[string]*ldap.Entry, err error) {
	byAnchor, byName := &found{m: map[string]*ldap.Entry{}}, &found{m: map[string]*ldap.Entry{}}
	chunks := slices.Collect(slices.Chunk(todo, lookupTerms))
	errs := make([]error, len(chunks))
	c.sideBySide(len(chunks), func(i int) {
		var filters []string
		for _, w := range chunks[i] {
			filters = append(filters, equals(s.cfg.AnchorAttribute, w.Account.Anchor), equals(s.cfg.NameAttribute, w.Account.Name))
		}
		attributes := []string{s.cfg.IDAttribute, s.cfg.AnchorAttribute, s.cfg.NameAttribute}
		errs[i] = c.lookup(ctx, s, filters, attributes, func(e *ldap.Entry) error {
			for _, v := range e.GetEqualFoldAttributeValues(s.cfg.AnchorAttribute) {
				byAnchor.set(v, e)
			}
			for _, v := range e.GetEqualFoldAttributeValues(s.cfg.NameAttribute) {
				byName.set(fold(v), e)
			}
			return nil
		})
	})
	return byAnchor.m, byName.m, first(errs)
}

// birth is the creation of accounts.
type birth struct {
	*Connector
	session   *session
	passwords passwords // nil when new accounts get none
	length    int
}

// alreadyThere answers for an account that was there before.
func (b *birth) alreadyThere(ctx context.Context, change connectors.Change, e *ldap.Entry) connectors.Result {
	id, err := b.session.idOf(e)
	note := ""
	if err == nil {
		b.cache.setAccount(id, e.DN)
		note, err = b.handOver(ctx, change, id, e.DN) // when it was ours, and we did not get so far
	}
	if err != nil {
		return connectors.Result{Err: err}
	}
	r := alreadySo()
	r.AccountID, r.Detail = id, note
	return r
}

// add makes an entry, and says whether it did. Its ID is still to be read.
func (b *birth) add(ctx context.Context, w work) bool {
	s := b.session
	defer func() {
		if w.result.Status == connectors.Refused {
			b.unfinished.forget(w.Account.Anchor) // an account that somebody else makes is not to get it
		}
	}()
	value := w.Account.Name
	switch values := distinct(attribute(w.Attributes, s.cfg.RDNAttribute)); {
	case strings.EqualFold(s.cfg.RDNAttribute, s.cfg.AnchorAttribute):
		value = w.Account.Anchor
	case s.distinguishes(s.cfg.RDNAttribute) && len(values) > 0:
		value = values[0]
	}
	// Two people may have the same name, and be told apart by the login name.
	for _, value := range []string{value, value + addition(w.Account.Name)} {
		request, why, err := b.request(w.Change, value)
		if err != nil || why != "" {
			*w.result = refusedOr(why, err)
			return false
		}
		err = s.add(ctx, request)
		if err == nil {
			return true
		}
		if !is(err, ldap.LDAPResultEntryAlreadyExists) {
			*w.result = s.answer(ctx, "create an account", err)
			return false
		}
		e, readErr := b.occupant(ctx, request.DN)
		switch {
		case readErr != nil:
			*w.result = connectors.Result{Err: readErr}
			return false
		case e != nil && e.GetEqualFoldAttributeValue(s.cfg.AnchorAttribute) == w.Account.Anchor:
			*w.result = b.alreadyThere(ctx, w.Change, e)
			return false
		case e == nil || !s.distinguishes(s.cfg.RDNAttribute):
			*w.result = refused(nameTaken) // by an entry somewhere else
			return false
		}
	}
	*w.result = refused("another entry has the name, and one the name with the login name")
	return false
}

// occupant returns whatever is at a DN, nil when nothing is that we may see.
func (b *birth) occupant(ctx context.Context, dn string) (*ldap.Entry, error) {
	s := b.session
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{s.cfg.IDAttribute, s.cfg.AnchorAttribute},
	})
	if err != nil && !is(err, ldap.LDAPResultNoSuchObject) {
		return nil, s.failure(ctx, "read an entry", err)
	}
	if len(result.Entries) == 0 {
		return nil, nil
	}
	return result.Entries[0], nil
}

// request puts a new entry together, or says why it cannot be.
func (b *birth) request(change connectors.Change, value string) (request *ldap.AddRequest, why string, err error) {
	s := b.session
	base := s.cfg.PeopleDN
	if s.cfg.Disable.MoveTo != "" && !change.Enabled {
		base = s.cfg.Disable.MoveTo
	}
	own := map[string][]string{
		"objectclass":                          s.cfg.ObjectClasses,
		strings.ToLower(s.cfg.RDNAttribute):    {value},
		strings.ToLower(s.cfg.NameAttribute):   {change.Account.Name},
		strings.ToLower(s.cfg.AnchorAttribute): {change.Account.Anchor},
	}
	s.newState(own, change.Enabled)
	if s.cfg.UPNSuffix != "" && len(attribute(change.Attributes, upnAttribute)) == 0 {
		own[strings.ToLower(upnAttribute)] = []string{change.Account.Name + "@" + s.cfg.UPNSuffix}
	}
	if b.passwords != nil {
		if why := b.passwords.ready(s); why != "" {
			return nil, why, nil
		}
		password, err := b.unfinished.password(change.Account.Anchor, func() (string, error) {
			return newPassword(b.length, slices.Concat([]string{change.Account.Name}, slices.Concat(slices.Collect(maps.Values(change.Attributes))...))...)
		})
		if err != nil {
			return nil, "", err
		}
		b.passwords.with(own, password, s.cfg.FirstPassword.Keep)
	}
	if s.distinguishes(s.cfg.RDNAttribute) {
		// The first value is in the name, maybe with what tells it apart.
		if values := distinct(attribute(change.Attributes, s.cfg.RDNAttribute)); len(values) > 1 {
			rdn := strings.ToLower(s.cfg.RDNAttribute)
			own[rdn] = append(own[rdn], values[1:]...)
		}
	}
	request = ldap.NewAddRequest(s.cfg.RDNAttribute+"="+escapeDN(value)+","+base, nil)
	for _, name := range sortedKeys(own) {
		request.Attribute(name, own[name])
	}
	for _, name := range sortedKeys(change.Attributes) {
		values := distinct(change.Attributes[name])
		mine, taken := own[strings.ToLower(name)]
		switch {
		case len(values) == 0, taken && slices.Equal(mine, values), s.distinguishes(name):
			continue
		case taken:
			return nil, "the attribute " + name + " is set by the connector itself", nil
		}
		if values, why = s.written(name, values); why != "" {
			return nil, why, nil
		}
		request.Attribute(name, values)
	}
	return request, "", nil
}

// identify reads the IDs that the server gave to new accounts, many in one
// search, and hands over their first passwords.
func (b *birth) identify(ctx context.Context, todo []work) {
	s := b.session
	chunks := slices.Collect(slices.Chunk(todo, lookupTerms))
	b.sideBySide(len(chunks), func(i int) {
		var filters []string
		for _, w := range chunks[i] {
			filters = append(filters, equals(s.cfg.NameAttribute, w.Account.Name)) // which servers index
		}
		entries := map[string]*ldap.Entry{}
		err := b.lookup(ctx, s, filters, []string{s.cfg.IDAttribute, s.cfg.AnchorAttribute}, func(e *ldap.Entry) error {
			entries[e.GetEqualFoldAttributeValue(s.cfg.AnchorAttribute)] = e
			return nil
		})
		for _, w := range chunks[i] {
			e := entries[w.Account.Anchor]
			switch {
			case err != nil:
				w.result.Err = err
			case e == nil:
				w.result.Err = connectors.Errorf(connectors.RetryLater, "ldap: create an account: it was created but cannot be read")
			default:
				if *w.result = b.alreadyThere(ctx, w.Change, e); w.result.Err == nil {
					w.result.Status = connectors.Applied
				}
			}
		}
	})
}

// handOver finishes what a new account's first password still needs. The note
// is that of passwords.after.
func (b *birth) handOver(ctx context.Context, change connectors.Change, id, dn string) (note string, err error) {
	password := b.unfinished.peek(change.Account.Anchor)
	if b.passwords == nil || password == "" {
		return "", nil
	}
	if note, err = b.passwords.after(ctx, b.session, dn, password, b.session.cfg.FirstPassword.Keep, change.Enabled); err != nil {
		return "", err
	}
	if to := b.session.cfg.Handover; to != nil {
		ref := connectors.AccountRef{ID: id, Anchor: change.Account.Anchor, Name: change.Account.Name}
		if err := to.FirstPassword(ctx, ref, password); err != nil {
			return "", connectors.Errorf(connectors.RetryLater, "ldap: the account was created, but its first password was not handed over: %w", err)
		}
	}
	b.unfinished.forget(change.Account.Anchor)
	return note, nil
}

// unfinished is what an answer that was lost, or a step that failed, left to
// be done when the change comes again. It is kept in memory alone: after a
// restart somebody sets another password, and a group that still names the
// account as it was is seen in the next snapshot.
type unfinished struct {
	mu        sync.Mutex
	passwords map[string]string    // anchor → first password, until it has been handed over
	moves     map[string][]oldName // native ID → what groups may still have
}

// password returns the password for an account, the same every time until it
// is forgotten: which attempt's request came through nobody knows.
func (u *unfinished) password(anchor string, make func() (string, error)) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p := u.passwords[anchor]; p != "" {
		return p, nil
	}
	p, err := make()
	if err != nil {
		return "", err
	}
	if u.passwords == nil {
		u.passwords = map[string]string{}
	}
	u.passwords[anchor] = p
	return p, nil
}

func (u *unfinished) peek(anchor string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.passwords[anchor]
}

func (u *unfinished) forget(anchor string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.passwords, anchor)
}

// attribute returns the values of an attribute whatever its name's case.
func attribute(attributes map[string][]string, name string) []string {
	for n, values := range attributes {
		if strings.EqualFold(n, name) {
			return values
		}
	}
	return nil
}

func refusedOr(why string, err error) connectors.Result {
	if err != nil {
		return connectors.Result{Err: err}
	}
	return refused(why)
}
