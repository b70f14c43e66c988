package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/model"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

const modelCatalogue = `systems:
  base:
    target: one
    entitlements: {staff: {}, school: {}, secret: {}}
  lib:
    target: two
    entitlements: {library: {}, keys: {}}
`

const modelRules = `p, everyone, true, base:staff, allow, everybody
p, school, "r.sub.unit == 'school'", base:school, allow, school, handover=3
p, secret, "r.sub.job_code == 'S' && r.sub.percent >= 50", base:secret, allow, secret
p, library, "under(r.sub.unit, 'culture')", lib:library, allow, culture reads, leave=end
p, keys, "r.sub.unit == 'library'", lib:keys, allow, keys, handover=2 leave=keep
`

const modelUnits = "unit,parent,name\nschool,,\nculture,,\nlibrary,culture,\nmuseum,culture,\n"

// theTown is the same once more, for the model.
func theTown(leave string, keep, prepare int) model.Town {
	culture := func(unit string) bool { return unit == "culture" || unit == "library" || unit == "museum" }
	return model.Town{Leave: leave, KeepDays: keep, Prepare: prepare,
		Target: map[string]string{"base:staff": "one", "base:school": "one", "base:secret": "one", "lib:library": "two", "lib:keys": "two"},
		Rules: []model.Rule{
			{Gives: "base:staff", Holds: func(string, string, int) bool { return true }},
			{Gives: "base:school", Handover: 3, Holds: func(unit, _ string, _ int) bool { return unit == "school" }},
			{Gives: "base:secret", Holds: func(_, code string, percent int) bool { return code == "S" && percent >= 50 }},
			{Gives: "lib:library", Leave: "end", Holds: func(unit, _ string, _ int) bool { return culture(unit) }},
			{Gives: "lib:keys", Leave: "keep", Handover: 2, Holds: func(unit, _ string, _ int) bool { return unit == "library" }},
		}}
}

const modelDays = 16

var firstDay = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// date writes a day of the model as HR does.
func date(day int) string {
	if day == model.Never {
		return ""
	}
	return firstDay.AddDate(0, 0, day).Format(time.DateOnly)
}

// genFacts draws what HR says of three people, in no order: hires, moves,
// leaves, endings, corrections of all of them, and employments taken back.
func genFacts() *rapid.Generator[[]model.Fact] {
	return rapid.Custom(func(t *rapid.T) []model.Fact {
		n := rapid.IntRange(1, 14).Draw(t, "facts")
		order := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1)).Perm(n)
		facts := make([]model.Fact, n)
		for i := range facts {
			person := fmt.Sprint(rapid.IntRange(1, 3).Draw(t, "person"))
			f := model.Fact{Order: order[i] + 1, Person: person, Job: person + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "job"), AwayFrom: model.Never, AwayUntil: model.Never,
				Learnt: rapid.IntRange(0, modelDays-1).Draw(t, "learnt"), Start: rapid.IntRange(-5, modelDays).Draw(t, "start"), End: model.Never,
				Unit: rapid.SampledFrom([]string{"school", "library", "museum"}).Draw(t, "unit"), Code: rapid.SampledFrom([]string{"S", "T"}).Draw(t, "code"),
				Percent: rapid.SampledFrom([]int{25, 50, 100}).Draw(t, "percent"), From: rapid.SampledFrom([]int{-5, 2, 6, 11}).Draw(t, "from")}
			if rapid.Bool().Draw(t, "ends") {
				f.End = f.Start + rapid.IntRange(-1, modelDays).Draw(t, "length")
			}
			if rapid.IntRange(0, 2).Draw(t, "leave") == 0 {
				f.AwayFrom = rapid.IntRange(0, modelDays).Draw(t, "away")
				if rapid.Bool().Draw(t, "returns") {
					f.AwayUntil = f.AwayFrom + rapid.IntRange(0, 5).Draw(t, "days away")
				}
			}
			f.Gone = rapid.IntRange(0, 6).Draw(t, "gone") == 0
			facts[i] = f
		}
		return facts
	})
}

// line writes a fact as a row of changes.
func line(f model.Fact) string {
	return fmt.Sprintf("%s,%s,Given%s,Family%s,%s,%s,%d,%s,%s,%s,%s,%s,%d,%t\n", f.Person, f.Job, f.Person, f.Person, f.Unit, f.Code, f.Percent,
		date(f.Start), date(f.End), date(f.AwayFrom), date(f.AwayUntil), date(f.From), f.Order, f.Gone)
}

const changesHeader = "person_id,employment_id,given_name,family_name,unit,job_code,employment_percent,start_date,end_date,leave_start,leave_end,valid_from,changed_at,removed\n"

// modelFixture is a fixture of which HR tells changes.
type modelFixture struct {
	*fixture
	fail func(format string, args ...any)
}

