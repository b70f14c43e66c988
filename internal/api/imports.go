package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
)

// happened is what an HR event did, and what follows from it.
type happened struct {
	Import Import `json:"import"`
	// People are those whom the events name, in their order.
	People []follows `json:"people"`
	More   int       `json:"more,omitempty" doc:"How many more people the events name; GET /people/{person}/plan says what follows for each."`
}

// follows is what follows for a person.
type follows struct {
	Person access.Ref   `json:"person"`
	Stage  access.Stage `json:"stage" doc:"Where the person stands today, and when they come next."`
	Plan   *access.Plan `json:"plan,omitempty" doc:"What the next run does, at once where behov applies by itself. What begins on a later day is done on that day."`
}

// mostFollowed is of how many people an answer says what follows.
const mostFollowed = 20

// event is a change of one employment: HR's columns with their values.
type event map[string]string

func (a *api) imports() {
	route(a, SeesAll, op{id: "list-imports", method: http.MethodGet, path: "/hr/imports", tag: "hr", summary: "What was imported, when, and what came of it", description: "The newest first."},
		func(c *call, in *struct {
			Source string `query:"source" maxLength:"200"`
			Limit  int    `query:"limit" default:"20" minimum:"1" maximum:"1000"`
		}) (*answer[List[access.ImportEntry]], error) {
			all, err := c.Imports(in.Source, in.Limit)
			return items(all, "", err)
		})
	route(a, Decides(rights.ImportFile), op{id: "send-hr-events", method: http.MethodPost, path: "/hr/events", tag: "hr", summary: "Say that people are hired, change, or leave", description: "Each event is what is true of one employment from now on, as a row of an HR file: a hire is one that behov does not know, a mover another unit or job, a leaver an end_date. Columns that an event does not have stay empty, as in a file. The answer says what follows, and when."},
		func(c *call, in *struct {
			Body struct {
				Source string  `json:"source,omitempty" doc:"The HR source; the first when it is left out." maxLength:"200"`
				Events []event `json:"events" minItems:"1" maxItems:"1000" nullable:"false" doc:"By HR's own column names."`
			}
		}) (*answer[happened], error) {
			name := in.Body.Source
			if name == "" {
				name = c.Config.First
			}
			source, known := c.Config.Sources[name]
			if !known {
				return nil, newProblem(http.StatusNotFound, "not-found", "there is no such HR source")
			}
			if err := c.governance().MayImport(c, c.caller.Subject); err != nil {
				return nil, err
			}
			if source.Forms {
				return nil, newProblem(http.StatusConflict, "source-of-reports", "source "+name+" is for reports: POST /hr/hires reports a hire, and POST /people/{person}/employment-end an ending")
			}
			content, err := lines(in.Body.Events, c.Config)
			if err != nil {
				return nil, err
			}
			importer := *a.Importer
			importer.Actor, importer.Progress = c.caller.Subject.Actor(), nil
			source = plain(source)
			report, err := importer.ImportByHand(c, content, hr.Delivery{Source: source, Name: "events"})
			if err != nil {
				return nil, refusedImport(c, err)
			}
			out := happened{Import: ImportOf(c.View, report), People: []follows{}}
			return one(out, c.follow(&out, source.Name, in.Body.Events))
		})
}

// plain is a source whose rows are by HR's own column names, and are changes.
func plain(s config.Source) config.Source {
	return config.Source{Name: s.Name, Format: "json", Changes: true, Dates: s.Dates, Shrink: s.Shrink, Contracts: s.Contracts, ProtectedValues: s.ProtectedValues, UnprotectedValues: s.UnprotectedValues, Joins: s.Joins}
}

// lines returns events as a file of JSON. A column that is none of HR's is refused: what is
// misspelt would be lost.
func lines(events []event, c *config.Config) ([]byte, error) {
	columns := slices.Concat(config.Canonical, c.Attributes)
	p := newProblem(http.StatusBadRequest, "no-such-column", "some events have columns that HR has not")
	for i, one := range events {
		for _, column := range slices.Sorted(maps.Keys(one)) {
			if !slices.Contains(columns, column) {
				p.Errors = append(p.Errors, FieldError{Message: "there is no such column", Location: location(i, column)})
			}
		}
	}
	if len(p.Errors) > 0 {
		return nil, p
	}
	return json.Marshal(events)
}

func location(i int, column string) string {
	b, err := json.Marshal(column)
	if err != nil {
		return "body.events"
	}
	return fmt.Sprintf("body.events[%d][%s]", i, b)
}

// follow says what follows for the people whom events name.
func (c *call) follow(out *happened, source string, events []event) error {
	seen := map[string]bool{}
	for _, e := range events {
		key := identity.CleanText(e["person_id"])
		if seen[key] || key == "" {
			continue
		}
		seen[key] = true
		p, known, err := c.api.DB.PersonByKey(c, identity.SourceKey{Source: source, Key: key})
		if err != nil {
			return err
		}
		if !known {
			continue // the row was not taken, and the import says why
		}
		if len(out.People) == mostFollowed {
			out.More++
			continue
		}
		stands, err := c.Person(string(p.ID), nil)
		if err != nil {
			if rights.IsRefused(err) {
				continue
			}
			return err
		}
		planned, _, err := c.api.Engine.Look(c, reconcile.Scope{Person: p.ID})
		if err != nil {
			return err
		}
		shown, err := c.Plan(planned)
		if err != nil {
			return err
		}
		out.People = append(out.People, follows{Person: stands.Person, Stage: stands.Stage, Plan: &shown})
	}
	return nil
}

// refusedImport is the problem of events that could not be read at all.
func refusedImport(c *call, err error) error {
	problem, is := reasonOf(err)
	if !is {
		return err
	}
	p := newProblem(http.StatusBadRequest, string(problem.Code()), c.Text(problem))
	why := c.Because(problem)
	p.Reason = &why
	return p
}

// reasonOf returns the reason of an error that has one.
func reasonOf(err error) (reason.Reason, bool) {
	p := hr.ProblemOf("events", err)
	return p.Reason, !p.Reason.IsZero()
}
