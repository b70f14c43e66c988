package access

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/wording"
)

// ExtractSection is a part of a register extract as people read it: a table.
type ExtractSection struct {
	ID      string // the same in every language
	Title   string
	Note    string // what the part is; empty for none
	Columns []string
	Rows    [][]string
}

// register words an extract.
type register struct {
	Extract
	words    *wording.Printer
	zone     *time.Location
	sections []ExtractSection
}

// Sections returns the extract in words, for a text, a page or a file: all sections, also those
// with nothing in them, always in the same order.
func (x Extract) Sections(words *wording.Printer, zone *time.Location) []ExtractSection {
	r := &register{Extract: x, words: words, zone: zone}
	r.about()
	r.who()
	r.employed()
	r.said()
	r.has()
	r.decided()
	r.signedIn()
	r.planned()
	r.trail()
	return r.sections
}

// t returns a text of the extract.
func (r *register) t(id string, parameters ...any) string {
	of := map[string]any{}
	for i := 0; i+1 < len(parameters); i += 2 {
		of[fmt.Sprint(parameters[i])] = parameters[i+1]
	}
	return r.words.Text("extract."+id, of)
}

func (r *register) section(id string, columns ...string) *ExtractSection {
	s := ExtractSection{ID: id, Title: r.t("section." + id)}
	if note := r.t("note." + id); !strings.HasPrefix(note, "[") {
		s.Note = note
	}
	for _, c := range columns {
		s.Columns = append(s.Columns, r.t("column."+c))
	}
	r.sections = append(r.sections, s)
	return &r.sections[len(r.sections)-1]
}

func (s *ExtractSection) row(cells ...string) { s.Rows = append(s.Rows, cells) }

// fact adds a row of a name and a value, unless the value is empty.
func (r *register) fact(s *ExtractSection, name, value string) {
	if value != "" {
		s.row(r.t("fact."+name), value)
	}
}

func (r *register) at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(r.zone).Format("2006-01-02 15:04")
}

func (r *register) when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return r.at(*t)
}

func (r *register) yes(b bool) string { return r.t("yes." + strconv.FormatBool(b)) }

// value returns what a code is called, or the code.
func (r *register) value(kind, code string) string {
	if text := r.t(kind + "." + code); !strings.HasPrefix(text, "[") {
		return text
	}
	return code
}

// by returns what an actor is called who decided by an authority: never by a name.
func (r *register) by(a Actor, authority string) string {
	role, _, _ := strings.Cut(authority, ", ")
	as := r.words.Text("role."+role, nil)
	if strings.HasPrefix(as, "[") {
		as = ""
	}
	who := ""
	id, person := a.Actor.Person()
	service, isService := strings.CutPrefix(string(a.Actor), string(identity.ServiceActor("x"))[:len("service:")])
	switch {
	case person:
		if who = r.other(id); slices.Contains(r.People, id) {
			return who
		}
	case isService:
		who = r.t("service", "name", service)
	case a.Actor == identity.System:
		return r.t("behov")
	case a.Actor == "":
		return ""
	default:
		who = r.t("operator")
	}
	if as != "" {
		return as + " (" + who + ")"
	}
	return who
}

// other returns what a person is called: never by a name.
func (r *register) other(id identity.PersonID) string {
	switch {
	case id == "":
		return ""
	case slices.Contains(r.People, id):
		return r.t("self")
	}
	return r.t("another", "id", string(id))
}

// lines joins texts, without the empty ones.
func lines(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "\n")
}

func (r *register) about() {
	s := r.section("about", "what", "value")
	r.fact(s, "asked-at", r.at(r.AskedAt))
	r.fact(s, "asked-by", r.by(r.AskedBy, r.As))
	for _, id := range r.People {
		r.fact(s, "person-id", string(id))
	}
	r.fact(s, "stage", wording.Sentence(r.Stage.Because.Text))
	r.fact(s, "suspended", wording.Sentence(r.Suspended.Text))
	hold := r.t("no-legal-hold")
	if !r.LegalHold.IsZero() {
		hold = wording.Sentence(r.LegalHold.Text)
	}
	r.fact(s, "legal-hold", hold)
	if r.Masked {
		r.fact(s, "masked", r.t("masked"))
	}
	for _, list := range r.Cut {
		r.fact(s, "cut", r.t("cut", "list", list))
	}
}

func (r *register) who() {
	s := r.section("identity", "what", "value")
	for _, i := range r.Identities {
		r.fact(s, "person-id", string(i.ID))
		for _, f := range [][2]string{{"given-name", i.GivenName}, {"family-name", i.FamilyName}, {"national-id", i.NationalID}, {"email", i.Email}, {"phone", i.Phone}, {"login", i.Login}, {"position", i.Position},
			{"main-employment", string(i.MainEmployment)}, {"merged-into", string(i.MergedInto)}, {"protected", r.yes(i.Protected)}, {"protected-by-hand", r.yes(i.ProtectedByHand)}} {
			r.fact(s, f[0], f[1])
		}
		if i.ManagerOf > 0 {
			r.fact(s, "manager-of", strconv.Itoa(i.ManagerOf))
		}
	}
	s = r.section("records", "source", "key", "name", "national-id", "email", "phone", "protected", "formerly")
	for _, i := range r.Identities {
		for _, x := range i.Records {
			s.row(x.Source, x.Key, strings.TrimSpace(x.GivenName+" "+x.FamilyName), x.NationalID, x.Email, x.Phone, r.yes(x.Protected), r.other(x.Formerly))
		}
	}
}

