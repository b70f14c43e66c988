package ldap

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// shown returns an attribute's values as behov is to see them: times in RFC
// 3339, never as no value, and the name of the entry without what was added
// to it because another entry has it.
func (v *server) shown(e *ldap.Entry, attribute string, values []string) []string {
	if v.isTime(attribute) {
		var times []string
		for _, value := range values {
			if t, ok := fromFileTime(value); ok {
				times = append(times, t.Format(time.RFC3339Nano))
			}
		}
		return times
	}
	return v.plain(e, attribute, values)
}

// plain returns values of the attribute that names entries without what tells
// the entry apart.
func (v *server) plain(e *ldap.Entry, attribute string, values []string) []string {
	login := naming(e, v.cfg.NameAttribute)
	if !v.distinguishes(attribute) || login == "" {
		return values
	}
	values = slices.Clone(values)
	for i, value := range values {
		if plain, ok := strings.CutSuffix(value, addition(login)); ok && plain != "" {
			values[i] = plain
		}
	}
	return values
}

// written is the way back, for an attribute that names no entry. It says why
// a value cannot be.
func (v *server) written(attribute string, values []string) (out []string, why string) {
	values = distinct(values)
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

// distinguishes says whether an attribute names entries without being the
// login name or the anchor, so that two people may well have the same value.
func (v *server) distinguishes(attribute string) bool {
	own := strings.EqualFold(attribute, v.cfg.NameAttribute) || strings.EqualFold(attribute, v.cfg.AnchorAttribute)
	return !own && strings.EqualFold(attribute, v.cfg.RDNAttribute)
}

// addition is what tells an entry from another with the same name.
func addition(login string) string { return " (" + login + ")" }

// naming returns the value of an attribute that names the entry, and the
// first one when none does.
func naming(e *ldap.Entry, attribute string) string {
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

// distinct returns the values sorted, each once, without empty ones, which
// LDAP does not have.
func distinct(values []string) []string {
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

// successor returns a number's successor; what is no number, zero's.
func successor(number string) string {
	n, _ := strconv.Atoi(number)
	return strconv.Itoa(n + 1)
}
