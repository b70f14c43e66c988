package ldap

import (
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"golang.org/x/text/unicode/norm"
)

// fold brings a value into the form in which caseIgnoreMatch compares it (RFC
// 4518): without case, compatibility variants and superfluous spaces.
func fold(s string) string {
	return strings.Join(strings.Fields(strings.ToLower(norm.NFKC.String(s))), " ")
}

// foldDN brings a DN into a form in which equal DNs are equal strings. What
// is no DN is only folded.
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
			parts[j] = strings.ToLower(a.Type) + "=" + ldap.EscapeDN(fold(a.Value))
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

// below says whether a DN is below base.
func below(dn, base string) bool {
	child, err := ldap.ParseDN(dn)
	if err != nil {
		return false
	}
	parent, err := ldap.ParseDN(base)
	return err == nil && parent.AncestorOfFold(child)
}

// equals is a filter for one value, and anyOf one for any of several filters.
func equals(attribute, value string) string {
	return "(" + attribute + "=" + ldap.EscapeFilter(value) + ")"
}

func anyOf(filters []string) string { return "(|" + strings.Join(filters, "") + ")" }

func allOf(filters ...string) string { return "(&" + strings.Join(filters, "") + ")" }
