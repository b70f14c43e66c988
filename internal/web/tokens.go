package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// tokensPage is the reader's tokens, those of all others for who may see everyone, and the
// form for a new one.
type tokensPage struct {
	Mine, Others []shownToken
	Scopes       []string
	Form         entered
	Chosen       map[string]bool // the scopes
	Days         []int           // for which a token can be made
	// Made is a token that was just made, and MadeName what it is called. It is not shown
	// again.
	Made, MadeName string
}

// shownToken is a token without what it takes to use it.
type shownToken struct {
	store.Token
	Owner *access.Ref
	Ended bool // revoked or expired
}

// Until is when it expires; the zero time for never.
func (t shownToken) Until() time.Time { return t.Expires() }

// tokenDays are for how many days a token can be made here.
var tokenDays = []int{7, 30, 90, 365}

// Fields of the form.
const (
	fieldName   = "name"
	fieldScopes = "scopes"
	fieldDays   = "days"
)

func (s *site) tokens() {
	s.page("/administration/tokens", "tokens", func(v *visit) (any, error) { return v.tokens() })
	// A secret stands in no address: this form alone is answered with a page.
	s.handle("POST /administration/tokens", func(w http.ResponseWriter, v *visit) error {
		if err := v.request.ParseForm(); err != nil {
			return errBadForm
		}
		p, err := v.makeToken()
		if err != nil {
			return err
		}
		status := http.StatusCreated
		if p.Made == "" {
			status = http.StatusUnprocessableEntity
		}
		return s.write(w, v, status, "tokens", p)
	})
	s.page("/administration/tokens/{token}/revoke", "decide", func(v *visit) (any, error) {
		t, err := v.token(v.request.PathValue("token"))
		if err != nil {
			return nil, err
		}
		return decidePage{Title: v.T("tokens.revoke-title", "name", t.Name), Text: v.T("tokens.revoke-text"), Button: v.T("tokens.revoke"), Grave: true, To: "/administration/tokens/" + t.ID + "/revoke", Back: "/administration/tokens"}, nil
	})
	s.form("/administration/tokens/{token}/revoke", func(v *visit) (string, error) {
		return "/administration/tokens", v.governance().RevokeToken(v, v.request.PathValue("token"), v.caller.Subject, v.field("reason"))
	})
}

// token returns a token that the reader may see.
func (v *visit) token(id string) (store.Token, error) {
	all, err := v.site.DB.Tokens(v)
	if err != nil {
		return store.Token{}, err
	}
	i := slices.IndexFunc(all, func(t store.Token) bool {
		return t.ID == id && t.Revoked().IsZero() && (v.SeesEveryone() || t.Owner == v.caller.Subject.Person)
	})
	if i < 0 {
		return store.Token{}, &reason.Refusal{Reason: reason.Of(reason.NoSuchToken{Token: id})}
	}
	return all[i], nil
}

func (v *visit) tokens() (*tokensPage, error) {
	p := &tokensPage{Scopes: append([]string{"*:read", "*:write"}, v.site.Scopes...), Form: entered{Form: "token", Values: map[string]string{fieldDays: "30"}}, Chosen: map[string]bool{}, Days: tokenDays}
	all, err := v.site.DB.Tokens(v)
	if err != nil {
		return nil, err
	}
	var owners []identity.PersonID
	for _, t := range all {
		owners = append(owners, t.Owner)
	}
	if err := v.Load(owners); err != nil {
		return nil, err
	}
	now := v.site.Now()
	for _, t := range all {
		x := shownToken{Token: t, Ended: !t.Valid(now)}
		switch {
		case t.Owner != "" && t.Owner == v.caller.Subject.Person:
			p.Mine = append(p.Mine, x)
		case v.SeesEveryone():
			if t.Owner != "" {
				owner := v.Ref(t.Owner)
				x.Owner = &owner
			}
			p.Others = append(p.Others, x)
		}
	}
	byEnd := func(a, b shownToken) int {
		if a.Ended != b.Ended {
			return map[bool]int{true: 1, false: -1}[a.Ended]
		}
		return b.Created().Compare(a.Created())
	}
	slices.SortStableFunc(p.Mine, byEnd)
	slices.SortStableFunc(p.Others, byEnd)
	return p, nil
}

// makeToken makes a token of the reader, and returns the page that shows it, or what is wrong
// with the form.
func (v *visit) makeToken() (*tokensPage, error) {
	own := governance.OwnToken{Name: identity.CleanText(v.field(fieldName)), SignedIn: v.caller.SignedIn}
	e := entered{Form: "token", Values: map[string]string{fieldName: v.field(fieldName), fieldDays: v.field(fieldDays)}, Errors: map[string]string{}}
	wrong := func(field, why string) {
		e.Order, e.Errors[field] = append(e.Order, field), why
	}
	p, err := v.tokens()
	if err != nil {
		return nil, err
	}
	for _, scope := range v.request.PostForm[fieldScopes] {
		if slices.Contains(p.Scopes, scope) {
			own.Scopes = append(own.Scopes, scope)
			p.Chosen[scope] = true
		}
	}
	days, err := strconv.Atoi(v.field(fieldDays))
	if own.Name == "" || len(own.Name) > 200 {
		wrong(fieldName, wording.Sentence(v.Text(reason.Of(reason.FieldMissing{}))))
	}
	if len(own.Scopes) == 0 {
		wrong(fieldScopes, v.T("tokens.no-scopes"))
	}
	if err != nil || !slices.Contains(tokenDays, days) {
		wrong(fieldDays, wording.Sentence(v.Text(reason.Of(reason.TokenExpiry{}))))
	}
	p.Form = e
	if len(e.Order) > 0 {
		return p, nil
	}
	own.Expires = v.site.Now().AddDate(0, 0, days)
	text, t, err := v.governance().CreateOwnToken(v, own, v.caller.Subject)
	if err != nil {
		return nil, err
	}
	if p, err = v.tokens(); err != nil {
		return nil, err
	}
	p.Made, p.MadeName = text, t.Name
	if p.Made == "" {
		return nil, errors.New("a token was made without a text")
	}
	return p, nil
}

// For returns as whom, or for what source, the token works.
func (t shownToken) For() string { return strings.TrimSpace(t.Source + " " + t.Service) }
