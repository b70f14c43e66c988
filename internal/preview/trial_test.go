package preview_test

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/testenv/office"
)

const otherPolicy = `p, everyone, true, base:staff, allow, everybody
p, hideout, r.sub.unit == 'hideout', lib:library, allow, who works there lends books
`

const otherCatalogue = "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, target: one, entitlements: {library: {native: shelves, authoritative: true}}}\n"

func importer(o *office.Office) *hr.Importer {
	return &hr.Importer{DB: o.DB, Config: o.Config, Now: o.Clock, Actor: identity.System}
}

// grants are the changes of grants, a line each.
func grants(o *office.Office, s *reconcile.Simulation, t *testing.T) string {
	t.Helper()
	var lines []string
	for _, g := range s.Grants {
		name := "newcomer"
		if known, err := o.DB.PeopleByID(t.Context(), []identity.PersonID{g.Person}); err != nil {
			t.Fatal(err)
		} else if len(known) > 0 {
			name = known[0].FamilyName
		}
		lines = append(lines, name+" "+string(g.Entitlement)+" "+cmp.Or(string(g.Before), "none")+" "+cmp.Or(string(g.After), "none"))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestSimulateRules: what a change of the rules would do is what a run plans once the change
// is made, to the digest; and nothing is changed by asking.
func TestSimulateRules(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"rules":     {"policy.csv": otherPolicy},
		"catalogue": {"catalogue.yaml": otherCatalogue},
		"both":      {"policy.csv": otherPolicy, "catalogue.yaml": otherCatalogue},
		"units":     {"units.csv": "unit,parent,name\noffice,,The office\nhideout,office,The hideout\n"},
		"groups":    {"catalogue.yaml": strings.Replace(otherCatalogue, "authoritative: true", "group: {purpose: lend}", 1)},
		"retired":   {"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, entitlements: {library: {authoritative: true, group: {retire: empty}}, desk: {}}}\n"},
		"nothing":   {"policy.csv": "p, everyone, true, base:staff, allow, everybody\np, librarian, r.sub.job_code == 'LIB', lib:library, allow, lends books\n"},
	} {
		t.Run(name, func(t *testing.T) {
			o := office.New(t, map[string]string{"behov.yaml": "mfa: {}\n"})
			o.Apply()
			before, err := o.DB.Sequences(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			other := t.TempDir()
			for file, text := range files {
				if err := os.WriteFile(filepath.Join(other, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			instead, err := o.Config.RuleFiles.InsteadFrom(other)
			if err != nil {
				t.Fatal(err)
			}
			got, err := preview.Trial{Instead: instead}.Simulate(t.Context(), o.Engine, importer(o))
			if err != nil {
				t.Fatal(err)
			}
			if after, err := o.DB.Sequences(t.Context()); err != nil || after != before {
				t.Errorf("asking recorded something: %v, then %v (%v)", before, after, err)
			}
			if name == "rules" || name == "both" {
				if want := "Staff lib:library given none"; grants(o, got.Simulation, t) != want {
					t.Errorf("grants: %s", grants(o, got.Simulation, t))
				}
				for _, c := range got.Entitlements {
					if c.Entitlement == "lib:library" && c != (reconcile.EntitlementChange{Entitlement: c.Entitlement, Before: 2, After: 1, End: 1}) {
						t.Errorf("%+v", c)
					}
				}
			} else if name == "retired" {
				if want := "Hemligsson lib:library given none\nStaff lib:library given none"; grants(o, got.Simulation, t) != want {
					t.Errorf("grants: %s", grants(o, got.Simulation, t))
				}
			} else if len(got.Grants) > 0 {
				t.Errorf("grants: %s", grants(o, got.Simulation, t))
			}
			if name == "groups" && (len(got.Groups) != 1 || got.Groups[0].Native != "shelves") {
				t.Errorf("groups: %+v", got.Groups)
			}
			if name == "nothing" && len(got.Steps)+len(got.Dropped)+len(got.Findings) > 0 {
				t.Errorf("the same rules would do something: %+v", got.Simulation)
			}
			for file, text := range files {
				if err := os.WriteFile(filepath.Join(o.Config.Dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c, problems := config.Load(o.Config.Dir)
			if c == nil {
				t.Fatal(problems)
			}
			o.Engine.Config = c
			merged, _, err := o.Engine.Preview(t.Context(), reconcile.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			if merged.Digest != got.Plan || c.Rules.Digest != got.Rules {
				t.Errorf("the plan after the change is %s, not the %s that was simulated: %+v", merged.Digest, got.Plan, merged)
			}
		})
	}
}

// TestSimulateHR: what an HR file would do is what a run plans once it is imported, held
// endings included, and the file leaves no trace.
func TestSimulateHR(t *testing.T) {
	o := office.New(t, nil)
	o.Apply()
	before, err := o.DB.Sequences(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	source := o.Config.Sources["hr"]
	source.Changes = true
	file := office.Header + "staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01,2026-11-29,no\n" +
		"stranger,E-stranger,Given,Familystranger,office,LIB,,,2020-01-01,,no\n" +
		"new,E9,Ny,Person,office,LIB,,,2026-11-30,,no\n"
	trial := preview.Trial{HR: &preview.HRFile{Source: source, Name: "hr.csv", Content: []byte(file)}}
	got, err := trial.Simulate(t.Context(), o.Engine, importer(o))
	if err != nil {
		t.Fatal(err)
	}
	want := "Familystranger lib:library none given\nStaff base:staff given none\nStaff lib:library given none\nnewcomer base:staff none given\nnewcomer lib:library none given"
	if grants(o, got.Simulation, t) != want {
		t.Errorf("grants:\n%s\nwant:\n%s", grants(o, got.Simulation, t), want)
	}
	if len(got.Newcomers) != 1 || got.Import.Events == 0 {
		t.Errorf("%+v", got)
	}
	if after, err := o.DB.Sequences(t.Context()); err != nil || after != before {
		t.Errorf("asking recorded something: %v, then %v (%v)", before, after, err)
	}
	if _, err := o.DB.FindPerson(t.Context(), "hr/new", "hr"); err == nil {
		t.Error("the newcomer is known")
	}
	if _, err := importer(o).Import(t.Context(), "hr.csv", []byte(file), source); err != nil {
		t.Fatal(err)
	}
	now, _, err := o.Engine.Preview(t.Context(), reconcile.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	newcomer := got.Newcomers[0].ID
	real := o.Person("new").ID
	shape := func(steps []plan.Step) []string {
		var lines []string
		for _, s := range steps {
			lines = append(lines, strings.Join([]string{string(s.Op), s.Target, strings.ReplaceAll(string(s.Person), string(newcomer), string(real)), string(s.Entitlement), s.Native}, " "))
		}
		slices.Sort(lines)
		return lines
	}
	if a, b := shape(got.Steps), shape(now.Steps); !slices.Equal(a, b) {
		t.Errorf("simulated:\n%s\nplanned:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
}

// TestSimulationTellsNothingHidden: a rule of one's own does not find out where a person with
// protected identity works, neither by the lists nor by the counts, also where the lists are
// cut; who is cleared to see them is told.
func TestSimulationTellsNothingHidden(t *testing.T) {
	const seen, oracle = "p, auditor, person.see-protected, allow, cleared\n", "p, everyone, true, base:staff, allow, everybody\np, oracle, r.sub.unit == 'hideout' || r.sub.job_code == 'AUD', lib:library, allow, x\n"
	for name, rights := range map[string]string{"not cleared": "", "cleared": seen} {
		t.Run(name, func(t *testing.T) {
			o := office.New(t, map[string]string{"rights.csv": rights})
			o.Apply()
			for _, most := range []int{0, 1} {
				out, err := preview.Trial{Instead: config.Instead{Policy: &config.NewFile{Name: "policy.csv", Content: []byte(oracle)}}}.Simulate(t.Context(), o.Engine, importer(o))
				if err != nil {
					t.Fatal(err)
				}
				if most > 0 {
					out.Keep(most)
				}
				v, err := o.Answers().For(t.Context(), access.Viewer{Subject: o.By("auditor")})
				if err != nil {
					t.Fatal(err)
				}
				got, err := v.Simulation(out.Simulation, 0)
				if err != nil {
					t.Fatal(err)
				}
				secret := o.Person("secret").ID
				told := slices.ContainsFunc(got.Grants, func(g access.GrantChange) bool { return g.Person.ID == secret }) || slices.ContainsFunc(got.Steps, func(s access.Step) bool { return s.Person.ID == secret }) ||
					slices.ContainsFunc(got.Dropped, func(s access.Step) bool { return s.Person.ID == secret })
				if told {
					t.Errorf("the auditor is told of the protected person, with %d kept", most)
				}
				for _, c := range got.Entitlements {
					// The librarian who is not protected loses it; the one who is keeps it.
					if c.Entitlement == "lib:library" && (c.Begin != 0 || c.End != 1) {
						t.Errorf("with %d kept: %+v", most, c)
					}
				}
				if got.People != 1 {
					t.Errorf("with %d kept, it concerns %d people", most, got.People)
				}
			}
		})
	}
	// Taken from the protected person alone it is not counted, unless for who is cleared.
	for _, cleared := range []bool{false, true} {
		rights := map[bool]string{true: seen}[cleared]
		o := office.New(t, map[string]string{"rights.csv": rights})
		o.Apply()
		out, err := preview.Trial{Instead: config.Instead{Policy: &config.NewFile{Name: "policy.csv", Content: []byte("p, everyone, true, base:staff, allow, everybody\np, oracle, r.sub.unit == 'office' && r.sub.job_code == 'LIB', lib:library, allow, x\n")}}}.Simulate(t.Context(), o.Engine, importer(o))
		if err != nil {
			t.Fatal(err)
		}
		out.Keep(1)
		v, err := o.Answers().For(t.Context(), access.Viewer{Subject: o.By("auditor")})
		if err != nil {
			t.Fatal(err)
		}
		got, err := v.Simulation(out.Simulation, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]int{true: 1}[cleared]
		end := 0
		for _, c := range got.Entitlements {
			end += c.End
		}
		if got.People != want || end != want || len(got.Grants) != want {
			t.Errorf("cleared %t: %d people, %d losses, %d grants", cleared, got.People, end, len(got.Grants))
		}
	}
}

// TestSimulateErrors: files that are wrong are named with their places.
func TestSimulateErrors(t *testing.T) {
	o := office.New(t, nil)
	for name, c := range map[string]struct {
		trial preview.Trial
		place string
	}{
		"rules": {preview.Trial{Instead: config.Instead{Policy: &config.NewFile{Name: "new/policy.csv", Content: []byte("p, everyone, true, base:staff, allow, everybody\np, x, true, base:nothing, allow, x\n")}}}, "new/policy.csv:2"},
		"HR":    {preview.Trial{HR: &preview.HRFile{Source: o.Config.Sources["hr"], Name: "other.csv", Content: []byte("a,b\n1,2\n")}}, "other.csv"},
	} {
		_, err := c.trial.Simulate(t.Context(), o.Engine, importer(o))
		var wrong *preview.TrialError
		if !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Problems[0].Place(), c.place) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := o.Config.RuleFiles.InsteadFrom(t.TempDir()); err == nil || !strings.Contains(err.Error(), "policy.csv") {
		t.Error(err)
	}
}
