// Package model is a second opinion for tests: what everybody should have on
// each day, worked out from the same facts in the most simple-minded way, day
// by day and employment by employment.
//
// It must never import anything of the house, nor be made faster or cleverer:
// it is right because every reader can see that it is.
package model

// Never is a day that does not come.
const Never = 1 << 30

// Fact is something that HR said of an employment. Days are numbers.
type Fact struct {
	Learnt int // the day on which it arrived
	Order  int // of what HR said: of two facts about the same the later one holds
	Person string
	Job    string // the employment
	Start  int
	End    int // the last day, or Never; before Start, the employment never takes place
	// Away is the first and the last day of a leave; Never, Never is none.
	AwayFrom, AwayUntil int
	// From is the day from which unit, code and percent hold.
	From    int
	Unit    string
	Code    string
	Percent int
	// Gone: HR takes the employment back, from the day From.
	Gone bool
}

// Rule gives an entitlement to every employment for which it holds.
type Rule struct {
	Gives    string
	Holds    func(unit, code string, percent int) bool
	Handover int    // days
	Leave    string // "keep", "end", or empty for the town's way
}

// Town is a municipality: its rules, and how it treats leave.
type Town struct {
	Rules []Rule
	// Leave is "keep", "suspend" or "reduce".
	Leave string
	// Target says in which system an entitlement is.
	Target map[string]string
	// KeepDays is for how long after the last day memberships stay; Prepare how
	// long before the first day accounts are made.
	KeepDays, Prepare int
}

// job is an employment as believed.
type job struct {
	name       string
	start, end int
	away       [2]int
	gone       int
	terms      []Fact
}

// believe makes employments of the facts about one person that have arrived.
func believe(facts []Fact, today int) []job {
	var jobs []job
	names := map[string]bool{}
	for _, f := range facts {
		if f.Learnt <= today && !names[f.Job] {
			names[f.Job] = true
			jobs = append(jobs, believeJob(f.Job, facts, today))
		}
	}
	return jobs
}

func believeJob(name string, facts []Fact, today int) job {
	j := job{name: name, gone: Never}
	newest := -1
	for _, f := range facts {
		if f.Job != name || f.Learnt > today || f.Order < newest {
			continue
		}
		newest = f.Order
		j.start, j.end, j.away, j.gone = f.Start, f.End, [2]int{f.AwayFrom, f.AwayUntil}, Never
		if f.Gone {
			j.gone = f.From
		}
	}
	for _, f := range facts {
		if f.Job != name || f.Learnt > today || f.Gone {
			continue
		}
		replaced := false
		for i, t := range j.terms {
			if t.From != f.From {
				continue
			}
			replaced = true
			if f.Order >= t.Order {
				j.terms[i] = f
			}
		}
		if !replaced {
			j.terms = append(j.terms, f)
		}
	}
	return j
}

func (j job) runs(day int) bool { return j.start <= day && day <= j.end && day < j.gone }

func (j job) isAway(day int) bool { return j.away[0] <= day && day <= j.away[1] }

// on returns what the employment is like on a day: the latest terms that had
// begun, or the earliest there are.
func (j job) on(day int) Fact {
	var best, earliest *Fact
	for i := range j.terms {
		t := &j.terms[i]
		if t.From <= day && (best == nil || t.From > best.From) {
			best = t
		}
		if earliest == nil || t.From < earliest.From {
			earliest = t
		}
	}
	switch {
	case best != nil:
		return *best
	case earliest != nil:
		return *earliest
	}
	return Fact{} // nothing is known but that it is gone
}

// gives says whether the rule gives its entitlement to the job on the day.
func (t Town) gives(r Rule, j job, all []job, day int) bool {
	if !j.runs(day) {
		return false
	}
	terms := j.on(day)
	if !r.Holds(terms.Unit, terms.Code, terms.Percent) {
		return false
	}
	if !j.isAway(day) || r.Leave == "keep" {
		return true
	}
	if r.Leave == "end" || t.Leave == "reduce" {
		return false
	}
	if t.Leave == "suspend" {
		for _, other := range all {
			if other.name != j.name && other.runs(day) && !other.isAway(day) {
				return false
			}
		}
	}
	return true
}

// Needs returns what a person's employments give on a day, as believed today.
func (t Town) Needs(facts []Fact, today, day int) map[string]bool {
	jobs := believe(facts, today)
	needs := map[string]bool{}
	for _, r := range t.Rules {
		for _, j := range jobs {
			if t.gives(r, j, jobs, day) {
				needs[r.Gives] = true
			}
		}
	}
	return needs
}

// State is what a person has.
type State struct {
	Has     map[string]bool // entitlements
	Account map[string]bool // targets with an account
	Enabled map[string]bool // targets with a usable account
}

// Next returns what a person has at the end of a day, from what they had
// before it.
func (t Town) Next(before State, facts []Fact, day int) State {
	jobs := believe(facts, day)
	works, here := false, false
	last := -Never
	for _, j := range jobs {
		if j.runs(day) {
			works = true
			here = here || !j.isAway(day)
		}
		for d := day - 100; d < day; d++ {
			if j.runs(d) {
				last = max(last, d)
			}
		}
	}
	now := State{Has: map[string]bool{}, Account: map[string]bool{}, Enabled: map[string]bool{}}
	for target := range before.Account {
		now.Account[target] = true
	}
	if !works {
		if day <= last+t.KeepDays {
			now.Has = before.Has
		}
		for d := day + 1; d <= day+t.Prepare; d++ {
			if t.worksOn(jobs, d) { // the first day on which they do
				for e := range t.Needs(facts, day, d) {
					now.Account[t.Target[e]] = true
				}
				break
			}
		}
		return now
	}
	needs := t.Needs(facts, day, day)
	present := t.Leave != "suspend" || here
	for e := range needs {
		// No one gets an account while they may not use it.
		if present || now.Account[t.Target[e]] {
			now.Account[t.Target[e]], now.Has[e] = true, true
		}
	}
	for _, r := range t.Rules {
		if needs[r.Gives] || !before.Has[r.Gives] {
			continue
		}
		for _, j := range jobs {
			if j.runs(day) && j.isAway(day) {
				continue // a person on leave hands nothing over
			}
			for d := day - r.Handover; d < day; d++ {
				if t.gives(r, j, jobs, d) {
					now.Has[r.Gives] = true
				}
			}
		}
	}
	for e := range now.Has {
		if present {
			now.Enabled[t.Target[e]] = true
		}
	}
	return now
}

func (t Town) worksOn(jobs []job, day int) bool {
	for _, j := range jobs {
		if j.runs(day) {
			return true
		}
	}
	return false
}
