package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// What HR's reality is made of, one test for each line of it.

const realRules = `p, everyone, true, base:staff, allow, everybody
p, school, "r.sub.unit == 'school'", base:school, allow, school, handover=14
p, secret, "r.sub.job_code == 'S'", base:secret, allow, secret
p, library, "under(r.sub.unit, 'culture')", lib:library, allow, culture reads, leave=end
`

const realUnits = `unit,parent,name,from,until,successor
school,,,,,
culture,,,,,
library,culture,,,,
annex,culture,,,2026-12-31,school
`

const realConfiguration = `mfa: {target: one}
lifecycle: {prepare_days: 5, keep_memberships_days: 0, delete_after_days: 100, erase_after_days: 200, warn_days: 10}
hr:
  precedence: {default: [hr, contractors], email: [contractors, hr]}
  sources:
    hr: {}
    contractors: {joins: hr, contracts: {sponsors: hr}}
targets:
  one: {hold_above: {removals: {number: 2}, disables: {number: 2}}, attributes: {mail: "{{.Email}}", unit: "{{.Unit}}", title: {value: "{{.JobTitle}}", protected: "Employee"}, phone: {value: "{{.Phone}}", protected: ""}}, memory: {groups: [staff, school, secret]}}
  two: {hold_above: {removals: {number: 2}, disables: {number: 2}}, main_employment: latest-start, attributes: {unit: "{{.Unit}}"}, memory: {groups: [library]}}
`

// reality is a fixture whose days pass.
type reality struct {
	*fixture
}

const realHeader = "person_id,employment_id,given_name,family_name,national_id,email,phone,unit,job_code,job_title,employment_percent,manager_id,start_date,end_date,leave_start,leave_end,protected,valid_from,sponsor_id"

func newReality(t *testing.T, lifecycle string) *reality {
	t.Helper()
	c := realConfiguration
	if lifecycle != "" {
		lines := strings.Split(c, "\n")
		lines[1] = "lifecycle: {" + lifecycle + "}"
		c = strings.Join(lines, "\n")
	}
	r := &reality{fixture: newFixtureOf(t, map[string]string{"behov.yaml": c, "policy.csv": realRules, "units.csv": realUnits})}
	r.on("2026-06-01")
	return r
}

// on makes it noon of the day.
func (r *reality) on(day string) *reality {
	r.t.Helper()
	noon, err := time.Parse(time.RFC3339, day+"T12:00:00+02:00")
	if err != nil {
		r.t.Fatal(err)
	}
	r.e.Now = func() time.Time { return noon }
	return r
}

// row is a line of HR's export: "PERSON EMPLOYMENT column=value …".
func row(text string) string {
	fields := strings.Fields(text)
	values := map[string]string{"person_id": fields[0], "employment_id": fields[1], "given_name": "Given" + fields[0], "family_name": "Family" + fields[0],
		"email": fields[0] + "@x", "unit": "school", "job_code": "T", "employment_percent": "100", "start_date": "2020-01-01", "protected": "no"}
	for _, f := range fields[2:] {
		name, value, _ := strings.Cut(f, "=")
		values[name] = strings.ReplaceAll(value, "_", " ")
	}
	columns := strings.Split(realHeader, ",")
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = values[c]
	}
	return strings.Join(out, ",")
}

// says imports a whole export of a source.
func (r *reality) says(source string, rows ...string) *hr.Report {
	r.t.Helper()
	text := realHeader + "\n"
	for _, s := range rows {
		text += row(s) + "\n"
	}
	im := hr.Importer{DB: r.e.DB, Config: r.e.Config, Now: r.e.Now, Actor: "behov"}
	s := r.e.Config.Sources[source]
	export, err := hr.Read("hr.csv", []byte(text), s, nil, r.e.Config.Rules.Units, im.Today())
	if err != nil {
		r.t.Fatal(err)
	}
	report, err := im.Deliver(r.t.Context(), hr.Delivery{Source: s, Name: "hr.csv", Hash: hr.HashOf([]byte(text)), ExportTimeStated: true, Export: export})
	if err != nil || report.Held != nil {
		r.t.Fatalf("import: %+v, %v", report, err)
	}
	return report
}

// HR is the export of those who are employed.
func (r *reality) HR(rows ...string) *reality {
	r.t.Helper()
	if report := r.says("hr", rows...); len(report.Problems) > 0 {
		r.t.Fatalf("problems: %v", report.Problems)
	}
	return r
}

// expect says what a person has to have once everything has settled, that the second
// plan is empty, and the state the person is in.
func (r *reality) expect(key string, state identity.State, want string) *reality {
	r.t.Helper()
	r.settledRun()
	if again := r.settledRun(); len(again.Plan.Steps) > 0 {
		r.t.Errorf("the second plan is not empty: %v", opsOf(again.Plan.Steps))
	}
	if got := r.has(key); got != want {
		r.t.Errorf("%s has %q, want %q", key, got, want)
	}
	if got := r.standing(key).Stage.State; got != state {
		r.t.Errorf("%s is %s, want %s", key, got, state)
	}
	return r
}

func (r *reality) standing(key string) reconcile.PersonStatus {
	r.t.Helper()
	p, err := r.e.DB.FindPerson(r.t.Context(), key, "hr")
	if err != nil {
		r.t.Fatal(err)
	}
	s, err := reconcile.PersonStatusOf(r.t.Context(), r.e.DB, r.e.Config, p, identity.DateOf(r.e.Now(), r.e.Config.Zone))
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *reality) id(key string) identity.PersonID { r.t.Helper(); return r.standing(key).Person.ID }

