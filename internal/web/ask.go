package web

import (
	"cmp"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// askPage is a question of the audit, and its answer.
type askPage struct {
	Text     string // as it was asked
	Person   *access.Ref
	What     string // an entitlement or a system
	IsSystem bool
	From, To identity.Date
	Asked    bool
	Had      []access.Access
	Next     string
	Choices  []choice // what else the words may mean
	Wrong    []string // what was not understood
	Example  string   // a system of the installation
	Export   string   // the query of the export
	Drawing  *drawing // of a time longer than a day
}

// choice is something that the words of a question may mean.
type choice struct {
	Person *access.PersonState
	What   string
	System bool
	Unit   bool // What is its name
	To     string
}

// searchPurpose is for what the words of a search are sealed: names have no place in an
// address.
const searchPurpose = "pages.search"

// sealed returns words as an address may have them.
func (s *site) sealed(words string) (string, error) {
	text, err := s.DB.Seal(searchPurpose, []byte(words))
	return base64.RawURLEncoding.EncodeToString(text), err
}

// unsealed returns the words of an address; none when it has none.
func (v *visit) unsealed() string {
	text, err := base64.RawURLEncoding.DecodeString(v.query("s"))
	if err != nil || len(text) == 0 {
		return ""
	}
	words, err := v.site.DB.Unseal(searchPurpose, text)
	if err != nil {
		return ""
	}
	return string(words)
}

func (s *site) ask() {
	s.form("/ask", func(v *visit) (string, error) {
		words := v.field("q")
		if len(words) > 500 {
			words = ""
		}
		sealed, err := s.sealed(words)
		if err != nil {
			return "", err
		}
		q := parseQuestion(words, v.Today(), &s.Config.Rules.Catalogue, s.Config.Rules.Units)
		to := url.Values{"s": {sealed}}
		if q.From != "" && len(q.Wrong) == 0 {
			to.Set("from", string(q.From))
			to.Set("to", string(q.To))
		}
		people := 0
		if q.Rest != "" {
			found, next, err := v.PeoplePage("", q.Rest, access.Page{Limit: 2})
			if err != nil {
				return "", err
			}
			if people = len(found); people == 1 && next == "" {
				to.Set("person", string(found[0].Person.ID))
			}
		}
		if what := q.what(); what != "" && len(q.Wrong) == 0 && (q.Rest == "" || people == 1) {
			to.Set("what", what)
		}
		return "/ask?" + to.Encode(), nil
	})
	s.page("/ask", "ask", func(v *visit) (any, error) {
		return v.answer(access.Page{After: v.query("after"), Limit: listed})
	})
	s.handle("GET /ask/export", func(w http.ResponseWriter, v *visit) error { return s.export(w, v) })
}

// asking reads the question of an address.
func (v *visit) asking() (p askPage, period *access.Period, err error) {
	p = askPage{Text: v.unsealed(), What: v.query("what"), From: identity.Date(v.query("from")), To: identity.Date(v.query("to"))}
	switch {
	case p.From == "" && p.To == "":
	case p.To == "":
		p.To = p.From
	case p.From == "":
		p.From = p.To
	}
	if p.From != "" && (!isDate(p.From) || !isDate(p.To) || p.To < p.From) {
		p.Wrong = append(p.Wrong, string(p.From)+" – "+string(p.To))
		p.From, p.To = "", ""
	}
	if p.From != "" {
		period = &access.Period{From: v.midnight(p.From), To: v.midnight(p.To.AddDays(1))}
	}
	if ref := v.query("person"); ref != "" {
		id, err := v.FindInTrail(ref)
		if err != nil {
			return p, nil, err
		}
		if err := v.Load([]identity.PersonID{id}); err != nil {
			return p, nil, err
		}
		who := v.Ref(id)
		p.Person = &who
	}
	_, p.IsSystem = v.site.Config.Rules.Catalogue.System(p.What)
	p.Asked = (p.Person != nil || p.What != "") && len(p.Wrong) == 0
	return p, period, nil
}

// answer answers the question of an address, a page at a time.
func (v *visit) answer(page access.Page) (askPage, error) {
	p, period, err := v.asking()
	if err != nil {
		return p, err
	}
	if !p.Asked {
		return p, v.choose(&p)
	}
	var next string
	if p.Had, next, err = v.had(p, period, page); err != nil {
		return p, err
	}
	if period != nil && p.From != p.To && len(p.Had) > 0 {
		p.Drawing = v.drawHad(p, v.Today())
	}
	q := url.Values{}
	for _, name := range []string{"person", "what", "from", "to", "s"} {
		if value := v.query(name); value != "" {
			q.Set(name, value)
		}
	}
	if next != "" {
		q.Set("after", next)
		p.Next = "/ask?" + q.Encode()
		q.Del("after")
	}
	q.Del("s")
	p.Export = q.Encode()
	return p, v.choose(&p)
}

// had returns a part of who had what is asked for.
func (v *visit) had(p askPage, period *access.Period, page access.Page) (had []access.Access, next string, err error) {
	if p.Person == nil {
		return v.WhoHadPage(p.What, period, page)
	}
	if had, next, err = v.AccessPage(p.Person.ID, period, page); err != nil || p.What == "" {
		return had, next, err
	}
	kept := had[:0]
	for _, a := range had {
		e, _ := v.site.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(a.Entitlement))
		if a.Entitlement == p.What || p.IsSystem && e.System == p.What {
			kept = append(kept, a)
		}
	}
	return kept, next, nil
}

