package ldap

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

const (
	descriptionAttribute = "description" // RFC 4519 §2.5
	// samAttribute is a group's name for older clients of Active Directory, which is
	// unique in the domain ([MS-ADA3]).
	samAttribute = "sAMAccountName"
	// globalSecurity is the groupType of a global security group, in which accounts of
	// its domain can be ([MS-ADTS] 2.2.12).
	globalSecurity = "-2147483646"
)

// ChangeGroup implements connectors.GroupManager.
func (c *Connector) ChangeGroup(ctx context.Context, change connectors.GroupChange) (connectors.Outcome, error) {
	c.applying.Lock()
	defer c.applying.Unlock()
	s, err := c.applySession(ctx)
	if err != nil {
		return connectors.Outcome{}, err
	}
	defer s.closeWith(ctx)()
	defer func() { c.used = time.Now() }()
	if _, err := s.loadSchema(ctx); err != nil {
		return connectors.Outcome{}, err
	}
	var r connectors.Result
	switch change.Op {
	case connectors.CreateGroup:
		r = c.createGroup(ctx, s, change)
	case connectors.RenameGroup:
		r = c.renameGroup(ctx, s, change)
	case connectors.DeleteGroup:
		r = c.deleteGroup(ctx, s, change)
	default:
		r = connectors.Result{Err: connectors.Errorf(connectors.Permanent, "ldap: unknown change %q", change.Op)}
	}
	if ctx.Err() != nil {
		c.abandon(nil, ctx.Err()) // the cancelled context has closed the connection
	}
	return r.Outcome, r.Err
}

// groupDN returns the DN of a group of that name: the name itself where the configuration
// names groups by DN. why says why there is none.
func (s *session) groupDN(name string) (dn, why string) {
	switch {
	case name == "":
		return "", "the group has no name"
	case s.cfg.GroupNames != "dn":
		return "cn=" + escapeDN(name) + "," + s.cfg.GroupsDN, ""
	case !below(name, s.cfg.GroupsDN):
		return "", "the group's DN is not below groups_dn"
	}
	rdn := rdnOf(name)
	if cn, ok := names(rdn, "cn"); !ok || cn == "" || len(rdn.Attributes) != 1 {
		return "", "the group's DN does not begin with cn="
	}
	return name, ""
}

// groupEntry returns the group that matches the filter, or nil.
func (c *Connector) groupEntry(ctx context.Context, s *session, filter string) (entry *ldap.Entry, err error) {
	attributes := []string{s.cfg.IDAttribute, s.groupAttribute(), descriptionAttribute, s.cfg.MemberAttribute, samAttribute}
	err = c.find(ctx, s, search{"find a group", s.cfg.GroupsDN, allOf(s.isGroup(), filter), attributes, groupPage}, func(e *ldap.Entry) error {
		entry = e
		return nil
	})
	return entry, err
}

// groupMark returns the mark that is in a group's description.
func groupMark(e *ldap.Entry) string {
	for _, v := range e.GetEqualFoldAttributeValues(descriptionAttribute) {
		if mark := connectors.MarkIn(v); mark != "" {
			return mark
		}
	}
	return ""
}

const groupNameTaken = "another group, or another entry, has that name"

func (c *Connector) createGroup(ctx context.Context, s *session, change connectors.GroupChange) connectors.Result {
	dn, why := s.groupDN(change.Name)
	if why == "" && change.Mark == "" {
		why = "the group has no mark"
	}
	if why != "" {
		return refused(why)
	}
	cn, _ := names(rdnOf(dn), "cn")
	existing, why, err := c.findGroup(ctx, s, change.Name)
	switch {
	case err != nil:
		return connectors.Result{Err: err}
	case existing == "" && why != noGroup:
		return refused(why)
	}
	request := ldap.NewAddRequest(dn, nil)
	request.Attribute("objectClass", []string{s.cfg.GroupClass})
	request.Attribute("cn", []string{cn})
	request.Attribute(descriptionAttribute, []string{connectors.MarkedPurpose(change.Purpose, change.Mark)})
	if name := s.groupAttribute(); !strings.EqualFold(name, "cn") && !strings.EqualFold(name, samAttribute) {
		request.Attribute(name, []string{change.Name})
	}
	if s.flavour.primaryGroups {
		request.Attribute(samAttribute, []string{cn})
		request.Attribute("groupType", []string{globalSecurity})
	}
	if placeholder := s.placeholder(dn); placeholder != "" {
		request.Attribute(s.cfg.MemberAttribute, []string{placeholder})
	}
	if existing == "" {
		err = s.add(ctx, request)
		if err != nil && !is(err, ldap.LDAPResultEntryAlreadyExists, ldap.LDAPResultConstraintViolation) {
			return s.answer(ctx, "create a group", err)
		}
	}
	applied := existing == "" && err == nil
	e, readErr := c.groupEntry(ctx, s, equals("cn", cn))
	switch {
	case readErr != nil:
		return connectors.Result{Err: readErr}
	case e == nil && err == nil && existing == "":
		return connectors.Result{Err: connectors.Errorf(connectors.Permanent, "ldap: create a group: the account in bind_dn cannot read the group that it created: let it read groups_dn")}
	case e == nil && err != nil && !is(err, ldap.LDAPResultEntryAlreadyExists):
		return s.answer(ctx, "create a group", err)
	case e == nil || groupMark(e) != change.Mark:
		return refused(groupNameTaken)
	}
	id, err := s.idOf(e)
	if err != nil {
		return connectors.Result{Err: err}
	}
	c.cache.setGroup(change.Name, e.DN)
	out := connectors.Outcome{Status: connectors.AlreadyApplied, GroupID: id}
	if applied {
		out.Status = connectors.Applied
	}
	return connectors.Result{Outcome: out}
}