// account returns the person's account in a target.
func (r *reality) account(s *scripted, key string) connectors.Account {
	r.t.Helper()
	all := r.accounts(s, r.id(key))
	if len(all) != 1 {
		r.t.Fatalf("%s has the accounts %+v", key, all)
	}
	return all[0]
}

func (r *reality) govern() *governance.Governance {
	return &governance.Governance{DB: r.e.DB, Config: r.e.Config, Now: r.e.Now}
}

const (
	atSchool  = "one/account one/base:school one/base:staff"
	atLibrary = "one/account one/base:staff two/account two/lib:library"
	boss      = "9 E9 job_code=B"
)

func TestAFutureDatedHireIsPreparedAndLetInOnTheDay(t *testing.T) {
	r := newReality(t, "prepare_days: 5").HR("1 E1 start_date=2026-07-01")
	r.expect("1", identity.Known, "")
	p, err := r.e.Plan(t.Context(), reconcile.Scope{AsOf: "2026-07-01"})
	if err != nil || !slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Entitlement == "base:school" }) {
		t.Errorf("the plan for the day does not show the access: %v, %v", p, err)
	}
	r.on("2026-06-26").expect("1", identity.PreHire, "")
	if a := r.account(r.one, "1"); a.Enabled {
		t.Error("the prepared account can be used")
	}
	r.on("2026-06-30").expect("1", identity.PreHire, "")
	r.on("2026-07-01").expect("1", identity.Working, atSchool)
}

func TestHiredTodayForTodayAndHiredYesterday(t *testing.T) {
	newReality(t, "").HR("1 E1 start_date=2026-06-01", "2 E2 start_date=2026-05-31").
		expect("1", identity.Working, atSchool).expect("2", identity.Working, atSchool)
}

func TestARecordThatArrivesAfterTheFirstDayDoesEverythingAtOnceAndIsToldWithBothDates(t *testing.T) {
	r := newReality(t, "").HR(boss)
	report := r.says("hr", boss, "1 E1 start_date=2026-05-04")
	if report.Late == 0 {
		t.Error("it is not said to be late")
	}
	r.expect("1", identity.Working, atSchool)
	if !slices.ContainsFunc(records(t, r.fixture), func(x audit.Record) bool {
		return x.Action == audit.HRLate && x.Person == r.id("1") && strings.Contains(testenv.Words(x.Reason), "2026-05-04") && strings.Contains(testenv.Words(x.Reason), "2026-06-01")
	}) {
		t.Error("the trail does not have both dates")
	}
}

func TestACancelledHireGetsNothingAndLosesWhatWasPrepared(t *testing.T) {
	r := newReality(t, "prepare_days: 5").HR(boss, "1 E1 start_date=2026-06-04")
	r.expect("1", identity.PreHire, "")
	r.HR(boss).expect("1", identity.Known, "")
	if a := r.account(r.one, "1"); a.Enabled {
		t.Error("the account of somebody who never came can be used")
	}
	r.on("2026-06-04").expect("1", identity.Known, "")
}

// TestAHireThatEndsBeforeItStartsNeverTakesPlace: an end on the day before the
// start takes a hire back. Nothing is prepared or enabled, and what was prepared
// ends. An earlier end does the same while the employment has not begun: left
// out as a bad row it would let the person in on a first day that HR withdrew.
func TestAHireThatEndsBeforeItStartsNeverTakesPlace(t *testing.T) {
	for name, end := range map[string]string{"on the day before": "2026-06-03", "a month before": "2026-05-04"} {
		t.Run(name, func(t *testing.T) {
			r := newReality(t, "prepare_days: 5").HR(boss, "1 E1 start_date=2026-06-04")
			r.expect("1", identity.PreHire, "")
			report := r.says("hr", boss, "1 E1 start_date=2026-06-04 end_date="+end, "2 E2 start_date=2026-06-04 end_date="+end)
			for _, p := range report.Problems {
				if !p.Warning || name == "on the day before" {
					t.Errorf("it is a problem: %v", p)
				}
			}
			r.expect("1", identity.Known, "").expect("2", identity.Known, "")
			if a := r.account(r.one, "1"); a.Enabled {
				t.Error("the account of a person who never came can be used")
			}
			for _, day := range []string{"2026-06-03", "2026-06-04", "2026-06-05"} {
				r.on(day).expect("1", identity.Known, "").expect("2", identity.Known, "")
				if a := r.accounts(r.one, r.id("2")); len(a) > 0 {
					t.Errorf("on %s something was prepared for a hire that never was: %+v", day, a)
				}
			}
			// It takes place after all.
			r.HR(boss, "1 E1 start_date=2026-06-04", "2 E2 start_date=2026-06-04 end_date=2026-06-03").expect("1", identity.Working, atSchool).expect("2", identity.Known, "")
		})
	}
}

// TestACancelledHireInABadRowIsNotLetIn: something else that is wrong with the row
// leaves the person as they are, but for the first day that HR has taken back.
func TestACancelledHireInABadRowIsNotLetIn(t *testing.T) {
	r := newReality(t, "prepare_days: 5").HR(boss, "1 E1 start_date=2026-06-04", "2 E2 end_date=2027-01-01")
	r.expect("1", identity.PreHire, "").expect("2", identity.Working, atSchool)
	report := r.says("hr", boss, "1 E1 unit=moon start_date=2026-06-04 end_date=2026-06-03", "2 E2 unit=moon end_date=2019-12-31")
	if len(report.Problems) != 2 {
		t.Errorf("problems: %v", report.Problems)
	}
	r.expect("1", identity.Known, "").expect("2", identity.Working, atSchool)
	r.on("2026-06-04").expect("1", identity.Known, "")
	if again := r.says("hr", boss, "1 E1 unit=moon start_date=2026-06-04 end_date=2026-06-03", "2 E2 end_date=2027-01-01"); again.Events != 0 {
		t.Errorf("the same again gives %+v", again.Counts)
	}
	r.HR(boss, "1 E1 start_date=2026-06-04", "2 E2 end_date=2027-01-01").expect("1", identity.Working, atSchool)
}

