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
	todo, err := c.pointed(ctx, s, todo)
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
	locksEnd, err := (&lockouts{session: s}).end(ctx, slices.Collect(maps.Values(entries))...)
	if err != nil {
		fail(todo, err)
		return
	}
	c.sideBySide(len(todo), func(i int) {
		w := todo[i]
		a := &alteration{Connector: c, session: s, known: known, id: w.Account.ID, entry: entries[w.Account.ID], attributes: attributes, locksEnd: locksEnd}
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

// needed are the attributes that the changes look at.
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

// alteration is a change to one account, as its entry was when last read.
type alteration struct {
	*Connector
	session    *session
	known      *schema
	id         string
	entry      *ldap.Entry
	attributes []string
	locksEnd   bool // from lockouts
}

// values returns what the entry has for an attribute, by any of its names.
func (a *alteration) values(name string) []string {
	if canonical := a.known.known[strings.ToLower(name)]; canonical != "" {
		name = canonical
	}
	return a.entry.GetEqualFoldAttributeValues(name)
}

// update sets what the entry does not have yet, as the server compares it.
// The attribute that names the entry changes with a ModifyDN (RFC 4511 §4.9).
func (a *alteration) update(ctx context.Context, want map[string][]string) connectors.Result {
	s := a.session
	request := ldap.NewModifyRequest(a.entry.DN, nil)
	rdn := rdnOf(a.entry.DN)
	type naming struct{ attribute, value string }
	var renames []naming
	var after [][2]any // attribute, values: what can be set only once the entry has another name
	for _, name := range sortedKeys(want) {
		has := s.shown(a.entry, name, a.values(name))
		if s.matching(a.known, name).Same(s.plain(a.entry, name, distinct(want[name])), distinct(has)) {
			continue
		}
		values, why := s.written(name, want[name])
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

// canonical returns the name the server itself uses for an attribute.
func (a *alteration) canonical(name string) string {
	if canonical := a.known.known[strings.ToLower(name)]; canonical != "" {
		return canonical
	}
	return name
}

// modify sends a request when it asks for something.
func (a *alteration) modify(ctx context.Context, request *ldap.ModifyRequest) connectors.Result {
	if len(request.Changes) == 0 {
		return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Applied}}
	}
	err := a.session.modify(ctx, request)
	if is(err, ldap.LDAPResultNoSuchObject) {
		// It was there a moment ago: moved, or deleted. The next try will tell.
		return connectors.Result{Err: connectors.Errorf(connectors.RetryLater, "ldap: change an account: it moved while it was being changed")}
	}
	return a.session.answer(ctx, "change an account", err)
}

// rename gives the account another login name.
func (a *alteration) rename(ctx context.Context, name string) connectors.Result {
	s := a.session
	why := s.badName(name)
	if name == "" {
		why = "an account needs a name"
	}
	if why != "" {
		return refused(why)
	}
	old := naming(a.entry, s.cfg.NameAttribute)
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
	a.unfinished.leave(a.id, oldName{dn: a.entry.DN, login: old})
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
	a.moved(a.entry.DN, a.canonical(s.cfg.NameAttribute), name)
	if err := a.finishMove(ctx, s, a.id, a.entry); err != nil {
		return connectors.Result{Err: err}
	}
	// What tells the entry from another with the same name is the login name.
	value, _ := names(rdnOf(a.entry.DN), s.cfg.RDNAttribute)
	if plain, told := strings.CutSuffix(value, addition(old)); told && s.distinguishes(s.cfg.RDNAttribute) {
		return a.move(ctx, s.cfg.RDNAttribute, plain, "")
	}
	return r
}

// adopt writes the anchor into an entry that has none.
func (a *alteration) adopt(ctx context.Context, anchor string) connectors.Result {
	s := a.session
	if anchor == "" {
		return refused("an account is adopted with an anchor")
	}
	switch has := a.entry.GetEqualFoldAttributeValues(s.cfg.AnchorAttribute); {
	case slices.Contains(has, anchor):
		return alreadySo()
	case len(has) > 0:
		return refused("the account has another anchor: it is somebody else's")
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
	// An add, so that an anchor that comes in the meantime stands in its way.
	request := ldap.NewModifyRequest(a.entry.DN, nil)
	request.Add(s.cfg.AnchorAttribute, []string{anchor})
	missing := slices.DeleteFunc(slices.Clone(s.cfg.ObjectClasses), func(class string) bool {
		return slices.ContainsFunc(a.entry.GetEqualFoldAttributeValues("objectClass"), func(has string) bool { return strings.EqualFold(has, class) })
	})
	if len(missing) == 0 {
		return a.modify(ctx, request)
	}
	// The attributes to come may need the classes that new accounts have.
	whole := ldap.NewModifyRequest(a.entry.DN, nil)
	whole.Add("objectClass", missing)
	whole.Changes = append(whole.Changes, request.Changes...)
	if r := a.modify(ctx, whole); r.Status != connectors.Refused {
		return r
	}
	return a.modify(ctx, request)
}

// setState enables or disables the account, and moves it where it then
// belongs: first what takes access away, last what gives it. Enabling an
// account that has expired ends that, too, unless the mapping decides when it
// expires: the two would then undo each other in every run.
func (a *alteration) setState(ctx context.Context, enable bool) connectors.Result {
	s := a.session
	if enable && s.cfg.manages(expiresAttribute) && s.expired(a.entry) {
		return refused("the account has expired: change its " + expiresAttribute)
	}
	to := s.home(a.entry.DN, enable)
	moved := false
	if to != "" && enable {
		if r := a.move(ctx, "", "", to); !done(r) {
			return r
		}
		moved = true
	}
	for again := range 3 {
		request := ldap.NewModifyRequest(a.entry.DN, nil)
		if err := s.changeState(request, a.entry, enable, a.locksEnd); err != nil {
			return connectors.Result{Err: err}
		}
		if len(request.Changes) == 0 {
			break
		}
		r := a.modify(ctx, request)
		if again < 2 && s.byFlag() && r.Status == connectors.Refused && a.reread(ctx) {
			continue // somebody else changed another flag
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

// reread says whether the entry's flags are other than they were.
func (a *alteration) reread(ctx context.Context) bool {
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
