package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

const (
	// devicePagePath is where the form of the page is sent.
	devicePagePath = DevicePath + "/decision"
	// devicePolicy lets the page load nothing but its own style, and send its form here.
	devicePolicy = "default-src 'none'; style-src 'nonce-NONCE'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	formPurpose  = "sign-in.device"
)

//go:embed device.html
var deviceFile embed.FS

var deviceTemplate = template.Must(template.ParseFS(deviceFile, "device.html"))

// devicePageData is what the page shows. Its texts are sentences.
type devicePageData struct {
	Language                              wording.Language
	Nonce                                 string
	Title, Text, As, Compare, Warning     string
	CodeLabel, MachineLabel               string
	Code, Machine, Form                   string
	Continue, Confirm, Deny, Send, Decide string
}

// deviceForm is what binds the form of the page to the session that was shown it.
type deviceForm struct {
	Session string    `json:"session"`
	Code    string    `json:"code"`
	Until   time.Time `json:"until"`
}

// deviceCaller returns who confirms: a person with a session in this browser. A token
// confirms nothing: it would make tokens. Without a session the person is sent to sign in.
func (s *SignIn) deviceCaller(w http.ResponseWriter, r *http.Request) (Caller, bool) {
	c, err := s.Caller(r)
	switch {
	case err == nil && c.Session != "":
		return c, true
	case err == nil || errors.Is(err, ErrNotSignedIn):
		back := DevicePath
		if code := userCode(r.FormValue("code")); code != "" {
			back += "?code=" + code
		}
		http.Redirect(w, r, Path+"?return="+url.QueryEscape(back), http.StatusSeeOther)
	default:
		s.fail(w, err)
	}
	return c, false
}

// waiting returns the sign-in that waits with a short code. That there is none is a failed
// sign-in.
func (s *SignIn) waiting(w http.ResponseWriter, r *http.Request, entered string) (d store.DeviceSignIn, code string, ok bool) {
	if code = userCode(entered); code != "" {
		hash, err := s.db.HashUserCode(code)
		if err == nil {
			d, ok, err = s.db.DeviceSignInByUserCode(r.Context(), hash, s.now())
		}
		if err != nil {
			s.fail(w, err)
			return d, "", false
		}
	}
	if !ok || d.State != store.DevicePending {
		s.refuse(w, r, http.StatusForbidden, reason.DeviceUnknown{}, nil)
		return d, "", false
	}
	return d, code, true
}

// devicePage shows a person what they would confirm, or asks for the code.
func (s *SignIn) devicePage(w http.ResponseWriter, r *http.Request) {
	c, ok := s.deviceCaller(w, r)
	if !ok {
		return
	}
	entered := r.URL.Query().Get("code")
	if entered == "" {
		s.page(w, r, c, func(say func(reason.Kind) string, p *devicePageData) {
			p.Text, p.Continue, p.Send = say(reason.DeviceEnter{}), button(say(reason.DeviceContinue{})), DevicePath
		})
		return
	}
	d, code, ok := s.waiting(w, r, entered)
	if !ok {
		return
	}
	sealed, err := s.sealForm(c, code)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.page(w, r, c, func(say func(reason.Kind) string, p *devicePageData) {
		p.As, p.Compare, p.Warning = say(reason.DeviceAs{Person: c.Subject.Person}), say(reason.DeviceCompare{}), say(reason.DeviceWarning{})
		p.Confirm, p.Deny, p.Form, p.Decide = button(say(reason.DeviceConfirm{})), button(say(reason.DeviceDeny{})), sealed, devicePagePath
		p.Code, p.Machine = code[:userLength/2]+"-"+code[userLength/2:], d.Machine
		p.CodeLabel, p.MachineLabel = button(say(reason.DeviceCode{})), button(say(reason.DeviceMachine{}))
		if p.Machine == "" {
			p.Machine = button(say(reason.DeviceNoName{}))
		}
	})
}

// decideDevice takes what a person decided on the page. The machine is let in as the person
// is known in this browser, and no more surely.
func (s *SignIn) decideDevice(w http.ResponseWriter, r *http.Request) {
	c, ok := s.deviceCaller(w, r)
	if !ok {
		return
	}
	code := r.PostFormValue("code")
	if !s.formOf(c, userCode(code), r.PostFormValue("form")) {
		s.refuse(w, r, http.StatusForbidden, reason.DeviceForm{}, nil)
		return
	}
	d, _, ok := s.waiting(w, r, code)
	if !ok {
		return
	}
	said := reason.Kind(reason.DeviceRefused{})
	d.State = store.DeviceDenied
	if r.PostFormValue("decision") == "confirm" {
		said, d.State = reason.DeviceLetIn{}, store.DeviceConfirmed
		d.Person, d.How, d.Groups, d.Factors, d.SignedUS = c.Subject.Person, string(c.Subject.How), c.Subject.Groups, c.Factors, store.Micros(c.SignedIn.UnixMicro())
	}
	decided, err := s.db.DecideDeviceSignIn(r.Context(), d, s.now())
	switch {
	case err != nil:
		s.fail(w, err)
	case !decided:
		s.refuse(w, r, http.StatusForbidden, reason.DeviceUnknown{}, nil)
	default:
		s.log.Info("a sign-in on a machine was decided", "person", c.Subject.Person, "state", d.State)
		s.page(w, r, c, func(say func(reason.Kind) string, p *devicePageData) { p.Text = say(said) })
	}
}

// sealForm returns what binds a form to the session and the code that it is about.
func (s *SignIn) sealForm(c Caller, code string) (string, error) {
	text, err := json.Marshal(deviceForm{c.Session, code, s.now().Add(deviceLasts)})
	if err == nil {
		text, err = s.db.Seal(formPurpose, text)
	}
	return base64.RawURLEncoding.EncodeToString(text), err
}

// formOf reports whether a form is one that this session was shown for the code.
func (s *SignIn) formOf(c Caller, code, sealed string) bool {
	text, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return false
	}
	var f deviceForm
	if text, err = s.db.Unseal(formPurpose, text); err != nil || json.Unmarshal(text, &f) != nil {
		return false
	}
	return code != "" && f.Session == c.Session && subtle.ConstantTimeCompare([]byte(f.Code), []byte(code)) == 1 && s.now().Before(f.Until)
}

// page answers with the page in the reader's language.
func (s *SignIn) page(w http.ResponseWriter, r *http.Request, c Caller, fill func(say func(reason.Kind) string, p *devicePageData)) {
	p := devicePageData{Language: Language(r), Nonce: rand.Text()}
	who, err := s.db.Person(r.Context(), c.Subject.Person)
	if err != nil {
		s.fail(w, err)
		return
	}
	printer, err := wording.New(wording.Reader{Language: p.Language, Person: func(identity.PersonID) string { return who.Name() }})
	if err != nil {
		s.fail(w, err)
		return
	}
	say := func(k reason.Kind) string { return wording.Sentence(printer.Reason(reason.Of(k))) }
	p.Title = button(say(reason.DeviceTitle{}))
	fill(say, &p)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", strings.Replace(devicePolicy, "NONCE", p.Nonce, 1))
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language, Cookie")
	if err := deviceTemplate.Execute(w, p); err != nil {
		s.log.Warn("a page could not be written", "error", err)
	}
}

// button returns a sentence as a button, a label or a title has it.
func button(sentence string) string { return strings.TrimSuffix(sentence, ".") }