// TestAnEndLongBeforeTheStartOfARunningEmploymentTakesNothing: what has begun is
// not taken back by what is more likely a slip; that is a bad row.
func TestAnEndLongBeforeTheStartOfARunningEmploymentTakesNothing(t *testing.T) {
	r := newReality(t, "").HR(boss, "1 E1").expect("1", identity.Working, atSchool)
	report := r.says("hr", boss, "1 E1 end_date=2019-01-01")
	if len(report.Problems) != 1 || report.Problems[0].Warning || !strings.Contains(testenv.ErrorText(report.Problems[0]), "column end_date: it is before the start") {
		t.Errorf("problems: %v", report.Problems)
	}
	r.expect("1", identity.Working, atSchool)
	// The day before the start is said on purpose.
	r.HR(boss, "1 E1 end_date=2019-12-31").expect("1", identity.Known, "")
}

func TestARehireWithinRetentionGetsTheSameAccount(t *testing.T) {
	r := newReality(t, "").HR(boss, "1 E1 end_date=2026-06-30").expect("1", identity.Working, atSchool)
	before := r.account(r.one, "1")
	r.on("2026-07-01").expect("1", identity.Ended, "")
	r.on("2026-09-01").HR(boss, "1 E1 end_date=2026-06-30", "1 E2 start_date=2026-09-01").expect("1", identity.Working, atSchool)
	if after := r.account(r.one, "1"); after.ID != before.ID || after.Name != before.Name {
		t.Errorf("the account was %+v and is %+v", before, after)
	}
}

func TestARehireAfterRetentionIsTheSamePersonWithANewAccountAndTheOldName(t *testing.T) {
	r := newReality(t, "delete_after_days: 100").HR(boss, "1 E1 end_date=2026-06-30")
	r.expect("1", identity.Working, atSchool)
	person, before := r.id("1"), r.account(r.one, "1")
	r.on("2026-10-08").expect("1", identity.Ended, "")
	r.on("2026-10-09").expect("1", identity.Retained, "")
	if a := r.accounts(r.one, person); len(a) > 0 {
		t.Errorf("after retention there is %+v", a)
	}
	r.HR(boss, "2 E2 start_date=2026-10-09 email=1@x").settledRun()
	r.on("2026-11-02").HR(boss, "1 E1 end_date=2026-06-30", "1 E3 start_date=2026-11-02", "2 E2 start_date=2026-10-09 email=1@x").expect("1", identity.Working, atSchool)
	if after := r.account(r.one, "1"); r.id("1") != person || after.ID == before.ID || after.Name != before.Name {
		t.Errorf("person %s, account %+v; was %s, %+v", r.id("1"), after, person, before)
	}
	if r.account(r.one, "2").Name == before.Name {
		t.Error("the name was given to somebody else")
	}
}

func TestOneOfSeveralEmploymentsEndsAndTakesOnlyWhatNoOtherNeeds(t *testing.T) {
	r := newReality(t, "").HR("1 E1 unit=school", "1 E2 unit=library end_date=2026-06-30", "1 E3 unit=library percent=10 end_date=2026-07-31")
	r.expect("1", identity.Working, "one/account one/base:school one/base:staff two/account two/lib:library")
	r.on("2026-07-01").expect("1", identity.Working, "one/account one/base:school one/base:staff two/account two/lib:library")
	r.on("2026-08-01").expect("1", identity.Working, atSchool)
}

func TestAPersonOnLeaveWhoWorksAsATempMeanwhile(t *testing.T) {
	leave := "leave_start=2026-06-10 leave_end=2026-06-20"
	for mode, want := range map[string]string{
		"keep":    "one/account one/base:school one/base:staff two/account two/lib:library",
		"suspend": "one/account one/base:staff two/account two/lib:library",
		"reduce":  "one/account one/base:staff two/account two/lib:library",
	} {
		r := newReality(t, "leave: "+mode).HR("1 E1 unit=school "+leave, "1 E2 unit=library employment_percent=20 start_date=2026-06-10 end_date=2026-06-20")
		r.expect("1", identity.Working, atSchool)
		r.on("2026-06-10").expect("1", identity.Working, want)
		// Meanwhile the other employment speaks for the person.
		if got := r.account(r.one, "1").Attributes["unit"]; !slices.Equal(got, []string{"library"}) {
			t.Errorf("%s: meanwhile the unit is %v", mode, got)
		}
		// The leave ends on the same day as the other employment.
		r.on("2026-06-21").expect("1", identity.Working, atSchool)
	}
}

func TestALeaveOfAbsenceKeepsSuspendsOrReduces(t *testing.T) {
	leave := "leave_start=2026-06-10 leave_end=2026-06-20"
	for mode, want := range map[string]string{
		"keep": "one/account one/base:staff", // the library's rule ends during leave by itself
		// Memberships stay where the account cannot be used.
		"suspend": "one/base:staff",
		"reduce":  "",
	} {
		r := newReality(t, "leave: "+mode).HR("1 E1 unit=library " + leave)
		r.expect("1", identity.Working, atLibrary)
		r.on("2026-06-10").expect("1", identity.OnLeave, want)
		r.on("2026-06-21").expect("1", identity.Working, atLibrary)
	}
}

