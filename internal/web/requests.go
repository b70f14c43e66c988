package web

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// requestsPage is what waits for the reader, what they asked for, and what waits for others.
type requestsPage struct {
	Waiting []access.Request // for the reader
	Mine    []access.Request // for them, and what they asked for others
	Others  []access.Request // wait for others
}

// requestablePage is what can be asked for, for a person.
type requestablePage struct {
	Search string
	For    access.Ref
	Self   bool
	Groups []requestableGroup
}

// requestableGroup is what can be asked for in a system.
type requestableGroup struct {
	System string
	All    []access.Requestable
}

// myRequests is how many of their requests the reader is shown.
const myRequests = 50

func (s *site) requests() {
	s.page("/requests", "requests", func(v *visit) (any, error) {
		var p requestsPage
		waiting, err := v.RequestsWaiting(false)
		if err != nil {
			return nil, err
		}
		for _, r := range waiting {
			if r.Mine {
				p.Waiting = append(p.Waiting, r)
			} else if r.Person.ID != v.caller.Subject.Person {
				p.Others = append(p.Others, r)
			}
		}
		p.Mine, err = v.MyRequests(myRequests)
		return p, err
	})
	s.page("/requests/catalogue", "requestable", func(v *visit) (any, error) {
		who := v.query("person")
		if who == "" {
			who = string(v.caller.Subject.Person)
		}
		p, err := v.Find(who)
		if err != nil {
			return nil, err
		}
		page := requestablePage{Search: v.query("q"), For: v.Ref(p.ID), Self: p.ID == v.caller.Subject.Person}
		for _, r := range v.Requestable(page.Search) {
			if n := len(page.Groups); n > 0 && page.Groups[n-1].System == r.SystemName {
				page.Groups[n-1].All = append(page.Groups[n-1].All, r)
				continue
			}
			page.Groups = append(page.Groups, requestableGroup{r.SystemName, []access.Requestable{r}})
		}
		return page, nil
	})
	s.page("/requests/{request}", "request", func(v *visit) (any, error) {
		n, err := v.requestNumber()
		if err != nil {
			return nil, err
		}
		return v.Request(n, s.Engine)
	})
	s.asking()
	s.deciding()
}

// requestNumber returns the number of the request in the address.
func (v *visit) requestNumber() (int64, error) {
	n, err := strconv.ParseInt(v.request.PathValue("request"), 10, 64)
	if err != nil || n < 1 {
		return 0, &access.CursorError{}
	}
	return n, nil
}

// asking adds the pages on which is asked for something, or it is taken in an emergency.
func (s *site) asking() {
	for path, action := range map[string]rights.Action{"request": rights.RequestAccess, "emergency": rights.EmergencyAccess} {
		emergency := action == rights.EmergencyAccess
		s.page("/people/{person}/"+path+"/{entitlement}", "decide", func(v *visit) (any, error) {
			p, err := v.Find(v.request.PathValue("person"))
			if err != nil {
				return nil, err
			}
			if err := v.needs(action, p); err != nil {
				return nil, err
			}
			all := v.Requestable("")
			i := slices.IndexFunc(all, func(r access.Requestable) bool {
				return string(r.Entitlement) == v.request.PathValue("entitlement") && (r.Days > 0 && !emergency || r.EmergencyDays > 0 && emergency)
			})
			if i < 0 {
				return nil, &access.CursorError{}
			}
			days := all[i].Days
			if emergency {
				days = all[i].EmergencyDays
			}
			page := v.askFor(path, p, all[i].Entitlement, days)
			page.To, page.Back = "/people/"+string(p.ID)+"/"+path+"/"+url.PathEscape(string(all[i].Entitlement)), "/requests/catalogue?person="+string(p.ID)
			return page, nil
		})
		s.form("/people/{person}/"+path+"/{entitlement}", func(v *visit) (string, error) {
			p, err := v.Find(v.request.PathValue("person"))
			if err != nil {
				return "", err
			}
			_, made, err := v.governance().RequestAccess(v, p, governance.Request{Entitlement: policy.EntitlementID(v.request.PathValue("entitlement")), Until: identity.Date(v.field("until")), Emergency: emergency}, v.caller.Subject, v.field("reason"))
			return "/requests?done=" + strconv.FormatInt(made.Seq, 10), err
		})
	}
	s.page("/requests/{request}/renew", "decide", func(v *visit) (any, error) {
		r, p, err := v.aboutRequest(rights.RequestAccess)
		if err != nil {
			return nil, err
		}
		e, _ := v.config.Rules.Catalogue.Entitlement(r.Entitlement)
		days, _ := e.Controls.RequestDaysAtMost(false)
		page := v.askFor("renew", p, r.Entitlement, days)
		page.FirstDay = max(page.FirstDay, r.Until.AddDays(1))
		page.To, page.Back = "/requests/"+strconv.FormatInt(r.Request.Request, 10)+"/renew", "/requests"
		return page, nil
	})
	s.form("/requests/{request}/renew", func(v *visit) (string, error) {
		r, p, err := v.aboutRequest(rights.RequestAccess)
		if err != nil {
			return "", err
		}
		_, made, err := v.governance().RequestAccess(v, p, governance.Request{Entitlement: r.Entitlement, Until: identity.Date(v.field("until")), Renews: r.Request.Request}, v.caller.Subject, v.field("reason"))
		return "/requests?done=" + strconv.FormatInt(made.Seq, 10), err
	})
}

