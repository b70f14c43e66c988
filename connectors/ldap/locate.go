package ldap

import (
	"context"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

var _ connectors.AccountLocator = (*Connector)(nil)

// LocateAccounts implements connectors.AccountLocator: it searches every naming
// context of the server (RFC 4512 §5.1), not only people_dn. The connector
// remembers where it found an account, so that the account can be disabled there.
func (c *Connector) LocateAccounts(ctx context.Context, refs []connectors.AccountRef, found func(connectors.Location) error) (connectors.Completeness, error) {
	s, err := c.dial(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	defer s.close()
	defer s.closeWith(ctx)()
	var filters []string
	for _, ref := range refs {
		if filter, ok := s.idFilter(ref.ID); ok {
			filters = append(filters, filter)
		}
		if ref.Anchor != "" {
			filters = append(filters, equals(s.cfg.AnchorAttribute, ref.Anchor))
		}
	}
	contexts := s.namingContexts()
	if len(contexts) == 0 {
		return connectors.Completeness{Why: "the server does not publish its naming contexts: let the account in bind_dn read the root DSE"}, nil
	}
	locks := &lockoutPolicy{session: s}
	seen := map[string]bool{}
	for _, base := range contexts {
		for chunk := range slices.Chunk(filters, lookupTerms) {
			q := search{"look for accounts in the whole directory", base, allOf(s.isAccount(), anyOf(chunk)), s.accountAttributes(), accountPage}
			err := c.find(ctx, s, q, func(e *ldap.Entry) error {
				locksEnd, err := locks.locksExpire(ctx, e)
				if err != nil {
					return err
				}
				a, err := s.account(e, nil, locksEnd)
				if err != nil || seen[a.ID] {
					return err
				}
				seen[a.ID] = true
				c.cache.setAccount(a.ID, e.DN)
				inScope := slices.ContainsFunc(s.accountBases(), func(base string) bool { return atOrBelow(e.DN, base) })
				return found(connectors.Location{Account: a, Place: containerOf(e.DN), InScope: inScope})
			})
			if err != nil {
				return connectors.Completeness{}, err
			}
		}
	}
	return connectors.Completeness{Complete: true}, ctx.Err()
}

// containerOf returns the DN of the entry above another, whose own name may be a
// person's.
func containerOf(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) < 2 {
		return "another place in the directory"
	}
	return (&ldap.DN{RDNs: parsed.RDNs[1:]}).String()
}

// namingContexts returns the naming contexts that may hold accounts; in Active
// Directory that of the domain.
func (v *server) namingContexts() []string {
	if domain := v.rootValues("defaultNamingContext"); len(domain) > 0 {
		return domain
	}
	return v.rootValues("namingContexts")
}
