package web

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

//go:embed templates static
var files embed.FS

// book is the pages in one language.
type book struct {
	Language wording.Language
	words    *wording.Printer
	config   *config.Config
	now      func() time.Time
	pages    map[string]*template.Template
}

func (s *site) newBook(l wording.Language) (*book, error) {
	b := &book{Language: l, config: s.Config, now: s.Now, pages: map[string]*template.Template{}}
	var err error
	if b.words, err = wording.New(wording.Reader{Language: l, Place: wording.Page, Zone: s.Config.Zone}); err != nil {
		return nil, err
	}
	base, err := template.New("base.html").Funcs(template.FuncMap{"t": b.t, "date": b.Date, "day": b.Day, "instant": b.Instant, "number": b.Number, "percent": b.percent,
		"sentence": wording.Sentence, "givesByOrder": givesByOrder, "entitlement": b.Entitlement, "system": b.System, "systemOf": b.systemOf, "term": b.words.Term, "asset": s.assetAddress, "who": b.Who, "unitName": s.Config.Rules.Units.Name, "reasons": reasons, "iso": iso, "dict": dict, "join": func(all []string) string { return strings.Join(all, ", ") }}).
		ParseFS(files, "templates/base.html", "templates/parts.html", extractParts)
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	names, err := files.ReadDir("templates")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	for _, f := range names {
		name := strings.TrimSuffix(f.Name(), ".html")
		if name == "base" || name == "parts" || "templates/"+f.Name() == extractParts {
			continue
		}
		page, err := base.Clone()
		if err == nil {
			page, err = page.ParseFS(files, "templates/"+f.Name())
		}
		if err != nil {
			return nil, fmt.Errorf("page %s: %w", name, err)
		}
		b.pages[name] = page
	}
	return b, nil
}

// T returns a text with its parameters: names and values by turns.
func (b *book) T(id string, parameters ...any) string {
	of := map[string]any{}
	for i := 0; i+1 < len(parameters); i += 2 {
		of[fmt.Sprint(parameters[i])] = parameters[i+1]
	}
	return b.words.Text(id, of)
}

// t is T as templates call it: an odd parameter is a mistake there.
func (b *book) t(id string, parameters ...any) (string, error) {
	if len(parameters)%2 != 0 {
		return "", fmt.Errorf("text %s has a parameter without a value", id)
	}
	return b.T(id, parameters...), nil
}

