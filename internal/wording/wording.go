// Package wording turns reasons into sentences, in English and Swedish. It is the only
// place that does, and holds no other knowledge of them: en.yaml and sv.yaml have a
// sentence for each code of package reason.
//
// It must never decide anything, and never name a person by itself: who may be named is
// the caller's to say.
package wording

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

//go:embed en.yaml sv.yaml pages.en.yaml pages.sv.yaml
var files embed.FS

// Language is a language that sentences are written in.
type Language string

// The languages.
const (
	English Language = "en"
	Swedish Language = "sv"
)

// Languages lists them.
var Languages = []Language{English, Swedish}

// Place is where a sentence is read. It decides which hint follows it.
type Place string

// The places.
const (
	Plain Place = ""      // no hint
	Shell Place = "shell" // the command to enter
	Mail  Place = "mail"  // what to do, a sentence of its own: see Printer.Hint
	Page  Place = "page"  // some sentences are others on a page: see Printer.Reason
)

// Reader is who sentences are for.
type Reader struct {
	Language Language
	Place    Place
	// Zone is the one that instants are shown in; nil is UTC.
	Zone *time.Location
	// Person returns how a person is called for this reader; with nil people are called by
	// their IDs.
	Person func(identity.PersonID) string
	// Decision returns what the maker of a decision wrote, as far as this reader may read
	// it; with nil nothing is shown of it.
	Decision func(seq int64) string
}

// Printer writes sentences for one reader. It remembers the last ones. It is safe for use
// by several goroutines.
type Printer struct {
	reader    Reader
	localizer *i18n.Localizer
	mu        sync.Mutex
	written   map[reason.Reason]string
}

// New returns a printer. It fails when the sentences that are built in cannot be read.
func New(r Reader) (*Printer, error) {
	bundle, err := load()
	if err != nil {
		return nil, err
	}
	if r.Zone == nil {
		r.Zone = time.UTC
	}
	if r.Person == nil {
		r.Person = func(id identity.PersonID) string { return "person " + string(id) }
	}
	return &Printer{reader: r, localizer: i18n.NewLocalizer(bundle, string(r.Language)), written: map[reason.Reason]string{}}, nil
}

// load reads the sentences, once.
var load = sync.OnceValues(func() (*i18n.Bundle, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("yaml", yaml.Unmarshal)
	for _, l := range Languages {
		for _, file := range []string{string(l) + ".yaml", "pages." + string(l) + ".yaml"} {
			if _, err := bundle.LoadMessageFileFS(files, file); err != nil {
				return nil, fmt.Errorf("sentences: %w", err)
			}
		}
	}
	return bundle, nil
})

// Reason returns the sentence of a reason, without a capital and a full stop; empty
// without a reason. A reason that this version of behov cannot word is returned as JSON.
// On a page a rule is told by what it says it is for, and not by its place in a file.
func (p *Printer) Reason(r reason.Reason) string {
	if r.IsZero() {
		return ""
	}
	p.mu.Lock()
	text, ok := p.written[r]
	p.mu.Unlock()
	if ok {
		return text
	}
	text, err := p.sentence(r)
	if err != nil {
		text = r.JSON()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.written) >= remembered {
		clear(p.written)
	}
	p.written[r] = text
	return text
}

// remembered is how many sentences a printer keeps.
const remembered = 10_000

// Text returns a text of the pages with its parameters, count among them where there is one
// form for one and another for many. One that is not there is returned as its ID.
func (p *Printer) Text(id string, parameters map[string]any) string {
	text, err := p.message("pages."+id, parameters, parameters["count"])
	if err != nil {
		return "[" + id + "]"
	}
	return text
}

// Term returns what a value is called, by its kind and itself, joined by points; empty for
// one that has no name.
func (p *Printer) Term(value string) string {
	text, err := p.message("term."+value, nil, nil)
	if err != nil {
		return ""
	}
	return text
}

// Title returns the title of an alert; empty for a reason that is none.
func (p *Printer) Title(r reason.Reason) string { return p.beside("title", r, p.shown) }

// Hint returns what to do about a reason, by itself; empty when there is nothing to say.
func (p *Printer) Hint(r reason.Reason) string { return p.beside(string(p.reader.Place), r, p.entered) }

// beside returns a text that goes with the sentence of a reason.
func (p *Printer) beside(section string, r reason.Reason, show func(any) any) string {
	k, err := r.Kind()
	if err != nil || k == nil {
		return ""
	}
	parameters := map[string]any{}
	p.parameters(parameters, reflect.ValueOf(k), show)
	text, err := p.message(section+"."+string(r.Code()), parameters, nil)
	if err != nil { // most codes have none
		return ""
	}
	return text
}

