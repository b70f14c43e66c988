package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
)

// Check implements connectors.Connector. It tests write permissions on an
// existing entry by asking to remove a value that no entry has: a server without
// the permission answers so, and a server with it answers that there is no such
// value. Where no account exists, and where new accounts get a password, it
// creates a test account and deletes it. The error lists everything that is
// missing.
func (c *Connector) Check(ctx context.Context) error {
	s, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	defer s.closeWith(ctx)()
	known, err := s.loadSchema(ctx)
	if err != nil {
		return err
	}
	if err := known.requireNames(s.configuredNames()...); err != nil {
		return err
	}
	for _, base := range []struct{ key, dn string }{{"people_dn", s.cfg.PeopleDN}, {"groups_dn", s.cfg.GroupsDN}, {"disable.move_to", s.cfg.Disable.MoveTo}} {
		if err := s.checkBase(ctx, base.key, base.dn); err != nil {
			return err
		}
	}
	if err := c.anchorsAreOurs(ctx, s); err != nil {
		return err
	}
	account, err := c.sample(ctx, s, s.cfg.PeopleDN, s.isAccount(), s.accountAttributes())
	if err != nil {
		return err
	}
	var missing missingRights
	if account != nil {
		if _, err := s.account(account, nil, false); err != nil {
			return known.withID(err)
		}
		// Whether the anchor can be read shows only on an account that has one;
		// whether it can be written shows on any account.
		attributes := append([]string{s.cfg.AnchorAttribute, s.cfg.Disable.Attribute}, s.cfg.writtenAttributes()...)
		if err := missing.add(c.checkWritable(ctx, s, known, account.DN, "accounts", attributes...)); err != nil {
			return err
		}
		if s.disabledByLock() {
			if err := missing.add(c.checkLockReadable(ctx, s, account.DN)); err != nil {
				return err
			}
		}
	}
	if account == nil || s.cfg.setsPassword(s.flavour) {
		if err := c.tryAccount(ctx, s, known, &missing); err != nil {
			return err
		}
	}
	group, err := c.sample(ctx, s, s.cfg.GroupsDN, s.isGroup(), []string{"objectClass"})
	if err != nil {
		return err
	}
	if group != nil {
		if err := missing.add(c.checkWritable(ctx, s, known, group.DN, "groups", s.cfg.MemberAttribute)); err != nil {
			return err
		}
	}
	return missing.err()
}

