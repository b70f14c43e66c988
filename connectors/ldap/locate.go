package ldap

import (
	"context"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

var _ connectors.AccountLocator = (*Connector)(nil)

// LocateAccounts implements connectors.AccountLocator: it searches every naming
// context of the server (RFC 4512 §5.1), not only people_dn. Where an account
// was found is remembered, so that it can be disabled there.
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
	contexts := s.contexts()
	if len(contexts) == 0 {
		return connectors.Completeness{Why: "the server does not say which naming contexts it has: let the account in bind_dn read the root DSE"}, nil
	}
	locks := &lockouts{session: s}
	seen := map[string]bool{}
	for _, base := range contexts {
		for chunk := range slices.Chunk(filters, lookupTerms) {
			q := search{"look for accounts in the whole directory", base, allOf(s.isAccount(), anyOf(chunk)), s.accountAttributes(), accountPage}
			err := c.find(ctx, s, q, func(e *ldap.Entry) error {
				locksEnd, err := locks.end(ctx, e)
				if err != nil {
					return err
				}
				a, err := s.account(e, nil, locksEnd)
				if err != nil || seen[a.ID] {
					return err
				}
				seen[a.ID] = true
				c.cache.setAccount(a.ID, e.DN)
				inScope := slices.ContainsFunc(s.bases(), func(base string) bool { return atOrBelow(e.DN, base) })
				return found(connectors.Location{Account: a, Place: above(e.DN), InScope: inScope})
			})
			if err != nil {
				return connectors.Completeness{}, err
			}
		}
	}
	return connectors.Completeness{Complete: true}, ctx.Err()
}

// above returns the DN of the entry that holds another, whose own name may be a
// person's.
func above(dn string) string {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) < 2 {
		return "another place in the directory"
	}
	return (&ldap.DN{RDNs: parsed.RDNs[1:]}).String()
}

// contexts are the naming contexts that may hold accounts; of Active Directory
// the domain's.
func (v *server) contexts() []string {
	if domain := v.said("defaultNamingContext"); len(domain) > 0 {
		return domain
	}
	return v.said("namingContexts")
}
