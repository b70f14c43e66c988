package web

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// listed is how many items a list has on one page.
const listed = 50

// peoplePage is a search.
type peoplePage struct {
	Search, State string
	People        []access.PersonState
	Next          string // the address of the next part
	States        []identity.State
}

// personPage is one person, as they are on a day.
type personPage struct {
	access.PersonGrants
	Mine    bool // the reader looks at themselves
	Day     identity.Date
	Today   bool
	Has     []held // what they have, or get and lose next
	Waits   []held
	HadThen []access.Access // on another day
	Drawing drawing
	Spells  []access.Spell
	Jobs    []access.Spell // on the day
	Systems []access.System
	May     map[string]bool
	Decided []access.Decision // about the person, the newest first
	Open    map[string]bool   // targets in which an account of theirs can be used
	Absence *access.Absence   // now or to come
}

// held is a grant with what the audit trail knows of it.
type held struct {
	access.Grant
	Since *access.Access
}

// whyPage is why a person has something, or why not.
type whyPage struct {
	access.Explanation
	Entitlement policy.EntitlementID
	Has         bool
	Since       *access.Access
	Owners      []access.Ref // of the system
	MayAsk      bool         // the reader may ask for it
}

// decidePage asks the reader for a decision and its reason.
type decidePage struct {
	Title, Text  string
	Person       *access.Ref
	Consequences []string
	To           string // where the form goes
	Button       string
	Grave        bool // it takes something away
	Back         string
	Fields       map[string]string // that go with the form
	Owner        bool              // the form asks for a new owner
	Deputy       bool              // the form asks who decides, and for a first day
	// FirstDay and LastDay are within which the last day of a decision is; empty for one
	// without an end.
	FirstDay, LastDay identity.Date
	Suggested         identity.Date // the last day that stands there at first; empty for none
	DayLabel          string        // what the day is, where it is no last day
	NoteOnly          bool          // the reason may be left out
}

func (s *site) people() {
	s.page("/people", "people", func(v *visit) (any, error) {
		p := peoplePage{Search: v.unsealed(), State: v.query("state"), States: []identity.State{identity.Working, identity.OnLeave, identity.PreHire, identity.Between, identity.Ended}}
		if p.State != "" && !slices.Contains(p.States, identity.State(p.State)) {
			p.State = ""
		}
		var next string
		var err error
		p.People, next, err = v.PeoplePage(identity.State(p.State), p.Search, access.Page{After: v.query("after"), Limit: listed})
		if next != "" {
			p.Next = "/people?" + url.Values{"s": {v.query("s")}, "state": {p.State}, "after": {next}}.Encode()
		}
		return p, err
	})
	s.form("/people", func(v *visit) (string, error) {
		if q := v.field("q"); q != "" {
			if p, err := v.Find(q); err == nil { // a number, a login or an address
				return "/people/" + string(p.ID), nil
			}
		}
		sealed, err := s.sealed(v.field("q"))
		to := url.Values{"state": {v.field("state")}}
		if v.field("q") != "" {
			to.Set("s", sealed)
		}
		return "/people?" + to.Encode(), err
	})
	s.page("/mine", "person", func(v *visit) (any, error) { return v.person(string(v.caller.Subject.Person)) })
	s.page("/people/{person}", "person", func(v *visit) (any, error) { return v.person(v.request.PathValue("person")) })
	s.page("/people/{person}/why", "why", func(v *visit) (any, error) {
		id := policy.EntitlementID(v.query("entitlement"))
		x, err := v.Explain(v.request.PathValue("person"), id, s.Engine)
		if err != nil {
			return nil, err
		}
		p := whyPage{Explanation: x, Entitlement: id, Has: slices.Contains([]access.GrantState{access.Has, access.Keeps, access.LosesNext, access.Suspended, access.Unexplained, access.RevokeHeld, access.RevokeStuck}, x.Grant.State)}
		had, _, err := v.AccessPage(x.Person.Person.ID, nil, access.Page{Limit: 500})
		if err != nil {
			return nil, err
		}
		for i := range had {
			if had[i].Entitlement == string(id) {
				p.Since = &had[i]
			}
		}
		p.Has = p.Has && p.Since != nil
		e, _ := s.Config.Rules.Catalogue.Entitlement(id)
		if e.Requesting.Allowed && !p.Has {
			about, err := v.Find(string(x.Person.Person.ID))
			if err != nil {
				return nil, err
			}
			if p.MayAsk, _, err = v.MayDecide(rights.RequestAccess, about); err != nil {
				return nil, err
			}
		}
		for _, system := range v.Systems() {
			if system.System == e.System {
				p.Owners, err = v.owners(system)
			}
		}
		return p, err
	})
	for _, d := range personDecisions {
		s.page("/people/{person}/"+d.path, "decide", func(v *visit) (any, error) {
			p, err := v.Find(v.request.PathValue("person"))
			if err != nil {
				return nil, err
			}
			if err := v.needs(d.action, p); err != nil {
				return nil, err
			}
			ref := v.Ref(p.ID)
			who := v.Who(ref)
			page := decidePage{Title: v.T("decide."+d.path+".title", "who", who), Text: v.T("decide." + d.path + ".text"), Person: &ref, Button: v.T("decide." + d.path + ".button"),
				To: "/people/" + string(p.ID) + "/" + d.path, Back: "/people/" + string(p.ID), Grave: d.grave}
			if d.days > 0 {
				page.FirstDay, page.LastDay = v.Today(), v.Today().AddDays(d.days)
			}
			return page, nil
		})
		s.form("/people/{person}/"+d.path, func(v *visit) (string, error) {
			p, err := v.Find(v.request.PathValue("person"))
			if err != nil {
				return "", err
			}
			made, err := d.decide(v.governance(), v, p, v.field("reason"))
			return "/people/" + string(p.ID) + "?done=" + strconv.FormatInt(made.Seq, 10), err
		})
	}
}