// checkBase returns an error that names the setting and its DN unless there is
// such an entry. Some servers answer a search below a missing entry, or one that
// may not be read, with success and no entry.
func (s *session) checkBase(ctx context.Context, key, dn string) error {
	if dn == "" {
		return nil
	}
	result, err := s.search(ctx, &ldap.SearchRequest{BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
	switch {
	case is(err, ldap.LDAPResultNoSuchObject), err == nil && len(result.Entries) == 0:
		return connectors.Errorf(connectors.Permanent, "ldap: %s %q does not exist, or the account in bind_dn may not read it: correct the DN, create the entry, or give the right to read it", key, dn)
	case err != nil:
		return s.failure(ctx, fmt.Sprintf("read %s %q", key, dn), err)
	}
	for _, kind := range []struct{ name, filter string }{{"an account", s.isAccount()}, {"a group", s.isGroup()}} {
		result, err := s.search(ctx, &ldap.SearchRequest{BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: kind.filter, Attributes: []string{"1.1"}})
		switch {
		case err != nil:
			return s.failure(ctx, fmt.Sprintf("read %s %q", key, dn), err)
		case len(result.Entries) > 0:
			return connectors.Errorf(connectors.Permanent, "ldap: %s %q is %s: configure the DN of the entry below which the accounts or groups are", key, dn, kind.name)
		}
	}
	return nil
}

// missingRights lists what the server does not permit and behov needs.
type missingRights []string

// add notes what an error says is missing. It returns an error of any other kind,
// such as a server that does not answer.
func (m *missingRights) add(err error) error {
	var e *connectors.Error
	if err == nil || !errors.As(err, &e) || e.Class != connectors.Permanent {
		return err
	}
	for _, text := range strings.Split(err.Error(), "\n") {
		if text = strings.TrimPrefix(text, "ldap: "); !slices.Contains(*m, text) {
			*m = append(*m, text)
		}
	}
	return nil
}

func (m *missingRights) err() error {
	if len(*m) == 0 {
		return nil
	}
	return connectors.Errorf(connectors.Permanent, "ldap: %s", strings.Join(*m, "; "))
}

// withID extends the error that an account has no identifier by the attribute in
// which this server keeps one.
func (s *schema) withID(err error) error {
	if err != nil && s.has("nsUniqueId") {
		return connectors.Errorf(connectors.Permanent, "%w (set id_attribute: nsUniqueId under ldap)", err)
	}
	return err
}

// tryAccount creates a test account and deletes it, and notes what the server
// does not permit: the account, its password, mapped attributes, disabling it.
func (c *Connector) tryAccount(ctx context.Context, s *session, known *schema, missing *missingRights) (err error) {
	t := newTrial(c, s, known)
	setsPassword := s.cfg.setsPassword(s.flavour)
	lacks := func(format string, args ...any) {
		_ = missing.add(connectors.Errorf(connectors.Permanent, format, args...)) // the class of such an error is noted and never returned
	}
	if why := s.flavour.passwords.unavailableReason(s); why != "" {
		if setsPassword {
			lacks("ldap: set the first password of an account: %s", why)
		}
		return nil
	}
	if err := t.removeLeftovers(ctx); err != nil {
		return missing.add(err)
	}
	why, err := t.create(ctx)
	if t.dn != "" {
		defer func() { err = errors.Join(err, t.removeAfter(ctx)) }()
	}
	if err != nil {
		return missing.add(known.withID(err))
	}
	switch {
	case t.denied != nil:
		lacks("ldap: create an account below people_dn: the server refuses: %s", why)
		return nil
	case t.passwordFault != nil && setsPassword:
		if err := missing.add(t.passwordFault); err != nil {
			return err
		}
	case t.passwordFault != nil:
	case why != "":
		return nil // the missing attributes may well be the ones that mappings set
	}
	if t.id == "" {
		return nil
	}
	if err := missing.add(t.writeAll(ctx)); err != nil {
		return err
	}
	fault, err := t.disable(ctx)
	if fault != "" {
		lacks("ldap: disable an account: %s", fault)
	}
	return err
}

// sample returns one entry, or nil.
func (c *Connector) sample(ctx context.Context, s *session, base, filter string, attributes []string) (*ldap.Entry, error) {
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: base, Scope: ldap.ScopeWholeSubtree, SizeLimit: 1, Filter: filter, Attributes: attributes,
	})
	if err != nil && !is(err, ldap.LDAPResultSizeLimitExceeded) {
		return nil, s.failure(ctx, "look for an entry", err)
	}
	if len(result.Entries) == 0 {
		return nil, nil
	}
	return result.Entries[0], nil
}

// missingRightCodes are the result codes that show a missing permission. Any
// other code, such as noSuchAttribute, does not.
var missingRightCodes = []uint16{ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultReferral, ldap.LDAPResultUnwillingToPerform}

