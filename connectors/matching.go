package connectors

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"
)

// Matching is how a target compares the values of an attribute. behov treats
// values that the target holds equal as equal: writing them again would change
// nothing, and every run would plan the change again.
type Matching string

// The ways of comparing. The order of values and duplicate values never count,
// whether an attribute has one value or many.
const (
	MatchExact      Matching = "exact"
	MatchIgnoreCase Matching = "ignore-case" // also ignores leading and trailing white space, and its amount between words (RFC 4518 §2.6.1)
	MatchDN         Matching = "dn"          // distinguished names (RFC 4514), with attribute types and values in any case
	MatchTime       Matching = "time"        // generalizedTime (RFC 4517 §3.3.13) and RFC 3339, as instants
	MatchBoolean    Matching = "boolean"     // TRUE, true, True
	MatchDigits     Matching = "digits"      // telephone and other numbers: spaces and hyphens do not count (RFC 4518 §2.6.2, §2.6.3)
)

// Canonical returns the canonical form of the values: sorted, without duplicates,
// and the same for all lists of values that the target holds equal. An unknown
// Matching compares exactly.
func (m Matching) Canonical(values []string) []string {
	if len(values) == 0 {
		return nil
	}
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = m.canonical(v)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Same reports whether the target holds two lists of values equal.
func (m Matching) Same(a, b []string) bool { return slices.Equal(m.Canonical(a), m.Canonical(b)) }

// phoneSeparators removes the characters that are written between the digits of a
// telephone number.
var phoneSeparators = strings.NewReplacer(" ", "", "-", "")

func (m Matching) canonical(v string) string {
	switch m {
	case MatchIgnoreCase:
		return ignoreCase(v)
	case MatchBoolean:
		return strings.ToLower(strings.TrimSpace(v))
	case MatchDigits:
		return strings.ToLower(phoneSeparators.Replace(v))
	case MatchTime:
		if t, ok := parseTime(v); ok {
			return t.UTC().Format(time.RFC3339Nano)
		}
	case MatchDN:
		if dn, ok := canonicalDN(v); ok {
			return dn
		}
	}
	return v
}

func ignoreCase(v string) string { return strings.ToLower(strings.Join(strings.Fields(v), " ")) }

// parseTime parses a generalizedTime, an RFC 3339 time, or a date, which stands
// for its first instant in UTC.
func parseTime(v string) (time.Time, bool) {
	v = strings.Replace(v, ",", ".", 1)
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, "20060102150405Z0700", "200601021504Z0700", "2006010215Z0700", "20060102150405Z07", "200601021504Z07", "2006010215Z07"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// canonicalDN returns a distinguished name with attribute types and values in
// lower case, escapes in one form, and the parts of a multi-valued RDN in order.
func canonicalDN(v string) (string, bool) {
	var rdns []string
	for _, rdn := range splitDN(v, ',') {
		var parts []string
		for _, part := range splitDN(rdn, '+') {
			kind, value, ok := strings.Cut(part, "=")
			if !ok || strings.TrimSpace(kind) == "" {
				return "", false
			}
			value, ok = unescapeDN(value)
			if !ok {
				return "", false
			}
			parts = append(parts, strings.ToLower(strings.TrimSpace(kind))+"="+hex.EncodeToString([]byte(ignoreCase(value))))
		}
		slices.Sort(parts)
		rdns = append(rdns, strings.Join(parts, "+"))
	}
	return strings.Join(rdns, ","), true
}

// splitDN splits s at separators that are not escaped.
func splitDN(s string, separator byte) []string {
	var parts []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[from:i])
			from = i + 1
		}
	}
	return append(parts, s[from:])
}

// unescapeDN removes the escapes of RFC 4514 §2.4.
func unescapeDN(s string) (string, bool) {
	s = strings.TrimLeft(s, " ")
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) {
			return "", false
		}
		if i+2 < len(s) {
			if octet, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.Write(octet)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i+1])
		i++
	}
	return b.String(), true
}
