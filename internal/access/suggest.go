package access

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// Suggestions are what rules could say that they do not, and rules and roles that seem not to
// be needed, as counted over everyone.
type Suggestions struct {
	At     time.Time `json:"at"` // when it was counted, UTC
	Rules  string    `json:"rules"`
	People int       `json:"people"` // who work here, those with protected identity included
	// Undecided is how many people's access the rules could not be worked out for.
	Undecided int `json:"undecided"`
	// Additions are rules that could be written, those first that save most questions in
	// reviews; people with protected identity are not counted in them.
	Additions []SuggestedRule `json:"additions"`
	// Unmatched are rules that apply to no person who works here now.
	Unmatched []RuleRef `json:"unmatched"`
	// Covered are rules of which every person gets the same by other rules.
	Covered []CoveredRule `json:"covered"`
	// SmallRoles are roles that hold one thing, or that rules give to one person or none.
	SmallRoles []policy.RoleUse `json:"small_roles"`
}

// SuggestedRule is access that many in the same job, the same unit, or both have without a
// rule, and the rule that would give it.
type SuggestedRule struct {
	Entitlement policy.EntitlementID `json:"entitlement"`
	// Unit and Job are what the people have in common; one of them may be empty. JobField
	// is the attribute in which the job is: job_code or job_title.
	Unit     string `json:"unit,omitempty"`
	UnitName string `json:"unit_name,omitempty"`
	Job      string `json:"job,omitempty"`
	JobField string `json:"job_field,omitempty"`
	// Have is how many of Of people have it and no rule gives it to them. People to whom
	// a rule gives it are in neither.
	Have int `json:"have"`
	Of   int `json:"of"`
	// Saves is how many questions a review of everyone would not ask any more.
	Saves int `json:"saves"`
	// Gain is how many people would be given it and do not have it, and Gaining the first
	// of them. A rule that gives takes nothing from anyone.
	Gain    int   `json:"gain"`
	Gaining []Ref `json:"gaining"`
	// Conflicting is how many of those who would gain it would come to have both sides of a
	// conflict: where the conflict is refused they do not get it, or lose the other side.
	Conflicting int    `json:"conflicting"`
	Why         Reason `json:"why"`
	// Line is the rule, ready to be put into the policy.
	Line string `json:"line"`
}

// RuleRef names a rule.
type RuleRef struct {
	Rule  string `json:"rule"`
	Place string `json:"place"` // file:line
	Why   string `json:"why"`
	Deny  bool   `json:"deny"`
	Gives string `json:"gives"` // an entitlement or a role
}

// CoveredRule is a rule of which every person gets the same by other rules.
type CoveredRule struct {
	RuleRef
	People int `json:"people"` // to whom it applies
	// By are rules each of which alone gives everyone what the rule gives; none when it
	// takes several.
	By []string `json:"by"`
}

// counted is what was counted for Suggestions. It names people by ID.
type counted struct {
	Suggestions
	common  []commonAccess
	gaining map[commonKey][]identity.PersonID // the first
	// conflicting is how many would come to have both sides of a conflict.
	conflicting map[commonKey]int
}

// When access is common: so many people have it, who are so large a share.
const (
	commonPeople  = 3
	commonPercent = 70
)

// The most suggestions, and people who would gain by one, that are listed.
const (
	suggestionsListed = 200
	gainersListed     = 20
)

// peers are the people who have a job, a unit, or both in common.
type peers struct{ unit, field, job string }

type commonKey struct {
	peers       peers
	entitlement policy.EntitlementID
}

// commonCount is how many peers have an entitlement without a rule, and to how many a rule
// gives it.
type commonCount struct{ have, given int }

type commonAccess struct {
	commonKey
	have, of int
}