func newModelHouse(t *testing.T, fail func(string, ...any), town model.Town) *modelFixture {
	h := newFixtureOf(t, map[string]string{"catalogue.yaml": modelCatalogue, "policy.csv": modelRules, "units.csv": modelUnits,
		"behov.yaml": fmt.Sprintf(`lifecycle: {leave: %s, keep_memberships_days: %d, prepare_days: %d, delete_after_days: 0}
targets:
  one: {hold_above: {all: {number: 9999}}, memory: {groups: [staff, school, secret]}}
  two: {hold_above: {all: {number: 9999}}, memory: {groups: [library, keys]}}
`, town.Leave, town.KeepDays, town.Prepare)})
	s := h.e.Config.Sources["hr"]
	s.Changes = true
	h.e.Config.Sources["hr"] = s
	return &modelFixture{fixture: h, fail: fail}
}

// deliver imports facts in the order given, in batches.
func (h *modelFixture) deliver(facts []model.Fact, batches []int) {
	for _, n := range append(batches, len(facts)) {
		n = min(n, len(facts))
		if n == 0 {
			continue
		}
		text := changesHeader
		for _, f := range facts[:n] {
			text += line(f)
		}
		facts = facts[n:]
		im := hr.Importer{DB: h.e.DB, Config: h.e.Config, Now: h.e.Now, Actor: "behov"}
		report, err := im.Import(h.t.Context(), "hr.csv", []byte(text), h.e.Config.Sources["hr"])
		for err == nil && len(report.StartsHeld) > 0 { // the facts are meant
			for _, held := range report.StartsHeld {
				err = errors.Join(err, h.e.DB.Write(h.t.Context(), func(tx *store.Tx) error {
					_, err := tx.Decide(h.t.Context(), store.Decision{Kind: store.HoldDecision, Verdict: store.Release, Subject: store.HoldSubject(held.Digest), Maker: "person:x", Reason: "so it is"}, h.e.Now())
					return err
				}))
			}
			if err == nil {
				report, err = im.Import(h.t.Context(), "hr.csv", []byte(text), h.e.Config.Sources["hr"])
			}
		}
		if err != nil || len(report.Problems) > 0 || report.Held != nil {
			h.fail("import of\n%s: %+v, %v", text, report, err)
		}
	}
}

// few looks at everyone, one after another.
func (h *modelFixture) few() string {
	for p, err := range h.e.DB.People(h.t.Context()) {
		if err != nil {
			return err.Error()
		}
		done, err := h.e.ReconcilePeople(h.t.Context(), []identity.PersonID{p.ID}, nil)
		if err != nil {
			return err.Error()
		}
		for _, d := range done {
			if d.Err != nil || d.Result.Err() != nil || len(d.Result.Plan.Deferred) > 0 {
				return fmt.Sprintf("person %s in %s: %+v", p.ID, d.Target, d)
			}
		}
	}
	return ""
}

// state reads what a person has from the targets.
func (h *modelFixture) state(key string) (model.State, bool) {
	p, err := h.e.DB.FindPerson(h.t.Context(), key, "hr")
	if err != nil {
		return model.State{}, false
	}
	s := model.State{Has: map[string]bool{}, Account: map[string]bool{}, Enabled: map[string]bool{}}
	for name, target := range map[string]*memory.Connector{"one": h.one.Connector, "two": h.two.Connector} {
		o := plan.NewObserved()
		c, err := target.Snapshot(h.t.Context(), o)
		if err != nil {
			h.fail("%v", err)
		}
		o.Done(c)
		for _, a := range o.ByAnchor(string(p.ID)) {
			s.Account[name] = true
			if a.Enabled {
				s.Enabled[name] = true
			}
			for _, e := range h.e.Config.Rules.Catalogue.Entitlements {
				if e.Target == name && o.Member(a.ID, e.Native) {
					s.Has[string(e.ID)] = true
				}
			}
		}
	}
	return s, true
}

func show(s model.State) string {
	return fmt.Sprintf("has %v, accounts %v, usable %v", slices.Sorted(maps.Keys(s.Has)), slices.Sorted(maps.Keys(s.Account)), slices.Sorted(maps.Keys(s.Enabled)))
}

