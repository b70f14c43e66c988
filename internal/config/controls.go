package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/rules"
)

// controlsYAML is the structure of controls.yaml.
type controlsYAML struct {
	// Controls are what classes of information demand, each with a name of its own.
	Controls map[string]controlYAML `yaml:"controls"`
}

type controlYAML struct {
	// Purpose is why it is demanded.
	Purpose string `yaml:"purpose"`
	// From are the levels from which it holds: for a system with any of them.
	From struct {
		// Confidentiality is a level from 0 to 4: how much a leak harms.
		Confidentiality *int `yaml:"confidentiality"`
		// Integrity is a level from 0 to 4: how much a wrong value harms.
		Integrity *int `yaml:"integrity"`
		// Availability is a level from 0 to 4: how much it harms when it is missing.
		Availability *int `yaml:"availability"`
		// SecurityProtected: it holds for systems with protected information.
		SecurityProtected bool `yaml:"security_protected"`
	} `yaml:"from"`
	// MFA is the method of multi-factor authentication that is needed at least: any,
	// strong or phishing-resistant.
	MFA string `yaml:"mfa"`
	// NotFor are types of employment and HR sources whose people get no access by them.
	NotFor struct {
		// Types are types of employment, as HR calls them.
		Types []string `yaml:"types"`
		// Sources are HR sources, by their names under hr.sources.
		Sources []string `yaml:"sources"`
	} `yaml:"not_for"`
	// WithholdFromProtected: people with protected identity get no access.
	WithholdFromProtected bool `yaml:"withhold_from_protected"`
	// Screening: people get access while a screening of theirs is valid.
	Screening bool `yaml:"screening"`
	// OutsideEU says what becomes of a system whose data or supplier is outside the EU and
	// the EEA: refuse (no one has access) or flag.
	OutsideEU string `yaml:"outside_eu"`
	// ReviewDays is how often access is reviewed, in days.
	ReviewDays int `yaml:"review_days"`
	// Reviewers is by how many people access is reviewed: 1 or 2.
	Reviewers int `yaml:"reviewers"`
	// ReviewAll: a review asks about every person who has access, also where a rule gives it
	// to all of a job. Without it, a review asks about the rule.
	ReviewAll bool `yaml:"review_all"`
	// RequestDays is for how many days a request gives access at most.
	RequestDays int `yaml:"request_days"`
	// EmergencyDays is for how many days emergency access is given at most, the first day
	// among them. Default: 2, until the next day.
	EmergencyDays int `yaml:"emergency_days"`
	// Approvers are who approve a request: manager, owner, second-owner.
	Approvers []string `yaml:"approvers"`
	// AccountDays is for how many days an account that is no person's is registered or
	// renewed at most. Default: 365.
	AccountDays int `yaml:"account_days"`
	// UnusedDays is after how many days without a sign-in a review asks about a person, where
	// the target tells sign-ins. Default: 90.
	UnusedDays int `yaml:"unused_days"`
}

// classYAML is a system's information class.
type classYAML struct {
	// Confidentiality is how much a leak harms, from 0, not at all, to 4, very seriously.
	// All three levels are written, or none.
	Confidentiality *int `yaml:"confidentiality"`
	// Integrity is how much a wrong value harms, from 0 to 4.
	Integrity *int `yaml:"integrity"`
	// Availability is how much it harms when the system is missing, from 0 to 4.
	Availability *int `yaml:"availability"`
	// SecurityProtected: it holds information that the Protective Security Act protects.
	SecurityProtected bool `yaml:"security_protected"`
	// Note is what else reviewers should know about the information.
	Note string `yaml:"note"`
}

type supplierYAML struct {
	// Name is the company's.
	Name string `yaml:"name"`
	// Country is where it is, by two letters, as SE.
	Country string `yaml:"country"`
	// SubSuppliers are those who work for it with the system.
	SubSuppliers []subSupplierYAML `yaml:"sub_suppliers"`
}

type subSupplierYAML struct {
	// Name is the company's.
	Name string `yaml:"name"`
	// Country is where it is, by two letters, as SE.
	Country string `yaml:"country"`
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler: a text protects nothing, and is refused.
func (c *classYAML) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if unmarshal(&text) == nil {
		return errors.New("a class is written {confidentiality: 3, integrity: 2, availability: 2, note: what it is}")
	}
	type plain classYAML
	return unmarshal((*plain)(c))
}

// eu are the countries of the EU and the EEA, in which the GDPR holds.
var eu = strings.Fields("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK IS LI NO")

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