// employment returns an employment's dates, and its terms and leaves.
func (r *register) employment(e ExtractEmployment) (dates, terms string) {
	fact := func(name, value string) string {
		if value == "" {
			return ""
		}
		return r.t("fact."+name) + ": " + value
	}
	if e.Start != "" {
		dates = r.t("span", "from", string(e.Start), "to", string(e.End))
	}
	dates = lines(dates, fact("end-stated", string(e.Stated)), fact("withdrawn", string(e.Withdrawn)), fact("sponsor", r.other(e.Sponsor)))
	for _, l := range e.Leaves {
		dates = lines(dates, r.t("leave", "from", string(l.From), "to", string(l.To)))
	}
	if e.Report != nil {
		dates = lines(dates, r.t("report", "ends", string(e.Report.Ends), "on", string(e.Report.On), "decision", e.Report.Decision))
	}
	for _, t := range e.Terms {
		parts := []string{}
		if t.From != "" {
			parts = append(parts, r.t("from", "day", string(t.From)))
		}
		unit := t.Unit
		if t.UnitName != "" && t.UnitName != t.Unit {
			unit = t.UnitName + " (" + t.Unit + ")"
		}
		job := t.JobTitle
		if t.JobCode != "" {
			job = strings.TrimSpace(job + " (" + t.JobCode + ")")
		}
		parts = append(parts, job, unit, t.Type)
		if t.Percent != 0 {
			parts = append(parts, strconv.FormatFloat(t.Percent, 'f', -1, 64)+" %")
		}
		if t.Main {
			parts = append(parts, r.t("main"))
		}
		parts = append(parts, fact("manager", r.other(t.Manager)))
		for _, name := range slices.Sorted(maps.Keys(t.Attributes)) {
			parts = append(parts, name+": "+t.Attributes[name])
		}
		terms = lines(terms, strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", "))
	}
	return dates, terms
}

func (r *register) employed() {
	s := r.section("employments", "source", "key", "dates", "terms")
	for _, e := range r.Employments {
		dates, terms := r.employment(e)
		s.row(e.Source, e.Key, dates, terms)
	}
}

// said is what HR sources said.
func (r *register) said() {
	s := r.section("events", "recorded", "effective", "source", "kind", "said")
	for _, e := range r.Events {
		said := ""
		if e.Withheld {
			said = r.t("withheld")
		}
		if x := e.Record; x != nil {
			said = strings.Join(slices.DeleteFunc([]string{x.Key, strings.TrimSpace(x.GivenName + " " + x.FamilyName), x.NationalID, x.Email, x.Phone, e.Login}, func(s string) bool { return s == "" }), ", ")
			if x.Protected {
				said += ", " + r.t("fact.protected")
			}
		}
		if e.Employment != nil {
			dates, terms := r.employment(*e.Employment)
			said = lines(e.Employment.Key, dates, terms)
		}
		s.row(r.at(e.Recorded), string(e.Effective), e.Source, r.value("event", string(e.Kind)), said)
	}
	s = r.section("pushed", "source", "made", "changed", "said")
	for _, p := range r.Pushed {
		s.row(p.Source, r.at(p.Made), r.at(p.Changed), flat(p.Body))
	}
}

// has is what the person has and had.
func (r *register) has() {
	s := r.section("accounts", "target", "account", "created", "disabled", "missing")
	for _, a := range r.Accounts {
		s.row(a.Target, a.AccountID, r.when(a.Created), lines(r.when(a.Disabled), r.when(a.Found)), r.when(a.Missing))
	}
	s = r.section("grants", "entitlement", "state", "why")
	for _, g := range r.Grants {
		var why []string
		for _, reason := range g.Reasons {
			if text := wording.Sentence(reason.By.Text); !slices.Contains(why, text) { // of each employment
				why = append(why, text)
			}
		}
		s.row(string(g.Entitlement), g.Text, lines(append(why, wording.Sentence(g.GateReason.Text))...))
	}
	s = r.section("access", "target", "entitlement", "since", "until", "why")
	for _, a := range r.Access {
		entitlement := a.Entitlement
		if entitlement == audit.Account {
			entitlement = r.t("account")
		}
		until := r.when(a.Until)
		if a.Until == nil {
			until = r.t("lasts")
		}
		s.row(a.Target, entitlement, r.at(a.Since), until, lines(wording.Sentence(a.Reason.Text), wording.Sentence(a.Ended.Text)))
	}
}

