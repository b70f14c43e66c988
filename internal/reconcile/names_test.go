package reconcile_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

func naming(one string) string {
	return strings.Replace(configuration, `attributes: {mail: "{{.Email}}"}`, one, 1)
}

func (h *fixture) name(key string) string {
	h.t.Helper()
	a := h.accounts(h.one, h.person(key))
	if len(a) != 1 {
		h.t.Fatalf("%s has the accounts %+v", key, a)
	}
	return a[0].Name
}

// Names are unique, cut to what the target takes, and never given to anyone
// else, not even after the account is gone.
func TestNamesAreNumberedAndNeverReused(t *testing.T) {
	h := newFixtureWith(t, naming(`name: {value: "{{.GivenName}}", max_length: 6, collision: number}`))
	h.put(h.one, connectors.Account{Name: "BERTIL"})
	const header = "person_id,employment_id,given_name,family_name,unit,job_code,start_date,end_date\n"
	h.export(header + "1,E1,Bertilsson,B,school,T,2020-01-01,\n2,E2,Bertilsson,B,school,T,2020-01-01,\n3,E3,Åke,C,school,T,2020-01-01,\n")
	h.settledRun()
	if a, b := h.name("1"), h.name("2"); min(a, b) != "Berti2" || max(a, b) != "Berti3" || h.name("3") != "Åke" {
		t.Errorf("names are %s, %s, %s", a, b, h.name("3"))
	}
	h.behind(h.one, connectors.DeleteAccount, h.accounts(h.one, h.person("3"))[0].ID, "")
	h.export(header + "1,E1,Bertilsson,B,school,T,2020-01-01,\n2,E2,Bertilsson,B,school,T,2020-01-01,\n3,E3,Åke,C,school,T,2020-01-01,2020-12-31\n4,E4,åke,D,school,T,2020-01-01,\n")
	h.settledRun()
	if got := h.name("4"); got != "åke2" {
		t.Errorf("the new one is named %s", got)
	}
	if r := h.settledRun(); len(r.Plan.Steps) > 0 {
		t.Errorf("and then: %v", opsOf(r.Plan.Steps))
	}
}

// Without a rule for it a name that is taken is a finding, and so is one that
// was another person's.
func TestATakenNameIsReported(t *testing.T) {
	h := newFixtureWith(t, naming(`name: "{{.GivenName}}"`))
	const header = "person_id,employment_id,given_name,family_name,unit,job_code,start_date\n"
	h.export(header + "1,E1,Eva,B,school,T,2020-01-01\n2,E2,eva,B,school,T,2020-01-01\n")
	r := h.settledRun()
	if a, b := finding(r.Plan, plan.BadValue, h.person("1")), finding(r.Plan, plan.BadValue, h.person("2")); a == b {
		t.Errorf("findings %+v", r.Plan.Findings)
	}
	if len(h.accounts(h.one, h.person("1")))+len(h.accounts(h.one, h.person("2"))) != 1 {
		t.Error("want an account for one of them")
	}
}

// Where the configuration says so an account follows its person's name, once,
// and a lost answer is found out.
func TestAccountsAreRenamed(t *testing.T) {
	h := newFixtureWith(t, naming(`name: {value: "{{.FamilyName}}", rename: true, collision: number}, attributes: {address: "{{.Account}}@x", first: {value: "{{.FamilyName}}", set: create}}`))
	const header = "person_id,employment_id,given_name,family_name,unit,job_code,start_date\n"
	h.export(header + "1,E1,Eva,Berg,school,T,2020-01-01\n2,E2,Olle,Berg,school,T,2020-01-01\n")
	h.settledRun()
	id := h.accounts(h.one, h.person("1"))[0].ID
	h.export(header + "1,E1,Eva,Dahl,school,T,2020-01-01\n2,E2,Olle,Berg,school,T,2020-01-01\n")
	h.one.answer = func(connectors.Result) connectors.Result {
		return connectors.Result{Err: connectors.Errorf(connectors.TargetDown, "the connection broke")}
	}
	h.run()
	h.one.answer = nil
	if r := h.settledRun(); r.Resolved["applied"] == 0 || r.Resolved["not-done"] != 0 {
		t.Errorf("settled %v", r.Resolved)
	}
	a := h.accounts(h.one, h.person("1"))[0]
	if a.ID != id || a.Name != "Dahl" || a.Attributes["address"][0] != "Dahl@x" || a.Attributes["first"][0] != "Berg" {
		t.Errorf("the account is %+v", a)
	}
	if b := h.name("2"); b != "Berg" && b != "Berg2" {
		t.Errorf("the other is named %s", b)
	}
	if r := h.settledRun(); len(r.Plan.Steps) > 0 {
		t.Errorf("and then: %v", opsOf(r.Plan.Steps))
	}
}

