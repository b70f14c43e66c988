package web

import (
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/wording"
)

// reportPage is where HR staff report what the HR system does not have yet, and what was
// reported.
type reportPage struct {
	access.Reports
	Days int // after which a report is unconfirmed
	// Search and Found are the search for the person whose employment ends.
	Search string
	Found  []access.PersonState
	// Person is that person, and Jobs are the employments that can end.
	Person *access.Ref
	Jobs   []access.Employment
	Units  []unitChoice
	End    entered
	Hire   entered
}

// entered is what was entered in a form, by field, and what is wrong with it.
type entered struct {
	Form   string
	Values map[string]string
	Errors map[string]string
	// Order is that of the fields with errors.
	Order []string
}

// unitChoice is a unit that can be chosen.
type unitChoice struct{ ID, Name string }

func (s *site) reports() {
	s.page("/hr/report", "report", func(v *visit) (any, error) {
		return v.report(entered{}, entered{})
	})
	s.form("/hr/report", func(v *visit) (string, error) {
		if v.field("form") == "search" {
			sealed, err := s.sealed(v.field("q"))
			return "/hr/report?" + url.Values{"s": {sealed}}.Encode(), err
		}
		values := map[string]string{}
		for field := range v.request.PostForm {
			values[field] = v.field(field)
		}
		if v.field("form") == "hire" {
			return v.reportHire(values)
		}
		return v.reportEnd(values)
	})
	s.page("/people/{person}/take-back", "decide", func(v *visit) (any, error) {
		p, err := v.Find(v.request.PathValue("person"))
		if err != nil {
			return nil, err
		}
		if err := v.needs(rights.ImportFile, p); err != nil {
			return nil, err
		}
		ref := v.Ref(p.ID)
		to := "/people/" + string(p.ID) + "/take-back?" + url.Values{"employment": {v.query("employment")}}.Encode()
		return decidePage{Title: v.T("decide.take-back.title", "who", v.Who(ref)), Text: v.T("decide.take-back.text"), Person: &ref, Button: v.T("decide.take-back.button"), To: to, Back: "/hr/report"}, nil
	})
	s.form("/people/{person}/take-back", func(v *visit) (string, error) {
		p, err := v.Find(v.request.PathValue("person"))
		if err != nil {
			return "", err
		}
		d, err := v.governance().TakeBackReport(v, p, identity.EmploymentID(v.query("employment")), v.caller.Subject, v.field("reason"))
		return "/people/" + string(p.ID) + "?done=" + strconv.FormatInt(d.Seq, 10), err
	})
}

// report returns the page with what was entered in its forms.
func (v *visit) report(end, hire entered) (*reportPage, error) {
	if err := v.governance().MayReport(v, v.caller.Subject); err != nil {
		return nil, err
	}
	p := &reportPage{Search: v.unsealed(), End: end, Hire: hire, Units: v.units(), Days: v.config.Sources[v.config.Forms].ConfirmDays}
	p.End.Form, p.Hire.Form = "end", "hire"
	var err error
	if p.Reports, err = v.Reports(); err != nil {
		return nil, err
	}
	if p.Search != "" {
		if p.Found, _, err = v.PeoplePage("", p.Search, access.Page{Limit: 20}); err != nil {
			return nil, err
		}
	}
	ref := v.query("person")
	if ref == "" {
		return p, nil
	}
	shown, err := v.Person(ref, nil)
	if err != nil {
		return nil, err
	}
	p.Person = &shown.Person
	for _, e := range shown.Employments {
		if canEnd(e) {
			p.Jobs = append(p.Jobs, e)
		}
	}
	if p.End.Values == nil {
		p.End.Values = map[string]string{governance.FieldLast: string(v.Today())}
		if len(p.Jobs) > 0 {
			p.End.Values[governance.FieldEmployment] = string(p.Jobs[0].Employment.ID)
		}
	}
	return p, nil
}

// canEnd reports whether the end of an employment can be reported.
func canEnd(e access.Employment) bool {
	return e.Reported == "" && slices.Contains([]access.EmploymentState{access.EmploymentActive, access.EmploymentOnLeave, access.EmploymentNotBegun}, e.State)
}

// mayReport reports whether the reader may report what the HR system lacks.
func (v *visit) mayReport() (bool, error) {
	if v.config.Forms == "" {
		return false, nil
	}
	may, _, err := v.May(rights.ImportFile)
	return may, err
}

// units returns the units that exist, by their names.
func (v *visit) units() []unitChoice {
	var all []unitChoice
	units := v.config.Rules.Units
	for _, id := range units.IDs() {
		all = append(all, unitChoice{id, units.Name(id)})
	}
	slices.SortStableFunc(all, func(a, b unitChoice) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (v *visit) reportEnd(values map[string]string) (string, error) {
	p, err := v.Find(v.query("person"))
	if err != nil {
		return "", err
	}
	d, err := v.governance().ReportEnd(v, p, identity.EmploymentID(values[governance.FieldEmployment]), identity.Date(values[governance.FieldLast]), v.caller.Subject, values[governance.FieldReason])
	if err != nil {
		return "", v.again(err, values, func(e entered) (*reportPage, error) { return v.report(e, entered{}) })
	}
	return "/people/" + string(p.ID) + "?done=" + strconv.FormatInt(d.Seq, 10), nil
}

func (v *visit) reportHire(values map[string]string) (string, error) {
	h := governance.Hire{GivenName: values[governance.FieldGiven], FamilyName: values[governance.FieldFamily], NationalID: values[governance.FieldNational], Unit: values[governance.FieldUnit], JobCode: values[governance.FieldJobCode], JobTitle: values[governance.FieldJobTitle],
		Percent: values[governance.FieldPercent], First: identity.Date(values[governance.FieldFirst]), Last: identity.Date(values[governance.FieldLast]), Manager: values[governance.FieldManager]}
	if h.Manager != "" { // an address or a login will do
		if m, err := v.Find(h.Manager); err == nil {
			for _, k := range m.Keys {
				if k.Source == v.config.First {
					h.Manager = k.Key
				}
			}
		}
	}
	done, err := v.governance().ReportHire(v, v.site.Importer, h, v.caller.Subject, values[governance.FieldReason])
	if err != nil {
		return "", v.again(err, values, func(e entered) (*reportPage, error) { return v.report(entered{}, e) })
	}
	return "/people/" + string(done.Decision.Person) + "?done=" + strconv.FormatInt(done.Decision.Seq, 10), nil
}

// again shows a form again of which fields cannot be as they are.
func (v *visit) again(err error, values map[string]string, page func(entered) (*reportPage, error)) error {
	var wrong *governance.FieldsError
	if !errors.As(err, &wrong) {
		return err
	}
	e := entered{Values: values, Errors: map[string]string{}}
	for _, f := range wrong.Fields {
		if e.Errors[f.Field] == "" {
			e.Order = append(e.Order, f.Field)
		}
		e.Errors[f.Field] = wording.Sentence(v.Text(f.Reason))
	}
	data, err := page(e)
	if err != nil {
		return err
	}
	return &unfinished{"report", data}
}