// class returns a system's class, nil when it has none.
func class(doc *document, at string, y classYAML) *policy.Class {
	given := 0
	level := func(name string, of *int) int {
		if of == nil {
			return 0
		}
		given++
		if *of < 0 || *of > policy.Highest {
			doc.report(at+"."+name, "there is no level %d: levels are from 0 to %d", *of, policy.Highest)
		}
		return *of
	}
	c := &policy.Class{Confidentiality: level("confidentiality", y.Confidentiality), Integrity: level("integrity", y.Integrity), Availability: level("availability", y.Availability), SecurityProtected: y.SecurityProtected}
	switch {
	case given == 0 && !y.SecurityProtected:
		return nil
	case given < 3:
		doc.report(at, "a class has confidentiality, integrity and availability, each from 0 to %d: write all three", policy.Highest)
	}
	return c
}

// suppliers returns a system's suppliers.
func suppliers(doc *document, at string, all []supplierYAML) []policy.Supplier {
	var out []policy.Supplier
	for i, y := range all {
		place := fmt.Sprintf("%s[%d]", at, i)
		s := policy.Supplier{Name: identity.CleanText(y.Name), Country: y.Country}
		for _, sub := range y.SubSuppliers {
			s.SubSuppliers = append(s.SubSuppliers, suppliers(doc, place+".sub_suppliers", []supplierYAML{{Name: sub.Name, Country: sub.Country}})...)
		}
		if s.Name == "" {
			doc.report(place, "the supplier has no name")
		}
		if s.Country != "" && !countryCode.MatchString(s.Country) {
			doc.report(place+".country", "a country is two capital letters, as SE")
		}
		out = append(out, s)
	}
	return out
}

// control is a control with its name and its limits.
type control struct {
	name string
	controlYAML
}

// holds reports whether the control holds for a class.
func (c control) holds(class *policy.Class) bool {
	reached := func(from *int, level int) bool { return from != nil && level >= *from }
	return reached(c.From.Confidentiality, class.Confidentiality) || reached(c.From.Integrity, class.Integrity) || reached(c.From.Availability, class.Availability) ||
		c.From.SecurityProtected && class.SecurityProtected
}

// defaultControls is what problems call behov's own controls.
const defaultControls = "the default " + controlsFile

// controls reads what classes demand: the file, or the defaults when there is none and none
// is named.
func (l *loader) controls(name string, c *Config) []control {
	file := l.or(l.instead.Controls, or(name, controlsFile))
	if name == "" && l.instead.Controls == nil && !l.exists(file) {
		text, err := rules.Example.ReadFile("example/" + controlsFile)
		if err != nil {
			panic(err) // it is in the program
		}
		file = l.or(&NewFile{Name: defaultControls, Content: text}, "")
	}
	var y controlsYAML
	doc := l.yaml(file, &y)
	if doc == nil {
		return nil
	}
	if len(y.Controls) == 0 {
		doc.report("$", "there is no control, so that no class would demand anything: remove the file, and behov's own controls hold")
	}
	var all []control
	for _, name := range sortedKeys(y.Controls) {
		x := control{name, y.Controls[name]}
		at := "$.controls." + quoteKey(name)
		checkName(doc, at, "a control", name)
		x.check(doc, at, c)
		all = append(all, x)
	}
	return all
}

func (c control) check(doc *document, at string, of *Config) {
	levels := 0
	for name, level := range map[string]*int{"confidentiality": c.From.Confidentiality, "integrity": c.From.Integrity, "availability": c.From.Availability} {
		if level == nil {
			continue
		}
		levels++
		if *level < 0 || *level > policy.Highest {
			doc.report(at+".from."+name, "there is no level %d: levels are from 0 to %d", *level, policy.Highest)
		}
	}
	if levels == 0 && !c.From.SecurityProtected {
		doc.report(at, "the control holds for no system: say from which level under from, as from: {confidentiality: 3}")
	}
	if c.MFA == "" && len(c.NotFor.Types)+len(c.NotFor.Sources)+len(c.Approvers)+c.ReviewDays+c.Reviewers+c.RequestDays+c.AccountDays+c.UnusedDays+c.EmergencyDays == 0 && !c.WithholdFromProtected && !c.Screening && !c.ReviewAll && c.OutsideEU == "" {
		doc.report(at, "the control demands nothing")
	}
	oneOf := func(field, value string, known []string) {
		if value != "" && !slices.Contains(known, value) {
			doc.report(at+"."+field, "%q is none of %s", value, strings.Join(known, ", "))
		}
	}
	oneOf("mfa", c.MFA, texts(policy.Methods))
	oneOf("outside_eu", c.OutsideEU, []string{"refuse", "flag"})
	for i, a := range c.Approvers {
		oneOf(fmt.Sprintf("approvers[%d]", i), a, texts(policy.Approvers))
	}
	for i, s := range c.NotFor.Sources {
		if _, known := of.Sources[s]; !known {
			doc.report(fmt.Sprintf("%s.not_for.sources[%d]", at, i), "there is no HR source %q in %s", s, File)
		}
	}
	for name, days := range map[string]int{"account_days": c.AccountDays, "unused_days": c.UnusedDays, "review_days": c.ReviewDays, "request_days": c.RequestDays, "emergency_days": c.EmergencyDays} {
		if days < 0 || days > 3650 {
			doc.report(at+"."+name, "it is a number of days, from 1 to 3650")
		}
	}
	if c.Reviewers < 0 || c.Reviewers > 2 {
		doc.report(at+".reviewers", "access is reviewed by 1 or 2")
	}
}

