package access

import (
	"time"

	"github.com/behov/behov/internal/reason"
)

// Framework is a standard or law that demands control of access.
type Framework string

// The frameworks.
const (
	// ISO27002 is ISO/IEC 27002:2022, by the numbers of its controls.
	ISO27002 Framework = "iso-27002"
	// NIS2 is Directive (EU) 2022/2555, in Sweden the Cybersäkerhetslag (2025:1506), by the
	// article and point.
	NIS2 Framework = "nis2"
	// KLASSA is the method by which Swedish municipalities classify information (SKR).
	KLASSA Framework = "klassa"
)

// Frameworks are all of them, in the order of the list.
var Frameworks = []Framework{ISO27002, NIS2, KLASSA}

// Standing is how far a demand is met, as far as behov can show.
type Standing string

// The standings.
const (
	Met       Standing = "met"
	PartlyMet Standing = "partly-met"
	NotMet    Standing = "not-met"
)

// Requirement is a demand of a framework with what the data show about it.
type Requirement struct {
	Framework Framework `json:"framework"`
	Ref       string    `json:"ref"` // as the framework numbers it
	Title     string    `json:"title"`
	Standing  Standing  `json:"standing"`
	Facts     []Fact    `json:"facts"`
}

// Fact is one thing that the data show.
type Fact struct {
	Standing Standing `json:"standing"`
	Because  Reason   `json:"because"`
	// Path is where the pages show it, below the address of behov; empty for none.
	Path string `json:"path,omitempty"`
}

// fact is what is shown about several demands.
type fact string

const (
	ownedFact      fact = "owned"
	classifiedFact fact = "classified"
	revisedFact    fact = "revised"
	reviewedFact   fact = "reviewed"
	explainedFact  fact = "explained"
	controlledFact fact = "controlled"
	enrolledFact   fact = "enrolled"
	conflictsFact  fact = "conflicts"
	accountsFact   fact = "accounts"
	leaversFact    fact = "leavers"
	targetsFact    fact = "targets"
	servicesFact   fact = "services"
	suppliersFact  fact = "suppliers"
	outsideFact    fact = "outside"
	trailFact      fact = "trail"
	signInFact     fact = "sign-in"
	testedFact     fact = "tested"
)

// demands are the demands, and the facts that show how far each is met. What they say in a few
// words is in package wording.
var demands = []struct {
	of    Framework
	ref   string
	facts []fact
}{
	{ISO27002, "5.3", []fact{conflictsFact}},
	{ISO27002, "5.9", []fact{ownedFact, revisedFact}},
	{ISO27002, "5.12", []fact{classifiedFact}},
	{ISO27002, "5.15", []fact{explainedFact, testedFact, revisedFact}},
	{ISO27002, "5.16", []fact{targetsFact, leaversFact, accountsFact}},
	{ISO27002, "5.17", []fact{enrolledFact}},
	{ISO27002, "5.18", []fact{reviewedFact, explainedFact, leaversFact}},
	{ISO27002, "5.19", []fact{suppliersFact}},
	{ISO27002, "5.23", []fact{suppliersFact, outsideFact}},
	{ISO27002, "5.33", []fact{trailFact}},
	{ISO27002, "6.1", []fact{controlledFact}},
	{ISO27002, "6.5", []fact{leaversFact}},
	{ISO27002, "8.2", []fact{accountsFact, servicesFact}},
	{ISO27002, "8.3", []fact{controlledFact}},
	{ISO27002, "8.5", []fact{enrolledFact, signInFact}},
	{ISO27002, "8.15", []fact{trailFact}},
	{NIS2, "20", []fact{ownedFact, revisedFact}},
	{NIS2, "21.2 d", []fact{suppliersFact, outsideFact}},
	{NIS2, "21.2 f", []fact{reviewedFact, revisedFact, testedFact}},
	{NIS2, "21.2 i", []fact{ownedFact, explainedFact, leaversFact, accountsFact}},
	{NIS2, "21.2 j", []fact{enrolledFact, signInFact}},
	{KLASSA, "K R T", []fact{classifiedFact}},
	{KLASSA, "KRAV", []fact{controlledFact, reviewedFact, enrolledFact}},
	{KLASSA, "ÄGARE", []fact{ownedFact, revisedFact}},
}