// A manager's account is referred to as soon as both are there, in one run,
// and no longer when HR names another or none.
func TestManagersAreReferredTo(t *testing.T) {
	h := newFixtureWith(t, naming(`attributes: {boss: {reference: manager}}`))
	const header = "person_id,employment_id,given_name,family_name,unit,job_code,manager_id,start_date,end_date\n"
	people := func(managers ...string) string {
		return header + "4,E4,D,D,school,T,,2020-01-01,2020-12-31\n1,E1,A,A,school,T," + managers[0] + ",2020-01-01,\n2,E2,B,B,school,T," + managers[1] + ",2020-01-01,\n3,E3,C,C,school,T," + managers[2] + ",2020-01-01,\n"
	}
	boss := func(key string) string {
		a := h.accounts(h.one, h.person(key))[0]
		if len(a.Attributes["boss"]) == 0 {
			return ""
		}
		return a.Attributes["boss"][0]
	}
	id := func(key string) string { return h.accounts(h.one, h.person(key))[0].ID }
	h.export(people("2", "3", ""))
	h.settledRun()
	if boss("1") != id("2") || boss("2") != id("3") || boss("3") != "" {
		t.Errorf("managers are %s, %s, %s", boss("1"), boss("2"), boss("3"))
	}
	if r := h.settledRun(); len(r.Plan.Steps) > 0 {
		t.Errorf("and then: %v", opsOf(r.Plan.Steps))
	}
	h.export(people("4", "999", "")) // no account, and no one: what is there stays
	if r := h.settledRun(); len(r.Plan.Steps) > 0 || boss("1") != id("2") || boss("2") != id("3") {
		t.Errorf("managers are %s, %s; steps %v", boss("1"), boss("2"), opsOf(r.Plan.Steps))
	}
	h.export(people("3", "", "999"))
	h.settledRun()
	if boss("1") != id("3") || boss("2") != "" || boss("3") != "" {
		t.Errorf("then managers are %s, %s, %s", boss("1"), boss("2"), boss("3"))
	}
	if r := h.settledRun(); len(r.Plan.Steps) > 0 {
		t.Errorf("and then: %v", opsOf(r.Plan.Steps))
	}
}

// matching is a target that compares the way it says.
type matching struct{ *scripted }

func (matching) Matching() map[string]connectors.Matching {
	return map[string]connectors.Matching{"mail": connectors.MatchIgnoreCase}
}

// What the target holds equal is no difference, so that nothing is written
// again and again.
func TestValuesAreComparedAsTheTargetDoes(t *testing.T) {
	h := newFixture(t)
	h.e.Targets["one"] = matching{h.one}
	h.hire("1 school T")
	h.settledRun()
	a := h.accounts(h.one, h.person("1"))[0]
	a.Attributes["mail"] = []string{"1@X"}
	h.put(h.one, a)
	if r := h.settledRun(); len(r.Plan.Steps) > 0 {
		t.Errorf("steps %v", opsOf(r.Plan.Steps))
	}
	a.Attributes["mail"] = []string{"2@X"}
	h.put(h.one, a)
	if r := h.settledRun(); len(r.Plan.Steps) != 1 {
		t.Errorf("steps %v", opsOf(r.Plan.Steps))
	}
}

