package ldap

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// fromServer returns an attribute's values as behov sees them: times in RFC 3339,
// a time of "never" as no value, and the name of the entry without its suffix.
func (v *server) fromServer(e *ldap.Entry, attribute string, values []string) []string {
	if v.isTime(attribute) {
		var times []string
		for _, value := range values {
			if t, ok := fromFileTime(value); ok {
				times = append(times, t.Format(time.RFC3339Nano))
			}
		}
		return times
	}
	return v.withoutSuffix(e, attribute, values)
}

// withoutSuffix returns values of the attribute that names entries without the
// suffix that makes the entry's name unique.
func (v *server) withoutSuffix(e *ldap.Entry, attribute string, values []string) []string {
	login := namingValue(e, v.cfg.NameAttribute)
	if !v.needsSuffix(attribute) || login == "" {
		return values
	}
	values = slices.Clone(values)
	for i, value := range values {
		if plain, ok := strings.CutSuffix(value, nameSuffix(login)); ok && plain != "" {
			values[i] = plain
		}
	}
	return values
}

// toServer is the inverse of fromServer, for an attribute that names no entry. It
// returns why a value is invalid.
func (v *server) toServer(attribute string, values []string) (out []string, why string) {
	values = sortedUnique(values)
	if !v.isTime(attribute) {
		return values, ""
	}
	if len(values) == 0 {
		return []string{neverText}, ""
	}
	for _, value := range values {
		t, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return nil, attribute + " takes a time such as 2026-12-31T23:00:00Z"
		}
		out = append(out, toFileTime(t))
	}
	return out, ""
}

const neverText = "9223372036854775807"

// needsSuffix reports whether an attribute names entries without being the login
// name or the anchor, so that two people may have the same value.
func (v *server) needsSuffix(attribute string) bool {
	own := strings.EqualFold(attribute, v.cfg.NameAttribute) || strings.EqualFold(attribute, v.cfg.AnchorAttribute)
	return !own && strings.EqualFold(attribute, v.cfg.RDNAttribute)
}

// nameSuffix returns what distinguishes an entry from another with the same name.
func nameSuffix(login string) string { return " (" + login + ")" }

// namingValue returns the value of an attribute that names the entry, or its
// first value when none does.
func namingValue(e *ldap.Entry, attribute string) string {
	values := e.GetEqualFoldAttributeValues(attribute)
	if len(values) == 0 {
		return ""
	}
	if len(values) == 1 {
		return values[0]
	}
	if dn, err := ldap.ParseDN(e.DN); err == nil && len(dn.RDNs) > 0 {
		for _, a := range dn.RDNs[0].Attributes {
			i := slices.IndexFunc(values, func(v string) bool { return strings.EqualFold(a.Type, attribute) && fold(v) == fold(a.Value) })
			if i >= 0 {
				return values[i]
			}
		}
	}
	return values[0]
}

// sortedUnique returns the values sorted, without duplicates and without empty
// ones, which LDAP does not have.
func sortedUnique(values []string) []string {
	values = slices.Clone(values)
	slices.Sort(values)
	return slices.DeleteFunc(slices.Compact(values), func(v string) bool { return v == "" })
}

func sortedKeys(m map[string][]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// increment returns a decimal number plus one; for text that is no number, one.
func increment(number string) string {
	n, _ := strconv.Atoi(number)
	return strconv.Itoa(n + 1)
}
