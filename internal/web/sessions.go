package web

import (
	"net/url"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// sessionsPage is where a person is signed in: the reader, or another person for who may end
// their sessions.
type sessionsPage struct {
	Person   *access.Ref // another person
	Sessions []store.Session
	Current  string
	MayFind  bool // other people's
	Search   string
	Found    []access.PersonState
}

func (s *site) sessions() {
	s.page("/administration/sessions", "sessions", func(v *visit) (any, error) {
		p := sessionsPage{Current: v.caller.Session, Search: v.unsealed()}
		var err error
		if p.MayFind, _, err = v.May(rights.EndSessions); err != nil {
			return nil, err
		}
		if ref := v.query("person"); ref != "" {
			about, err := v.Find(ref)
			if err != nil {
				return nil, err
			}
			shown := v.Ref(about.ID)
			p.Person = &shown
			p.Sessions, err = v.governance().Sessions(v, about, v.caller.Subject)
			return p, err
		}
		if p.MayFind && p.Search != "" {
			if p.Found, _, err = v.PeoplePage("", p.Search, access.Page{Limit: 20}); err != nil {
				return nil, err
			}
		}
		p.Sessions, err = s.DB.SessionsOf(v, v.caller.Subject.Person, s.Now())
		return p, err
	})
	s.form("/administration/sessions", func(v *visit) (string, error) {
		sealed, err := s.sealed(v.field("q"))
		return "/administration/sessions?" + url.Values{"s": {sealed}}.Encode(), err
	})
	s.form("/administration/sessions/{session}/end", func(v *visit) (string, error) {
		id := v.request.PathValue("session")
		there, err := s.DB.EndSessionOf(v, v.caller.Subject.Person, id)
		if err == nil && !there {
			err = &reason.Refusal{Reason: reason.Of(reason.NoSuchSession{Session: id})}
		}
		return "/administration/sessions", err
	})
	s.page("/people/{person}/end-sessions", "decide", func(v *visit) (any, error) {
		p, err := v.Find(v.request.PathValue("person"))
		if err != nil {
			return nil, err
		}
		if err := v.needs(rights.EndSessions, p); err != nil {
			return nil, err
		}
		ref := v.Ref(p.ID)
		to := "/people/" + string(p.ID) + "/end-sessions?" + url.Values{"session": {v.query("session")}}.Encode()
		return decidePage{Title: v.T("decide.end-sessions.title", "who", v.Who(ref)), Text: v.T("decide.end-sessions.text"), Person: &ref, Button: v.T("decide.end-sessions.button"), Grave: true, To: to, Back: "/administration/sessions?person=" + string(p.ID)}, nil
	})
	s.form("/people/{person}/end-sessions", func(v *visit) (string, error) {
		p, err := v.Find(v.request.PathValue("person"))
		if err != nil {
			return "", err
		}
		d, err := v.governance().EndSessions(v, p, v.query("session"), v.caller.Subject, v.field("reason"))
		return "/administration/sessions?person=" + string(p.ID) + "&done=" + strconv.FormatInt(d.Seq, 10), err
	})
}