// checkWritable returns which attributes of an entry cannot be written, each on a
// line of its own. Some servers publish effective rights; others are asked to
// remove a value that no entry has.
func (c *Connector) checkWritable(ctx context.Context, s *session, known *schema, dn, what string, attributes ...string) error {
	if s.flavour.effectiveRights {
		return c.effective(ctx, s, known, dn, what, attributes)
	}
	var missing []string
	for _, attribute := range attributes {
		absent := uuid.NewString()
		if known.syntaxOf(attribute) == syntaxTime { // any other text would be refused by the syntax
			absent = "16010203040506Z"
		}
		if strings.EqualFold(attribute, s.cfg.MemberAttribute) && !s.membersAreNames() {
			absent = s.cfg.NameAttribute + "=" + absent + "," + s.cfg.PeopleDN
		}
		request := ldap.NewModifyRequest(dn, nil)
		request.Delete(attribute, []string{absent})
		err := s.modify(ctx, request)
		if _, answered := code(err); err != nil && !answered {
			return s.failure(ctx, fmt.Sprintf("write the attribute %s of %s", attribute, what), err)
		}
		if fault := s.writeFault(ctx, known, attribute, what, err); fault != nil {
			missing = append(missing, fault.Error())
		}
	}
	return permanentLines(missing)
}

// writeFault returns, from the answer to a request that wrote an attribute, why
// it cannot be written, or nil.
func (s *session) writeFault(ctx context.Context, known *schema, attribute, what string, err error) error {
	doing := fmt.Sprintf("write the attribute %s of %s", attribute, what)
	readOnly := known.types[baseName(attribute)].readOnly && is(err, ldap.LDAPResultConstraintViolation, ldap.LDAPResultUnwillingToPerform)
	switch {
	case readOnly && strings.EqualFold(attribute, s.cfg.Disable.Attribute):
		advice := "configure disable with an attribute that can be written"
		if setting := known.disableSetting(); setting != "" {
			advice = "under ldap set " + setting
		}
		return connectors.Errorf(connectors.Permanent, "ldap: %s: the attribute is read-only on this server, so that no account can be disabled: %s", doing, advice)
	case readOnly:
		return connectors.Errorf(connectors.Permanent, "ldap: %s: the attribute is read-only on this server: remove it from attributes", doing)
	case is(err, ldap.LDAPResultObjectClassViolation):
		return connectors.Errorf(connectors.Permanent, "ldap: %s: no object class of the account allows it: add an object class that does to object_classes", doing)
	case is(err, missingRightCodes...):
		return s.failure(ctx, doing, err)
	}
	return nil
}

// permanentLines joins texts with newlines into one permanent error; nil for
// none.
func permanentLines(texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	return connectors.Errorf(connectors.Permanent, "%s", strings.Join(texts, "\n"))
}

// checkLockReadable reports whether the lock of an account can be read, also on
// an account without one: a filter on an attribute that may not be searched
// evaluates to Undefined (RFC 4511 §4.5.1.7).
func (c *Connector) checkLockReadable(ctx context.Context, s *session, dn string) error {
	lock := s.cfg.Disable.Attribute
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: "(|(" + lock + "=*)(!(" + lock + "=*)))", Attributes: []string{"1.1"},
	})
	if err != nil {
		return s.failure(ctx, "read the lock of an account", err)
	}
	if len(result.Entries) == 0 {
		return connectors.Errorf(connectors.Permanent, "ldap: read the attribute %s of accounts: let the account in bind_dn read it; otherwise every disabled account shows as enabled", lock)
	}
	return nil
}

func (c *Connector) effective(ctx context.Context, s *session, known *schema, dn, what string, attributes []string) error {
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"allowedAttributesEffective"},
	})
	if err != nil || len(result.Entries) == 0 {
		return s.failure(ctx, "read what may be written to "+what, err)
	}
	allowed := map[string]bool{}
	for _, a := range result.Entries[0].GetEqualFoldAttributeValues("allowedAttributesEffective") {
		allowed[strings.ToLower(a)] = true
	}
	var missing []string
	for _, a := range attributes {
		name := strings.ToLower(a)
		if canonical := known.known[name]; canonical != "" {
			name = strings.ToLower(canonical)
		}
		// The naming attribute is changed with a ModifyDN, which is another
		// permission.
		if !allowed[name] && name != strings.ToLower(s.cfg.RDNAttribute) {
			missing = append(missing, fmt.Sprintf("ldap: write the attribute %s of %s: give the account in bind_dn the right to do this", a, what))
		}
	}
	return permanentLines(missing)
}
