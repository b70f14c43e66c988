package governance

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// FieldsError says which fields of a report cannot be as they are, in the order of the
// form.
type FieldsError struct{ Fields []FieldError }

// FieldError is what is wrong with a field.
type FieldError struct {
	Field  string
	Reason reason.Reason
}

func (e *FieldsError) Error() string { return "refused: " + e.Because().JSON() }

// Because returns what is wrong with each field, by its name.
func (e *FieldsError) Because() reason.Reason {
	var all []reason.Reason
	for _, f := range e.Fields {
		if f.Field == "" {
			all = append(all, f.Reason)
			continue
		}
		all = append(all, reason.Of(reason.InField{Field: f.Field, Because: f.Reason}))
	}
	if len(all) == 1 {
		return all[0]
	}
	return reason.Of(reason.Several{Reasons: all})
}

func (e *FieldsError) add(field string, k reason.Kind) {
	e.Fields = append(e.Fields, FieldError{field, reason.Of(k)})
}

// errOrNil returns the error when a field has one.
func (e *FieldsError) errOrNil() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}

// The fields of a report, as in the API and on the page.
const (
	FieldEmployment = "employment"
	FieldLast       = "last_day"
	FieldReason     = "reason"
	FieldGiven      = "given_name"
	FieldFamily     = "family_name"
	FieldNational   = "national_id"
	FieldUnit       = "unit"
	FieldJobCode    = "job_code"
	FieldJobTitle   = "job_title"
	FieldPercent    = "percent"
	FieldFirst      = "first_day"
	FieldManager    = "manager"
)

// maxAhead is how many days ahead of today a reported day may lie.
const maxAhead = 366

// ReportEnd reports that an employment ends, before its HR source says so: last is its last
// day; the day before its first for one that never begins, and yesterday, or an earlier day,
// for one that has ended. What holds then is written down in package hr (reports.go).
func (g *Governance) ReportEnd(ctx context.Context, p identity.Person, e identity.EmploymentID, last identity.Date, by rights.Subject, why string) (store.Decision, error) {
	d, err := g.mayReport(ctx, by, []identity.PersonID{p.ID}, why)
	if err != nil {
		return store.Decision{}, err
	}
	i := slices.IndexFunc(p.Employments, func(x identity.Employment) bool { return x.ID == e })
	if i < 0 {
		return store.Decision{}, notTheirEmployment(p.ID)
	}
	employment := p.Employments[i]
	if err := g.checkEnd(employment, last, d.Reason); err != nil {
		return store.Decision{}, err
	}
	d.Kind, d.Verdict, d.Person, d.Subject = store.ReportDecision, store.End, p.ID, store.EmploymentSubject(e)
	return g.recordReport(ctx, d, func(d store.Decision) []identity.Event {
		event := identity.Event{Source: g.Config.Forms, Kind: identity.EmploymentReported, Person: p.ID, Employment: e, Key: employment.Key.Key, PersonKey: employment.PersonKey, Effective: min(g.today(), last.AddDays(1)), Recorded: g.Now(),
			Report: &identity.Report{Last: last, Start: employment.Start, Stated: employment.End, On: g.today(), Decision: d.Seq}}
		if employment.Key.Source == g.Config.Forms { // a report of its own is corrected, and waits as before
			facts := employment.EmploymentFacts
			facts.End, facts.StatedEnd = last, g.today()
			event.Kind, event.EmploymentFacts, event.Report = identity.EmploymentChanged, &facts, nil
		}
		return []identity.Event{event}
	})
}

// checkEnd returns why an employment cannot end on a day by a report, or nil.
func (g *Governance) checkEnd(e identity.Employment, last identity.Date, why string) error {
	var wrong FieldsError
	switch stated := e.SourceLastDay(); {
	case e.Report != nil && e.Report.Last != "":
		return refuse(reason.ReportOpen{Last: e.Report.Last, Decision: e.Report.Decision})
	case stated != "" && stated < g.today():
		wrong.add(FieldEmployment, reason.EndsAlready{Last: stated})
	case last == "":
		wrong.add(FieldLast, reason.FieldMissing{})
	case !isDay(last):
		wrong.add(FieldLast, reason.FieldNoDate{})
	case last < e.Start.AddDays(-1):
		wrong.add(FieldLast, reason.DayTooEarly{Earliest: e.Start.AddDays(-1)})
	case stated != "" && last >= stated:
		wrong.add(FieldLast, reason.EndsAlready{Last: stated})
	case last > g.today().AddDays(maxAhead):
		wrong.add(FieldLast, reason.DayTooLate{Latest: g.today().AddDays(maxAhead)})
	}
	if why == "" {
		wrong.add(FieldReason, reason.NoReasonGiven{})
	}
	return wrong.errOrNil()
}

