package ldap

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// change updates, renames, adopts, enables and disables accounts.
func (c *Connector) change(ctx context.Context, s *session, todo []work) {
	todo, err := c.resolveReferences(ctx, s, todo)
	if err != nil {
		fail(todo, err)
		return
	}
	attributes := c.needed(s, todo)
	entries, err := c.resolve(ctx, s, ids(todo), attributes)
	if err != nil {
		fail(todo, err)
		return
	}
	known, err := s.loadSchema(ctx)
	if err != nil {
		fail(todo, err)
		return
	}
	locksEnd, err := (&lockoutPolicy{session: s}).locksExpire(ctx, slices.Collect(maps.Values(entries))...)
	if err != nil {
		fail(todo, err)
		return
	}
	c.inParallel(len(todo), func(i int) {
		w := todo[i]
		a := &accountChange{Connector: c, session: s, known: known, id: w.Account.ID, entry: entries[w.Account.ID], attributes: attributes, locksExpire: locksEnd}
		if a.entry == nil {
			*w.result = refused(noAccount)
			return
		}
		if err := c.finishMove(ctx, s, a.id, a.entry); err != nil {
			*w.result = connectors.Result{Err: err}
			return
		}
		switch w.Op {
		case connectors.UpdateAccount:
			*w.result = a.update(ctx, w.Attributes)
		case connectors.RenameAccount:
			*w.result = a.rename(ctx, w.Account.Name)
		case connectors.AdoptAccount:
			*w.result = a.adopt(ctx, w.Account.Anchor)
		default:
			*w.result = a.setState(ctx, w.Op == connectors.EnableAccount)
		}
	})
}

// needed returns the attributes that the changes have to read.
func (c *Connector) needed(s *session, todo []work) []string {
	attributes := slices.Concat([]string{s.cfg.Disable.Attribute, s.cfg.NameAttribute, s.cfg.RDNAttribute, s.cfg.AnchorAttribute}, s.flavour.attributes)
	for _, w := range todo {
		switch w.Op {
		case connectors.AdoptAccount:
			attributes = append(attributes, "objectClass")
		case connectors.RenameAccount:
			if s.cfg.UPNSuffix != "" {
				attributes = append(attributes, upnAttribute)
			}
		}
		for name := range w.Attributes {
			if isDescriptor(name) {
				attributes = append(attributes, name)
			}
		}
	}
	slices.Sort(attributes)
	return slices.Compact(attributes)
}

// accountChange is a change to one account, with its entry as last read.
type accountChange struct {
	*Connector
	session     *session
	known       *schema
	id          string
	entry       *ldap.Entry
	attributes  []string
	locksExpire bool // see lockoutPolicy.locksExpire
}

// values returns the entry's values of an attribute, by any of its names.
func (a *accountChange) values(name string) []string {
	if canonical := a.known.known[strings.ToLower(name)]; canonical != "" {
		name = canonical
	}
	return a.entry.GetEqualFoldAttributeValues(name)
}

// update sets the values that the entry does not have yet, as the server compares
// them. The attribute that names the entry is changed with a ModifyDN (RFC 4511
// §4.9).
func (a *accountChange) update(ctx context.Context, want map[string][]string) connectors.Result {
	s := a.session
	request := ldap.NewModifyRequest(a.entry.DN, nil)
	rdn := rdnOf(a.entry.DN)
	type naming struct{ attribute, value string }
	var renames []naming
	var after [][2]any // attribute and values that can be set only after the rename
	for _, name := range sortedKeys(want) {
		has := s.fromServer(a.entry, name, a.values(name))
		if s.matching(a.known, name).Same(s.withoutSuffix(a.entry, name, sortedUnique(want[name])), sortedUnique(has)) {
			continue
		}
		values, why := s.toServer(name, want[name])
		if why != "" {
			return refused(why)
		}
		current, inRDN := names(rdn, a.canonical(name))
		keeps := slices.ContainsFunc(values, func(v string) bool { return fold(v) == fold(current) })
		switch {
		case !inRDN || keeps && len(values) > 1:
			request.Replace(name, values) // without values it removes the attribute
		case len(values) == 0:
			return refused("the attribute " + name + " names the entry and cannot be without a value")
		default:
			renames = append(renames, naming{a.canonical(name), values[0]})
			if len(values) > 1 {
				after = append(after, [2]any{name, values})
			}
		}
	}
	if len(request.Changes) == 0 && len(renames) == 0 {
		return alreadySo()
	}
	result := a.modify(ctx, request)
	for _, r := range renames {
		if !done(result) {
			return result
		}
		result = a.move(ctx, r.attribute, r.value, "")
	}
	for _, rest := range after {
		if !done(result) {
			return result
		}
		m := ldap.NewModifyRequest(a.entry.DN, nil)
		m.Replace(rest[0].(string), rest[1].([]string))
		result = a.modify(ctx, m)
	}
	return result
}

