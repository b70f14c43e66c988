package governance_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	small "github.com/behov/behov/internal/testenv/office"
)

// reports is an office whose HR system exports everything, each time.
type reports struct {
	*small.Office
	t *testing.T
}

const reportHeader = "person_id,employment_id,given_name,family_name,national_id,unit,job_code,job_title,manager_id,start_date,end_date,email,protected\n"

func newReports(t *testing.T) reports {
	o := reports{small.New(t, nil), t}
	o.export("")
	o.Apply()
	return o
}

// export imports a full export: everyone as always, staff's employment with the end, and
// further rows.
func (o reports) export(end string, further ...string) {
	o.t.Helper()
	o.exportRows(append([]string{"staff,E1,Anna,Staff,,office,LIB,Librarian,manager,2020-01-01," + end + ","}, further...)...)
}

func (o reports) exportRows(further ...string) {
	o.t.Helper()
	rows := reportHeader
	for _, key := range small.Roles {
		number := ""
		if key == "personnel" {
			number = "19900101-1114"
		}
		rows += key + ",E-" + key + ",Given,Family" + key + "," + number + ",office,,,,2020-01-01,,,no\n"
	}
	rows += "secret,E2,Hemlig,Hemligsson,,hideout,LIB,Librarian,manager,2020-01-01,,,yes\ngone,E3,Given,Familygone,,office,,,,2020-01-01,2021-01-01,,no\n"
	for _, row := range further {
		rows += row + ",no\n"
	}
	im := hr.Importer{DB: o.DB, Config: o.Config, Now: o.Clock, Actor: identity.System}
	export, err := hr.Read("hr.csv", []byte(rows), o.Config.Sources["hr"], nil, o.Config.Rules.Units, im.Today())
	if err != nil {
		o.t.Fatal(err)
	}
	if r, err := im.Deliver(o.t.Context(), hr.Delivery{Source: o.Config.Sources["hr"], Name: "hr.csv", Hash: hr.HashOf([]byte(rows)), Export: export, Current: true}); err != nil || r.Held != nil || r.EndingsHeld != nil {
		o.t.Fatalf("%+v, %v", r, err)
	}
}

func (o reports) day(days int) { o.Time = o.Time.AddDate(0, 0, days) }

func (o reports) importer() *hr.Importer {
	return &hr.Importer{DB: o.DB, Config: o.Config, Now: o.Clock}
}

// end reports the end of staff's employment.
func (o reports) end(last identity.Date) store.Decision {
	o.t.Helper()
	p := o.Person("staff")
	d, err := o.Governance().ReportEnd(o.t.Context(), p, p.Employments[0].ID, last, o.By("personnel"), "dismissed")
	if err != nil {
		o.t.Fatal(err)
	}
	return d
}

// works applies, and demands that a person has, or has not, what librarians have.
func (o reports) works(p identity.Person, want bool) {
	o.t.Helper()
	o.Apply()
	grants, err := o.view("administrator").Grants(string(p.ID), o.Engine)
	if err != nil {
		o.t.Fatal(err)
	}
	has := false
	for _, g := range grants.Grants {
		has = has || g.Entitlement == policy.EntitlementID("lib:library") && g.State == access.Has
	}
	if has != want {
		o.t.Fatalf("%s: has the library: %t, want %t (%v)", o.Time.Format("2006-01-02"), has, want, grants.Stage)
	}
	again, _, err := o.Engine.Look(o.t.Context(), reconcile.Scope{})
	if err != nil || len(again.Steps) > 0 {
		o.t.Fatalf("a second run has steps: %+v, %v", again.Steps, err)
	}
}

func (o reports) view(as string) *access.View {
	o.t.Helper()
	v, err := o.Answers().For(o.t.Context(), access.Viewer{Subject: o.By(as)})
	if err != nil {
		o.t.Fatal(err)
	}
	return v
}

// newest returns the verdict of the newest decision on a report.
func (o reports) newest(p identity.Person) store.Decision {
	o.t.Helper()
	all, err := o.DB.NewestDecisionPerPerson(o.t.Context(), store.ReportDecision, store.Only(p.ID))
	if err != nil || len(all) != 1 {
		o.t.Fatal(all, err)
	}
	return all[0]
}

