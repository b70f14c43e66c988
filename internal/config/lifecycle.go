package config

import (
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
)

// lifecycleYAML configures the states of a person.
type lifecycleYAML struct {
	// Prepare is how many days before the first day accounts are created, disabled.
	// Default: 7.
	Prepare *int `yaml:"prepare_days"`
	// Leave is what a leave of absence does: keep (nothing, the default), suspend
	// (accounts are disabled meanwhile) or reduce (what the employment gives ends
	// meanwhile).
	Leave string `yaml:"leave"`
	// KeepMemberships is how many days after the last day memberships stay, while the
	// accounts are disabled. Default: 0.
	KeepMemberships *int `yaml:"keep_memberships_days"`
	// DeleteAfter is how many days after the last day accounts are deleted; 0 is
	// never. Default: 365.
	DeleteAfter *int `yaml:"delete_after_days"`
	// EraseAfter is how many days after the last day everything personal about the
	// person is destroyed; 0 is never, which is the default.
	EraseAfter *int `yaml:"erase_after_days"`
	// Warn is how many days ahead plans warn of what will end. Default: 14.
	Warn *int `yaml:"warn_days"`
	// Main selects which of several employments gives title, manager and unit:
	// largest-percent (the default), latest-start or earliest-start. What HR marks in
	// the column main comes first.
	Main string `yaml:"main_employment"`
}

// contractsYAML configures a source of people who are not employed.
type contractsYAML struct {
	// Sponsors is the source under hr.sources that knows the sponsors, who are
	// employed.
	Sponsors string `yaml:"sponsors"`
	// Default is how many days after its start a contract without an end ends.
	// Default: 90.
	Default *int `yaml:"default_days"`
	// Most is how many days ahead a contract may end, from 1 to 365. Default: 365.
	Most *int `yaml:"most_days"`
	// SponsorLeft is what happens when the sponsor leaves: hand-over to the sponsor's
	// manager (the default) or end.
	SponsorLeft string `yaml:"sponsor_left"`
}

// The defaults of the lifecycle, in days.
const (
	defaultPrepare  = 7
	defaultDelete   = 365
	defaultWarn     = 14
	defaultContract = 90
	longestContract = 365
)

func (l *loader) lifecycle(doc *document, y lifecycleYAML, c *Config) {
	days := func(name string, v *int, otherwise int) int {
		if v == nil {
			return otherwise
		}
		if *v < 0 || *v > 36500 {
			doc.report("$.lifecycle."+name, "it is a number of days, from 0 to 36500")
		}
		return *v
	}
	c.Lifecycle = identity.Lifecycle{
		Prepare: days("prepare_days", y.Prepare, defaultPrepare), KeepMemberships: days("keep_memberships_days", y.KeepMemberships, 0),
		DeleteAfter: days("delete_after_days", y.DeleteAfter, defaultDelete), EraseAfter: days("erase_after_days", y.EraseAfter, 0), Warn: days("warn_days", y.Warn, defaultWarn),
		Leave: identity.LeaveRule(or(y.Leave, string(identity.LeaveKeeps))),
	}
	if !slices.Contains(identity.LeaveRules, c.Lifecycle.Leave) {
		doc.report("$.lifecycle.leave", "%q is not known: keep (a leave changes nothing; the default), suspend (accounts are disabled meanwhile) and reduce (what the employment gives ends meanwhile) are", y.Leave)
	}
	if f := c.Lifecycle; f.DeleteAfter > 0 && f.KeepMemberships > f.DeleteAfter {
		doc.report("$.lifecycle.keep_memberships_days", "memberships cannot stay longer than the accounts, which are deleted after %d days", f.DeleteAfter)
	}
	if f := c.Lifecycle; f.EraseAfter > 0 && (f.DeleteAfter == 0 || f.EraseAfter < f.DeleteAfter) {
		doc.report("$.lifecycle.erase_after_days", "people cannot be erased before their accounts are deleted: set it to at least delete_after_days")
	}
	c.Main = mainRule(doc, "$.lifecycle.main_employment", y.Main, identity.LargestPercent)
}