// canonical returns the name by which the server itself returns an attribute.
func (a *accountChange) canonical(name string) string {
	if canonical := a.known.known[strings.ToLower(name)]; canonical != "" {
		return canonical
	}
	return name
}

// modify sends a request unless it is empty.
func (a *accountChange) modify(ctx context.Context, request *ldap.ModifyRequest) connectors.Result {
	if len(request.Changes) == 0 {
		return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Applied}}
	}
	err := a.session.modify(ctx, request)
	if is(err, ldap.LDAPResultNoSuchObject) {
		// The entry was there a moment ago and was moved or deleted since. The
		// retry finds out.
		return connectors.Result{Err: connectors.Errorf(connectors.RetryLater, "ldap: change an account: it was moved or deleted by another client meanwhile")}
	}
	return a.session.answer(ctx, "change an account", err)
}

// rename gives the account another login name.
func (a *accountChange) rename(ctx context.Context, name string) connectors.Result {
	s := a.session
	why := s.invalidName(name)
	if name == "" {
		why = "an account needs a name"
	}
	if why != "" {
		return refused(why)
	}
	old := namingValue(a.entry, s.cfg.NameAttribute)
	if old == name {
		return alreadySo()
	}
	taken := false
	err := a.lookup(ctx, s, []string{equals(s.cfg.NameAttribute, name)}, []string{s.cfg.IDAttribute, s.cfg.NameAttribute}, func(e *ldap.Entry) error {
		id, err := s.idOf(e)
		for _, v := range e.GetEqualFoldAttributeValues(s.cfg.NameAttribute) {
			taken = taken || id != a.id && fold(v) == fold(name)
		}
		return err
	})
	switch {
	case err != nil:
		return connectors.Result{Err: err}
	case taken:
		return refused(nameTaken)
	}
	request := ldap.NewModifyRequest(a.entry.DN, nil)
	if upn := a.entry.GetEqualFoldAttributeValue(upnAttribute); s.cfg.UPNSuffix != "" && strings.EqualFold(upn, old+"@"+s.cfg.UPNSuffix) {
		request.Replace(upnAttribute, []string{name + "@" + s.cfg.UPNSuffix})
	}
	if _, inRDN := names(rdnOf(a.entry.DN), a.canonical(s.cfg.NameAttribute)); inRDN {
		if r := a.move(ctx, a.canonical(s.cfg.NameAttribute), name, ""); !done(r) {
			return r
		}
		request.DN = a.entry.DN
		return a.modify(ctx, request)
	}
	values := slices.DeleteFunc(slices.Clone(a.values(s.cfg.NameAttribute)), func(v string) bool { return v == old || fold(v) == fold(name) })
	request.Replace(s.cfg.NameAttribute, append(values, name))
	a.unfinished.addOldName(a.id, oldName{dn: a.entry.DN, login: old})
	err = s.modify(ctx, request)
	if _, answered := code(err); answered {
		a.unfinished.moveFinished(a.id)
	}
	if is(err, ldap.LDAPResultEntryAlreadyExists) {
		return refused(nameTaken)
	}
	r := s.answer(ctx, "rename an account", err)
	if !done(r) {
		return r
	}
	a.recordMove(a.entry.DN, a.canonical(s.cfg.NameAttribute), name)
	if err := a.finishMove(ctx, s, a.id, a.entry); err != nil {
		return connectors.Result{Err: err}
	}
	// Where two entries have the same name, the suffix in the RDN is the login
	// name.
	value, _ := names(rdnOf(a.entry.DN), s.cfg.RDNAttribute)
	if plain, told := strings.CutSuffix(value, nameSuffix(old)); told && s.needsSuffix(s.cfg.RDNAttribute) {
		return a.move(ctx, s.cfg.RDNAttribute, plain, "")
	}
	return r
}