// what returns the one entitlement or system that a question is about; empty for none, or
// several.
func (q asked) what() string {
	switch {
	case len(q.Units) > 0 || len(q.Entitlements)+len(q.Systems) != 1:
		return ""
	case len(q.Systems) == 1:
		return q.Systems[0]
	}
	return string(q.Entitlements[0])
}

// choose lists what else the words of the question may mean.
func (v *visit) choose(p *askPage) error {
	for _, x := range v.Systems() {
		p.Example = v.System(x.System)
		break
	}
	if p.Text == "" {
		return nil
	}
	q := parseQuestion(p.Text, v.Today(), &v.site.Config.Rules.Catalogue, v.site.Config.Rules.Units)
	p.Wrong = append(p.Wrong, q.Wrong...)
	to := func(name, value string) string {
		of := url.Values{name: {value}, "s": {v.query("s")}}
		if what := q.what(); name == "person" && what != "" {
			of.Set("what", what)
		}
		if p.From != "" {
			of.Set("from", string(p.From))
			of.Set("to", string(p.To))
		}
		return "/ask?" + of.Encode()
	}
	for _, e := range q.Entitlements {
		if string(e) != p.What {
			p.Choices = append(p.Choices, choice{What: string(e), To: to("what", string(e))})
		}
	}
	for _, s := range q.Systems {
		if s != p.What {
			p.Choices = append(p.Choices, choice{What: s, System: true, To: to("what", s)})
		}
	}
	for _, id := range q.Others {
		if _, system := v.site.Config.Rules.Catalogue.System(id); id != p.What {
			p.Choices = append(p.Choices, choice{What: id, System: system, To: to("what", id)})
		}
	}
	for _, id := range q.Units {
		if v.SeesEveryone() {
			p.Choices = append(p.Choices, choice{What: cmp.Or(v.site.Config.Rules.Units.Name(id), id), Unit: true, To: "/organisation/" + url.PathEscape(id) + "?" + url.Values{"on": {string(cmp.Or(p.From, v.Today()))}}.Encode()})
		}
	}
	if q.Rest == "" || p.Person != nil {
		return nil
	}
	people, _, err := v.PeoplePage("", q.Rest, access.Page{Limit: 20})
	if len(people) == 0 {
		p.Wrong = append(p.Wrong, q.Rest)
	}
	for i := range people {
		p.Choices = append(p.Choices, choice{Person: &people[i], To: to("person", string(people[i].Person.ID))})
	}
	return err
}

// export answers with all that is asked for: as CSV that a spreadsheet takes for nothing but
// text, or as JSON.
func (s *site) export(w http.ResponseWriter, v *visit) error {
	p, period, err := v.asking()
	if err != nil {
		return err
	}
	if !p.Asked {
		return &access.CursorError{}
	}
	next := ""
	first, next, err := v.had(p, period, access.Page{Limit: exported})
	if err != nil {
		return err
	}
	name := "behov-" + time.Now().UTC().Format("20060102-150405")
	var out interface {
		put(a access.Access) error
		end() error
	}
	if v.query("format") == "json" {
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.ndjson"`)
		out = &jsonExport{json.NewEncoder(w)}
	} else {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
		if out, err = v.newCSV(w); err != nil {
			return nil //nolint:nilerr // the reader is gone
		}
	}
	for {
		for _, a := range first {
			if err := out.put(a); err != nil {
				return nil //nolint:nilerr // the reader is gone
			}
		}
		if next == "" {
			return out.end()
		}
		if first, next, err = v.had(p, period, access.Page{After: next, Limit: exported}); err != nil {
			panic(http.ErrAbortHandler) // half a file must not look like a whole one
		}
	}
}

// exported is how many lines of an export are read at a time.
const exported = 1000

type jsonExport struct{ *json.Encoder }

func (e *jsonExport) put(a access.Access) error { return e.Encode(a) }
func (e *jsonExport) end() error                { return nil }

type csvExport struct {
	*csv.Writer
	v *visit
}

func (v *visit) newCSV(w http.ResponseWriter) (*csvExport, error) {
	// Spreadsheets take a file without this mark for one in their own old encoding.
	if _, err := w.Write([]byte("\ufeff")); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	e := &csvExport{csv.NewWriter(w), v}
	var header []string
	for _, column := range []string{"person", "person-id", "entitlement", "target", "since", "until", "why", "ended", "records"} {
		header = append(header, v.T("export."+column))
	}
	return e, e.Write(header)
}

func (e *csvExport) put(a access.Access) error {
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.In(e.v.config.Zone).Format(time.DateTime)
	}
	var records []string
	for _, r := range a.Records {
		records = append(records, fmt.Sprint(r))
	}
	row := []string{e.v.Who(a.Person), string(a.Person.ID), a.Entitlement, a.Target, at(&a.Since), at(a.Until), a.Reason.Text, a.Ended.Text, strings.Join(records, " ")}
	for i := range row {
		row[i] = asText(row[i])
	}
	return e.Write(row)
}

func (e *csvExport) end() error {
	e.Flush()
	return nil
}

// asText returns a cell that no spreadsheet takes for a formula (OWASP, CSV Injection).
func asText(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