// TakeBackReport takes a report back that was a mistake: what the employment's own source
// says counts again, and a reported employment ends today.
func (g *Governance) TakeBackReport(ctx context.Context, p identity.Person, e identity.EmploymentID, by rights.Subject, why string) (store.Decision, error) {
	d, err := g.mayReport(ctx, by, []identity.PersonID{p.ID}, why)
	if err != nil {
		return store.Decision{}, err
	}
	i := slices.IndexFunc(p.Employments, func(x identity.Employment) bool { return x.ID == e && x.Report != nil })
	switch {
	case i < 0:
		return store.Decision{}, refuse(reason.NoReport{})
	case d.Reason == "":
		return store.Decision{}, noReasonGiven()
	}
	d.Kind, d.Verdict, d.Person, d.Subject = store.ReportDecision, store.Lift, p.ID, store.EmploymentSubject(e)
	return g.recordReport(ctx, d, func(store.Decision) []identity.Event {
		return hr.CloseReport(p.ID, p.Employments[i], g.Config.Forms, g.today(), g.today(), g.Now())
	})
}

// MayReport returns an error when a subject may not report what the HR system lacks.
func (g *Governance) MayReport(ctx context.Context, by rights.Subject) error {
	_, err := g.mayReport(ctx, by, nil, "a look")
	return err
}

// mayReport authorizes a report. A missing reason is left to the caller, who names every field
// that is missing at once.
func (g *Governance) mayReport(ctx context.Context, by rights.Subject, about []identity.PersonID, why string) (store.Decision, error) {
	why = identity.CleanText(why)
	d, err := g.authorize(ctx, by, rights.ImportFile, rights.Object{About: about}, cmp.Or(why, "none"))
	d.Reason = why
	if err == nil && g.Config.Forms == "" {
		err = refuse(reason.NoForms{})
	}
	return d, err
}

// recordReport records a decision and its events as an import of the source of reports.
func (g *Governance) recordReport(ctx context.Context, d store.Decision, events func(store.Decision) []identity.Event) (store.Decision, error) {
	err := g.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if _, err := tx.LockSequences(ctx); err != nil { // as an import begins: neither waits for the other
			return err
		}
		now := g.Now()
		if d, err = tx.Decide(ctx, d, now); err != nil {
			return err
		}
		all := events(d)
		i := store.Import{ID: uuid.Must(uuid.NewV7()).String(), Source: g.Config.Forms, Rows: 1, Events: len(all), Status: store.ImportDone, Actor: d.Maker}
		i.FileHash = hr.HashOf(fmt.Appendf(nil, "%s\x00decision %d", i.ID, d.Seq))
		if err := tx.RecordEvents(ctx, i.ID, g.Config.Precedence, all); err != nil {
			return err
		}
		tx.Audit(audit.Record{At: now, Actor: d.Maker, Authority: d.Authority, Action: audit.HRImported, Target: i.Source, Reason: reason.Of(reason.Imported{Import: i.ID, SHA256: i.FileHash, Rows: 1, Events: len(all)})})
		return tx.RecordImport(ctx, i, now, now)
	})
	return d, err
}

// Hire is a hire as it is reported; the texts are as they were written.
type Hire struct {
	GivenName, FamilyName string
	// NationalID may be empty. With it the record of another source joins the person.
	NationalID        string
	Unit              string
	JobCode, JobTitle string // at least one
	Percent           string // empty for a whole employment
	First, Last       identity.Date
	// Manager is the manager's key in the first source; empty for none.
	Manager string
}

// Hired is a hire that was recorded.
type Hired struct {
	Decision store.Decision
	Report   *hr.Report
}

// ReportHire reports a hire before the HR system has it: a person and an employment of the
// source of reports, as an import. What follows is written down in package hr (reports.go).
func (g *Governance) ReportHire(ctx context.Context, im *hr.Importer, h Hire, by rights.Subject, why string) (Hired, error) {
	var out Hired
	d, err := g.mayReport(ctx, by, nil, why)
	if err != nil {
		return out, err
	}
	same, err := g.DB.LinkedPeople(ctx, by.Person)
	if err != nil {
		return out, err
	}
	key := "R" + rand.Text()[:10]
	row, err := g.checkHire(ctx, &h, d.Reason)
	if err != nil {
		return out, err
	}
	row["person_id"], row["employment_id"] = key, key
	content, err := json.Marshal([]map[string]string{row})
	if err != nil {
		return out, fmt.Errorf("report: %w", err)
	}
	source := g.Config.Sources[g.Config.Forms]
	source.Format = "json"
	export, err := hr.Read("report", content, source, g.Config.Attributes, g.Config.Rules.Units, g.today())
	if err != nil {
		return out, err
	}
	for _, p := range export.Problems {
		if !p.Warning {
			return out, &FieldsError{[]FieldError{{"", p.Reason}}}
		}
	}
	for i := range export.Rows {
		if export.Rows[i].Terms.ManagerKey != "" {
			export.Rows[i].Terms.ManagerSource = g.Config.First
		}
	}
	importer := *im
	importer.Actor, importer.Progress = by.Actor(), nil
	out.Report, err = importer.Deliver(ctx, hr.Delivery{Source: source, Name: "report", Hash: hr.HashOf(content), Export: export, ByHand: true,
		Hired: func(ctx context.Context, tx *store.Tx, p identity.Person, e identity.EmploymentID) (store.Decision, error) {
			if p.ID == by.Person || slices.Contains(same, p.ID) { // their own number joins them
				if _, err := g.mayReport(ctx, by, []identity.PersonID{by.Person}, why); err != nil {
					return store.Decision{}, err
				}
			}
			d.Kind, d.Verdict, d.Person, d.Subject = store.ReportDecision, store.Hire, p.ID, store.EmploymentSubject(e)
			var err error
			out.Decision, err = tx.Decide(ctx, d, g.Now())
			return out.Decision, err
		}})
	if err == nil && out.Decision.Seq == 0 { // the row was not taken, and a problem says why
		err = errors.New("the reported hire was not taken")
		if len(out.Report.Problems) > 0 {
			err = &reason.Refusal{Reason: out.Report.Problems[0].Reason}
		}
	}
	return out, err
}