func mainRule(doc *document, at, text string, otherwise identity.MainRule) identity.MainRule {
	rule := identity.MainRule(or(text, string(otherwise)))
	if !slices.Contains(identity.MainRules, rule) {
		doc.report(at, "%q is not known: largest-percent (the default), latest-start and earliest-start are; what HR marks in the column main comes first in any case", text)
	}
	return rule
}

// contracts parses the requirements of a source of people who are not employed.
func (l *loader) contracts(doc *document, at, name string, y *contractsYAML, sources map[string]sourceYAML) Contracts {
	if y == nil {
		return Contracts{}
	}
	out := Contracts{Sponsored: true, DefaultDays: defaultContract, MostDays: longestContract, Sponsorship: identity.Sponsorship{In: y.Sponsors, HandOver: y.SponsorLeft != "end"}}
	if y.Default != nil {
		out.DefaultDays = *y.Default
	}
	if y.Most != nil {
		out.MostDays = *y.Most
	}
	if other, ok := sources[y.Sponsors]; !ok || y.Sponsors == name || other.Contracts != nil {
		doc.report(at+".sponsors", "it names the source under hr.sources that knows the sponsors, who are employed; %q does not", y.Sponsors)
	}
	if !slices.Contains([]string{"", "hand-over", "end"}, y.SponsorLeft) {
		doc.report(at+".sponsor_left", "%q is not known: hand-over (to the sponsor's manager; the default) and end are", y.SponsorLeft)
	}
	if out.MostDays < 1 || out.MostDays > longestContract {
		doc.report(at+".most_days", "it is a number of days, from 1 to %d", longestContract)
	}
	if out.DefaultDays < 1 || out.DefaultDays > out.MostDays {
		doc.report(at+".default_days", "it is a number of days, from 1 to %d", out.MostDays)
	}
	return out
}

// lastForms makes what people report count after what any other source states, where the
// precedence does not name it.
func lastForms(p identity.Precedence, sources map[string]sourceYAML) {
	for _, name := range sortedKeys(sources) {
		if !sources[name].Forms {
			continue
		}
		if len(p) == 0 { // with one other source there need be no precedence
			for _, other := range sortedKeys(sources) {
				if other != name {
					p[""] = append(p[""], other)
				}
			}
		}
		for column, order := range p {
			if !slices.Contains(order, name) {
				p[column] = append(order, name)
			}
		}
	}
}

// precedence parses the precedence of sources. With several sources it must list
// each column: a source must not supply contact data only because its name comes
// first.
func (l *loader) precedence(doc *document, y map[string][]string, sources map[string]sourceYAML) identity.Precedence {
	const at = "$.hr.precedence"
	out := identity.Precedence{}
	defer lastForms(out, sources)
	for _, column := range sortedKeys(y) {
		key, at := column, at+"."+quoteKey(column)
		if column == "default" {
			key = ""
		} else if !slices.Contains(identity.PersonColumns, column) {
			doc.report(at, "there is no such column of a person: default, given_name, family_name, national_id, email and phone are; whoever is protected in one source is protected")
		}
		for _, name := range y[column] {
			if _, ok := sources[name]; !ok {
				doc.report(at, "there is no source %q under hr.sources", name)
			}
		}
		if len(y[column]) == 0 {
			doc.report(at, "it names no source, so that no person would have a value: list the sources that supply it, in order of precedence")
		}
		out[key] = slices.Clone(y[column])
	}
	names := slices.DeleteFunc(sortedKeys(sources), func(name string) bool { return sources[name].Forms })
	if len(names) < 2 {
		return out
	}
	all := strings.Join(names, ", ")
	missing := slices.DeleteFunc(slices.Clone(identity.PersonColumns), func(column string) bool { return out[column] != nil })
	if order, set := out[""]; set {
		for _, name := range names {
			if !slices.Contains(order, name) && len(missing) > 0 {
				doc.report(at+".default", "source %s is not in it: name every source, or say by column (%s) which sources supply it and leave out default", name, strings.Join(missing, ", "))
			}
		}
		return out
	}
	if len(missing) > 0 {
		where := at
		if len(y) == 0 {
			where = "$.hr.sources"
		}
		doc.report(where, "there are several sources (%s), and hr.precedence does not say which of them supplies %s: name all of them under hr.precedence.default, in the order in which they count, or list them by column", all, strings.Join(missing, ", "))
	}
	return out
}
