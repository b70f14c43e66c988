package reconcile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/targets"
	"github.com/behov/behov/internal/testenv"
)

// controlled is a person and a system on a real directory, whose class and controls change.
type controlled struct {
	*directoryRun
	class, control, system string
	kind, protected        string // anna's, as HR says
	time                   time.Time
	asked                  int
}

// configured puts a configuration in place.
func (c *controlled) configured() {
	c.t.Helper()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(c.Config.Dir, name), []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	write("controls.yaml", "controls:\n  tested: {"+c.control+"}\n")
	write("catalogue.yaml", "systems:\n  base: {target: dir, entitlements: {staff: {}}}\n  sys: {classification: {"+c.class+"}, "+c.system+"target: dir, entitlements: {library: {}}}\n")
	loaded, problems := config.Load(c.Config.Dir)
	if loaded == nil {
		c.t.Fatal(problems)
	}
	loaded.Database = c.Config.Database
	c.Config = loaded
}

func (c *controlled) says() identity.Person {
	c.t.Helper()
	text := "person_id,employment_id,given_name,family_name,employment_type,start_date,protected\n1,E1,Anna,Berg," + c.kind + ",2020-01-01," + c.protected + "\n2,E2,Bo,Ek,permanent,2020-01-01,no\n"
	c.time = c.time.Add(time.Minute)
	im := hr.Importer{DB: c.DB, Config: c.Config, Now: c.Now, Actor: "behov"}
	source := c.Config.Sources["hr"]
	export, err := hr.Read("hr.csv", []byte(text), source, nil, c.Config.Rules.Units, im.Today())
	if err != nil {
		c.t.Fatal(err)
	}
	if r, err := im.Deliver(c.t.Context(), hr.Delivery{Source: source, Name: "hr.csv", Hash: hr.HashOf([]byte(text)), ExportTimeStated: true, Current: true, Export: export}); err != nil || r.Held != nil || r.EndingsHeld != nil {
		c.t.Fatalf("%+v, %v", r, err)
	}
	p, err := c.DB.FindPerson(c.t.Context(), "1", "hr")
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// expect says whether anna is in the group: by turns after a run for everyone and after one
// for her alone. The other way finds nothing left to do, so that both decide the same.
func (c *controlled) expect(when string, want bool) {
	c.t.Helper()
	p := c.person("1")
	alone := func() (steps int) {
		done, err := c.ReconcilePeople(c.t.Context(), []identity.PersonID{p.ID}, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, d := range done {
			if d.Err != nil || d.Result.Err() != nil || len(d.Result.Plan.Deferred) > 0 {
				c.t.Fatalf("%s: a run for one person: %v, %+v", when, d.Err, d.Result)
			}
			steps += len(d.Result.Plan.Steps)
		}
		return steps
	}
	if c.asked++; c.asked > 1 && c.asked%2 == 0 {
		alone()
		steps := slices.DeleteFunc(slices.Clone(c.run().Plan.Steps), func(s plan.Step) bool { return s.Person != p.ID })
		if len(steps) > 0 {
			c.t.Errorf("%s: a run for everyone, after one for one person, does %v", when, opsOf(steps))
		}
	} else {
		c.run()
		if n := alone(); n > 0 {
			c.t.Errorf("%s: a run for one person, after one for everyone, does %d steps", when, n)
		}
	}
	account := c.entry("employeeNumber", string(p.ID))
	if account == nil {
		c.t.Fatalf("%s: there is no account", when)
	}
	has := false
	for _, m := range c.members("library") {
		has = has || strings.EqualFold(m, account.DN)
	}
	if has != want {
		c.t.Errorf("%s: in the group is %t", when, has)
	}
	if !strings.Contains(strings.ToLower(strings.Join(c.members("staff"), " ")), strings.ToLower(account.DN)) {
		c.t.Errorf("%s: the control of a system took something of another", when)
	}
}

// enrol has anna's account show that it is enrolled for MFA, or not.
func (c *controlled) enrol(p identity.Person, yes bool) {
	c.t.Helper()
	m := ldap.NewModifyRequest(c.entry("employeeNumber", string(p.ID)).DN, nil)
	m.Replace("carLicense", map[bool][]string{true: {"enrolled"}, false: nil}[yes])
	if err := c.Dial().Modify(m); err != nil {
		c.t.Fatal(err)
	}
}

// TestClassesAndControls: on a real directory, every control with every part of a class. A
// system below the level is not concerned; at the level the control closes it; what the
// control asks for opens it; and what ends takes it away again.
func TestClassesAndControls(t *testing.T) {
	s := testenv.StartSlapd(t)
	run := runDirectory(t, directory{s.Directory(), "mfa_attribute: carLicense, ", map[string][]string{"objectClass": {"groupOfNames"}}})
	behov, err := os.ReadFile(filepath.Join(run.Config.Dir, "behov.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"policy.csv": "p, staff, true, base:staff, allow, everybody\np, library, true, sys:library, allow, the library\n", "behov.yaml": "mfa: {target: dir, method: strong}\n" + string(behov)} {
		if err := os.WriteFile(filepath.Join(run.Config.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	day := identity.DateOf(run.Now(), run.Config.Zone)
	c := &controlled{directoryRun: run, time: run.Now(), kind: "permanent", protected: "no", control: "from: {integrity: 4}, screening: true", class: "confidentiality: 0, integrity: 0, availability: 0"}
	run.Now = func() time.Time { return c.time }
	c.configured()
	connected, err := targets.Connect(c.Config, c.DB) // as it reads the attribute of MFA
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = targets.Disconnect(connected) })
	c.Targets = connected
	anna := c.says()
	c.expect("at first", true)
	boss := by(run.person("2").ID)
	g := func() *governance.Governance { return &governance.Governance{DB: c.DB, Config: c.Config, Now: c.Now} }
	giveRights(t, c)
	decided := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	classes := map[string][3]string{ // from, a class below it, a class at it
		"confidentiality":    {"confidentiality: 3", "confidentiality: 2, integrity: 4, availability: 4", "confidentiality: 3, integrity: 0, availability: 0"},
		"integrity":          {"integrity: 2", "confidentiality: 4, integrity: 1, availability: 4", "confidentiality: 0, integrity: 4, availability: 0"},
		"availability":       {"availability: 4", "confidentiality: 4, integrity: 4, availability: 3", "confidentiality: 0, integrity: 0, availability: 4"},
		"security protected": {"security_protected: true", "confidentiality: 4, integrity: 4, availability: 4", "confidentiality: 0, integrity: 0, availability: 0, security_protected: true"},
	}
	controls := map[string]struct {
		control, system string
		close, open     func()
	}{
		"mfa":        {"mfa: strong", "", func() { c.enrol(anna, false) }, func() { c.enrol(anna, true) }},
		"exemption":  {"mfa: any", "", func() { decided(g().ExemptFromMFA(t.Context(), anna, "", true, boss, "it came")) }, func() { decided(g().ExemptFromMFA(t.Context(), anna, day, false, boss, "a lost telephone")) }},
		"types":      {"not_for: {types: [Hourly]}", "", func() { c.kind = "hourly"; c.says() }, func() { c.kind = "permanent"; c.says() }},
		"protected":  {"withhold_from_protected: true", "", func() { c.protected = "yes"; c.says() }, func() { c.protected = "no"; c.says() }},
		"screening":  {"screening: true", "", func() { decided(g().Screen(t.Context(), anna, "", true, boss, "withdrawn")) }, func() { decided(g().Screen(t.Context(), anna, day.AddDays(400), false, boss, "an interview")) }},
		"outside EU": {"outside_eu: refuse", "suppliers: [{name: A, country: SE, sub_suppliers: [{name: B, country: US}]}], ", func() { c.system = "data_in: [SE, CN], "; c.configured() }, func() { c.system = "data_in: [SE, NO], "; c.configured() }},
	}
	for what, of := range controls {
		for dimension, class := range classes {
			when := fmt.Sprintf("%s by %s", what, dimension)
			c.system, c.control = of.system, fmt.Sprintf("from: {%s}, %s", class[0], of.control)
			if what == "types" || what == "protected" {
				of.close()
			}
			c.class = class[1]
			c.configured()
			c.expect(when+", below the level", true)
			c.class = class[2]
			c.configured()
			c.expect(when+", at the level", false)
			of.open()
			c.expect(when+", opened", true)
			of.close()
			c.expect(when+", closed again", false)
			c.class, c.kind, c.protected, c.system = class[1], "permanent", "no", ""
			c.configured()
			c.says()
			c.expect(when+", afterwards", true)
		}
	}
	// A screening ends by itself.
	c.class, c.control = classes["integrity"][2], "from: {integrity: 4}, screening: true"
	c.configured()
	decided(g().Screen(t.Context(), anna, day.AddDays(3), false, boss, "an interview"))
	c.expect("screened", true)
	c.time = c.time.AddDate(0, 0, 3)
	c.expect("on the last day", true)
	c.time = c.time.AddDate(0, 0, 1)
	c.expect("after it", false)
}

// person returns a person by HR's key.
func (r *directoryRun) person(key string) identity.Person {
	r.t.Helper()
	p, err := r.DB.FindPerson(r.t.Context(), key, "hr")
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// giveRights has bo be an administrator.
func giveRights(t *testing.T, c *controlled) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.Config.Dir, "rights.csv"), []byte("g, hr/2, administrator\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.configured()
}
