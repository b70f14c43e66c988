package reconcile_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/demo/scimapp"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/model"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
	"github.com/behov/behov/internal/testenv"
)

const yearRules = `p, ad-staff, true, ad:staff, allow, everybody
p, ad-teachers, "r.sub.job_code == 'teacher' && under(r.sub.unit, 'education')", ad:teachers, allow, teachers, handover=14
p, ad-nurses, "r.sub.job_code == 'nurse'", ad:nurses, allow, nurses, leave=end
p, ldap-culture, "under(r.sub.unit, 'culture')", ldap:culture, allow, culture
p, ldap-desk, "r.sub.unit == 'library' && r.sub.percent >= 50", ldap:desk, allow, the lending desk, handover=7
p, app-care, "under(r.sub.unit, 'care')", app:care, allow, care
p, app-record, "r.sub.job_code == 'nurse' && under(r.sub.unit, 'care')", app:record, allow, the record, leave=end
`

func yearTown() model.Town {
	under := func(units ...string) func(string) bool {
		return func(u string) bool { return slices.Contains(units, u) }
	}
	education, care, culture := under("north-school", "south-school"), under("home-care", "nursing-home"), under("library", "museum")
	return model.Town{Leave: "keep", Prepare: 7,
		Target: map[string]string{"ad:staff": "ad", "ad:teachers": "ad", "ad:nurses": "ad", "ldap:culture": "openldap", "ldap:desk": "openldap", "app:care": "app", "app:record": "app"},
		Rules: []model.Rule{
			{Gives: "ad:staff", Holds: func(string, string, int) bool { return true }},
			{Gives: "ad:teachers", Handover: 14, Holds: func(u, c string, _ int) bool { return c == "teacher" && education(u) }},
			{Gives: "ad:nurses", Leave: "end", Holds: func(_, c string, _ int) bool { return c == "nurse" }},
			{Gives: "ldap:culture", Holds: func(u, _ string, _ int) bool { return culture(u) }},
			{Gives: "ldap:desk", Handover: 7, Holds: func(u, _ string, p int) bool { return u == "library" && p >= 50 }},
			{Gives: "app:care", Holds: func(u, _ string, _ int) bool { return care(u) }},
			{Gives: "app:record", Leave: "end", Holds: func(u, c string, _ int) bool { return c == "nurse" && care(u) }},
		}}
}

