package ldap

import (
	"context"
	"slices"
	"strings"
	"unicode"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"github.com/behov/behov/connectors"
)

// TakenNames implements connectors.NameChecker. In Active Directory a
// sAMAccountName is unique in the domain, across groups and computers too
// ([MS-SAMR] 3.1.1.6), wherever people_dn is. With upn_suffix the
// userPrincipalName made of it is unique too ([MS-ADTS] 3.1.1.5.1.3). In other
// directories a name is looked up among accounts.
func (c *Connector) TakenNames(ctx context.Context, names []string) (map[string]bool, error) {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "" })
	if len(names) == 0 {
		return map[string]bool{}, nil
	}
	s, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	defer s.closeWith(ctx)()
	if _, err := s.loadSchema(ctx); err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for chunk := range slices.Chunk(names, lookupTerms) {
		if err := s.markTaken(ctx, chunk, taken); err != nil {
			return nil, err
		}
	}
	return taken, nil
}

// markTaken adds to out those of the names that are taken.
func (s *session) markTaken(ctx context.Context, names []string, out map[string]bool) error {
	withUPN := s.flavour.uniqueInDomain && s.cfg.UPNSuffix != ""
	attributes := []string{s.cfg.NameAttribute}
	var filters []string
	for _, n := range names {
		filters = append(filters, equals(s.cfg.NameAttribute, n))
		if withUPN {
			filters = append(filters, equals(upnAttribute, n+"@"+s.cfg.UPNSuffix))
		}
	}
	if withUPN {
		attributes = append(attributes, upnAttribute)
	}
	entries, err := s.searchNameScope(ctx, anyOf(filters), attributes)
	if err != nil {
		return err
	}
	if len(names) == 1 {
		if len(entries) > 0 {
			out[names[0]] = true
		}
		return nil
	}
	var loosely []string
	unknown := false // whether an entry matches none of the names as Matching compares them
	for _, e := range entries {
		values := slices.Clone(e.GetEqualFoldAttributeValues(s.cfg.NameAttribute))
		if withUPN {
			for _, upn := range e.GetEqualFoldAttributeValues(upnAttribute) {
				if login, found := strings.CutSuffix(fold(upn), "@"+fold(s.cfg.UPNSuffix)); found {
					values = append(values, login)
				}
			}
		}
		explained := false
		for _, n := range names {
			if slices.ContainsFunc(values, func(v string) bool { return fold(v) == fold(n) }) {
				out[n], explained = true, true
			}
		}
		unknown = unknown || !explained
		for _, v := range values {
			loosely = append(loosely, withoutMarks(v))
		}
	}
	// A server may hold more names equal than fold does: Active Directory holds
	// asa and åsa equal. The server is asked about such a name alone.
	for _, n := range names {
		if !out[n] && (unknown || slices.Contains(loosely, withoutMarks(n))) {
			if err := s.markTaken(ctx, []string{n}, out); err != nil {
				return err
			}
		}
	}
	return nil
}

// searchNameScope returns the entries that match the filter wherever names have
// to be unique.
func (s *session) searchNameScope(ctx context.Context, filter string, attributes []string) ([]*ldap.Entry, error) {
	bases := s.accountBases()
	domain := s.rootValues("defaultNamingContext")
	whole := s.flavour.uniqueInDomain && len(domain) > 0
	if whole {
		bases = domain[:1]
	}
	var entries []*ldap.Entry
	for _, base := range bases {
		result, err := s.search(ctx, &ldap.SearchRequest{BaseDN: base, Scope: ldap.ScopeWholeSubtree, Filter: filter, Attributes: attributes})
		if err != nil {
			return nil, s.failure(ctx, "look for names that are taken", err)
		}
		// Below a domain there may be child domains, which have names of their
		// own.
		if !whole && slices.ContainsFunc(result.Referrals, func(r string) bool { return !s.outsideDirectory(r) }) {
			return nil, connectors.Errorf(connectors.RetryLater, "ldap: look for names that are taken: part of the directory is on another server")
		}
		entries = append(entries, result.Entries...)
	}
	return entries, nil
}

// withoutMarks folds a name and removes diacritics.
func withoutMarks(name string) string {
	plain, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn))), name)
	if err != nil {
		plain = name
	}
	return fold(plain)
}