// checkHire returns a hire as a row of an HR file, or which of its fields cannot be so.
func (g *Governance) checkHire(ctx context.Context, h *Hire, why string) (map[string]string, error) {
	var wrong FieldsError
	for _, text := range []*string{&h.GivenName, &h.FamilyName, &h.NationalID, &h.Unit, &h.JobCode, &h.JobTitle, &h.Percent, &h.Manager} {
		*text = identity.CleanText(*text)
	}
	need := func(field, value string) {
		if value == "" {
			wrong.add(field, reason.FieldMissing{})
		}
	}
	need(FieldGiven, h.GivenName)
	need(FieldFamily, h.FamilyName)
	number := h.NationalID
	if number != "" {
		valid := false
		if number, valid = identity.NationalID(h.NationalID, g.today()); !valid {
			wrong.add(FieldNational, reason.NumberInvalid{})
		}
	}
	units := g.Config.Rules.Units
	need(FieldUnit, h.Unit)
	if h.Unit != "" && units.Len() > 0 && !units.Has(h.Unit) {
		wrong.add(FieldUnit, reason.UnitUnknown{Unit: h.Unit})
	}
	if h.JobCode == "" && h.JobTitle == "" {
		wrong.add(FieldJobTitle, reason.JobMissing{})
	}
	if h.Percent == "" {
		h.Percent = "100"
	} else {
		if n, err := strconv.ParseFloat(strings.Replace(strings.TrimSpace(strings.TrimSuffix(h.Percent, "%")), ",", ".", 1), 64); err != nil || !(n > 0 && n <= 100) {
			wrong.add(FieldPercent, reason.PercentInvalid{})
		} else {
			h.Percent = strconv.FormatFloat(n, 'f', -1, 64)
		}
	}
	g.checkDays(h, &wrong)
	if h.Manager != "" {
		if _, known, err := g.DB.PersonByKey(ctx, identity.SourceKey{Source: g.Config.First, Key: h.Manager}); err != nil {
			return nil, err
		} else if !known {
			wrong.add(FieldManager, reason.ManagerUnknown{Source: g.Config.First})
		}
	}
	if why == "" {
		wrong.add(FieldReason, reason.NoReasonGiven{})
	}
	return map[string]string{"given_name": h.GivenName, "family_name": h.FamilyName, "national_id": number, "unit": h.Unit, "job_code": h.JobCode, "job_title": h.JobTitle, "employment_percent": h.Percent, "manager_id": h.Manager,
		"start_date": string(h.First), "end_date": string(h.Last)}, wrong.errOrNil()
}

// checkDays checks the first and the last day of a hire.
func (g *Governance) checkDays(h *Hire, wrong *FieldsError) {
	earliest, latest := g.today().AddDays(-maxAhead), g.today().AddDays(maxAhead)
	switch {
	case h.First == "":
		wrong.add(FieldFirst, reason.FieldMissing{})
	case !isDay(h.First):
		wrong.add(FieldFirst, reason.FieldNoDate{})
	case h.First < earliest:
		wrong.add(FieldFirst, reason.DayTooEarly{Earliest: earliest})
	case h.First > latest:
		wrong.add(FieldFirst, reason.DayTooLate{Latest: latest})
	}
	switch {
	case h.Last == "":
	case !isDay(h.Last):
		wrong.add(FieldLast, reason.FieldNoDate{})
	case isDay(h.First) && h.Last < h.First:
		wrong.add(FieldLast, reason.DayTooEarly{Earliest: h.First})
	}
}

func isDay(d identity.Date) bool {
	_, err := identity.ParseDate("2006-01-02", string(d))
	return err == nil
}