// newYearEngine connects a slapd, a domain controller and a SCIM service.
func newYearEngine(t *testing.T) *reconcile.Engine {
	t.Helper()
	samba, slapd := testenv.StartSamba(t), testenv.StartSlapd(t)
	app, err := scimapp.Start(t.Context(), "year-token", []string{"care", "record"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = app.Close() })
	const people, groups = "OU=People,DC=kommun,DC=test", "OU=Roles,DC=kommun,DC=test"
	add := func(c *ldap.Conn, dn string, attributes map[string][]string) {
		t.Helper()
		r := ldap.NewAddRequest(dn, nil)
		for name, values := range attributes {
			r.Attribute(name, values)
		}
		if err := c.Add(r); err != nil {
			t.Fatalf("%s: %v", dn, err)
		}
	}
	for _, dn := range []string{people, groups} {
		add(samba.Dial(), dn, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	for _, g := range []string{"staff", "teachers", "nurses"} {
		add(samba.Dial(), "CN="+g+","+groups, map[string][]string{"objectClass": {"group"}, "sAMAccountName": {g}})
	}
	for _, g := range []string{"culture", "desk"} {
		dn := "cn=" + g + "," + slapd.GroupsDN
		add(slapd.Dial(), dn, map[string][]string{"objectClass": {"groupOfNames"}, "member": {dn}})
	}
	for name, value := range map[string]string{"AD": samba.Password, "LDAP": slapd.Password, "SCIM": "year-token"} {
		t.Setenv("BEHOV_YEAR_"+name, value)
	}
	key, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const all = "hold_above: {all: {number: 1000000}}"
	for name, text := range map[string]string{"behov.key": string(key), "units.csv": yearUnitsCSV, "policy.csv": yearRules,
		"catalogue.yaml": "systems:\n  ad: {target: ad, entitlements: {staff: {}, teachers: {}, nurses: {}}}\n  ldap: {target: openldap, entitlements: {culture: {}, desk: {}}}\n  app: {target: app, entitlements: {care: {}, record: {}}}\n",
		"behov.yaml": fmt.Sprintf(`hr: {sources: {hr: {shrink_limit: {percent: 20}}}}
lifecycle: {delete_after_days: 100}
targets:
  ad: {%s, name: {value: "{{.Login}}", collision: number, max_length: 20}, attributes: {cn: "{{.Login}}", sn: "{{.FamilyName}}"}, ldap: {url: %q, ca_file: %q, bind_dn: %q, password: env:BEHOV_YEAR_AD, people_dn: %q, groups_dn: %q, anchor_attribute: msDS-cloudExtensionAttribute1}}
  openldap: {%s, attributes: {cn: "{{.GivenName}} {{.FamilyName}}", sn: "{{.FamilyName}}"}, ldap: {url: %q, plaintext: true, bind_dn: %q, password: env:BEHOV_YEAR_LDAP, people_dn: %q, groups_dn: %q}}
  app: {%s, attributes: {name.familyName: "{{.FamilyName}}"}, scim: {url: %q, plaintext: true, token: env:BEHOV_YEAR_SCIM}}
`, all, samba.SecureURL, samba.CAFile, samba.UPN, people, groups, all, slapd.URL, slapd.BindDN, slapd.PeopleDN, slapd.GroupsDN, all, app.URL())} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	master, err := seal.ParseMaster(key)
	if err != nil {
		t.Fatal(err)
	}
	c.Database = testenv.Database(t)
	db, err := store.Open(t.Context(), c.Database, master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	connected, err := targets.Connect(c, db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = targets.Disconnect(connected) })
	return &reconcile.Engine{DB: db, Config: c, Targets: connected, Now: time.Now, Actor: "behov"}
}

// TestAYearInTheMunicipality runs a year day by day against a real slapd, a
// real domain controller and a SCIM service: hires, moves, leaves, endings,
// summer temps, all of it late and corrected now and then. At the end of each
// month the directories hold exactly what the model says, nothing is left to
// do, and at the end of the year the trail verifies. BEHOV_YEAR_PEOPLE says
// how many there are; make year has 6,000.
func TestAYearInTheMunicipality(t *testing.T) {
	if testing.Short() {
		t.Skip("a year takes longer than a short run")
	}
	people := 60
	if n, err := strconv.Atoi(os.Getenv("BEHOV_YEAR_PEOPLE")); err == nil {
		people = n
	}
	e := newYearEngine(t)
	system, town, states := newHRSystem(2026, people), yearTown(), map[string]model.State{}
	began, steps := time.Now(), 0
	for day := range 365 {
		now := newYear.AddDate(0, 0, day)
		e.Now = func() time.Time { return now }
		if day > 0 {
			system.live(day)
		}
		text := system.export(day)
		im := hr.Importer{DB: e.DB, Config: e.Config, Now: e.Now, Actor: "behov"}
		report, err := im.Import(t.Context(), "hr.csv", []byte(text), e.Config.Sources["hr"])
		if err == nil && releaseEmptied(t, e, report) { // HR takes an end back
			report, err = im.Import(t.Context(), "hr.csv", []byte(text), e.Config.Sources["hr"])
		}
		if err != nil || report.Held != nil || len(report.Problems) > 0 {
			t.Fatalf("%s: import: %+v, %v", yearDate(day), report, err)
		}
		r, err := e.Run(t.Context(), reconcile.Scope{})
		if err != nil || r.Err() != nil || len(r.Plan.Holds) > 0 {
			t.Fatalf("%s: %v, %v, holds %+v", yearDate(day), err, r.Err(), r.Plan.Holds)
		}
		steps += len(r.Plan.Steps)
		for person, facts := range system.facts {
			states[person] = town.Next(states[person], facts, day)
		}
		if tomorrow := now.AddDate(0, 0, 1); tomorrow.Month() != now.Month() {
			compareYear(t, e, states, yearDate(day))
			t.Logf("%s: %d people known, %d steps so far, %s", yearDate(day), len(states), steps, time.Since(began).Round(time.Second))
		}
		if t.Failed() {
			return
		}
	}
	if p, err := e.Plan(t.Context(), reconcile.Scope{}); err != nil || len(p.Steps) > 0 {
		t.Errorf("at the end there is left to do: %v, %v", opsOf(p.Steps), err)
	}
	summary, err := e.DB.VerifyAudit(t.Context())
	if err != nil {
		t.Errorf("the trail: %v", err)
	}
	t.Logf("a year of %d people: %v; %d steps, %d records in the trail, %s", people, system.counts, steps, summary.Records, time.Since(began).Round(time.Second))
}

// compareYear reads the directories and holds them against the model.
func compareYear(t *testing.T, e *reconcile.Engine, states map[string]model.State, when string) {
	t.Helper()
	fresh, err := targets.Connect(e.Config, nil) // that remember nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = targets.Disconnect(fresh) }()
	observed := map[string]*plan.Observed{}
	for name, c := range fresh {
		o := plan.NewObserved()
		whole, err := c.Snapshot(t.Context(), o)
		if err != nil || !whole.Complete {
			t.Fatalf("%s: %v, %+v", name, err, whole)
		}
		o.Done(whole)
		observed[name] = o
	}
	wrong, accounts := 0, map[string]int{}
	for p, err := range e.DB.People(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got := model.State{Has: map[string]bool{}, Account: map[string]bool{}, Enabled: map[string]bool{}}
		for name, o := range observed {
			for _, a := range o.ByAnchor(string(p.ID)) {
				accounts[name]++
				if got.Enabled[name] = a.Enabled; !a.Enabled {
					delete(got.Enabled, name)
				}
				for _, entitlement := range e.Config.Rules.Catalogue.Entitlements {
					if entitlement.Target == name && o.Member(a.ID, entitlement.Native) {
						got.Has[string(entitlement.ID)] = true
					}
				}
			}
		}
		want := states[p.Keys[0].Key]
		a, b := fmt.Sprint(slices.Sorted(maps.Keys(got.Has)), slices.Sorted(maps.Keys(got.Enabled))), fmt.Sprint(slices.Sorted(maps.Keys(want.Has)), slices.Sorted(maps.Keys(want.Enabled)))
		if a != b && wrong < 5 {
			wrong++
			var says strings.Builder
			for _, x := range p.Employments {
				fmt.Fprintf(&says, "\n  %+v", x)
			}
			t.Errorf("%s: person %s has %s, and the model says %s%s", when, p.Keys[0].Key, a, b, says.String())
		}
	}
	for name, o := range observed {
		if total, _ := o.Size(); total != accounts[name] && name != "ad" { // which has some of its own
			t.Errorf("%s: %s has %d accounts, and people have %d", when, name, total, accounts[name])
		}
	}
}