func (o reports) open(want int) {
	o.t.Helper()
	people, err := o.DB.PeopleWithReports(o.t.Context())
	if err != nil || len(people) != want {
		o.t.Fatalf("%d reports are open, want %d: %v", len(people), want, err)
	}
}

// TestAReportedEndHolds: what HR staff report takes everything at once, and no export that
// lists the employment as before gives it back.
func TestAReportedEndHolds(t *testing.T) {
	o := newReports(t)
	o.works(o.Person("staff"), true)
	d := o.end("2026-11-29")
	if maker, _ := d.Maker.Person(); maker != o.Person("personnel").ID || !strings.HasPrefix(d.Authority, "hr") {
		t.Errorf("decision by %v as %q", d.Maker, d.Authority)
	}
	o.works(o.Person("staff"), false)
	stage := o.Config.Lifecycle.StageOf(o.Person("staff"), "2026-11-30", false)
	if why, _ := reason.OfStage(stage).Kind(); stage.State != identity.Ended || why != (reason.EndReported{Last: "2026-11-29", Decision: d.Seq}) {
		t.Errorf("stage %+v", stage)
	}
	events, err := o.DB.Imports(t.Context(), "manual", 9)
	if err != nil || len(events) != 1 || events[0].Events != 1 || events[0].Actor != d.Maker {
		t.Errorf("imports of the source of reports: %+v, %v", events, err)
	}
	told := false
	for r, err := range o.DB.AuditRecords(t.Context(), store.Only(o.Person("staff").ID)) {
		if err != nil {
			t.Fatal(err)
		}
		told = told || r.Action == audit.DecisionMade && r.Actor == d.Maker && r.Authority == d.Authority && r.Outcome == "end"
	}
	if !told {
		t.Error("no record of the audit trail names the maker")
	}
	for range 3 {
		o.day(1)
		o.export("")
		o.works(o.Person("staff"), false)
		o.open(1)
	}
	// Neither does a row that changes something else, nor a file that lacks the row once.
	o.exportRows("staff,E1,Anna,Staff,,office,LIB,Librarian,owner,2020-01-01,,")
	o.works(o.Person("staff"), false)
	o.exportRows()
	o.works(o.Person("staff"), false)
	o.export("")
	o.works(o.Person("staff"), false)
	o.open(1)
}

// TestHRConfirmsAReportedEnd: when HR's own record ends, its date counts from then on.
func TestHRConfirmsAReportedEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end     string
		verdict store.Verdict
		last    identity.Date
		works   bool
	}{
		"the same day":             {"2026-11-29", store.Confirm, "2026-11-29", false},
		"an earlier day":           {"2026-11-15", store.Confirm, "2026-11-15", false},
		"a later day, over":        {"2026-12-01", store.Confirm, "2026-12-01", false},
		"a later day, to come":     {"2026-12-31", store.Overrule, "2026-12-31", true},
		"cancelled from the start": {"2019-12-31", store.Confirm, "2019-12-31", false},
	} {
		t.Run(name, func(t *testing.T) {
			o := newReports(t)
			o.end("2026-11-29")
			o.works(o.Person("staff"), false)
			o.day(3)
			o.export(c.end)
			o.works(o.Person("staff"), c.works)
			p := o.Person("staff")
			if p.Employments[0].Report != nil || p.Employments[0].LastDay() != c.last {
				t.Errorf("employment %+v", p.Employments[0])
			}
			d := o.newest(p)
			if why, _ := d.Because.Kind(); d.Verdict != c.verdict || why.(reason.ReportSettled).Last != c.last || why.(reason.ReportSettled).Reported != "2026-11-29" {
				t.Errorf("decision %+v", d)
			}
			o.open(0)
			o.export(c.end)
			if again := o.newest(p); again.Seq != d.Seq {
				t.Error("it is settled twice")
			}
		})
	}
}