// absences are the forms that say when a person is away.
func (s *site) absences() {
	for path, decide := range map[string]func(v *visit, p identity.Person) (store.Decision, error){
		"absence": func(v *visit, p identity.Person) (store.Decision, error) {
			return v.governance().SetAbsence(v, p, governance.Absence{Deputy: v.field("deputy"), Since: identity.Date(v.field("since")), Until: identity.Date(v.field("until"))}, v.caller.Subject, v.field("reason"))
		},
		"end-absence": func(v *visit, p identity.Person) (store.Decision, error) {
			return v.governance().EndAbsence(v, p, v.caller.Subject, v.field("reason"))
		},
	} {
		s.page("/people/{person}/"+path, "decide", func(v *visit) (any, error) {
			p, err := v.Find(v.request.PathValue("person"))
			if err != nil {
				return nil, err
			}
			if err := v.needs(rights.SetAbsence, p); err != nil {
				return nil, err
			}
			ref, at := v.Ref(p.ID), "/people/"+string(p.ID)
			page := decidePage{Title: v.T("decide."+path+".title", "who", v.Who(ref)), Text: v.T("decide." + path + ".text"), Person: &ref, Button: v.T("decide." + path + ".button"), To: at + "/" + path, Back: at}
			if path == "absence" {
				page.Deputy, page.FirstDay, page.LastDay = true, v.Today(), v.Today().AddDays(governance.MostAbsentDays)
			}
			return page, nil
		})
		s.form("/people/{person}/"+path, func(v *visit) (string, error) {
			p, err := v.Find(v.request.PathValue("person"))
			if err != nil {
				return "", err
			}
			made, err := decide(v, p)
			return "/people/" + string(p.ID) + "?done=" + strconv.FormatInt(made.Seq, 10), err
		})
	}
}