// days lets facts arrive day by day, in random order and batches, and returns
// the first thing in which the targets are not what the model says, if any.
func (h *modelFixture) days(facts []model.Fact, town model.Town, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 2))
	states := map[string]model.State{}
	for day := range modelDays {
		now := firstDay.AddDate(0, 0, day)
		h.e.Now = func() time.Time { return now }
		var arrived []model.Fact
		for _, f := range facts {
			if f.Learnt == day {
				arrived = append(arrived, f)
			}
		}
		rng.Shuffle(len(arrived), func(i, j int) { arrived[i], arrived[j] = arrived[j], arrived[i] })
		h.deliver(arrived, []int{rng.IntN(4), rng.IntN(4)})
		if rng.IntN(2) == 0 { // what looks at few people leaves nothing to do to what looks at all
			if wrong := h.few(); wrong != "" {
				return fmt.Sprintf("day %d: %s", day, wrong)
			}
		} else if r, err := h.e.Run(h.t.Context(), reconcile.Scope{}); err != nil || r.Err() != nil || len(r.Plan.Holds) > 0 {
			return fmt.Sprintf("day %d: %v, %v, holds %v", day, err, r.Err(), r.Plan.Holds)
		}
		if p, err := h.e.Plan(h.t.Context(), reconcile.Scope{}); err != nil || len(p.Steps) > 0 {
			return fmt.Sprintf("day %d: the second plan has %v, %v", day, opsOf(p.Steps), err)
		}
		for _, person := range []string{"1", "2", "3"} {
			var about []model.Fact
			for _, f := range facts {
				if f.Person == person {
					about = append(about, f)
				}
			}
			states[person] = town.Next(states[person], about, day)
			got, known := h.state(person)
			if want := states[person]; known && show(got) != show(want) {
				return fmt.Sprintf("day %d (%s), person %s:\n got %s\nwant %s", day, date(day), person, show(got), show(want))
			}
		}
	}
	return ""
}

func genTown() *rapid.Generator[model.Town] {
	return rapid.Custom(func(t *rapid.T) model.Town {
		return theTown(rapid.SampledFrom([]string{"keep", "suspend", "reduce"}).Draw(t, "leave"), rapid.IntRange(0, 3).Draw(t, "keep"), rapid.IntRange(0, 3).Draw(t, "prepare"))
	})
}

// TestTheTargetsAreWhatTheModelSays: whatever HR says, whenever it arrives and
// in whatever order, corrections and things taken back included, on every day
// the targets hold what the model says, and there is nothing left to do.
func TestTheTargetsAreWhatTheModelSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		town, facts := genTown().Draw(rt, "town"), genFacts().Draw(rt, "facts")
		h := newModelHouse(t, rt.Fatalf, town)
		if wrong := h.days(facts, town, rapid.Uint64().Draw(rt, "seed")); wrong != "" {
			var all strings.Builder
			for _, f := range facts {
				fmt.Fprintf(&all, "day %d: %s", f.Learnt, line(f))
			}
			rt.Fatalf("%s\n%s%s", wrong, changesHeader, all.String())
		}
	})
}

// TestTheModelNoticesMistakes: a model that is wrong in one thing disagrees.
// Were it otherwise, the agreement would prove nothing.
func TestTheModelNoticesMistakes(t *testing.T) {
	for name, spoil := range map[string]func(*model.Town){
		"a day of handover too many": func(town *model.Town) { town.Rules[1].Handover++ },
		"leave forgotten":            func(town *model.Town) { town.Leave = "keep" },
		"a rule's own word on leave": func(town *model.Town) { town.Rules[4].Leave = "" },
		"memberships kept a day":     func(town *model.Town) { town.KeepDays++ },
		"prepared a day early":       func(town *model.Town) { town.Prepare++ },
		"an entitlement forgotten":   func(town *model.Town) { town.Rules = town.Rules[:4] },
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range 150 {
				facts := genFacts().Example(seed)
				town := theTown("reduce", 1, 1)
				h := newModelHouse(t, t.Fatalf, town)
				spoil(&town)
				if h.days(facts, town, uint64(seed)) != "" {
					return
				}
			}
			t.Error("nobody noticed")
		})
	}
}

// TestTheOrderOfArrivalDoesNotMatter: the same facts, in any order and any
// batches, give the same people, and the same needs on every date.
func TestTheOrderOfArrivalDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		facts := genFacts().Draw(rt, "facts")
		town := theTown("keep", 0, 0)
		describe := func(shuffle uint64) string {
			h := newModelHouse(t, rt.Fatalf, town)
			h.e.Now = func() time.Time { return firstDay }
			rng := rand.New(rand.NewPCG(shuffle, 3))
			mixed := slices.Clone(facts)
			rng.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
			h.deliver(mixed, []int{rng.IntN(5), rng.IntN(5), rng.IntN(5)})
			var lines []string
			for p, err := range h.e.DB.People(t.Context()) {
				if err != nil {
					rt.Fatal(err)
				}
				for day := range modelDays + 3 {
					grants, err := h.e.Config.Rules.Decide(p, identity.Date(date(day)), policy.Facts{})
					if err != nil {
						rt.Fatal(err)
					}
					needs := map[string]bool{}
					for _, g := range grants {
						if g.Gate == policy.Open {
							needs[string(g.Entitlement)] = true
						}
					}
					lines = append(lines, fmt.Sprint(p.Keys[0].Key, " ", day, " ", slices.Sorted(maps.Keys(needs))))
				}
			}
			slices.Sort(lines)
			return strings.Join(lines, "\n")
		}
		if a, b := describe(rapid.Uint64().Draw(rt, "one order")), describe(rapid.Uint64().Draw(rt, "another")); a != b {
			rt.Fatalf("one order gives\n%s\nanother\n%s", a, b)
		}
	})
}