// askFor returns the page that asks for the last day and the reason of a request.
func (v *visit) askFor(path string, p identity.Person, id policy.EntitlementID, days int) decidePage {
	ref := v.Ref(p.ID)
	e, _ := v.config.Rules.Catalogue.Entitlement(id)
	text, then := v.T("decide."+path+".text"), []string{}
	if e.Purpose != "" {
		text = v.T("request.purpose", "purpose", e.Purpose) + ". " + text
	}
	for _, as := range e.Controls.ApproversOf() {
		then = append(then, v.T("request.approves."+string(as)))
	}
	if e.NeedsMFA() != "" {
		then = append(then, v.T("request.needs-mfa"))
	}
	then = append(then, v.T("request.ends"))
	page := decidePage{Title: v.T("decide."+path+".title", "who", v.Who(ref), "what", v.Entitlement(id)), Text: text, Person: &ref, Consequences: then,
		Button: v.T("decide." + path + ".button"), Grave: path == "emergency", FirstDay: v.Today(), LastDay: v.Today().AddDays(days - 1)}
	if page.Grave {
		page.Suggested = page.LastDay
	}
	return page
}

// aboutRequest returns the request in the address, and its person, about whom the reader may
// take an action.
func (v *visit) aboutRequest(action rights.Action) (access.RequestDetail, identity.Person, error) {
	n, err := v.requestNumber()
	if err != nil {
		return access.RequestDetail{}, identity.Person{}, err
	}
	r, err := v.Request(n, nil)
	if err != nil {
		return r, identity.Person{}, err
	}
	p, err := v.Find(string(r.Person.ID))
	if err != nil {
		return r, p, err
	}
	if action == rights.ApproveRequest {
		if !r.Mine {
			return r, p, v.site.Config.Rights.Refuse(action)
		}
		return r, p, nil
	}
	return r, p, v.needs(action, p)
}

// deciding adds the pages on which requests are approved, refused and withdrawn.
func (s *site) deciding() {
	for verdict, action := range map[store.Verdict]rights.Action{store.Approve: rights.ApproveRequest, store.Refuse: rights.ApproveRequest, store.Withdraw: rights.WithdrawRequest} {
		s.page("/requests/{request}/"+string(verdict), "decide", func(v *visit) (any, error) {
			r, p, err := v.aboutRequest(action)
			if err != nil {
				return nil, err
			}
			ref := v.Ref(p.ID)
			key := "decide." + string(verdict) + "-request"
			to := "/requests/" + strconv.FormatInt(r.Request.Request, 10)
			return decidePage{Title: v.T(key+".title", "who", v.Who(ref), "what", v.Entitlement(r.Entitlement), "day", v.Date(r.Until)), Text: v.T(key + ".text"), Person: &ref, Button: v.T(key + ".button"), To: to + "/" + string(verdict), Back: to, Grave: verdict != store.Approve}, nil
		})
		s.form("/requests/{request}/"+string(verdict), func(v *visit) (string, error) {
			n, err := v.requestNumber()
			if err != nil {
				return "", err
			}
			var made store.Decision
			if verdict == store.Withdraw {
				made, err = v.governance().WithdrawRequest(v, n, v.caller.Subject, v.field("reason"))
			} else {
				made, err = v.governance().DecideRequest(v, n, verdict, v.caller.Subject, v.field("reason"))
			}
			return "/requests?done=" + strconv.FormatInt(made.Seq, 10), err
		})
	}
}
