package ldap

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
)

// Check implements connectors.Connector. Rights to write are tried where an
// entry is there to try them on: by asking to remove a value that no entry
// has, to which a server without the right says so and one with it says there
// is no such value.
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
	if err := known.mustKnow(s.configuredNames()...); err != nil {
		return err
	}
	for _, base := range []struct{ key, dn string }{{"people_dn", s.cfg.PeopleDN}, {"groups_dn", s.cfg.GroupsDN}} {
		_, err := s.search(ctx, &ldap.SearchRequest{BaseDN: base.dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
		if is(err, ldap.LDAPResultNoSuchObject) {
			return connectors.Errorf(connectors.Permanent, "ldap: %s %q is not there, or the account in bind_dn may not see it", base.key, base.dn)
		}
		if err != nil {
			return s.failure(ctx, "read "+base.key, err)
		}
	}
	if err := c.anchorsAreOurs(ctx, s); err != nil {
		return err
	}
	account, err := c.sample(ctx, s, s.cfg.PeopleDN, s.isAccount(), s.accountAttributes())
	if err != nil {
		return err
	}
	if account != nil {
		if _, err := s.account(account, nil, false); err != nil {
			return err
		}
		// Whether an anchor can be read shows only where one is; that it can
		// be written shows on any account.
		attributes := append([]string{s.cfg.AnchorAttribute, s.cfg.Disable.Attribute}, s.cfg.writtenAttributes()...)
		if err := c.mayWrite(ctx, s, known, account.DN, "accounts", attributes...); err != nil {
			return err
		}
	}
	if account != nil && s.byLock() {
		if err := c.mayReadLock(ctx, s, account.DN); err != nil {
			return err
		}
	}
	group, err := c.sample(ctx, s, s.cfg.GroupsDN, s.isGroup(), []string{"1.1"})
	if err != nil || group == nil {
		return err
	}
	return c.mayWrite(ctx, s, known, group.DN, "groups", s.cfg.MemberAttribute)
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

// mayNot are the answers that say the right is missing. Any other, a value
// that is not there above all, says nothing against it.
var mayNot = []uint16{ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultReferral, ldap.LDAPResultUnwillingToPerform}

// mayWrite says whether attributes of an entry can be written. Some servers
// tell; others are asked to remove a value that no entry has.
func (c *Connector) mayWrite(ctx context.Context, s *session, known *schema, dn, what string, attributes ...string) error {
	if s.flavour.effectiveRights {
		return c.effective(ctx, s, known, dn, what, attributes)
	}
	for _, attribute := range attributes {
		absent := uuid.NewString()
		if strings.EqualFold(attribute, s.cfg.MemberAttribute) && !s.membersAreNames() {
			absent = s.cfg.NameAttribute + "=" + absent + "," + s.cfg.PeopleDN
		}
		request := ldap.NewModifyRequest(dn, nil)
		request.Delete(attribute, []string{absent})
		err := s.modify(ctx, request)
		if _, answered := code(err); err != nil && !answered || is(err, mayNot...) {
			return s.failure(ctx, fmt.Sprintf("write the attribute %s of %s", attribute, what), err)
		}
	}
	return nil
}

// mayReadLock says whether the lock of an account can be read, which shows on
// an account without one, too: what is said of an attribute that may not be
// searched is neither true nor false (RFC 4511 §4.5.1.7).
func (c *Connector) mayReadLock(ctx context.Context, s *session, dn string) error {
	lock := s.cfg.Disable.Attribute
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: "(|(" + lock + "=*)(!(" + lock + "=*)))", Attributes: []string{"1.1"},
	})
	if err != nil {
		return s.failure(ctx, "read the lock of an account", err)
	}
	if len(result.Entries) == 0 {
		return connectors.Errorf(connectors.Permanent, "ldap: read the attribute %s of accounts: let the account in bind_dn read it: without it every disabled account shows as enabled", lock)
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
	for _, a := range attributes {
		name := strings.ToLower(a)
		if canonical := known.known[name]; canonical != "" {
			name = strings.ToLower(canonical)
		}
		// What names an entry is changed with a ModifyDN, which is another right.
		if !allowed[name] && name != strings.ToLower(s.cfg.RDNAttribute) {
			return connectors.Errorf(connectors.Permanent, "ldap: write the attribute %s of %s: give the account in bind_dn the right to do this", a, what)
		}
	}
	return nil
}