// freshFor is how long ago a target may have been read.
const freshFor = 24 * time.Hour

// Compliance returns what frameworks demand of the control of access, and how far the data show
// it to be met: for a viewer who sees everyone. counted is the last count of the organisation.
// What behov cannot know, as training or locks on doors, is not in it.
func (v *View) Compliance(counted *Organisation) ([]Requirement, error) {
	facts, err := v.facts(counted)
	if err != nil {
		return nil, err
	}
	all := make([]Requirement, 0, len(demands))
	for _, d := range demands {
		r := Requirement{Framework: d.of, Ref: d.ref, Title: v.words.Term("requirement." + string(d.of) + "." + key(d.ref)), Facts: []Fact{}}
		met := 0
		for _, name := range d.facts {
			f := facts[name]
			r.Facts = append(r.Facts, f)
			if f.Standing == Met {
				met++
			}
		}
		switch {
		case met == len(d.facts):
			r.Standing = Met
		case met == 0 && !anyPartly(r.Facts):
			r.Standing = NotMet
		default:
			r.Standing = PartlyMet
		}
		all = append(all, r)
	}
	return all, nil
}

func anyPartly(facts []Fact) bool {
	for _, f := range facts {
		if f.Standing == PartlyMet {
			return true
		}
	}
	return false
}

// key returns a reference as the words are filed under.
func key(ref string) string {
	out := make([]rune, 0, len(ref))
	for _, r := range ref {
		if r == ' ' || r == '.' {
			r = '-'
		}
		out = append(out, r)
	}
	return string(out)
}

// share is the standing of what should hold of all of something.
func share(count, of int) Standing {
	switch {
	case of == 0 || count == 0:
		return NotMet
	case count == of:
		return Met
	}
	return PartlyMet
}

// none is the standing of what there should be none of.
func none(count int) Standing {
	if count == 0 {
		return Met
	}
	return PartlyMet
}

// facts works out what the data show.
func (v *View) facts(counted *Organisation) (map[fact]Fact, error) {
	all := map[fact]Fact{}
	add := func(name fact, standing Standing, kind reason.Kind, path string) {
		all[name] = Fact{standing, v.Because(reason.Of(kind)), path}
	}
	if err := v.systemFacts(counted, add); err != nil {
		return nil, err
	}
	status, err := v.Status()
	if err != nil {
		return nil, err
	}
	read, answered, since := 0, 0, v.Now().Add(-freshFor)
	for _, t := range status.Targets {
		if t.Read != nil && t.Read.After(since) && t.Missed.IsZero() {
			read++
		}
	}
	for _, s := range status.Services {
		if s.Problem.IsZero() {
			answered++
		}
	}
	add(targetsFact, share(read, len(status.Targets)), reason.TargetsRead{Count: read, Of: len(status.Targets)}, "/administration")
	standing := share(answered, len(status.Services))
	if len(status.Services) == 0 {
		standing = Met // there is nothing to answer for
	}
	add(servicesFact, standing, reason.ServicesAnswered{Count: answered, Of: len(status.Services)}, "/administration/tokens")
	add(trailFact, share(int(status.Records), int(status.Records)), reason.TrailKept{Count: int(status.Records)}, "/ask")
	if v.Config.SignIn.Configured() {
		add(signInFact, Met, reason.SignInConfigured{}, "")
	} else {
		add(signInFact, NotMet, reason.SignInMissing{}, "")
	}
	accounts, err := v.NonHumanAccounts()
	if err != nil {
		return nil, err
	}
	owned, of := 0, 0
	for _, a := range accounts {
		if a.State == AccountRetired {
			continue
		}
		if of++; a.HandOverBy == "" {
			owned++
		}
	}
	standing = share(owned, of)
	if of == 0 {
		standing = PartlyMet // that there are none is seldom so: they are not in the register
	}
	add(accountsFact, standing, reason.AccountsOwned{Count: owned, Of: of}, "/non-human-accounts")
	tests, err := v.RulesTest()
	if err != nil {
		return nil, err
	}
	cases := tests.Passed + tests.Failed + len(tests.Problems)
	add(testedFact, share(tests.Passed, cases), reason.RulesTested{Count: tests.Passed, Of: cases}, "/administration/rules/test")
	return all, nil
}