// dict makes a map for a part of a page: names and values by turns.
func dict(pairs ...any) map[string]any {
	of := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		of[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return of
}

var months = map[wording.Language][]string{
	wording.English: {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
	wording.Swedish: {"januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december"},
}

// Date returns a civil date as people write it: 3 March 2026. It is empty for none.
func (b *book) Date(d identity.Date) string {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return string(d)
	}
	return strconv.Itoa(t.Day()) + " " + months[b.Language][t.Month()-1] + " " + strconv.Itoa(t.Year())
}

// Day is Date of an instant, in the organisation's time zone.
func (b *book) Day(at any) string {
	t, ok := instantOf(at)
	if !ok {
		return ""
	}
	return b.Date(identity.DateOf(t, b.config.Zone))
}

// Instant returns an instant in the organisation's time zone: today 09:12, or 3 March 2026
// 09:12. It is empty for none.
func (b *book) Instant(at any) string {
	t, ok := instantOf(at)
	if !ok {
		return ""
	}
	clock := "15:04"
	if b.Language == wording.Swedish {
		clock = "15.04"
	}
	today := identity.DateOf(b.now(), b.config.Zone)
	switch day := identity.DateOf(t, b.config.Zone); day {
	case today:
		return b.T("today-at", "clock", t.In(b.config.Zone).Format(clock))
	case today.AddDays(-1):
		return b.T("yesterday-at", "clock", t.In(b.config.Zone).Format(clock))
	default:
		return b.Date(day) + " " + t.In(b.config.Zone).Format(clock)
	}
}

// iso returns an instant for machines.
func iso(at any) string {
	t, ok := instantOf(at)
	if !ok {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func instantOf(at any) (time.Time, bool) {
	switch t := at.(type) {
	case time.Time:
		return t, !t.IsZero()
	case *time.Time:
		if t != nil {
			return *t, true
		}
	case store.Micros:
		return t.Time(), t != 0
	}
	return time.Time{}, false
}

// Number returns a number with its thousands apart.
func (b *book) Number(n any) string {
	text := fmt.Sprint(n)
	apart := ","
	if b.Language == wording.Swedish {
		apart = "\u00a0"
	}
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + apart + text[i:]
	}
	return text
}

// percent returns a degree of employment.
func (b *book) percent(p float64) string {
	text := strconv.FormatFloat(p, 'f', -1, 64)
	if b.Language == wording.Swedish {
		return strings.Replace(text, ".", ",", 1) + "\u00a0%"
	}
	return text + "%"
}

// Entitlement returns what an entitlement is called.
func (b *book) Entitlement(id any) string {
	name := fmt.Sprint(id)
	if name == audit.Account {
		return b.T("account")
	}
	e, _ := b.config.Rules.Catalogue.Entitlement(policy.EntitlementID(name))
	return cmp.Or(e.Name, name)
}

// systemOf returns what the system of an entitlement is called; empty for an account.
func (b *book) systemOf(id any) string {
	e, known := b.config.Rules.Catalogue.Entitlement(policy.EntitlementID(fmt.Sprint(id)))
	if !known {
		return ""
	}
	return b.System(e.System)
}

// System returns what a system is called.
func (b *book) System(id string) string {
	s, _ := b.config.Rules.Catalogue.System(id)
	return cmp.Or(s.Name, id)
}

// Who returns what a person is called.
func (b *book) Who(r access.Ref) string {
	if r.DisplayName == "" {
		return b.T("someone")
	}
	if r.Protected && strings.HasPrefix(r.DisplayName, "[") {
		return b.T("protected-identity")
	}
	return r.DisplayName
}

// reasons returns the causes of a reason that joins several.
func reasons(r access.Reason) []string {
	if r.Text == "" {
		return nil
	}
	return strings.Split(r.Text, "; ")
}

// layout is what the frame of every page shows.
type layout struct {
	*visit
	Here string // the item of the menu
	Path string // of this page, with its query
	Me   string
	Menu []menuItem
	Done string // what the form before did
	Data any
}

type menuItem struct {
	ID, Href string
	Here     bool
}

// menu returns what the reader can go to.
func (v *visit) menu() []menuItem {
	at := v.request.URL.Path
	all := []menuItem{{ID: "start", Href: "/"}, {ID: "reviews", Href: "/reviews"}, {ID: "requests", Href: "/requests"}, {ID: "people", Href: "/people"}, {ID: "systems", Href: "/systems"}}
	if !v.SeesEveryone() { // others find it under their name
		all = slices.Insert(all, 3, menuItem{ID: "mine", Href: "/mine"})
	}
	if v.SeesEveryone() {
		all = append(all, menuItem{ID: "organisation", Href: "/organisation"}, menuItem{ID: "changes", Href: "/changes"})
	}
	all = append(all, menuItem{ID: "ask", Href: "/ask"})
	if v.SeesEveryone() {
		all = append(all, menuItem{ID: "administration", Href: "/administration"})
	}
	if v.HandlesOrders() {
		i := slices.IndexFunc(all, func(m menuItem) bool { return m.ID == "people" })
		all = slices.Insert(all, i, menuItem{ID: "work-orders", Href: ordersPath})
	}
	for i := range all {
		all[i].Here = at == all[i].Href || all[i].Href != "/" && strings.HasPrefix(at, all[i].Href+"/")
	}
	return all
}

// write answers with a page.
func (s *site) write(w http.ResponseWriter, v *visit, status int, name string, data any) error {
	me := v.caller.Subject.Person
	if err := v.Load([]identity.PersonID{me}); err != nil {
		return err
	}
	l := layout{visit: v, Path: v.request.URL.RequestURI(), Me: v.Who(v.Ref(me)), Menu: v.menu(), Data: data, Done: v.done()}
	var b bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&b, "base.html", l); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the reader is gone
	return nil
}

// writeOrLog is write where nothing else can be answered.
func (s *site) writeOrLog(w http.ResponseWriter, v *visit, status int, name string, data any) {
	if err := s.write(w, v, status, name, data); err != nil {
		s.Log.ErrorContext(v, "a page could not be made", "error", err)
		http.Error(w, "behov could not do this, and its log says why", http.StatusInternalServerError)
	}
}

// done returns, in words, the decision that the form before made: ?done=NUMBER, of the
// reader's own.
func (v *visit) done() string {
	seq, err := strconv.ParseInt(v.query("done"), 10, 64)
	if err != nil {
		return ""
	}
	d, err := v.DB.Decision(v, seq)
	if err != nil || d.Maker != identity.PersonActor(v.caller.Subject.Person) {
		return ""
	}
	return wording.Sentence(v.Decision(d).Decided.Text)
}

// chooseLanguage keeps the language that the reader chose, in a cookie of this browser.
func (s *site) chooseLanguage(w http.ResponseWriter, r *http.Request) {
	signin.SetLanguage(w, r, wording.Language(r.PostFormValue("language")))
	to := r.PostFormValue("return")
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsFunc(to, func(r rune) bool { return r < ' ' || r == 127 || r == '\\' }) {
		to = "/"
	}
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // it is a path of behov
}

// assetPath is below which style and script are.
const assetPath = "/static"

type asset struct {
	content []byte
	kind    string
}

// loadAssets reads style and script. Their address has their content in it, so that a
// browser keeps them for good.
func (s *site) loadAssets() error {
	names, err := files.ReadDir("static")
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	for _, f := range names {
		content, err := files.ReadFile("static/" + f.Name())
		if err != nil {
			return fmt.Errorf("pages: %w", err)
		}
		sum := sha256.Sum256(content)
		s.assets[assetPath+"/"+hex.EncodeToString(sum[:6])+"/"+f.Name()] = asset{content, kinds[path.Ext(f.Name())]}
	}
	return nil
}

// assetAddress returns where a file of static is.
func (s *site) assetAddress(name string) (string, error) {
	for address := range s.assets {
		if path.Base(address) == name {
			return address, nil
		}
	}
	return "", fmt.Errorf("there is no static/%s", name)
}

func (s *site) asset(w http.ResponseWriter, r *http.Request) {
	a, there := s.assets[r.URL.Path]
	if !there {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Del("Vary")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}