func TestAMoveEndsTheOldAccessAfterTheHandoverThatTheRuleGrants(t *testing.T) {
	r := newReality(t, "").HR("1 E1 unit=school", "2 E2 unit=library").expect("1", identity.Working, atSchool).expect("2", identity.Working, atLibrary)
	r.on("2026-06-02").HR("1 E1 unit=library", "2 E2 unit=school")
	// The library's rule grants no handover: it ends on the day.
	r.expect("2", identity.Working, atSchool)
	both := "one/account one/base:school one/base:staff two/account two/lib:library"
	r.expect("1", identity.Working, both)
	shown := r.settledRun().Plan.Handovers
	if len(shown) != 1 || shown[0].Until != "2026-06-15" || shown[0].Person != r.id("1") {
		t.Errorf("handovers are %+v", shown)
	}
	r.on("2026-06-15").expect("1", identity.Working, both)
	r.on("2026-06-16").expect("1", identity.Working, atLibrary)
}

func TestAFutureDatedMoveWaitsAndIsSeenInThePlanForTheDay(t *testing.T) {
	r := newReality(t, "").HR("1 E1 unit=library valid_from=2020-01-01", "1 E1 unit=school valid_from=2026-07-01")
	r.expect("1", identity.Working, atLibrary)
	p, err := r.e.Plan(t.Context(), reconcile.Scope{AsOf: "2026-07-01"})
	if err != nil || len(p.Steps) == 0 {
		t.Errorf("the plan for the day is %v, %v", p, err)
	}
	r.on("2026-06-30").expect("1", identity.Working, atLibrary)
	r.on("2026-07-01").expect("1", identity.Working, atSchool)
}

func TestARetroactiveMoveCorrectsTheFutureAndLeavesHistoryAsItWasRecorded(t *testing.T) {
	r := newReality(t, "").HR(boss, "1 E1 unit=school valid_from=2020-01-01").expect("1", identity.Working, atSchool)
	recorded := len(records(t, r.fixture))
	r.on("2026-06-10").says("hr", boss, "1 E1 unit=school valid_from=2020-01-01", "1 E1 unit=library valid_from=2026-06-05")
	// Of the fourteen days of handover five are over.
	both := "one/account one/base:school one/base:staff two/account two/lib:library"
	r.expect("1", identity.Working, both)
	all := records(t, r.fixture)
	if !slices.ContainsFunc(all[recorded:], func(x audit.Record) bool {
		return x.Action == audit.HRLate && strings.Contains(testenv.Words(x.Reason), "2026-06-05") && strings.Contains(testenv.Words(x.Reason), "2026-06-10")
	}) {
		t.Error("the trail does not have both dates")
	}
	// Who had what on the days between is what was so, not what should have been.
	then := time.Date(2026, 6, 7, 12, 0, 0, 0, time.UTC)
	had, err := r.e.DB.Intervals(t.Context(), store.IntervalQuery{Person: r.id("1"), From: then, To: then.Add(time.Microsecond)})
	if err != nil || slices.ContainsFunc(had, func(i audit.Interval) bool { return i.Entitlement == "lib:library" }) {
		t.Errorf("had %+v, %v", had, err)
	}
	r.on("2026-06-18").expect("1", identity.Working, both)
	r.on("2026-06-19").expect("1", identity.Working, atLibrary)
}

func TestARetroactiveEndingEndsEverythingAtOnceAndDeletesNothingEarly(t *testing.T) {
	r := newReality(t, "delete_after_days: 100").HR(boss, "1 E1").expect("1", identity.Working, atSchool)
	r.HR(boss, "1 E1 end_date=2025-01-31").expect("1", identity.Ended, "")
	r.on("2026-09-09").expect("1", identity.Ended, "")
	if a := r.account(r.one, "1"); a.Enabled {
		t.Error("the account can be used")
	}
	r.on("2026-09-10").expect("1", identity.Retained, "")
}

func TestAnEndingThatIsWithdrawnChangesNothingOrBringsEverythingBack(t *testing.T) {
	r := newReality(t, "").HR(boss, "1 E1 end_date=2026-06-10").expect("1", identity.Working, atSchool)
	r.HR(boss, "1 E1 end_date=2027-06-10").on("2026-06-11").expect("1", identity.Working, atSchool)
	r.HR(boss, "1 E1 end_date=2026-06-10").expect("1", identity.Ended, "")
	r.HR(boss, "1 E1 end_date=2027-06-10").expect("1", identity.Working, atSchool)
}

func TestAContractorHasASponsorAndAnEnd(t *testing.T) {
	r := newReality(t, "").HR(boss, "1 E1 manager_id=9")
	if report := r.says("contractors", "C1 K1 sponsor_id=1 start_date=2026-06-01", "C2 K2 start_date=2026-06-01", "C3 K3 sponsor_id=1 start_date=2026-06-01 end_date=2027-06-02"); len(report.Problems) != 2 {
		t.Errorf("problems %v", report.Problems)
	}
	r.expect("C1", identity.Working, atSchool)
	if _, err := r.e.DB.FindPerson(t.Context(), "C2", "hr"); err == nil {
		t.Error("a contractor without a sponsor came in")
	}
	// Ninety days, as no one said until when; ten days before it is told.
	if got := r.on("2026-08-20").settledRun().Plan.Findings; !slices.ContainsFunc(got, func(f plan.Finding) bool {
		return f.Kind == plan.Ending && strings.Contains(testenv.Words(f.Reason), "2026-08-30")
	}) {
		t.Errorf("findings %+v", got)
	}
	r.on("2026-08-30").expect("C1", identity.Working, atSchool)
	r.on("2026-08-31").expect("C1", identity.Ended, "")
}

