package ldap

import (
	"net/url"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

// fold returns a value in the form in which caseIgnoreMatch compares it (RFC
// 4518): without case, compatibility variants and redundant spaces.
func fold(s string) string {
	return strings.Join(strings.Fields(strings.ToLower(norm.NFKC.String(s))), " ")
}

// foldDN returns a DN in a form in which equal DNs are equal strings. A value
// that is no DN is folded only.
func foldDN(dn string) string {
	if !strings.ContainsAny(dn, "\\\"+ ;#<>\x00\t\n\v\f\r") && isASCII(dn) {
		return strings.ToLower(dn)
	}
	parsed, err := ldap.ParseDN(dn)
	if err != nil {
		return fold(dn)
	}
	rdns := make([]string, len(parsed.RDNs))
	for i, rdn := range parsed.RDNs {
		parts := make([]string, len(rdn.Attributes))
		for j, a := range rdn.Attributes {
			parts[j] = strings.ToLower(a.Type) + "=" + escapeDN(fold(a.Value))
		}
		slices.Sort(parts)
		rdns[i] = strings.Join(parts, "+")
	}
	return strings.Join(rdns, ",")
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// below reports whether a DN is below base.
func below(dn, base string) bool {
	child, err := ldap.ParseDN(dn)
	if err != nil {
		return false
	}
	parent, err := ldap.ParseDN(base)
	return err == nil && parent.AncestorOfFold(child)
}

// equals returns a filter for one value.
func equals(attribute, value string) string {
	return "(" + attribute + "=" + ldap.EscapeFilter(value) + ")"
}

func anyOf(filters []string) string { return "(|" + strings.Join(filters, "") + ")" }

func allOf(filters ...string) string { return "(&" + strings.Join(filters, "") + ")" }

// atOrBelow reports whether a DN is base or below it.
func atOrBelow(dn, base string) bool { return foldDN(dn) == foldDN(base) || below(dn, base) }

// parent returns the DN above, as the server wrote it.
func parent(dn string) string {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			return strings.TrimLeft(dn[i+1:], " ")
		}
	}
	return ""
}

// escapeDN escapes a value for a DN (RFC 4514 §2.4). The RFC does not require to
// escape an equals sign; Active Directory does.
func escapeDN(value string) string {
	return strings.ReplaceAll(ldap.EscapeDN(value), "=", `\=`)
}

// rdnOf returns the first RDN of a DN, or nil when the value is no DN.
func rdnOf(dn string) *ldap.RelativeDN {
	parsed, err := ldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 {
		return nil
	}
	return parsed.RDNs[0]
}

// names returns the value that an attribute has in an RDN.
func names(rdn *ldap.RelativeDN, attribute string) (value string, ok bool) {
	if rdn == nil {
		return "", false
	}
	for _, a := range rdn.Attributes {
		if strings.EqualFold(a.Type, attribute) {
			return a.Value, true
		}
	}
	return "", false
}

// rename returns an RDN with another value for an attribute.
func rename(rdn *ldap.RelativeDN, attribute, value string) string {
	parts := make([]string, len(rdn.Attributes))
	for i, a := range rdn.Attributes {
		v := a.Value
		if strings.EqualFold(a.Type, attribute) {
			v = value
		}
		parts[i] = a.Type + "=" + escapeDN(v)
	}
	return strings.Join(parts, "+")
}

// referralDN returns the DN in an LDAP URL (RFC 4516 §2).
func referralDN(referral string) string {
	u, err := url.Parse(referral)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}
