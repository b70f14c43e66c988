package directory

import (
	"maps"
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// query is a search request.
type query struct {
	base       string
	scope      int
	filter     string
	attributes []string
	typesOnly  bool
	sizeLimit  int
	pageSize   int    // 0 is no paging
	after      string // folded DN of the last entry of the page before
}

// search returns matching entries in the order of their DNs, and where the
// next page starts; "" when there is none.
func (t *tree) search(q query) (entries []*entry, next string, err error) {
	base, err := foldDN(q.base)
	if err != nil {
		return nil, "", err
	}
	filter, err := ldap.CompileFilter(q.filter)
	if err != nil {
		return nil, "", no(ldap.LDAPResultProtocolError, "bad filter")
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.entries[base] == nil {
		return nil, "", no(ldap.LDAPResultNoSuchObject, "")
	}
	for _, dn := range t.within(base, q.scope) {
		if dn <= q.after || !matches(filter, t.entries[dn]) {
			continue
		}
		if q.sizeLimit > 0 && len(entries) == q.sizeLimit {
			return entries, "", no(ldap.LDAPResultSizeLimitExceeded, "")
		}
		if q.pageSize > 0 && len(entries) == q.pageSize {
			last, err := foldDN(entries[len(entries)-1].dn)
			return entries, last, err
		}
		entries = append(entries, t.entries[dn])
	}
	return entries, "", nil
}

// within returns the folded DNs in a scope, sorted.
func (t *tree) within(base string, scope int) []string {
	if scope == ldap.ScopeBaseObject {
		return []string{base}
	}
	var found []string
	for _, dn := range slices.Sorted(maps.Keys(t.entries)) {
		rest, below := strings.CutSuffix(dn, ","+base)
		switch {
		case dn == base && scope == ldap.ScopeWholeSubtree,
			below && scope == ldap.ScopeWholeSubtree,
			below && scope == ldap.ScopeSingleLevel && !hasComma(rest):
			found = append(found, dn)
		}
	}
	return found
}

// hasComma says whether a DN has more than one part: commas within one are
// escaped.
func hasComma(dn string) bool {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			return true
		}
	}
	return false
}

// matches evaluates a filter (RFC 4511 §4.5.1.7). What is undefined, such as
// an unknown attribute, does not match, nor does its negation.
func matches(f *ber.Packet, e *entry) bool { return evaluate(f, e) == yes }

type truth int

const (
	undefined truth = iota
	yes
	nay
)

func evaluate(f *ber.Packet, e *entry) truth {
	switch uint64(f.Tag) {
	case ldap.FilterAnd:
		return fold3(f.Children, e, nay, yes)
	case ldap.FilterOr:
		return fold3(f.Children, e, yes, nay)
	case ldap.FilterNot:
		switch evaluate(f.Children[0], e) {
		case yes:
			return nay
		case nay:
			return yes
		}
		return undefined
	case ldap.FilterPresent:
		return evaluatePresent(f.Data.String(), e)
	case ldap.FilterEqualityMatch, ldap.FilterApproxMatch:
		return evaluateValue(f, e, func(a attribute, has []string, v string) bool { return a.contains(has, v) })
	case ldap.FilterGreaterOrEqual:
		return evaluateValue(f, e, func(a attribute, has []string, v string) bool {
			return slices.ContainsFunc(has, func(w string) bool { return a.key(w) >= a.key(v) })
		})
	case ldap.FilterLessOrEqual:
		return evaluateValue(f, e, func(a attribute, has []string, v string) bool {
			return slices.ContainsFunc(has, func(w string) bool { return a.key(w) <= a.key(v) })
		})
	case ldap.FilterSubstrings:
		return evaluateSubstrings(f, e)
	}
	return undefined
}

// fold3 is AND and OR in three-valued logic: one that decides, all for the
// other.
func fold3(filters []*ber.Packet, e *entry, decides, otherwise truth) truth {
	all := otherwise
	for _, f := range filters {
		switch evaluate(f, e) {
		case decides:
			return decides
		case undefined:
			all = undefined
		}
	}
	return all
}

func evaluatePresent(name string, e *entry) truth {
	a, ok := attributeType(name)
	if !ok {
		return undefined
	}
	return is(len(e.attributes[a.name]) > 0)
}

func evaluateValue(f *ber.Packet, e *entry, test func(attribute, []string, string) bool) truth {
	a, ok := attributeType(f.Children[0].Data.String())
	if !ok {
		return undefined
	}
	return is(test(a, e.attributes[a.name], f.Children[1].Data.String()))
}

func evaluateSubstrings(f *ber.Packet, e *entry) truth {
	a, ok := attributeType(f.Children[0].Data.String())
	if !ok || a.kind == name {
		return undefined
	}
	return is(slices.ContainsFunc(e.attributes[a.name], func(v string) bool {
		rest := a.key(v)
		for _, part := range f.Children[1].Children {
			p := a.key(part.Data.String())
			switch uint64(part.Tag) {
			case ldap.FilterSubstringsInitial:
				if !strings.HasPrefix(rest, p) {
					return false
				}
				rest = rest[len(p):]
			case ldap.FilterSubstringsFinal:
				if !strings.HasSuffix(rest, p) {
					return false
				}
			default:
				i := strings.Index(rest, p)
				if i < 0 {
					return false
				}
				rest = rest[i+len(p):]
			}
		}
		return true
	}))
}

func is(b bool) truth {
	if b {
		return yes
	}
	return nay
}

// selected returns the attributes a search asked for, sorted. Passwords are
// for no one to read.
func (q query) selected(e *entry) []selection {
	all := len(q.attributes) == 0 || slices.Contains(q.attributes, "*")
	operational := slices.Contains(q.attributes, "+")
	asked := map[string]bool{}
	for _, n := range q.attributes {
		if a, ok := attributeType(n); ok {
			n = a.name
		}
		asked[strings.ToLower(n)] = true
	}
	var chosen []selection
	for _, n := range slices.Sorted(maps.Keys(e.attributes)) {
		a, known := attributeType(n)
		ordinary := !known || !a.operational
		wanted := asked[strings.ToLower(n)] || all && ordinary || operational && !ordinary
		if !wanted || n == "userPassword" {
			continue
		}
		values := e.attributes[n]
		if q.typesOnly {
			values = nil
		}
		chosen = append(chosen, selection{n, values})
	}
	return chosen
}

type selection struct {
	name   string
	values []string
}