// personDecisions are what can be decided about a person.
var personDecisions = []struct {
	path   string
	action rights.Action
	grave  bool
	days   int // within how many the decision ends; zero without an end
	decide func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error)
}{
	{"suspend", rights.Suspend, true, 0, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		return g.Suspend(v, p, false, v.caller.Subject, why)
	}},
	{"unsuspend", rights.LiftSuspension, false, 0, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		return g.Suspend(v, p, true, v.caller.Subject, why)
	}},
	{"legal-hold", rights.HoldLegally, false, 0, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		return g.SetLegalHold(v, p, false, v.caller.Subject, why)
	}},
	{"end-legal-hold", rights.HoldLegally, false, 0, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		return g.SetLegalHold(v, p, true, v.caller.Subject, why)
	}},
	{"protect", rights.Protect, false, 0, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		return g.Protect(v, p, false, v.caller.Subject, why)
	}},
	{"unprotect", rights.Protect, false, 0, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		return g.Protect(v, p, true, v.caller.Subject, why)
	}},
	{"screen", rights.Screen, false, governance.MostScreenedDays, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		return g.Screen(v, p, identity.Date(v.field("until")), false, v.caller.Subject, why)
	}},
	{"unscreen", rights.Screen, false, 0, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		return g.Screen(v, p, "", true, v.caller.Subject, why)
	}},
	{"exempt", rights.ExemptFromMFA, false, governance.MostExemptDays, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		return g.ExemptFromMFA(v, p, identity.Date(v.field("until")), false, v.caller.Subject, why)
	}},
	{"unexempt", rights.ExemptFromMFA, false, 0, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		return g.ExemptFromMFA(v, p, "", true, v.caller.Subject, why)
	}},
	{"erase", rights.Erase, true, 0, func(g *governance.Governance, v *visit, p identity.Person, why string) (store.Decision, error) {
		proposed, err := g.Erase(v, p, v.caller.Subject, why)
		return proposed.Decision, err
	}},
}

// demands reports whether the controls of any system demand something.
func (v *visit) demands(what func(*policy.Controls) bool) bool {
	systems := v.config.Rules.Catalogue.Systems
	return slices.ContainsFunc(systems, func(s policy.System) bool { return what(&s.Controls) })
}

// needsMFA reports whether any entitlement needs MFA.
func (v *visit) needsMFA() bool {
	all := v.config.Rules.Catalogue.Entitlements
	return slices.ContainsFunc(all, func(e policy.Entitlement) bool { return e.NeedsMFA() != "" })
}

func (v *visit) governance() *governance.Governance {
	return &governance.Governance{DB: v.site.DB, Config: v.site.Config, Now: v.site.Now, Targets: v.site.Engine}
}

// needs returns an error when the reader may not decide something about a person, or has to
// sign in again first: it is asked before the reader writes why.
func (v *visit) needs(action rights.Action, p identity.Person) error {
	may, need, err := v.MayDecide(action, p)
	switch {
	case err != nil:
		return err
	case !may:
		return v.site.Config.Rights.Refuse(action)
	case need > 0:
		return &rights.AssuranceError{Action: action, Requires: need}
	}
	return nil
}

// decisionsListed is how many decisions about a person their page lists.
const decisionsListed = 12