func (p *Printer) sentence(r reason.Reason) (string, error) {
	k, err := r.Kind()
	if err != nil {
		return "", err
	}
	parameters := map[string]any{}
	count := p.parameters(parameters, reflect.ValueOf(k), p.shown)
	if decision, made := parameters["decision"].(int64); made && p.reader.Decision != nil && parameters["maker"] != nil {
		if wrote := p.reader.Decision(decision); wrote != "" {
			parameters["maker"] = fmt.Sprint(parameters["maker"]) + ": " + wrote
		}
	}
	if of, ok := parameters["of"].(string); ok && parameters["verdict"] != nil {
		verdict := fmt.Sprint(parameters["verdict"])
		if parameters["what"] = p.Term("decided." + of + "." + verdict); parameters["what"] == "" {
			parameters["what"] = of + " " + verdict // of a later version
		}
	}
	if p.reader.Place == Page {
		if text, err := p.message("page."+string(r.Code()), parameters, count); err == nil {
			return text, nil
		}
	}
	text, err := p.message(string(r.Code()), parameters, count)
	if err != nil || p.reader.Place != Shell {
		return text, err
	}
	if hint := p.Hint(r); hint != "" {
		text += ": " + hint
	}
	return text, nil
}

func (p *Printer) message(id string, parameters map[string]any, count any) (string, error) {
	text, err := p.localizer.Localize(&i18n.LocalizeConfig{MessageID: id, TemplateData: parameters, PluralCount: count})
	if err != nil {
		return "", fmt.Errorf("sentence %s: %w", id, err)
	}
	return text, nil
}

// parameters adds the parameters of a kind, by their names in JSON, as show has them. It
// returns the one that decides between one and many; nil without one.
func (p *Printer) parameters(to map[string]any, v reflect.Value, show func(any) any) (count any) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Anonymous {
			if field.IsExported() { // its parameters are the kind's
				if of := p.parameters(to, v.Field(i), show); of != nil {
					count = of
				}
			}
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		value := v.Field(i).Interface()
		if to[name] = show(value); name == "count" {
			count = value
		}
	}
	return count
}

// shown returns a parameter as a sentence has it.
func (p *Printer) shown(value any) any {
	switch v := value.(type) {
	case reason.Reason:
		return p.Reason(v)
	case []reason.Reason:
		var texts []string
		for _, r := range v {
			texts = append(texts, p.Reason(r))
		}
		return strings.Join(texts, "; ")
	case identity.PersonID:
		if v == "" {
			return ""
		}
		return p.reader.Person(v)
	case []identity.PersonID:
		var texts []string
		for _, id := range v {
			texts = append(texts, p.reader.Person(id))
		}
		return strings.Join(texts, ", ")
	case identity.Actor:
		return p.Actor(v)
	case reason.Field:
		return cmp.Or(p.Term("field."+string(v)), string(v))
	case []reason.Likeness:
		var texts []string
		for _, l := range v {
			text, err := p.message(string(l), nil, nil)
			if err != nil {
				text = string(l)
			}
			texts = append(texts, text)
		}
		return strings.Join(texts, ", ")
	case reason.AnyOf:
		if len(v) < 2 && p.reader.Place != Page {
			return strings.Join(v, "")
		}
		if p.reader.Place == Page {
			v = slices.Clone(v)
			for i := range v {
				if name, err := p.message("pages.role."+v[i], nil, nil); err == nil {
					v[i] = name
				}
			}
		}
		or, err := p.message("or", nil, nil)
		if err != nil {
			or = "/"
		}
		if len(v) < 2 {
			return strings.Join(v, "")
		}
		return strings.Join(v[:len(v)-1], ", ") + " " + or + " " + v[len(v)-1]
	case []string:
		return strings.Join(v, ", ")
	case time.Time:
		if v.IsZero() {
			return ""
		}
		if v.Second() != 0 { // which can tell two files apart
			return v.In(p.reader.Zone).Format(time.DateTime)
		}
		return v.In(p.reader.Zone).Format("2006-01-02 15:04")
	}
	return value
}

// entered returns a parameter as a command takes it.
func (p *Printer) entered(value any) any {
	switch v := value.(type) {
	case identity.PersonID:
		return string(v)
	case reason.Reason:
		return v.JSON()
	}
	return value
}

// Actor returns how an actor is called.
func (p *Printer) Actor(a identity.Actor) string {
	if id, ok := a.Person(); ok {
		return p.reader.Person(id)
	}
	return string(a)
}

// Sentence makes a sentence that stands alone of a text: with a capital and a full stop.
func Sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// Problem returns the place and the sentence of a problem in a file.
func (p *Printer) Problem(of diagnostic.Problem) string {
	text := of.Text
	if text == "" {
		text = p.Reason(of.Reason)
	}
	if of.Warning {
		warning, err := p.message("warning", nil, nil)
		if err != nil {
			warning = "warning"
		}
		text = warning + ": " + text
	}
	return of.Place() + ": " + text
}

// Error returns the text of an error, with sentences where it, or what it wraps, has a
// reason.
func (p *Printer) Error(err error) string {
	text := err.Error()
	var of diagnostic.Problem
	if errors.As(err, &of) && !of.Reason.IsZero() {
		return strings.Replace(text, of.Error(), p.Problem(of), 1)
	}
	var refused interface {
		error
		Because() reason.Reason
	}
	if errors.As(err, &refused) {
		return strings.Replace(text, refused.Error(), p.Reason(refused.Because()), 1)
	}
	return text
}