// A person whose new name is another's keeps the one they have, everyone else
// goes on, and so does everything else of theirs.
func TestAClashOfNamesStopsNoOne(t *testing.T) {
	h := newFixtureWith(t, naming(`name: {value: "{{.FamilyName}}", rename: true}, attributes: {first: "{{.GivenName}}"}`))
	const header = "person_id,employment_id,given_name,family_name,unit,job_code,start_date\n"
	h.export(header + "1,E1,Eva,Berg,school,T,2020-01-01\n2,E2,Olle,Lind,school,T,2020-01-01\n")
	h.settledRun()
	h.export(header + "1,E1,Eva,Berg,school,T,2020-01-01\n2,E2,Ola,Berg,school,T,2020-01-01\n3,E3,Ny,Dahl,school,T,2020-01-01\n")
	for range 2 {
		if r := h.settledRun(); !finding(r.Plan, plan.BadValue, h.person("2")) {
			t.Errorf("findings %+v", r.Plan.Findings)
		}
	}
	if a := h.accounts(h.one, h.person("2"))[0]; a.Name != "Lind" || a.Attributes["first"][0] != "Ola" || h.has("3") != everything {
		t.Errorf("%+v; the joiner has %s", a, h.has("3"))
	}
	// Two who swap names wait, both.
	h.export(header + "1,E1,Eva,Dahl,school,T,2020-01-01\n2,E2,Ola,Lind,school,T,2020-01-01\n3,E3,Ny,Berg,school,T,2020-01-01\n")
	h.settledRun()
	if h.name("1") != "Berg" || h.name("3") != "Dahl" {
		t.Errorf("names are %s and %s", h.name("1"), h.name("3"))
	}
}

// A name that another person took between the plan and its execution is no
// reason to stop.
func TestANameTakenMeanwhileIsRefused(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 school T")
	other := h.person("2")
	if err := h.e.DB.Write(t.Context(), func(tx *store.Tx) error { return tx.ReserveName(t.Context(), "one", h.login("1"), other) }); err != nil {
		t.Fatal(err)
	}
	r := h.run()
	if h.has("2") != everything || h.has("1") != "two/account two/lib:library" || !finding(r.Plan, plan.BadValue, h.person("1")) {
		t.Errorf("%s, %s, %+v", h.has("1"), h.has("2"), r.Plan.Findings)
	}
}

// crowded is a target in which names are taken that a snapshot does not show.
type crowded struct {
	*scripted
	taken []string
	asked int
}

func (c *crowded) TakenNames(_ context.Context, names []string) (map[string]bool, error) {
	c.asked++
	taken := map[string]bool{}
	for _, name := range names {
		taken[name] = slices.Contains(c.taken, name)
	}
	return taken, nil
}

// A name that is taken where behov does not look is taken all the same.
func TestNamesThatAreTakenElsewhere(t *testing.T) {
	for _, collision := range []string{"number", "report"} {
		h := newFixtureWith(t, naming(`name: {value: "{{lower .GivenName}}", collision: `+collision+`}`))
		c := &crowded{scripted: h.one, taken: []string{"given1", "given12", "given13"}}
		h.e.Targets["one"] = c
		h.hire("1 school T", "2 school T")
		r := h.settledRun()
		if h.name("2") != "given2" {
			t.Errorf("the other is named %s", h.name("2"))
		}
		if collision == "number" && h.name("1") != "given14" {
			t.Errorf("the name is %s", h.name("1"))
		}
		if collision == "report" && (!finding(r.Plan, plan.BadValue, h.person("1")) || len(h.accounts(h.one, h.person("1"))) > 0) {
			t.Errorf("findings %+v", r.Plan.Findings)
		}
		asked := c.asked
		if h.settledRun(); collision == "number" && c.asked != asked {
			t.Errorf("it is asked %d times for names that are given", c.asked-asked)
		}
	}
}
