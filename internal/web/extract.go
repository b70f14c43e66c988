package web

import (
	"fmt"
	"html/template"
	"io"
	"slices"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/wording"
)

// extractPage is the register extract of a person, as a page or a file.
type extractPage struct {
	Title, Text string
	Person      identity.PersonID
	Own         bool // the reader's
	Sections    []access.ExtractSection
	Language    wording.Language // of a file
	Style       template.CSS     // of a file
}

func (s *site) extract() {
	s.page("/people/{person}/extract", "extract", func(v *visit) (any, error) {
		x, err := v.governance().Extract(v, v.View, v.request.PathValue("person"))
		if err != nil {
			return nil, err
		}
		p := extractPage{Person: x.People[0], Own: slices.Contains(x.People, v.caller.Subject.Person), Sections: x.Sections(v.words, s.Config.Zone)}
		p.Title = v.T("extract.title-of", "who", v.Who(v.Ref(p.Person)))
		return p, nil
	})
}

// WriteExtract writes a register extract as a file of its own: a page that can be printed, and
// loads nothing.
func WriteExtract(w io.Writer, x access.Extract, l wording.Language, zone *time.Location) error {
	words, err := wording.New(wording.Reader{Language: l, Place: wording.Page, Zone: zone})
	if err != nil {
		return err
	}
	style, err := files.ReadFile("static/behov.css")
	if err != nil {
		return fmt.Errorf("style: %w", err)
	}
	t, err := template.New("").Funcs(template.FuncMap{"t": func(id string) string { return words.Text(id, nil) }}).ParseFS(files, extractParts)
	if err != nil {
		return fmt.Errorf("extract: %w", err)
	}
	p := extractPage{Title: words.Text("extract.title", nil), Text: words.Text("extract.text", nil), Sections: x.Sections(words, zone), Language: l, Style: template.CSS(style)} //nolint:gosec // it is built in
	return t.ExecuteTemplate(w, "extract-file", p)
}

// extractParts are the parts of templates that the page and the file share.
const extractParts = "templates/extract-parts.html"