func texts[T ~string](values []T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}

// controlsOf returns what the controls demand of a system.
func controlsOf(all []control, s policy.System) policy.Controls {
	var out policy.Controls
	if s.Class == nil {
		return out
	}
	strictest := func(to *policy.Demand[int], value int, by string, stricter func(a, b int) bool) {
		if value > 0 && (to.Value == 0 || stricter(value, to.Value)) {
			*to = policy.Demand[int]{Value: value, By: by}
		}
	}
	shorter, more := func(a, b int) bool { return a < b }, func(a, b int) bool { return a > b }
	for _, c := range all {
		if !c.holds(s.Class) {
			continue
		}
		if need := policy.Method(c.MFA); need != "" && !out.MFA.Value.Meets(need) {
			out.MFA = policy.Demand[policy.Method]{Value: need, By: c.name}
		}
		for _, t := range c.NotFor.Types {
			out.NotTypes = append(out.NotTypes, policy.Demand[string]{Value: identity.CleanText(t), By: c.name})
		}
		for _, t := range c.NotFor.Sources {
			out.NotSources = append(out.NotSources, policy.Demand[string]{Value: t, By: c.name})
		}
		if c.WithholdFromProtected && !out.WithholdProtected.Value {
			out.WithholdProtected = policy.Demand[bool]{Value: true, By: c.name}
		}
		if c.Screening && !out.Screening.Value {
			out.Screening = policy.Demand[bool]{Value: true, By: c.name}
		}
		if where := outside(s); where != "" && c.OutsideEU == "refuse" && out.OutsideEU.Value == "" {
			out.OutsideEU = policy.Demand[string]{Value: where, By: c.name}
		}
		if where := outside(s); where != "" && c.OutsideEU == "flag" && out.Flagged.Value == "" {
			out.Flagged = policy.Demand[string]{Value: where, By: c.name}
		}
		if c.ReviewAll && !out.ReviewAll.Value {
			out.ReviewAll = policy.Demand[bool]{Value: true, By: c.name}
		}
		strictest(&out.ReviewDays, c.ReviewDays, c.name, shorter)
		strictest(&out.Reviewers, c.Reviewers, c.name, more)
		strictest(&out.RequestDays, c.RequestDays, c.name, shorter)
		strictest(&out.EmergencyDays, c.EmergencyDays, c.name, shorter)
		strictest(&out.AccountDays, c.AccountDays, c.name, shorter)
		strictest(&out.UnusedDays, c.UnusedDays, c.name, shorter)
		for _, a := range c.Approvers {
			if !slices.Contains(out.Approvers.Value, policy.Approver(a)) {
				out.Approvers.Value, out.Approvers.By = append(out.Approvers.Value, policy.Approver(a)), cmp.Or(out.Approvers.By, c.name)
			}
		}
	}
	slices.SortFunc(out.Approvers.Value, func(a, b policy.Approver) int {
		return cmp.Compare(slices.Index(policy.Approvers, a), slices.Index(policy.Approvers, b))
	})
	return out
}

// InEU reports whether a country, as two letters (ISO 3166-1), is in the EU or the EEA.
func InEU(country string) bool { return slices.Contains(eu, country) }

// outside returns the first country outside the EU and the EEA in which a system's data lies
// or a supplier is; empty when none is.
func outside(s policy.System) string {
	for _, country := range s.DataIn {
		if !InEU(country) {
			return country
		}
	}
	return outsideOf(s.Suppliers)
}

func outsideOf(all []policy.Supplier) string {
	for _, s := range all {
		if s.Country != "" && !InEU(s.Country) {
			return s.Country
		}
		if where := outsideOf(s.SubSuppliers); where != "" {
			return where
		}
	}
	return ""
}
