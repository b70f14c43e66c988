package ldap

import (
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
)

// equalityRules are the matching rules of RFC 4517 §4.2 that ignore some
// differences, by name and OID. Values under any other rule are compared exactly.
var equalityRules = map[string]connectors.Matching{
	"caseignorematch": connectors.MatchIgnoreCase, "2.5.13.2": connectors.MatchIgnoreCase,
	"caseignorelistmatch": connectors.MatchIgnoreCase, "2.5.13.11": connectors.MatchIgnoreCase,
	"caseignoreia5match": connectors.MatchIgnoreCase, "1.3.6.1.4.1.1466.109.114.2": connectors.MatchIgnoreCase,
	"objectidentifiermatch": connectors.MatchIgnoreCase, "2.5.13.0": connectors.MatchIgnoreCase,
	"uuidmatch": connectors.MatchIgnoreCase, "1.3.6.1.1.16.2": connectors.MatchIgnoreCase, // RFC 4530 §2.2
	"distinguishednamematch": connectors.MatchDN, "2.5.13.1": connectors.MatchDN,
	"generalizedtimematch": connectors.MatchTime, "2.5.13.27": connectors.MatchTime,
	"booleanmatch": connectors.MatchBoolean, "2.5.13.13": connectors.MatchBoolean,
	"telephonenumbermatch": connectors.MatchDigits, "2.5.13.20": connectors.MatchDigits,
	"numericstringmatch": connectors.MatchDigits, "2.5.13.8": connectors.MatchDigits,
}

// windowsSyntaxes tells how Active Directory, whose schema shows no equality
// rules, compares values, by syntax ([MS-ADTS] 3.1.1.2.2.2). It compares strings
// of the IA5, printable and numeric syntaxes exactly.
var windowsSyntaxes = map[string]string{
	"1.3.6.1.4.1.1466.115.121.1.15": "caseIgnoreMatch",
	"1.2.840.113556.1.4.905":        "caseIgnoreMatch",
	"1.3.6.1.4.1.1466.115.121.1.38": "objectIdentifierMatch",
	"1.3.6.1.4.1.1466.115.121.1.12": "distinguishedNameMatch",
	"1.3.6.1.4.1.1466.115.121.1.24": "generalizedTimeMatch",
	"1.3.6.1.4.1.1466.115.121.1.7":  "booleanMatch",
}

// matching returns how an attribute's values are compared, by its own definition
// or one it inherits from.
func (s *schema) matching(attribute string, syntaxes map[string]string) connectors.Matching {
	if m, forgives := equalityRules[s.rule(attribute, syntaxes)]; forgives {
		return m
	}
	return connectors.MatchExact
}

// rule returns the equality rule of an attribute, empty when the schema has none.
func (s *schema) rule(attribute string, syntaxes map[string]string) string {
	attribute, _, _ = strings.Cut(strings.ToLower(attribute), ";")
	for range 10 { // a bound, in case definitions inherit from each other
		t, ok := s.types[attribute]
		rule := t.equality
		if rule == "" {
			rule = strings.ToLower(syntaxes[t.syntax])
		}
		if !ok || rule != "" || t.sup == "" {
			return rule
		}
		attribute = t.sup
	}
	return ""
}

// matching returns how the values of an attribute are compared in the form in
// which behov sees them.
func (v *server) matching(known *schema, attribute string) connectors.Matching {
	switch {
	case v.isReference(attribute):
		return connectors.MatchDN // compares values that are no DN, such as account IDs, exactly
	case v.isTime(attribute):
		return connectors.MatchTime
	}
	return known.matching(attribute, v.flavour.syntaxes)
}

func (v *server) isReference(attribute string) bool {
	return slices.ContainsFunc(v.cfg.References, func(r string) bool { return strings.EqualFold(r, attribute) })
}

func (v *server) isTime(attribute string) bool {
	return slices.ContainsFunc(v.flavour.times, func(t string) bool { return strings.EqualFold(t, attribute) })
}

// NamingAttributes implements connectors.Namer: the attribute that names entries, as
// far as is known after a Snapshot or Check.
func (c *Connector) NamingAttributes() []string {
	cfg := c.given
	if v := c.knownServer(); v != nil {
		cfg = v.cfg
	}
	if cfg.RDNAttribute == "" {
		return nil
	}
	return []string{cfg.RDNAttribute}
}

// Matching implements connectors.Matcher, from the server's schema.
func (c *Connector) Matching() map[string]connectors.Matching {
	v := c.knownServer()
	if v == nil {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.schema == nil {
		return nil
	}
	out := map[string]connectors.Matching{}
	for _, attribute := range v.cfg.Attributes {
		out[attribute] = v.matching(v.schema, attribute)
	}
	out[connectors.EntitlementName] = v.matching(v.schema, v.groupAttribute())
	if v.schema.rule(v.groupAttribute(), v.flavour.syntaxes) == "" {
		out[connectors.EntitlementName] = connectors.MatchIgnoreCase // RFC 4519 §2.3, §2.18
	}
	if v.cfg.GroupNames == "dn" {
		out[connectors.EntitlementName] = connectors.MatchDN
	}
	return out
}