func TestWhenTheSponsorLeavesTheManagerTakesOverOrTheAccessEnds(t *testing.T) {
	r := newReality(t, "warn_days: 10").HR(boss, "1 E1 manager_id=9 end_date=2026-06-10")
	r.says("contractors", "C1 K1 sponsor_id=1 end_date=2026-12-31")
	r.expect("C1", identity.Working, atSchool)
	warned := func(word string) {
		t.Helper()
		if got := r.settledRun().Plan.Findings; !slices.ContainsFunc(got, func(f plan.Finding) bool {
			return f.Kind == plan.Ending && f.Person == r.id("C1") && strings.Contains(testenv.Words(f.Reason), word)
		}) {
			t.Errorf("no warning %q in %+v", word, got)
		}
	}
	warned("leaves on 2026-06-10")
	r.on("2026-06-11").expect("C1", identity.Working, atSchool)
	warned("has left")
	r.on("2026-06-20").HR("9 E9 job_code=B end_date=2026-06-20", "1 E1 manager_id=9 end_date=2026-06-10")
	warned("leaves")
	r.on("2026-06-21").expect("C1", identity.Ended, "")
	// A new sponsor brings it back.
	r.HR("9 E9 job_code=B end_date=2026-06-20", "1 E1 manager_id=9 end_date=2026-06-10", "3 E3")
	r.says("contractors", "C1 K1 sponsor_id=3 end_date=2026-12-31")
	r.expect("C1", identity.Working, atSchool)
}

func TestAContractorWhoBecomesEmployedIsOnePersonWithOneAccount(t *testing.T) {
	const number = "national_id=19811218-9876"
	r := newReality(t, "").HR(boss)
	r.says("contractors", "C1 K1 sponsor_id=9 given_name=Eva family_name=Ek "+number+" end_date=2026-06-30 unit=library")
	r.expect("C1", identity.Working, atLibrary)
	before := r.account(r.one, "C1")
	report := r.says("hr", boss, "1 E1 given_name=Eva family_name=Ek national_id=8112189876 start_date=2026-06-15")
	if report.Joined != 1 {
		t.Errorf("joined %d", report.Joined)
	}
	r.on("2026-07-01").expect("1", identity.Working, atSchool)
	after := r.account(r.one, "1")
	if after.ID != before.ID || r.id("1") != r.id("C1") {
		t.Errorf("accounts %+v and %+v", before, after)
	}
	// Whose word counts: HR's, but for the address.
	p := r.standing("1").Person
	if p.FamilyName != "Ek" || p.Email != "C1@x" {
		t.Errorf("the person is %+v", p.PersonFacts)
	}
}

func TestANameATitleAndAManagerChange(t *testing.T) {
	r := newReality(t, "").HR(boss, "1 E1 job_title=Teacher manager_id=9").expect("1", identity.Working, atSchool)
	before := r.account(r.one, "1")
	r.HR(boss, "1 E1 family_name=Ny job_title=Rector email=ny@x manager_id=nobody").expect("1", identity.Working, atSchool)
	after := r.account(r.one, "1")
	if after.Name != before.Name || !slices.Equal(after.Attributes["title"], []string{"Rector"}) || !slices.Equal(after.Attributes["mail"], []string{"ny@x"}) {
		t.Errorf("the account is %+v", after)
	}
}

func TestACorrectedNumberAndACoordinationNumber(t *testing.T) {
	r := newReality(t, "").HR("1 E1 national_id=19811278-9873") // a coordination number: 60 is added to the day
	person := r.id("1")
	r.HR("1 E1 national_id=19811218-9876").settledRun()
	if r.id("1") != person {
		t.Error("a corrected number makes another person")
	}
	// What was known by the old number alone is another person now.
	report := r.says("hr", "1 E1 national_id=19811218-9876", "2 E2 national_id=19811278-9873 given_name=Given1")
	if report.Joined != 0 {
		t.Errorf("joined %d", report.Joined)
	}
}

