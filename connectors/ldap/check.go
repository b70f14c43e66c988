package ldap

import (
	"context"
	"fmt"

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
	known, err := c.loadSchema(ctx, s)
	if err != nil {
		return err
	}
	if err := known.mustKnow(c.configuredNames()...); err != nil {
		return err
	}
	for _, base := range []struct{ key, dn string }{{"people_dn", c.cfg.PeopleDN}, {"groups_dn", c.cfg.GroupsDN}} {
		_, err := s.search(&ldap.SearchRequest{BaseDN: base.dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
		if is(err, ldap.LDAPResultNoSuchObject) {
			return connectors.Errorf(connectors.Permanent, "ldap: %s %q is not there, or the account in bind_dn may not see it", base.key, base.dn)
		}
		if err != nil {
			return c.failure(ctx, "read "+base.key, err)
		}
	}
	account, err := c.sample(ctx, s, c.cfg.PeopleDN, c.cfg.ObjectClasses[0], c.accountAttributes())
	if err != nil {
		return err
	}
	if account != nil {
		if _, err := c.account(account, nil); err != nil {
			return err
		}
		// Whether an anchor can be read shows only where one is; that it can
		// be written shows on any account.
		attributes := append([]string{c.cfg.AnchorAttribute, c.cfg.Disable.Attribute}, c.cfg.Attributes...)
		for _, attribute := range attributes {
			if err := c.tryWrite(ctx, s, account.DN, attribute, uuid.NewString(), "accounts"); err != nil {
				return err
			}
		}
	}
	group, err := c.sample(ctx, s, c.cfg.GroupsDN, c.cfg.GroupClass, []string{"1.1"})
	if err != nil || group == nil {
		return err
	}
	return c.tryWrite(ctx, s, group.DN, c.cfg.MemberAttribute, c.cfg.NameAttribute+"="+uuid.NewString()+","+c.cfg.PeopleDN, "groups")
}

// sample returns one entry, or nil.
func (c *Connector) sample(ctx context.Context, s *session, base, class string, attributes []string) (*ldap.Entry, error) {
	result, err := s.search(&ldap.SearchRequest{
		BaseDN: base, Scope: ldap.ScopeWholeSubtree, SizeLimit: 1, Filter: equals("objectClass", class), Attributes: attributes,
	})
	if err != nil && !is(err, ldap.LDAPResultSizeLimitExceeded) {
		return nil, c.failure(ctx, "look for an entry", err)
	}
	if len(result.Entries) == 0 {
		return nil, nil
	}
	return result.Entries[0], nil
}

// mayNot are the answers that say the right is missing. Any other, a value
// that is not there above all, says nothing against it.
var mayNot = []uint16{ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultReferral, ldap.LDAPResultUnwillingToPerform}

func (c *Connector) tryWrite(ctx context.Context, s *session, dn, attribute, absent, what string) error {
	request := ldap.NewModifyRequest(dn, nil)
	request.Delete(attribute, []string{absent})
	err := s.modify(request)
	if _, answered := code(err); err != nil && !answered || is(err, mayNot...) {
		return c.failure(ctx, fmt.Sprintf("write the attribute %s of %s", attribute, what), err)
	}
	return nil
}