// adopt writes the anchor into an entry that has none.
func (a *accountChange) adopt(ctx context.Context, anchor string) connectors.Result {
	s := a.session
	if anchor == "" {
		return refused("the change to adopt an account has no anchor")
	}
	switch has := a.entry.GetEqualFoldAttributeValues(s.cfg.AnchorAttribute); {
	case slices.Contains(has, anchor):
		return alreadySo()
	case len(has) > 0:
		return refused("the account has the anchor of another person")
	}
	taken := false
	err := a.lookup(ctx, s, []string{equals(s.cfg.AnchorAttribute, anchor)}, []string{s.cfg.AnchorAttribute}, func(e *ldap.Entry) error {
		taken = taken || slices.Contains(e.GetEqualFoldAttributeValues(s.cfg.AnchorAttribute), anchor)
		return nil
	})
	switch {
	case err != nil:
		return connectors.Result{Err: err}
	case taken:
		return refused("another account has this anchor")
	}
	// An add, not a replace, so that the server refuses it when another client
	// has set an anchor meanwhile.
	request := ldap.NewModifyRequest(a.entry.DN, nil)
	request.Add(s.cfg.AnchorAttribute, []string{anchor})
	missing := slices.DeleteFunc(slices.Clone(s.cfg.ObjectClasses), func(class string) bool {
		return slices.ContainsFunc(a.entry.GetEqualFoldAttributeValues("objectClass"), func(has string) bool { return strings.EqualFold(has, class) })
	})
	if len(missing) == 0 {
		return a.modify(ctx, request)
	}
	// The attributes that follow may need the object classes of new accounts.
	whole := ldap.NewModifyRequest(a.entry.DN, nil)
	whole.Add("objectClass", missing)
	whole.Changes = append(whole.Changes, request.Changes...)
	if r := a.modify(ctx, whole); r.Status != connectors.Refused {
		return r
	}
	return a.modify(ctx, request)
}

// setState enables or disables the account and moves it to where it belongs in
// that state: the step that removes access comes first, the step that grants it
// last. Enabling an expired account also removes its expiry, unless a mapping
// manages accountExpires: mapping and enabling would then undo each other in
// every run.
func (a *accountChange) setState(ctx context.Context, enable bool) connectors.Result {
	s := a.session
	if enable && s.cfg.manages(expiresAttribute) && s.expired(a.entry) {
		return refused("the account has expired; change its " + expiresAttribute)
	}
	to := s.moveDestination(a.entry.DN, enable)
	moved := false
	if to != "" && enable {
		if r := a.move(ctx, "", "", to); !done(r) {
			return r
		}
		moved = true
	}
	for again := range 3 {
		request := ldap.NewModifyRequest(a.entry.DN, nil)
		if err := s.changeState(request, a.entry, enable, a.locksExpire); err != nil {
			return connectors.Result{Err: err}
		}
		if len(request.Changes) == 0 {
			break
		}
		r := a.modify(ctx, request)
		if again < 2 && s.disabledByFlag() && r.Status == connectors.Refused && a.rereadFlags(ctx) {
			continue // another client changed another flag
		}
		if !done(r) {
			return r
		}
		moved = true
		break
	}
	if to != "" && !enable {
		return a.move(ctx, "", "", to)
	}
	if !moved {
		return alreadySo()
	}
	return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Applied}}
}

// rereadFlags reads the entry's flags again and reports whether they have
// changed.
func (a *accountChange) rereadFlags(ctx context.Context) bool {
	filter, ok := a.session.idFilter(a.id)
	if !ok {
		return false
	}
	e, err := a.readOne(ctx, a.session, a.entry.DN, filter, append([]string{a.session.cfg.IDAttribute}, a.attributes...))
	if err != nil || e == nil {
		return false
	}
	before, _ := flags(a.entry)
	after, _ := flags(e)
	a.entry = e
	return before != after
}

func done(r connectors.Result) bool { return r.Err == nil && r.Status == connectors.Applied }
