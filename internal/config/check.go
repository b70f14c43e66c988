package config

import (
	"github.com/behov/behov/internal/blastradius"

	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// check refuses numbers that would disable a limit, or give it another meaning.
func (l limitYAML) check(doc *document, at string) {
	if l.Number != nil && *l.Number < 0 {
		doc.report(at+".number", "it must not be negative")
	}
	if p := l.Percent; p != nil && (math.IsNaN(*p) || *p < 0 || *p > 100) {
		doc.report(at+".percent", "it must be between 0 and 100")
	}
}

var attributeName = regexp.MustCompile(`^[\p{L}_][\p{L}\p{Nd}_]*$`)

// taken are names of conditions that no export has.
var taken = []string{"type", "percent", "source", "on_leave", "works_meanwhile"}

// checkAttributes refuses custom columns that a rule could not name, or that
// would hide one of behov's.
func checkAttributes(doc *document, names []string) {
	seen := map[string]bool{}
	for _, name := range names {
		switch {
		case !attributeName.MatchString(name):
			doc.report("$.hr.attributes", "%q cannot be named in a rule: letters of any language, digits and _ can", name)
		case slices.Contains(Canonical, name) || slices.Contains(taken, name):
			doc.report("$.hr.attributes", "%q is one of behov's own columns or attributes already", name)
		case seen[name]:
			doc.report("$.hr.attributes", "%q is there twice", name)
		}
		seen[name] = true
	}
}

// sameColumn are the columns that may be read from one column of a file: a number
// can be the person's and the employment's, and a title its own code.
var sameColumn = [][]string{{"person_id", "employment_id", "national_id", "email"}, {"job_code", "job_title", "employment_type"}}

// checkColumns refuses a mapping in which two columns get one value by mistake:
// with one date for both start and end no person would have access.
func checkColumns(doc *document, at string, s sourceYAML) {
	from := map[string][]string{}
	for _, column := range sortedKeys(s.Columns) {
		name := s.Columns[column]
		for _, other := range from[name] {
			together := slices.ContainsFunc(sameColumn, func(set []string) bool { return slices.Contains(set, column) && slices.Contains(set, other) })
			if own := !slices.Contains(Canonical, column) || !slices.Contains(Canonical, other); !together && !own {
				doc.report(at+".columns."+quoteKey(column), "%s and %s are both read from %q", other, column, name)
			}
		}
		from[name] = append(from[name], column)
	}
	for _, column := range sortedKeys(s.Constants) {
		_, mapped := s.Columns[column]
		switch {
		case mapped:
			doc.report(at+".constants."+quoteKey(column), "%s is under columns already: it is either read or constant", column)
		case (column == "person_id" || column == "employment_id") && !isTemplate(s.Constants[column]):
			doc.report(at+".constants."+quoteKey(column), "%s tells rows apart and cannot be constant", column)
		}
	}
}

// hasPassword reports whether a database URL contains a password, in either
// possible place.
func hasPassword(u *url.URL) bool {
	_, ok := u.User.Password()
	return ok || u.Query().Has("password")
}

// checkName refuses names from which no entitlement ID can be made.
func checkName(doc *document, at, what, name string) {
	if name == "" || strings.ContainsAny(name, ": \t,") {
		doc.report(at, "%q is no name for %s: one without colon, comma and space is", name, what)
	}
}

// everyKind is the key under hold_above for the kinds that are not listed.
const everyKind = "all"

// limits parses how many people each kind of step may concern. A kind that is not
// listed has the limit of all, and without that its default.
func limits(doc *document, at string, y map[string]limitYAML) map[blastradius.Kind]blastradius.Limit {
	all := map[blastradius.Kind]blastradius.Limit{}
	for _, kind := range blastradius.Kinds {
		set, named := y[string(kind)]
		if !named {
			set = y[everyKind]
		}
		all[kind] = set.limit(blastradius.Default(kind))
	}
	for _, name := range sortedKeys(y) {
		set, where := y[name], at+"."+quoteKey(name)
		set.check(doc, where)
		switch _, known := all[blastradius.Kind(name)]; {
		case !known && name != everyKind:
			doc.report(where, "%q is not a kind of change: use one of %v, or %s for the others", name, blastradius.Kinds, everyKind)
		case set.Number == nil && set.Percent == nil:
			doc.report(where, "it has neither number nor percent: set one of them")
		}
	}
	return all
}

// limit returns the configured limit, or the default.
func (l limitYAML) limit(otherwise blastradius.Limit) blastradius.Limit {
	if l.Number == nil && l.Percent == nil {
		return otherwise
	}
	limit := blastradius.Limit{People: -1, Share: -1}
	if l.Number != nil {
		limit.People = *l.Number
	}
	if l.Percent != nil {
		limit.Share = *l.Percent / 100
	}
	return limit
}
