package ldap

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/password"
)

const (
	nameTaken = "the login name is taken"
	noAccount = "no such account"
)

// create creates accounts. It first looks up existing accounts by anchor and by
// name, as the answer to an earlier attempt may have been lost.
func (c *Connector) create(ctx context.Context, s *session, todo []work) {
	todo = slices.DeleteFunc(todo, func(w work) bool {
		why := s.invalidName(w.Account.Name)
		if w.Account.Name == "" || w.Account.Anchor == "" {
			why = "the account has no login name or no anchor; both are required"
		}
		if why != "" {
			*w.result = refused(why)
		}
		return why != ""
	})
	todo, again := splitSameNames(todo)
	if len(again) > 0 {
		defer c.create(ctx, s, again)
	}
	anchors, names, err := c.findExisting(ctx, s, todo)
	if err != nil {
		fail(todo, err)
		return
	}
	todo, err = c.resolveReferences(ctx, s, todo)
	if err != nil {
		fail(todo, err)
		return
	}
	b := &accountCreation{Connector: c, session: s}
	if b.passwords, b.length, err = c.passwordsFor(ctx, s); err != nil {
		fail(todo, err)
		return
	}
	added := make([]bool, len(todo))
	c.inParallel(len(todo), func(i int) {
		w := todo[i]
		switch e := anchors[w.Account.Anchor]; {
		case e != nil:
			*w.result = b.adoptExisting(ctx, w.Change, e)
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

// splitSameNames divides creations so that no two in first have the same login
// name: not every server enforces unique names.
func splitSameNames(todo []work) (first, again []work) {
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

// passwordsFor returns how first passwords are set, nil when they are not, and
// their length.
func (c *Connector) passwordsFor(ctx context.Context, s *session) (passwords, int, error) {
	if !s.cfg.setsPassword(s.flavour) {
		return nil, 0, nil
	}
	p := s.flavour.passwords
	minimum, err := p.minimum(ctx, s)
	return p, max(minimum, s.cfg.FirstPassword.Length), err
}

// findExisting finds accounts by anchor, and by folded login name.
func (c *Connector) findExisting(ctx context.Context, s *session, todo []work) (anchors, names map[string]*ldap.Entry, err error) {
	byAnchor, byName := &entryMap{m: map[string]*ldap.Entry{}}, &entryMap{m: map[string]*ldap.Entry{}}
	chunks := slices.Collect(slices.Chunk(todo, lookupTerms))
	errs := make([]error, len(chunks))
	c.inParallel(len(chunks), func(i int) {
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

// accountCreation is the creation of accounts.
type accountCreation struct {
	*Connector
	session   *session
	passwords passwords // nil when new accounts get none
	length    int
}

// adoptExisting returns the result for an account that existed before.
func (b *accountCreation) adoptExisting(ctx context.Context, change connectors.Change, e *ldap.Entry) connectors.Result {
	id, err := b.session.idOf(e)
	note := ""
	if err == nil {
		b.cache.setAccount(id, e.DN)
		note, err = b.deliverPassword(ctx, change, id, e.DN) // behov created it earlier and was interrupted
	}
	if err != nil {
		return connectors.Result{Err: err}
	}
	r := alreadySo()
	r.AccountID, r.Detail = id, note
	return r
}

// add creates an entry and reports whether it did. The caller reads its ID
// afterwards.
func (b *accountCreation) add(ctx context.Context, w work) bool {
	s := b.session
	defer func() {
		if w.result.Status == connectors.Refused {
			b.unfinished.forget(w.Account.Anchor) // an account that another client created must not get it
		}
	}()
	value := w.Account.Name
	switch values := sortedUnique(attribute(w.Attributes, s.cfg.RDNAttribute)); {
	case strings.EqualFold(s.cfg.RDNAttribute, s.cfg.AnchorAttribute):
		value = w.Account.Anchor
	case s.needsSuffix(s.cfg.RDNAttribute) && len(values) > 0:
		value = values[0]
	}
	// Two people may have the same name; the login name then makes the RDN
	// unique.
	for _, value := range []string{value, value + nameSuffix(w.Account.Name)} {
		request, why, err := b.buildRequest(w.Change, value)
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
		e, readErr := b.entryAt(ctx, request.DN)
		switch {
		case readErr != nil:
			*w.result = connectors.Result{Err: readErr}
			return false
		case e != nil && e.GetEqualFoldAttributeValue(s.cfg.AnchorAttribute) == w.Account.Anchor:
			*w.result = b.adoptExisting(ctx, w.Change, e)
			return false
		case e == nil || !s.needsSuffix(s.cfg.RDNAttribute):
			*w.result = refused(nameTaken) // by an entry in another place
			return false
		}
	}
	*w.result = refused("the entry's name is taken, also with the login name appended; rename one of the entries, or choose another rdn_attribute")
	return false
}

// entryAt returns the entry at a DN, or nil when the account in bind_dn sees none
// there.
func (b *accountCreation) entryAt(ctx context.Context, dn string) (*ldap.Entry, error) {
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

// buildRequest returns the request that creates an entry, or why it cannot be
// created.
func (b *accountCreation) buildRequest(change connectors.Change, value string) (request *ldap.AddRequest, why string, err error) {
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
		if why := b.passwords.unavailableReason(s); why != "" {
			return nil, why, nil
		}
		first, err := b.unfinished.password(change.Account.Anchor, func() (string, error) {
			p, err := password.New(b.length, slices.Concat([]string{change.Account.Name}, slices.Concat(slices.Collect(maps.Values(change.Attributes))...))...)
			if err != nil {
				err = connectors.Errorf(connectors.Permanent, "ldap: create a password: %w", err)
			}
			return p, err
		})
		if err != nil {
			return nil, "", err
		}
		b.passwords.addTo(own, first, s.cfg.FirstPassword.Keep)
	}
	if s.needsSuffix(s.cfg.RDNAttribute) {
		// The RDN has the first value already, with a suffix where the name was
		// taken.
		if values := sortedUnique(attribute(change.Attributes, s.cfg.RDNAttribute)); len(values) > 1 {
			rdn := strings.ToLower(s.cfg.RDNAttribute)
			own[rdn] = append(own[rdn], values[1:]...)
		}
	}
	request = ldap.NewAddRequest(s.cfg.RDNAttribute+"="+escapeDN(value)+","+base, nil)
	for _, name := range sortedKeys(own) {
		request.Attribute(name, own[name])
	}
	for _, name := range sortedKeys(change.Attributes) {
		values := sortedUnique(change.Attributes[name])
		mine, taken := own[strings.ToLower(name)]
		switch {
		case len(values) == 0, taken && slices.Equal(mine, values), s.needsSuffix(name):
			continue
		case taken:
			return nil, "the attribute " + name + " is set by the connector itself; remove it from attributes", nil
		}
		if values, why = s.toServer(name, values); why != "" {
			return nil, why, nil
		}
		request.Attribute(name, values)
	}
	return request, "", nil
}

// identify reads the IDs that the server gave to new accounts, many in one
// search, and delivers their first passwords.
func (b *accountCreation) identify(ctx context.Context, todo []work) {
	s := b.session
	chunks := slices.Collect(slices.Chunk(todo, lookupTerms))
	b.inParallel(len(chunks), func(i int) {
		var filters []string
		for _, w := range chunks[i] {
			filters = append(filters, equals(s.cfg.NameAttribute, w.Account.Name)) // the name attribute is indexed on most servers
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
				w.result.Err = connectors.Errorf(connectors.RetryLater, "ldap: create an account: it was created but cannot be read back; let the account in bind_dn read it")
			default:
				if *w.result = b.adoptExisting(ctx, w.Change, e); w.result.Err == nil {
					w.result.Status = connectors.Applied
				}
			}
		}
	})
}

// deliverPassword finishes the first password of a new account. The note is that
// of passwords.finish.
func (b *accountCreation) deliverPassword(ctx context.Context, change connectors.Change, id, dn string) (note string, err error) {
	password := b.unfinished.peek(change.Account.Anchor)
	if b.passwords == nil || password == "" {
		return "", nil
	}
	if note, err = b.passwords.finish(ctx, b.session, dn, password, b.session.cfg.FirstPassword.Keep, change.Enabled); err != nil {
		return "", err
	}
	if to := b.session.cfg.PasswordSink; to != nil {
		ref := connectors.AccountRef{ID: id, Anchor: change.Account.Anchor, Name: change.Account.Name}
		if err := to.FirstPassword(ctx, ref, password); err != nil {
			return "", connectors.Errorf(connectors.RetryLater, "ldap: the account was created, but its first password was not delivered: %w", err)
		}
	}
	b.unfinished.forget(change.Account.Anchor)
	return note, nil
}

// unfinished holds the work that a lost answer or a failed step left to do when
// the change is repeated. It is kept in memory only: after a restart an
// administrator sets another password, and the next snapshot finds groups that
// still hold an account's earlier name.
type unfinished struct {
	mu        sync.Mutex
	passwords map[string]string    // anchor → first password, until it is delivered
	moves     map[string][]oldName // native ID → earlier names that groups may still hold
}

// password returns the password for an account, the same one until it is
// forgotten: the caller cannot know which attempt reached the server.
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

// attribute returns the values of an attribute; names are compared without case.
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