func TestTwoRecordsTurnOutToBeOnePersonAndItCanBeUndone(t *testing.T) {
	r := newReality(t, "").HR("9 E9 job_code=B", "1 E1 unit=school national_id=19811218-9876", "2 E2 unit=library given_name=Other family_name=Name")
	r.e.Config.Rules.Catalogue.Systems[0].Owner = "" // an owner's records are not merged into another's
	r.expect("1", identity.Working, atSchool).expect("2", identity.Working, atLibrary)
	maker := by(r.id("9"))
	// By HR they are two: neither a name nor the number is the same.
	r.HR("9 E9 job_code=B", "1 E1 unit=school national_id=19811218-9876", "2 E2 unit=library given_name=Other family_name=Name national_id=19811278-9873")
	a, _ := r.e.DB.Person(t.Context(), r.id("1"))
	b, _ := r.e.DB.Person(t.Context(), r.id("2"))
	if _, err := r.govern().Merge(t.Context(), a, b, maker, "the same woman"); err == nil || !strings.Contains(testenv.ErrorText(err), "different national identity numbers") {
		t.Errorf("two who work here were merged: %v", err)
	}
	// The number of the second is corrected: it is the first's, under another name.
	r.HR("9 E9 job_code=B", "1 E1 unit=school national_id=19811218-9876", "2 E2 unit=library given_name=Other family_name=Name national_id=19811218-9876")
	found, err := r.e.DB.Duplicates(t.Context())
	if err != nil || len(found) != 1 {
		t.Fatalf("duplicates %+v, %v", found, err)
	}
	first, second := r.id("1"), r.id("2")
	a, _ = r.e.DB.Person(t.Context(), first)
	b, _ = r.e.DB.Person(t.Context(), second)
	if _, err := r.govern().Merge(t.Context(), a, b, maker, ""); err == nil {
		t.Error("merged without a reason")
	}
	if _, err := r.govern().Merge(t.Context(), a, b, maker, "the same woman"); err != nil {
		t.Fatal(err)
	}
	r.expect("2", identity.Working, "one/account one/base:school one/base:staff two/account two/lib:library")
	if r.id("2") != first || r.has(string(second)) != "" {
		t.Error("the other's record is not the person's, or the other still has something")
	}
	// The same export changes nothing, and undoing brings both back.
	r.HR("9 E9 job_code=B", "1 E1 unit=school national_id=19811218-9876", "2 E2 unit=library given_name=Other family_name=Name national_id=19811218-9876").
		expect("2", identity.Working, "one/account one/base:school one/base:staff two/account two/lib:library")
	a, _ = r.e.DB.Person(t.Context(), first)
	if _, _, err := r.govern().Split(t.Context(), a, identity.SourceKey{Source: "hr", Key: "2"}, maker, "they were two after all"); err != nil {
		t.Fatal(err)
	}
	r.expect("1", identity.Working, atSchool).expect("2", identity.Working, atLibrary)
	if r.id("2") != second {
		t.Error("the record is not whose it was")
	}
	if found, _ := r.e.DB.Duplicates(t.Context()); len(found) > 0 {
		t.Errorf("asked again: %+v", found)
	}
	if _, err := r.e.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAJoinThatWasWrongIsSplitAndStaysSo(t *testing.T) {
	const same = " given_name=Eva family_name=Ek email=eva@x national_id=19811218-9876"
	r := newReality(t, "").HR("9 E9 job_code=B", "1 E1"+same)
	r.e.Config.Rules.Catalogue.Systems[0].Owner = "" // an owner's record is not split off
	rows := []string{"9 E9 job_code=B", "1 E1" + same, "2 E2 unit=library" + same}
	r.says("hr", rows...)
	if r.id("2") != r.id("1") {
		t.Fatal("the same number and family name are not one person")
	}
	p, _ := r.e.DB.Person(t.Context(), r.id("1"))
	if _, _, err := r.govern().Split(t.Context(), p, identity.SourceKey{Source: "hr", Key: "2"}, by(r.id("9")), "a typing error"); err != nil {
		t.Fatal(err)
	}
	r.expect("1", identity.Working, atSchool).expect("2", identity.Working, atLibrary)
	rows[2] += " job_title=x" // a row that is new
	r.says("hr", rows...)
	r.expect("2", identity.Working, atLibrary)
	if r.id("2") == r.id("1") {
		t.Error("the next import joined them again")
	}
}

func TestAProtectedIdentityIsSetAndLifted(t *testing.T) {
	r := newReality(t, "").HR(boss, "1 E1 job_title=Teacher phone=0701")
	r.settledRun()
	r.HR(boss, "1 E1 job_title=Teacher phone=0701 protected=yes").expect("1", identity.Working, atSchool)
	if a := r.account(r.one, "1"); !slices.Equal(a.Attributes["title"], []string{"Employee"}) || a.Attributes["phone"] != nil {
		t.Errorf("the account says %+v", a.Attributes)
	}
	r.HR(boss, "1 E1 job_title=Teacher phone=0701").settledRun()
	if a := r.account(r.one, "1"); !slices.Equal(a.Attributes["title"], []string{"Teacher"}) {
		t.Errorf("lifted, the account says %+v", a.Attributes)
	}
	// By hand, whatever HR says.
	p, _ := r.e.DB.Person(t.Context(), r.id("1"))
	maker := by(r.id("9"))
	if _, err := r.govern().Protect(t.Context(), p, false, maker, "the Tax Agency says so"); err != nil {
		t.Fatal(err)
	}
	r.HR(boss, "1 E1 job_title=Rector phone=0701").settledRun()
	if a := r.account(r.one, "1"); !slices.Equal(a.Attributes["title"], []string{"Employee"}) || r.standing("1").Person.Name() != "[protected identity]" {
		t.Errorf("by hand, the account says %+v", a.Attributes)
	}
	if _, err := r.govern().Protect(t.Context(), p, true, maker, "no longer"); err != nil {
		t.Fatal(err)
	}
	r.settledRun()
	if a := r.account(r.one, "1"); !slices.Equal(a.Attributes["title"], []string{"Rector"}) {
		t.Errorf("lifted by hand, the account says %+v", a.Attributes)
	}
	// The login of a person who is protected from the first day tells nothing.
	r.HR(boss, "1 E1 job_title=Rector phone=0701", "7 E7 given_name=Hemlig family_name=Hemligsson protected=yes").settledRun()
	if login := strings.ToLower(r.standing("7").Person.Login); strings.Contains(login, "hem") {
		t.Errorf("the login is %s", login)
	}
}

func TestAUnitIsClosedMergedAndRenamed(t *testing.T) {
	r := newReality(t, "prepare_days: 5").HR("1 E1 unit=annex").expect("1", identity.Working, atLibrary)
	// From January on the annex is part of the school; HR says annex still.
	r.on("2026-12-31").expect("1", identity.Working, atLibrary)
	r.on("2027-01-01").expect("1", identity.Working, atSchool)
	if got := r.account(r.one, "1").Attributes["unit"]; !slices.Equal(got, []string{"school"}) {
		t.Errorf("the unit is %v", got)
	}
}

func TestAManagerWhoIsMissingOrGoneStopsNoOne(t *testing.T) {
	newReality(t, "").HR("1 E1 manager_id=77").expect("1", identity.Working, atSchool)
}

func TestWhichEmploymentSpeaksForAPersonIsAStatedRule(t *testing.T) {
	r := newReality(t, "").HR("1 E1 unit=school employment_percent=75 start_date=2020-01-01", "1 E2 unit=library employment_percent=25 start_date=2024-01-01")
	r.settledRun()
	// one: the largest percent; two: the latest start.
	if a, b := r.account(r.one, "1").Attributes["unit"], r.account(r.two, "1").Attributes["unit"]; a[0] != "school" || b[0] != "library" {
		t.Errorf("units are %v and %v", a, b)
	}
	// A person says otherwise, and then leaves it to the rules again.
	p := r.standing("1").Person
	i := slices.IndexFunc(p.Employments, func(e identity.Employment) bool { return e.Key.Key == "E2" })
	for _, c := range []struct {
		employment identity.EmploymentID
		unit       string
	}{{p.Employments[i].ID, "library"}, {"", "school"}} {
		if _, err := r.govern().SetMainEmployment(t.Context(), r.standing("1").Person, c.employment, r.decider(), "asked"); err != nil {
			t.Fatal(err)
		}
		r.expect("1", identity.Working, atSchool+" two/account two/lib:library")
		if got := r.account(r.one, "1").Attributes["unit"]; got[0] != c.unit {
			t.Errorf("decided: unit %v, not %s", got, c.unit)
		}
	}
	if _, err := r.govern().SetMainEmployment(t.Context(), p, "other", r.decider(), "asked"); err == nil {
		t.Error("somebody else's employment speaks for them")
	}
}

// A number is sealed at rest, and still written where a template says so, and
// accounts are known by it.
func TestANationalNumberIsWrittenWhereATemplateSaysSo(t *testing.T) {
	c := strings.Replace(realConfiguration, `mail: "{{.Email}}"`, `mail: "{{.Email}}", employeeID: "{{.NationalID}}"`, 1)
	r := &reality{fixture: newFixtureOf(t, map[string]string{"behov.yaml": c, "policy.csv": realRules, "units.csv": realUnits})}
	r.on("2026-06-01").HR("1 E1 national_id=19811218-9876", "2 E2 given_name=Other").expect("2", identity.Working, atSchool)
	if got := r.account(r.one, "1").Attributes["employeeID"]; len(got) != 1 || got[0] != "198112189876" {
		t.Errorf("employeeID is %v", got)
	}
	if got := r.account(r.one, "2").Attributes["employeeID"]; len(got) != 0 {
		t.Errorf("employeeID of somebody without a number is %v", got)
	}
}

func TestSuspendedAtOnceWhateverHRSaysUntilAPersonLiftsIt(t *testing.T) {
	rows := []string{boss, "1 E1", "2 E2", "3 E3", "4 E4"}
	r := newReality(t, "").HR(rows...).expect("1", identity.Working, atSchool)
	p, _ := r.e.DB.Person(t.Context(), r.id("1"))
	maker := by(r.id("9"))
	if _, err := r.govern().Suspend(t.Context(), p, false, by(p.ID), "me"); err == nil {
		t.Error("suspended themselves")
	}
	if _, err := r.govern().Suspend(t.Context(), p, false, maker, "dismissed"); err != nil {
		t.Fatal(err)
	}
	// At once: without a reading, and with one target that is broken.
	r.one.snapshot = fmt.Errorf("it cannot be read")
	result, err := r.e.DisableAccounts(t.Context(), p, reason.Of(reason.Answer{Text: "suspended"}))
	if err != nil || result.Err() != nil || r.account(r.one, "1").Enabled {
		t.Fatalf("closing: %+v, %v", result, err)
	}
	r.one.snapshot = nil
	closed := "one/base:school one/base:staff"
	r.expect("1", identity.Working, closed)
	r.HR(append(rows, "5 E5")...).expect("1", identity.Working, closed)
	// Also where limits hold everything else, and a reading is incomplete.
	q, _ := r.e.DB.Person(t.Context(), r.id("2"))
	if _, err := r.govern().Suspend(t.Context(), q, false, maker, "dismissed too"); err != nil {
		t.Fatal(err)
	}
	r.HR(boss, "1 E1", "2 E2", "3 E3 end_date=2026-05-31", "4 E4 end_date=2026-05-31", "5 E5 end_date=2026-05-31")
	held := r.run()
	if len(held.Plan.Holds) == 0 || r.has("2") != closed || r.has("3") != atSchool {
		t.Errorf("holds %+v; 2 has %q, 3 has %q", held.Plan.Holds, r.has("2"), r.has("3"))
	}
	// The person who is suspended decides on nothing.
	if _, err := r.govern().Suspend(t.Context(), q, true, by(p.ID), "a friend"); err == nil {
		t.Error("a suspended person lifted a suspension")
	}
	if _, err := r.govern().Suspend(t.Context(), p, true, maker, "a misunderstanding"); err != nil {
		t.Fatal(err)
	}
	r.run()
	if got := r.has("1"); got != atSchool {
		t.Errorf("lifted, has %q", got)
	}
}

func TestALegalHoldStopsDeletionAndErasure(t *testing.T) {
	r := newReality(t, "delete_after_days: 100, erase_after_days: 200").HR(boss, "1 E1 end_date=2026-06-01", "2 E2 end_date=2026-06-01")
	r.settledRun()
	r.on("2026-06-02").settledRun()
	one, two := r.id("1"), r.id("2")
	p, _ := r.e.DB.Person(t.Context(), one)
	if _, err := r.govern().SetLegalHold(t.Context(), p, false, by(r.id("9")), "investigation"); err != nil {
		t.Fatal(err)
	}
	r.on("2026-09-10").expect("1", identity.Ended, "").expect("2", identity.Retained, "")
	if len(r.accounts(r.one, one)) != 1 || len(r.accounts(r.one, two)) != 0 {
		t.Error("the one under the hold was deleted, or the other was not")
	}
	r.on("2026-12-19").settledRun()
	if _, err := r.e.DB.Person(t.Context(), two); err == nil {
		t.Error("the other was not erased")
	}
	if _, err := r.e.DB.Person(t.Context(), one); err != nil {
		t.Error(err)
	}
	if _, err := r.e.DB.VerifyAudit(t.Context()); err != nil {
		t.Errorf("the trail after an erasure: %v", err)
	}
	// Erased means that a later export with the person is a question, and then makes a
	// new person.
	again := []string{boss, "1 E1 end_date=2026-06-01", "2 E2 start_date=2026-12-19"}
	if report := r.says("hr", again...); len(report.Problems) != 1 || !strings.Contains(testenv.ProblemText(report.Problems[0]), "people readmit") {
		t.Errorf("problems: %v", report.Problems)
	}
	if _, err := r.govern().Readmit(t.Context(), identity.SourceKey{Source: "hr", Key: "2"}, by(r.id("9")), "employed again"); err != nil {
		t.Fatal(err)
	}
	r.HR(again...).settledRun()
	if r.id("2") == two {
		t.Error("an erased person is known")
	}
}

func TestAMoverTriggersAReviewByTheNewManagerOfWhatRulesDidNotGive(t *testing.T) {
	r := newReality(t, "").HR(boss, "8 E8 job_code=B", "1 E1 unit=school manager_id=8", "2 E2 unit=school manager_id=8")
	r.settledRun()
	// A person gave the library by hand to the first.
	r.behind(r.one, connectors.AddMember, r.account(r.one, "1").ID, "secret")
	r.e.Config.Rules.Catalogue.Entitlements = slices.Clone(r.e.Config.Rules.Catalogue.Entitlements)
	for i, e := range r.e.Config.Rules.Catalogue.Entitlements {
		if e.ID == "base:secret" {
			r.e.Config.Rules.Catalogue.Entitlements[i].Authoritative = false
		}
	}
	r.settledRun()
	r.HR(boss, "8 E8 job_code=B", "1 E1 unit=library manager_id=9", "2 E2 unit=library manager_id=9").settledRun()
	items, _, err := r.e.DB.ReviewItems(t.Context(), 0)
	if err != nil || len(items) != 1 || items[0].Person != r.id("1") || items[0].Entitlement != "base:secret" || items[0].Reviewer != identity.PersonActor(r.id("9")) {
		t.Errorf("items %+v, %v", items, err)
	}
	r.settledRun()
	if again, _, _ := r.e.DB.ReviewItems(t.Context(), 0); len(again) != 1 {
		t.Error("asked twice")
	}
}

// Where each target is looked at by itself, a look at all of them together
// notes the movers, and changes nothing in any.
func TestALookAtAllTargetsNotesMovers(t *testing.T) {
	r := newReality(t, "").HR(boss, "8 E8 job_code=B", "1 E1 unit=school manager_id=8")
	r.settledRun()
	r.behind(r.one, connectors.AddMember, r.account(r.one, "1").ID, "secret")
	for i, e := range r.e.Config.Rules.Catalogue.Entitlements {
		if e.ID == "base:secret" {
			r.e.Config.Rules.Catalogue.Entitlements = slices.Clone(r.e.Config.Rules.Catalogue.Entitlements)
			r.e.Config.Rules.Catalogue.Entitlements[i].Authoritative = false
		}
	}
	r.settledRun()
	r.HR(boss, "8 E8 job_code=B", "1 E1 unit=library manager_id=9")
	has, calls := r.has("1"), r.one.calls
	for range 2 {
		if _, err := r.e.RecordMoversAndErase(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	items, _, err := r.e.DB.ReviewItems(t.Context(), 0)
	if err != nil || len(items) != 1 || items[0].Entitlement != "base:secret" || items[0].Reviewer != identity.PersonActor(r.id("9")) {
		t.Errorf("items %+v, %v", items, err)
	}
	if r.has("1") != has || r.one.calls != calls {
		t.Errorf("1 has %s, and had %s; %d calls", r.has("1"), has, r.one.calls-calls)
	}
	for _, target := range []string{"one", "two"} {
		if _, err := r.e.Run(t.Context(), reconcile.Scope{Targets: []string{target}}); err != nil {
			t.Fatal(err)
		}
	}
	if again, _, _ := r.e.DB.ReviewItems(t.Context(), 0); len(again) != 1 || r.has("1") == has {
		t.Errorf("%d items, 1 has %s", len(again), r.has("1"))
	}
}
