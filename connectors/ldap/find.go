package ldap

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// FindAccounts implements connectors.AccountFinder. A server that has no rule by
// which to compare an attribute finds nothing and says nothing (RFC 4511
// §4.5.1.7): it is read as a whole.
func (c *Connector) FindAccounts(ctx context.Context, names []string, values map[string][]string, sink connectors.Sink) (connectors.Completeness, error) {
	r, end, err := c.begin(ctx, c.dial, sink)
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
			of, ok := s.finding(r.schema, attribute, v)
			if !ok {
				end() // it connects by itself
				return c.Snapshot(ctx, sink)
			}
			filters = append(filters, of...)
		}
	}
	if _, err := r.found(ctx, filters); err != nil {
		return connectors.Completeness{}, err
	}
	return connectors.Completeness{Complete: true}, ctx.Err()
}

// finding returns filters that find every account with a value in an attribute
// that Matching says is the same; ok is false when there are none.
func (v *server) finding(known *schema, attribute, value string) (filters []string, ok bool) {
	windows := v.flavour.syntaxes != nil
	how := v.matching(known, attribute)
	isName := strings.EqualFold(attribute, v.cfg.NameAttribute)
	switch {
	case isName && how != connectors.MatchIgnoreCase: // and names are the same however they are capitalised
		return nil, false
	case !isASCII(value): // of which not every server takes the same letters for alike
		return nil, false
	case !known.knows(attribute) || !windows && known.rule(attribute, nil) == "":
		return nil, false
	case how == connectors.MatchExact, how == connectors.MatchIgnoreCase && !windows:
		return []string{equals(attribute, value)}, true
	case how != connectors.MatchIgnoreCase:
		return nil, false
	}
	// Active Directory does not take white space for insignificant, and we do.
	words := strings.Fields(value)
	if len(words) != 1 {
		return nil, false
	}
	word := ldap.EscapeFilter(words[0])
	filters = append(filters, "("+attribute+"="+word+"*)")
	for _, blank := range []string{" ", "\t", "\u00a0"} {
		filters = append(filters, "("+attribute+"="+escaped(blank)+"*"+word+"*)")
	}
	return filters, true
}

// escaped is a value in a filter with every octet escaped (RFC 4515 §3).
func escaped(v string) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for i := range len(v) {
		b.WriteString(`\` + digits[v[i]>>4:v[i]>>4+1] + digits[v[i]&15:v[i]&15+1])
	}
	return b.String()
}