// TestHRDeniesAReportedEnd: an end that HR takes away is no end that it states, and one that
// it stated before the report neither.
func TestHRDeniesAReportedEnd(t *testing.T) {
	o := newReports(t)
	o.export("2026-12-31")
	o.end("2026-11-29")
	o.export("2026-12-31")
	o.works(o.Person("staff"), false)
	o.export("")
	o.works(o.Person("staff"), false)
	o.open(1)
	if _, err := o.Governance().TakeBackReport(t.Context(), o.Person("staff"), o.Person("staff").Employments[0].ID, o.By("personnel"), "a mistake"); err != nil {
		t.Fatal(err)
	}
	o.works(o.Person("staff"), true)
	o.open(0)
	// What was stated before counts when it has come.
	o.export("2026-12-31")
	o.end("2026-11-30")
	o.works(o.Person("staff"), true)
	o.day(1)
	o.works(o.Person("staff"), false)
	o.day(31)
	o.export("2026-12-31")
	o.works(o.Person("staff"), false)
	if d := o.newest(o.Person("staff")); d.Verdict != store.Confirm {
		t.Errorf("decision %+v", d)
	}
}

// TestARehireAfterAReportedEnd: the same employment begins again.
func TestARehireAfterAReportedEnd(t *testing.T) {
	o := newReports(t)
	o.end("2026-11-29")
	o.day(60)
	o.exportRows("staff,E1,Anna,Staff,,office,LIB,Librarian,manager,2027-01-20,,")
	o.works(o.Person("staff"), true)
	if d := o.newest(o.Person("staff")); d.Verdict != store.Overrule {
		t.Errorf("decision %+v", d)
	}
}

var hire = governance.Hire{GivenName: "Nya", FamilyName: "Vikarien", NationalID: "19900102-1113", Unit: "office", JobCode: "LIB", First: "2026-11-30", Last: "2026-12-31", Manager: "manager"}