// systemFacts works out what the data show of systems and of access to them.
func (v *View) systemFacts(counted *Organisation, add func(fact, Standing, reason.Kind, string)) error {
	systems, err := v.SystemStates(counted)
	if err != nil {
		return err
	}
	owned, classified, demanded, inTime, supplied, outside, against := 0, 0, 0, 0, 0, 0, 0
	for _, s := range systems {
		if len(s.Owners) > 0 {
			owned++
		}
		if s.Class != nil {
			classified++
		}
		if s.Controls.ReviewDays.Value > 0 {
			if demanded++; !hasFinding(s.Findings, reason.CodeOf(reason.ReviewDue{})) {
				inTime++
			}
		}
		if len(s.Suppliers) > 0 {
			supplied++
		}
		if hasFinding(s.Findings, reason.CodeOf(reason.DataOutsideEU{})) || hasFinding(s.Findings, reason.CodeOf(reason.DataOutsideFlagged{})) {
			outside++
		}
		if counted != nil {
			against += counted.Shortfalls[s.System.System].Count
		}
	}
	n := len(systems)
	add(ownedFact, share(owned, n), reason.SystemsOwned{Count: owned, Of: n}, "/systems")
	add(classifiedFact, share(classified, n), reason.SystemsClassified{Count: classified, Of: n}, "/systems")
	add(reviewedFact, share(inTime, demanded), reason.ReviewsInTime{Count: inTime, Of: demanded}, "/reviews")
	add(suppliersFact, share(supplied, n), reason.SuppliersKnown{Count: supplied, Of: n}, "/systems/suppliers")
	add(outsideFact, none(outside), reason.DataOutside{Count: outside}, "/systems/suppliers")
	add(controlledFact, none(against), reason.AccessWithinControls{Count: against}, "/systems")
	revisions, err := v.Revisions()
	if err != nil {
		return err
	}
	done := 0
	for _, r := range revisions {
		if !r.Late {
			done++
		}
	}
	add(revisedFact, share(done, len(revisions)), reason.RevisionsInTime{Count: done, Of: len(revisions)}, "/systems/revisions")
	v.countedFacts(counted, add)
	return nil
}

func hasFinding(all []Reason, code reason.Code) bool {
	for _, r := range all {
		if r.Code() == code {
			return true
		}
	}
	return false
}

// countedFacts are those that everyone's access was counted for.
func (v *View) countedFacts(counted *Organisation, add func(fact, Standing, reason.Kind, string)) {
	if counted == nil {
		counted = &Organisation{}
	}
	has, unexplained, without, both := 0, 0, 0, 0
	for _, u := range counted.Units {
		has, unexplained = has+u.Access, unexplained+u.Unexplained
		for _, s := range u.Systems {
			without += s.WithoutMFA
		}
	}
	for _, c := range counted.Conflicts {
		both += c.Count
	}
	add(explainedFact, share(has-unexplained, has), reason.AccessExplained{Count: has - unexplained, Of: has}, "/organisation")
	add(leaversFact, none(counted.LeaversOpen), reason.LeaversOpen{Count: counted.LeaversOpen}, "/people")
	if counted.WithoutMFA == nil {
		add(enrolledFact, NotMet, reason.EnrolmentUnknown{}, "")
	} else {
		add(enrolledFact, none(without), reason.HoldersWithoutMFA{Count: without}, "/organisation")
	}
	if len(v.Config.Rules.Catalogue.Conflicts) == 0 {
		add(conflictsFact, NotMet, reason.NoConflictsDefined{}, "/conflicts")
	} else {
		add(conflictsFact, none(both), reason.ConflictsHeld{Count: both}, "/conflicts")
	}
}