// suggest counts over everyone: what people have, and what rules give them. It reads everyone
// once, and once more when there is something to suggest, to name who would gain; its memory
// grows with the pairs of jobs, units and entitlements. It is not for a request to wait for.
func (a *Answers) suggest(ctx context.Context) (*counted, error) {
	day := a.Today()
	usage := a.Config.Rules.NewUsage()
	out := &counted{Suggestions: Suggestions{At: a.Now().UTC(), Rules: a.Config.Rules.Digest}, gaining: map[commonKey][]identity.PersonID{}, conflicting: map[commonKey]int{}}
	people, counts := map[peers]int{}, map[commonKey]*commonCount{}
	count := func(k commonKey) *commonCount {
		if counts[k] == nil {
			counts[k] = &commonCount{}
		}
		return counts[k]
	}
	err := a.eachWithAccess(ctx, func(p identity.Person, has []policy.EntitlementID) {
		out.People++
		given, err := usage.Count(p, day)
		if err != nil {
			out.Undecided++
			return
		}
		if p.Protected {
			return
		}
		for _, g := range a.peersOf(p, day) {
			people[g]++
			for _, id := range given {
				count(commonKey{g, id}).given++
			}
			for _, id := range has {
				if _, ruled := slices.BinarySearch(given, id); !ruled {
					count(commonKey{g, id}).have++
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	out.common = common(people, counts)
	out.summarize(usage)
	if len(out.common) == 0 {
		return out, nil
	}
	return out, a.findGaining(ctx, out, day)
}

// eachWithAccess calls each for everyone who works here today, with the entitlements of the
// catalogue that they have, by ID of the person.
func (a *Answers) eachWithAccess(ctx context.Context, each func(p identity.Person, has []policy.EntitlementID)) error {
	next, stop := iter.Pull2(a.DB.OpenAccess(ctx))
	defer stop()
	open, err, more := next()
	var has []policy.EntitlementID
	for p, readErr := range a.DB.People(ctx) {
		if readErr != nil {
			return readErr
		}
		has = has[:0]
		for ; more && err == nil && open.Person <= p.ID; open, err, more = next() {
			id := policy.EntitlementID(open.Entitlement)
			if _, known := a.Config.Rules.Catalogue.Entitlement(id); open.Person == p.ID && open.Entitlement != audit.Account && known && !slices.Contains(has, id) {
				has = append(has, id)
			}
		}
		if err != nil {
			return err
		}
		if p.MergedInto == "" && p.IsActive(a.Today()) {
			each(p, has)
		}
	}
	return nil
}

// peersOf returns what a person has in common with others: each job, each unit, and both.
func (a *Answers) peersOf(p identity.Person, day identity.Date) []peers {
	tree := a.Config.Rules.Units.On(day)
	var all []peers
	add := func(g peers) {
		if g != (peers{}) && !slices.Contains(all, g) {
			all = append(all, g)
		}
	}
	for _, e := range p.Active(day) {
		t := e.On(day)
		unit, field, job := tree.Current(t.Unit), "job_code", t.JobCode
		if job == "" {
			field, job = "job_title", t.JobTitle
		}
		if job == "" {
			field = ""
		}
		add(peers{unit, field, job})
		add(peers{"", field, job})
		add(peers{unit, "", ""})
	}
	return all
}

// common returns what is common, the most people first. What is common to a job wherever it
// is, or to a whole unit, is not told of each unit and each job.
func common(people map[peers]int, counts map[commonKey]*commonCount) []commonAccess {
	is := func(k commonKey) (commonAccess, bool) {
		n := counts[k]
		if n == nil {
			return commonAccess{}, false
		}
		c := commonAccess{k, n.have, people[k.peers] - n.given}
		return c, c.have >= commonPeople && c.have*100 >= c.of*commonPercent
	}
	var all []commonAccess
	for k := range counts {
		c, found := is(k)
		if !found {
			continue
		}
		if k.peers.unit != "" && k.peers.job != "" {
			_, byJob := is(commonKey{peers{"", k.peers.field, k.peers.job}, k.entitlement})
			_, byUnit := is(commonKey{peers{k.peers.unit, "", ""}, k.entitlement})
			if byJob || byUnit {
				continue
			}
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(x, y commonAccess) int {
		return cmp.Or(cmp.Compare(y.have, x.have), cmp.Compare(x.entitlement, y.entitlement), cmp.Compare(x.peers.unit, y.peers.unit), cmp.Compare(x.peers.job, y.peers.job))
	})
	return all[:min(len(all), suggestionsListed)]
}

// findGaining finds the first of those who would gain by each suggestion, and counts whom it
// would bring into a conflict.
func (a *Answers) findGaining(ctx context.Context, out *counted, day identity.Date) error {
	of := map[peers][]policy.EntitlementID{}
	for _, c := range out.common {
		if c.have < c.of {
			of[c.peers] = append(of[c.peers], c.entitlement)
		}
	}
	catalogue := &a.Config.Rules.Catalogue
	opposed := map[policy.EntitlementID]bool{}
	for _, c := range out.common {
		opposed[c.entitlement] = catalogue.Opposed(c.entitlement)
	}
	usage := a.Config.Rules.NewUsage()
	return a.eachWithAccess(ctx, func(p identity.Person, has []policy.EntitlementID) {
		if p.Protected {
			return
		}
		var given []policy.EntitlementID
		for _, g := range a.peersOf(p, day) {
			for _, id := range of[g] {
				k := commonKey{g, id}
				if len(out.gaining[k]) >= gainersListed && !opposed[id] || slices.Contains(has, id) {
					continue
				}
				if given == nil {
					var err error
					if given, err = usage.Count(p, day); err != nil {
						return
					}
				}
				if _, ruled := slices.BinarySearch(given, id); ruled {
					continue
				}
				if len(out.gaining[k]) < gainersListed {
					out.gaining[k] = append(out.gaining[k], p.ID)
				}
				if opposed[id] && conflicts(catalogue, id, has, given) {
					out.conflicting[k]++
				}
			}
		}
	})
}

// conflicts reports whether who has and is given so much would come to have both sides of a
// conflict by one entitlement more.
func conflicts(c *policy.Catalogue, id policy.EntitlementID, has, given []policy.EntitlementID) bool {
	had := func(x policy.EntitlementID) bool { return slices.Contains(has, x) || slices.Contains(given, x) }
	before := c.Held(had)
	for name := range c.Held(func(x policy.EntitlementID) bool { return x == id || had(x) }) {
		if before[name] == nil {
			return true
		}
	}
	return false
}

// summarize adds what is not needed.
func (out *counted) summarize(usage *policy.Usage) {
	ref := func(r policy.Rule) RuleRef {
		return RuleRef{Rule: r.ID, Place: r.Place(), Why: r.Why, Deny: r.Deny, Gives: r.Grants}
	}
	out.Unmatched = each(usage.Unmatched(), ref)
	out.Covered = each(usage.Covered(), func(c policy.CoveredRule) CoveredRule {
		return CoveredRule{RuleRef: ref(c.Rule), People: c.People, By: append([]string{}, c.By...)}
	})
	out.SmallRoles = append([]policy.RoleUse{}, usage.SmallRoles()...)
}

// Suggest counts suggestions and returns them, for a viewer who sees everyone; none for
// another.
func (v *View) Suggest() (*Suggestions, error) {
	if !v.everyone {
		return nil, nil
	}
	c, err := v.suggest(v.ctx)
	if err != nil {
		return nil, err
	}
	return v.suggestions(c)
}

// Suggestions returns the suggestions that were counted last, for a viewer who sees everyone;
// nil for another, and while they are counted for the first time.
func (v *View) Suggestions(s *SuggestionCounts) (*Suggestions, error) {
	if !v.everyone {
		return nil, nil
	}
	c, err := s.get(v.ctx, v.Now, v.suggest)
	if err != nil || c == nil {
		return nil, err
	}
	return v.suggestions(c)
}

func (v *View) suggestions(c *counted) (*Suggestions, error) {
	out := c.Suggestions
	ids := map[identity.PersonID]bool{}
	for _, gaining := range c.gaining {
		for _, id := range gaining {
			ids[id] = true
		}
	}
	if err := v.Load(slices.Collect(maps.Keys(ids))); err != nil {
		return nil, err
	}
	out.Additions = make([]SuggestedRule, 0, len(c.common))
	for _, x := range c.common {
		s := SuggestedRule{Entitlement: x.entitlement, Unit: x.peers.unit, UnitName: v.Config.Rules.Units.Name(x.peers.unit), Job: x.peers.job, JobField: x.peers.field,
			Have: x.have, Of: x.of, Saves: x.have, Gain: x.of - x.have, Gaining: []Ref{}, Conflicting: c.conflicting[x.commonKey],
			Why: v.Because(reason.Of(reason.CommonAccess{Have: x.have, Of: x.of, Job: x.peers.job, Unit: x.peers.unit}))}
		for _, id := range c.gaining[x.commonKey] {
			if !v.Masked(id) { // who became protected since
				s.Gaining = append(s.Gaining, v.Ref(id))
			}
		}
		var values []policy.Match
		if s.Unit != "" {
			values = append(values, policy.Match{Attribute: "unit", Value: s.Unit})
		}
		if s.Job != "" {
			values = append(values, policy.Match{Attribute: s.JobField, Value: s.Job})
		}
		line, ok := v.Config.Rules.NewLine(s.Entitlement, s.Why.Text, values...)
		if !ok {
			continue // no rule can name it
		}
		s.Line = line
		out.Additions = append(out.Additions, s)
	}
	return &out, nil
}

// SuggestionCounts keeps the suggestions that were counted last, as Counts.
type SuggestionCounts struct{ kept[counted] }