// groupByID returns the group with the ID, or nil.
func (c *Connector) groupByID(ctx context.Context, s *session, id string) (*ldap.Entry, error) {
	filter, ok := s.idFilter(id)
	if !ok {
		return nil, nil
	}
	return c.groupEntry(ctx, s, filter)
}

func (c *Connector) renameGroup(ctx context.Context, s *session, change connectors.GroupChange) connectors.Result {
	to, why := s.groupDN(change.Name)
	if why != "" {
		return refused(why)
	}
	e, err := c.groupByID(ctx, s, change.ID)
	switch {
	case err != nil:
		return connectors.Result{Err: err}
	case e == nil:
		return refused(noGroup)
	}
	if s.cfg.GroupNames != "dn" { // where it is, is not behov's
		to = to[:len(to)-len(s.cfg.GroupsDN)] + parent(e.DN)
	}
	old := namingValue(e, s.groupAttribute())
	if s.cfg.GroupNames == "dn" {
		old = e.DN
	}
	cn, _ := names(rdnOf(to), "cn")
	current, _ := names(rdnOf(e.DN), "cn")
	stays := current == cn && foldDN(parent(to)) == foldDN(parent(e.DN))
	if stays && (!s.flavour.primaryGroups || e.GetEqualFoldAttributeValue(samAttribute) == cn) {
		return alreadySo()
	}
	if !stays {
		superior := ""
		if foldDN(parent(to)) != foldDN(parent(e.DN)) {
			superior = parent(to)
		}
		rdn := strings.TrimSuffix(strings.TrimSuffix(to, parent(to)), ",")
		err = s.modifyDN(ctx, ldap.NewModifyDNRequest(e.DN, rdn, true, superior))
		if is(err, ldap.LDAPResultEntryAlreadyExists) {
			return refused(groupNameTaken)
		}
		if r := s.answer(ctx, "rename a group", err); !done(r) {
			return r
		}
	}
	c.cache.setGroup(old, "")
	if r := c.finishRename(ctx, s, e, to, cn); !done(r) {
		return r
	}
	c.cache.setGroup(change.Name, to)
	return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Applied}}
}

// finishRename corrects what else of a renamed group holds its name: the name for older
// clients, and, where the group is its own placeholder, the member.
func (c *Connector) finishRename(ctx context.Context, s *session, e *ldap.Entry, dn, cn string) connectors.Result {
	request := ldap.NewModifyRequest(dn, nil)
	if s.flavour.primaryGroups && e.GetEqualFoldAttributeValue(samAttribute) != cn {
		request.Replace(samAttribute, []string{cn})
	}
	if held := s.placeholder(e.DN); held != "" && s.cfg.Placeholder == "" {
		values := e.GetEqualFoldAttributeValues(s.cfg.MemberAttribute)
		i := slices.IndexFunc(values, func(v string) bool { return foldDN(v) == foldDN(e.DN) })
		if i >= 0 && foldDN(dn) != foldDN(e.DN) {
			request.Add(s.cfg.MemberAttribute, []string{dn})
			request.Delete(s.cfg.MemberAttribute, []string{values[i]})
		}
	}
	if len(request.Changes) == 0 {
		return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Applied}}
	}
	err := s.modify(ctx, request)
	if is(err, ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultAttributeOrValueExists) {
		err = nil // the server corrects references itself
	}
	return s.answer(ctx, "rename a group", err)
}

func (c *Connector) deleteGroup(ctx context.Context, s *session, change connectors.GroupChange) connectors.Result {
	e, err := c.groupByID(ctx, s, change.ID)
	switch {
	case err != nil:
		return connectors.Result{Err: err}
	case e == nil:
		return alreadySo()
	}
	placeholders := s.placeholders(e.DN)
	values, next := ranged(e, s.cfg.MemberAttribute)
	if next != "" || slices.ContainsFunc(values, func(v string) bool { return !slices.Contains(placeholders, s.memberKey(v)) }) {
		return refused("the group has members")
	}
	r := s.answer(ctx, "delete a group", s.del(ctx, ldap.NewDelRequest(e.DN, nil)))
	if done(r) {
		c.cache.setGroup(namingValue(e, s.groupAttribute()), "")
		c.cache.setGroup(e.DN, "")
	}
	return r
}