// person returns a person as they are on the day that the address names.
func (v *visit) person(ref string) (any, error) {
	grants, err := v.Grants(ref, v.site.Engine)
	if err != nil {
		return nil, err
	}
	id := string(grants.Person.Person.ID)
	p := personPage{PersonGrants: grants, Mine: grants.Person.Person.ID == v.caller.Subject.Person, Day: v.Today(), Systems: v.Systems(), May: map[string]bool{}, Open: map[string]bool{}}
	if on := identity.Date(v.query("on")); isDate(on) && on <= p.Day {
		p.Day = on
	}
	p.Today = p.Day == v.Today()
	if p.Spells, err = v.Spells(id); err != nil {
		return nil, err
	}
	had, _, err := v.AccessPage(grants.Person.Person.ID, &access.Period{}, access.Page{Limit: 500})
	if err != nil {
		return nil, err
	}
	p.Drawing = v.draw(p.Spells, had, v.Today(), p.Day)
	for _, s := range p.Spells {
		if s.From <= p.Day && (s.To == "" || s.To >= p.Day) {
			p.Jobs = append(p.Jobs, s)
		}
	}
	day := v.on(p.Day)
	if !p.Today {
		for _, a := range had {
			if a.Since.Before(day.To) && (a.Until == nil || !a.Until.Before(day.From)) {
				p.HadThen = append(p.HadThen, a)
			}
		}
	}
	p.sort(had)
	about, err := v.Find(id)
	if err != nil {
		return nil, err
	}
	for _, d := range personDecisions {
		if p.May[d.path], _, err = v.MayDecide(d.action, about); err != nil {
			return nil, err
		}
	}
	may, _, err := v.MayDecide(rights.SetAbsence, about)
	if err != nil {
		return nil, err
	}
	if p.Absence, err = v.AbsenceOf(about.ID); err != nil {
		return nil, err
	}
	p.May["absence"], p.May["end-absence"] = may && p.Active, may && p.Absence != nil
	if p.May["extract"], _, err = v.MayDecide(rights.Extract, about); err != nil {
		return nil, err
	}
	if p.Decided, err = v.DecisionsAbout(id, decisionsListed); err != nil {
		return nil, err
	}
	suspended, held := !p.Suspended.IsZero(), !p.LegalHold.IsZero()
	p.May["suspend"], p.May["unsuspend"] = p.May["suspend"] && !suspended, p.May["unsuspend"] && suspended
	screened, exempt := p.ScreenedUntil != "", p.MFAExemptUntil != ""
	p.May["screen"], p.May["unscreen"] = p.May["screen"] && (v.demands(func(c *policy.Controls) bool { return c.Screening.Value }) || screened), p.May["unscreen"] && screened
	p.May["exempt"], p.May["unexempt"] = p.May["exempt"] && v.needsMFA() && !exempt, p.May["unexempt"] && exempt
	p.May["legal-hold"], p.May["end-legal-hold"] = p.May["legal-hold"] && !held, p.May["end-legal-hold"] && held
	newest := slices.IndexFunc(p.Decided, func(d access.Decision) bool { return d.Kind == store.ProtectionDecision })
	p.May["unprotect"] = p.May["unprotect"] && newest >= 0 && p.Decided[newest].Verdict == store.Protect
	if p.May["request"], _, err = v.MayDecide(rights.RequestAccess, about); err != nil {
		return nil, err
	}
	p.May["request"] = p.May["request"] && p.Active && len(v.Requestable("")) > 0
	if p.May["report"], _, err = v.MayDecide(rights.ImportFile, about); err != nil {
		return nil, err
	}
	p.May["report"] = p.May["report"] && v.config.Forms != "" && slices.ContainsFunc(p.Employments, canEnd)
	p.May["protect"] = p.May["protect"] && !p.Person.Person.Protected
	return p, nil
}

// sort puts each grant where the page has it.
func (p *personPage) sort(had []access.Access) {
	since := map[string]*access.Access{}
	for i, a := range had {
		if a.Until == nil {
			since[a.Entitlement] = &had[i]
		}
	}
	for _, a := range had {
		if a.Entitlement == audit.Account && a.Until == nil {
			p.Open[a.Target] = true
		}
	}
	for _, g := range p.Grants {
		h := held{Grant: g, Since: since[string(g.Entitlement)]}
		switch g.State {
		case access.HasNot:
		case access.Suspended:
			if h.Since != nil { // what a decision took away is not had either
				p.Has = append(p.Has, h)
			}
		case access.Waits, access.GetsNext, access.GrantHeld, access.GrantStuck:
			p.Waits = append(p.Waits, h)
		default:
			p.Has = append(p.Has, h)
		}
	}
	slices.SortStableFunc(p.Has, func(a, b held) int { return cmp.Compare(oddness(b), oddness(a)) })
}

// oddness orders what needs a look before the rest.
func oddness(h held) int {
	switch h.State {
	case access.Unexplained:
		return 3
	case access.LosesNext, access.RevokeHeld, access.RevokeStuck:
		return 2
	case access.Keeps, access.Suspended:
		return 1
	}
	return 0
}

// IsLacking reports whether the person neither has an entitlement nor waits for it.
func (p personPage) IsLacking(id policy.EntitlementID) bool {
	has := func(h held) bool { return h.Entitlement == id }
	return !slices.ContainsFunc(p.Has, has) && !slices.ContainsFunc(p.Waits, has)
}

// Comes reports whether an employment of the person begins, changes or ends.
func (p personPage) Comes() bool {
	return slices.ContainsFunc(p.Employments, func(e access.Employment) bool {
		return e.Reported != "" || e.End != "" && e.State != access.EmploymentEnded && e.State != access.EmploymentWithdrawn || e.State == access.EmploymentNotBegun || len(e.Later) > 0
	})
}

// Account is the entitlement of an account.
func (p personPage) Account() string { return audit.Account }