// reported reports a hire and returns the person.
func (o reports) reported(h governance.Hire) identity.Person {
	o.t.Helper()
	done, err := o.Governance().ReportHire(o.t.Context(), o.importer(), h, o.By("personnel"), "begins today")
	if err != nil {
		o.t.Fatal(err)
	}
	p, err := o.DB.Person(o.t.Context(), done.Decision.Person)
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

// TestAReportedHireBridges: the person works at once, and HR's own employment takes the
// place of the reported one without a moment between, and without a second person.
func TestAReportedHireBridges(t *testing.T) {
	o := newReports(t)
	p := o.reported(hire)
	o.works(p, true)
	n, _ := o.DB.CountPeople(t.Context())
	o.open(1)
	o.day(2)
	o.export("")
	o.works(p, true)
	// HR knows an address, and another given name; it begins the day after tomorrow.
	o.export("", "new,E9,Nya Maria,Vikarien,19900102-1113,office,LIB,Librarian,manager,2026-12-04,2027-06-30,nya@example.org")
	o.works(p, true)
	if now, _ := o.DB.CountPeople(t.Context()); now != n {
		t.Errorf("%d people, %d before", now, n)
	}
	p, err := o.DB.Person(t.Context(), p.ID)
	if err != nil || len(p.Employments) != 2 || p.Email != "nya@example.org" {
		t.Fatalf("%+v, %v", p, err)
	}
	for range 5 {
		if active := p.Active(identity.DateOf(o.Time, o.Config.Zone)); len(active) != 1 {
			t.Errorf("%s: %d active employments", o.Time.Format("2006-01-02"), len(active))
		}
		o.works(p, true)
		o.day(1)
	}
	if d := o.newest(p); d.Verdict != store.Confirm {
		t.Errorf("decision %+v", d)
	}
	if n := o.spells(p); n != 1 {
		t.Errorf("the library was given %d times", n)
	}
	o.open(0)
}

// TestAReportedHireOfSomeoneKnown: the person's other employments, as they were when the hire
// was reported, are not what it waits for.
func TestAReportedHireOfSomeoneKnown(t *testing.T) {
	o := newReports(t)
	with := func(further ...string) {
		o.t.Helper()
		o.exportRows(append([]string{"staff,E1,Anna,Staff,19900102-1113,office,LIB,Librarian,manager,2020-01-01,,anna@example.org"}, further...)...)
	}
	with()
	h := hire
	h.GivenName, h.FamilyName, h.Unit = "Anna", "Staff", "hideout"
	p := o.reported(h)
	if p.ID != o.Person("staff").ID || p.Email != "anna@example.org" {
		t.Fatalf("another person: %+v", p)
	}
	with()
	o.open(1)
	with("staff,E1b,Anna,Staff,19900102-1113,hideout,LIB,Librarian,manager,2026-11-30,,anna@example.org")
	o.open(0)
	o.works(p, true)
}

// TestAReportedHireWithoutANumber: nothing joins HR's record to the person; a merge does, and
// nothing is lost then either.
func TestAReportedHireWithoutANumber(t *testing.T) {
	o := newReports(t)
	h := hire
	h.NationalID, h.Last = "", ""
	p := o.reported(h)
	o.works(p, true)
	row := "new,E9,Nya,Vikarien,,office,LIB,Librarian,manager,2026-11-30,,"
	o.export("", row)
	o.open(1)
	other := o.Person("new")
	if other.ID == p.ID {
		t.Fatal("records without a number are joined")
	}
	if _, err := o.Governance().Merge(t.Context(), p, other, o.By("personnel"), "one person"); err != nil {
		t.Fatal(err)
	}
	o.works(p, true)
	o.day(1)
	o.export("", row)
	o.open(0)
	o.works(p, true)
	if n := o.spells(p); n != 1 {
		t.Errorf("the library was given %d times", n)
	}
}

// TestAReportedHireIsCorrected: its end is reported as any other's, and it still waits for the
// HR system; taken back it ends.
func TestAReportedHireIsCorrected(t *testing.T) {
	o := newReports(t)
	p := o.reported(hire)
	d, err := o.Governance().ReportEnd(t.Context(), p, p.Employments[0].ID, "2026-12-05", o.By("personnel"), "shorter")
	if err != nil {
		t.Fatal(err)
	}
	if p, err = o.DB.Person(t.Context(), p.ID); err != nil || p.Employments[0].LastDay() != "2026-12-05" || d.Verdict != store.End {
		t.Fatalf("%+v, %v", p, err)
	}
	o.open(1)
	o.works(p, true)
	if _, err := o.Governance().TakeBackReport(t.Context(), p, p.Employments[0].ID, o.By("personnel"), "never came"); err != nil {
		t.Fatal(err)
	}
	o.open(0)
	o.works(p, false)
}

// spells returns how many times a person has had what librarians have.
func (o reports) spells(p identity.Person) (n int) {
	o.t.Helper()
	had, _, err := o.view("administrator").AccessPage(p.ID, &access.Period{}, access.Page{Limit: 100})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, a := range had {
		if a.Entitlement == "lib:library" {
			n++
		}
	}
	return n
}

// TestWhoReports: HR and operators; no one of themselves, not by a number either.
func TestWhoReports(t *testing.T) {
	o := newReports(t)
	g, staff := o.Governance(), o.Person("staff")
	for _, key := range small.Roles {
		_, err := g.ReportEnd(t.Context(), staff, staff.Employments[0].ID, "2026-11-29", o.By(key), "why")
		may := key == "personnel" || key == "operator" || key == "administrator"
		if rights.IsRefused(err) == may {
			t.Errorf("%s: %v", key, err)
		}
		if err == nil {
			if _, err := g.TakeBackReport(t.Context(), o.Person("staff"), staff.Employments[0].ID, o.By(key), "why"); err != nil {
				t.Error(err)
			}
		}
	}
	own := o.Person("personnel")
	if _, err := g.ReportEnd(t.Context(), own, own.Employments[0].ID, "2026-11-29", o.By("personnel"), "why"); !rights.IsSelf(err) {
		t.Errorf("of themselves: %v", err)
	}
	h := hire
	h.FamilyName, h.NationalID = "Familypersonnel", "900101-1114"
	events, _ := o.DB.Stats(t.Context())
	if _, err := g.ReportHire(t.Context(), o.importer(), h, o.By("personnel"), "why"); !rights.IsSelf(err) {
		t.Errorf("of themselves by their number: %v", err)
	}
	if now, _ := o.DB.Stats(t.Context()); now.Heads.Events != events.Heads.Events {
		t.Error("a refused hire left events")
	}
}

// TestWhatCannotBeReported names the field, and why.
func TestWhatCannotBeReported(t *testing.T) {
	o := newReports(t)
	g, staff := o.Governance(), o.Person("staff")
	o.end("2026-12-10")
	for name, c := range map[string]struct {
		of    string
		last  identity.Date
		field string
		code  reason.Code
	}{
		"no day":          {"manager", "", "last_day", "field-missing"},
		"no such day":     {"manager", "2026-02-30", "last_day", "field-no-date"},
		"before it began": {"manager", "2019-12-30", "last_day", "day-too-early"},
		"in two years":    {"manager", "2028-12-30", "last_day", "day-too-late"},
		"has ended":       {"gone", "2026-11-30", "employment", "ends-already"},
	} {
		p := o.Person(c.of)
		_, err := g.ReportEnd(t.Context(), p, p.Employments[0].ID, c.last, o.By("personnel"), "why")
		demandField(t, name, err, c.field, c.code)
	}
	if _, err := g.ReportEnd(t.Context(), o.Person("staff"), staff.Employments[0].ID, "2026-11-30", o.By("personnel"), "why"); err == nil || !strings.Contains(err.Error(), "report-open") {
		t.Errorf("reported already: %v", err)
	}
	if _, err := g.ReportEnd(t.Context(), o.Person("manager"), staff.Employments[0].ID, "2026-11-30", o.By("personnel"), "why"); err == nil {
		t.Error("another person's employment ends")
	}
	for name, c := range map[string]struct {
		change func(*governance.Hire)
		field  string
		code   reason.Code
	}{
		"no given name":  {func(h *governance.Hire) { h.GivenName = " " }, "given_name", "field-missing"},
		"no family name": {func(h *governance.Hire) { h.FamilyName = "" }, "family_name", "field-missing"},
		"a wrong number": {func(h *governance.Hire) { h.NationalID = "19900102-1119" }, "national_id", "number-invalid"},
		"no unit":        {func(h *governance.Hire) { h.Unit = "" }, "unit", "field-missing"},
		"another unit":   {func(h *governance.Hire) { h.Unit = "moon" }, "unit", "unit-unknown"},
		"no job":         {func(h *governance.Hire) { h.JobCode = "" }, "job_title", "job-missing"},
		"no percent":     {func(h *governance.Hire) { h.Percent = "NaN" }, "percent", "percent-invalid"},
		"no first day":   {func(h *governance.Hire) { h.First = "" }, "first_day", "field-missing"},
		"an early day":   {func(h *governance.Hire) { h.First = "2020-01-01" }, "first_day", "day-too-early"},
		"an order":       {func(h *governance.Hire) { h.Last = "2026-11-29" }, "last_day", "day-too-early"},
		"no manager":     {func(h *governance.Hire) { h.Manager = "nobody" }, "manager", "manager-unknown"},
	} {
		h := hire
		c.change(&h)
		_, err := g.ReportHire(t.Context(), o.importer(), h, o.By("personnel"), "why")
		demandField(t, name, err, c.field, c.code)
	}
}

func demandField(t *testing.T, name string, err error, field string, code reason.Code) {
	t.Helper()
	var wrong *governance.FieldsError
	if !errors.As(err, &wrong) || len(wrong.Fields) != 1 || wrong.Fields[0].Field != field || wrong.Fields[0].Reason.Code() != code {
		t.Errorf("%s: %v", name, err)
	}
}

// TestFoldingReports: what the events say of reports is what is stored.
func TestFoldingReports(t *testing.T) {
	report := &identity.Report{Last: "2026-11-29", Stated: "", On: "2026-11-30", Decision: 3}
	facts := identity.EmploymentFacts{Start: "2020-01-01", Terms: []identity.Terms{{}}}
	p := identity.Fold(identity.Person{}, []identity.Event{{Seq: 1, Kind: identity.PersonAdded, Person: "p"}, {Seq: 2, Kind: identity.EmploymentAdded, Employment: "e", Source: "hr", EmploymentFacts: &facts},
		{Seq: 3, Source: "manual", Kind: identity.EmploymentReported, Employment: "e", Report: report}, {Seq: 4, Kind: identity.EmploymentChanged, Employment: "e", Source: "hr", EmploymentFacts: &facts}})
	if p.Employments[0].LastDay() != "2026-11-29" || p.Employments[0].Key.Source != "hr" {
		t.Errorf("%+v", p.Employments[0])
	}
	p = identity.Fold(p, []identity.Event{{Seq: 5, Source: "manual", Kind: identity.EmploymentReported, Employment: "e"}})
	if p.Employments[0].LastDay() != "" {
		t.Errorf("%+v", p.Employments[0])
	}
}