func (r *register) decided() {
	s := r.section("decisions", "number", "at", "decided", "by", "why")
	for _, d := range r.Decisions {
		s.row(strconv.FormatInt(d.Seq, 10), r.at(d.DecidedAt.Time()), lines(wording.Sentence(d.Decided.Text), d.Entitlement), r.by(d.Maker, d.Authority), lines(d.Reason, wording.Sentence(d.Because.Text)))
	}
	s = r.section("made", "number", "at", "decided", "whom")
	for _, d := range r.Made {
		s.row(strconv.FormatInt(d.Seq, 10), r.at(d.At), wording.Sentence(d.Decided.Text), r.other(d.About))
	}
	s = r.section("imports", "at", "source", "number")
	for _, i := range r.Imports {
		s.row(r.at(i.At), i.Source, i.ID)
	}
	s = r.section("reviews", "number", "entitlement", "why", "asked", "decided")
	for _, i := range r.Reviews {
		asked, decided := r.t("system-owner"), ""
		if i.Reviewer != nil {
			asked = r.by(*i.Reviewer, "")
		}
		if d := i.Decision; d != nil {
			decided = lines(wording.Sentence(d.Decided.Text), r.at(d.DecidedAt.Time()), r.by(d.Maker, d.Authority), d.Reason)
		}
		s.row(i.Item, i.Entitlement, wording.Sentence(i.Why.Text), asked, decided)
	}
}

func (r *register) signedIn() {
	s := r.section("enrolments", "method", "since", "until")
	for _, e := range r.Enrolments {
		s.row(r.t("method."+e.Method), r.at(e.Since), r.when(e.Until))
	}
	s = r.section("sessions", "began", "used", "expires", "number")
	for _, x := range r.Sessions {
		s.row(r.at(x.Began), r.at(x.Used), r.at(x.Expires), x.ID)
	}
	s = r.section("tokens", "name", "scopes", "made", "used", "expires", "revoked", "number")
	for _, t := range r.Tokens {
		s.row(t.Name, lines(append([]string{t.Scopes, t.Systems}, t.Groups...)...), r.at(t.Made), r.when(t.Used), r.when(t.Expires), r.when(t.Revoked), t.ID)
	}
	s = r.section("owned", "name", "target", "kind", "what", "until", "state", "number")
	for _, a := range r.Owned {
		s.row(a.Name, a.Target, string(a.Kind), lines(a.System, a.Purpose), string(a.Until), string(a.State), string(a.Account))
	}
}

// planned is what waits, fails, or was found.
func (r *register) planned() {
	s := r.section("steps", "state", "target", "op", "entitlement", "at", "why")
	step := func(state string, x Step, at, why string) {
		s.row(r.t("step."+state), x.Target, string(x.Op), string(x.Entitlement), at, lines(wording.Sentence(x.Reason.Text), why))
	}
	for _, h := range r.Held {
		if h.Step == nil {
			s.row(r.t("step.held"), "", string(h.Kind), "", "", wording.Sentence(h.Why.Text))
			continue
		}
		step("held", *h.Step, "", "")
	}
	for _, d := range r.StepDecisions {
		s.row(r.t("step.decided"), d.Target, string(d.Verdict), "", "", r.t("by-decision", "decision", d.Decision))
	}
	for _, f := range r.Steps {
		step("failing", f.Step, r.at(f.Last), wording.Sentence(f.Detail.Text))
	}
	for _, o := range r.Open {
		step("open", o.Step, r.at(o.Intended), wording.Sentence(o.Detail.Text))
	}
	s = r.section("findings", "kind", "target", "entitlement", "whom", "detail", "since")
	for _, f := range r.Findings {
		s.row(r.value("finding", string(f.Kind)), f.Target, f.Entitlement, r.other(f.Other), f.Detail, r.when(f.At))
	}
}

func (r *register) trail() {
	s := r.section("trail", "number", "at", "action", "by", "target", "what", "why", "values")
	for _, x := range r.Records {
		s.row(strconv.FormatInt(x.Index, 10), r.at(x.At), string(x.Action), r.by(x.Actor, x.Authority), x.Target, lines(x.Entitlement, x.Op, string(x.Outcome)), wording.Sentence(x.Reason.Text), flat(x.Opened))
	}
	s = r.section("retention", "what", "how-long")
	for _, k := range r.Retention {
		s.row(r.value("retained", string(k.What)), k.Text)
	}
}

// flat returns JSON as lines of names and values.
func flat(text json.RawMessage) string {
	var v any
	if len(text) == 0 || json.Unmarshal(text, &v) != nil {
		return ""
	}
	var all []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(strings.TrimPrefix(path+"."+name, "."), v[name])
			}
		case []any:
			for _, part := range v {
				walk(path, part)
			}
		case nil:
		default:
			all = append(all, path+": "+fmt.Sprint(v))
		}
	}
	walk("", v)
	return strings.Join(all, "\n")
}
