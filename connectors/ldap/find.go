package ldap

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// FindAccounts implements connectors.AccountFinder. A server without a matching
// rule for an attribute finds nothing and reports no error (RFC 4511 §4.5.1.7);
// such a server is read as a whole.
func (c *Connector) FindAccounts(ctx context.Context, names []string, values map[string][]string, sink connectors.Sink) (connectors.Completeness, error) {
	r, end, err := c.beginReading(ctx, c.dial, sink)
	if err != nil {
		return connectors.Completeness{}, err
	}
	defer end()
	s := r.session
	if len(names) > 0 {
		values = maps.Clone(values)
		if values == nil {
			values = map[string][]string{}
		}
		values[s.cfg.NameAttribute] = slices.Concat(values[s.cfg.NameAttribute], names)
	}
	var filters []string
	for _, attribute := range slices.Sorted(maps.Keys(values)) {
		for _, v := range values[attribute] {
			of, ok := s.findFilters(r.schema, attribute, v)
			if !ok {
				end() // Snapshot opens a connection of its own
				return c.Snapshot(ctx, sink)
			}
			filters = append(filters, of...)
		}
	}
	if _, err := r.readMatching(ctx, filters); err != nil {
		return connectors.Completeness{}, err
	}
	return connectors.Completeness{Complete: true}, ctx.Err()
}

// findFilters returns filters that find every account whose value of an attribute
// is the same under Matching; ok is false when there are none.
func (v *server) findFilters(known *schema, attribute, value string) (filters []string, ok bool) {
	windows := v.flavour.syntaxes != nil
	how := v.matching(known, attribute)
	isName := strings.EqualFold(attribute, v.cfg.NameAttribute)
	switch {
	case isName && how != connectors.MatchIgnoreCase: // login names are compared without case
		return nil, false
	case !isASCII(value): // servers differ in which of these letters they hold equal
		return nil, false
	case !known.has(attribute) || !windows && known.rule(attribute, nil) == "":
		return nil, false
	case how == connectors.MatchExact, how == connectors.MatchIgnoreCase && !windows:
		return []string{equals(attribute, value)}, true
	case how != connectors.MatchIgnoreCase:
		return nil, false
	}
	// White space is significant to Active Directory and not to Matching.
	words := strings.Fields(value)
	if len(words) != 1 {
		return nil, false
	}
	word := ldap.EscapeFilter(words[0])
	filters = append(filters, "("+attribute+"="+word+"*)")
	for _, blank := range []string{" ", "\t", "\u00a0"} {
		filters = append(filters, "("+attribute+"="+escapeAll(blank)+"*"+word+"*)")
	}
	return filters, true
}

// escapeAll returns a value for a filter with every octet escaped (RFC 4515 §3).
func escapeAll(v string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(v) {
		b.WriteString(`\` + digits[v[i]>>4:v[i]>>4+1] + digits[v[i]&15:v[i]&15+1])
	}
	return b.String()
}
