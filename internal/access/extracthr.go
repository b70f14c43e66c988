package access

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
)

// employments are those of now, and the managers and sponsors whom they, and events, name.
func (x *extraction) employments() error {
	var keys []identity.SourceKey
	for _, p := range x.people {
		for _, e := range p.Employments {
			keys = append(keys, x.named(e.Key.Source, e.EmploymentFacts)...)
		}
	}
	if err := x.know(keys); err != nil {
		return err
	}
	for _, p := range x.people {
		for _, e := range p.Employments {
			shown := x.employmentOf(e.ID, e.Key, e.EmploymentFacts)
			shown.Withdrawn, shown.Report = e.Withdrawn, reportOf(e.Report)
			x.out.Employments = append(x.out.Employments, shown)
		}
	}
	return nil
}

// named returns whom an employment names as manager or sponsor, by what the source calls them.
func (x *extraction) named(source string, f identity.EmploymentFacts) (keys []identity.SourceKey) {
	for _, t := range f.Terms {
		if key := t.Manager(source); key.Key != "" {
			keys = append(keys, key)
		}
	}
	if f.SponsorKey != "" {
		keys = append(keys, x.sponsor(source, f))
	}
	return keys
}

func (x *extraction) sponsor(source string, f identity.EmploymentFacts) identity.SourceKey {
	return identity.SourceKey{Source: x.Config.Sources[source].Contracts.In, Key: f.SponsorKey}
}

// know reads who is called so.
func (x *extraction) know(keys []identity.SourceKey) (err error) {
	known, err := x.DB.PeopleByKeys(x.ctx, keys)
	if x.others == nil {
		x.others = map[identity.SourceKey]identity.Person{}
	}
	maps.Copy(x.others, known)
	return err
}

func reportOf(r *identity.Report) *ExtractReport {
	if r == nil {
		return nil
	}
	return &ExtractReport{r.Last, r.On, r.Decision}
}

func (x *extraction) employmentOf(id identity.EmploymentID, key identity.SourceKey, f identity.EmploymentFacts) ExtractEmployment {
	e := ExtractEmployment{ID: id, Source: key.Source, Start: f.Start, End: f.End, Stated: f.StatedEnd, Terms: []ExtractTerms{}, Leaves: []SpellOfLeave{}}
	if x.sees == full || shows(x.sees, key) {
		e.Key = key.Key
	}
	if f.SponsorKey != "" && x.sees == full {
		e.Sponsor = x.others[x.sponsor(key.Source, f)].ID
	}
	for _, l := range f.Leaves {
		e.Leaves = append(e.Leaves, SpellOfLeave{l.Start, l.End})
	}
	for _, t := range f.Terms {
		shown := ExtractTerms{Terms: Terms{From: t.From, JobTitle: t.JobTitle, Percent: t.Percent}, JobCode: t.JobCode, Type: t.Type, Main: t.Main}
		if x.sees == full { // the unit shows where a person can be found
			shown.Unit, shown.UnitName, shown.Attributes = t.Unit, x.Config.Rules.Units.Name(t.Unit), t.Attributes
			if manager := t.Manager(key.Source); manager.Key != "" {
				shown.Manager = x.others[manager].ID
			}
		}
		e.Terms = append(e.Terms, shown)
	}
	return e
}

// events are what HR sources said, and what was pushed.
func (x *extraction) events() error {
	var all []identity.Event
	var keys []identity.SourceKey
	for _, id := range x.ids {
		some, err := x.DB.EventsOf(x.ctx, id, mostExtracted)
		if err != nil {
			return err
		}
		x.cut("hr_events", len(some))
		all = append(all, some...)
	}
	for _, e := range all {
		if e.EmploymentFacts != nil {
			keys = append(keys, x.named(e.Source, *e.EmploymentFacts)...)
		}
	}
	if err := x.know(keys); err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b identity.Event) int { return int(b.Seq - a.Seq) })
	for _, e := range all {
		x.out.Events = append(x.out.Events, x.event(e))
	}
	return x.pushed()
}

func (x *extraction) event(e identity.Event) ExtractEvent {
	shown := ExtractEvent{Seq: e.Seq, Source: e.Source, Kind: e.Kind, Effective: e.Effective, Recorded: e.Recorded}
	if shown.Withheld = x.sees != full || !x.ours(e); shown.Withheld {
		return shown
	}
	shown.Login = e.Login
	key := identity.SourceKey{Source: e.Source, Key: e.Key}
	if e.PersonFacts != nil {
		r := x.record(key, e.PersonFacts)
		r.Stamp = e.Stamp
		shown.Record = &r
	}
	if e.Employment != "" {
		f := identity.EmploymentFacts{}
		if e.EmploymentFacts != nil {
			f = *e.EmploymentFacts
		}
		of := x.employmentOf(e.Employment, key, f)
		of.Report = reportOf(e.Report)
		shown.Employment = &of
	}
	return shown
}

// ours reports whether an event is about a record that is the person's still: one that was
// joined by mistake, and split again, is another person's.
func (x *extraction) ours(e identity.Event) bool {
	key := identity.SourceKey{Source: e.Source, Key: e.Key}
	switch {
	case e.Employment != "" && e.PersonKey == "":
		return slices.ContainsFunc(x.people, func(p identity.Person) bool {
			return slices.ContainsFunc(p.Employments, func(of identity.Employment) bool { return of.ID == e.Employment })
		})
	case e.Employment != "":
		key.Key = e.PersonKey
	}
	return slices.Contains(x.keys, key)
}

func (x *extraction) pushed() error {
	for _, id := range x.ids {
		all, err := x.DB.ResourcesOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, r := range all {
			p := ExtractPushed{Source: r.Source, ID: r.ID, Made: r.Made, Changed: r.Changed}
			if x.sees == full {
				p.Body = x.without(r.Body)
			}
			x.out.Pushed = append(x.out.Pushed, p)
		}
	}
	return nil
}

// without returns JSON without what names other people: values that are called a manager, and
// attributes that are a reference to one by the configuration; and without passwords.
func (x *extraction) without(text []byte) json.RawMessage {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	names := []string{"password"}
	for _, t := range x.Config.Targets {
		for name, a := range t.Attributes {
			if a.Manager {
				names = append(names, strings.ToLower(name))
			}
		}
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, part := range v {
				walk(part)
			}
		case map[string]any:
			for name, part := range v {
				if low := strings.ToLower(name); strings.Contains(low, "manager") || slices.Contains(names, low) {
					delete(v, name)
					continue
				}
				walk(part)
			}
		}
	}
	walk(v)
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
