package api

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/preview"
)

// Trial is what somebody tries before it is put in place.
type Trial struct {
	AsOf      string       `json:"as_of,omitempty" doc:"A later day." format:"date"`
	Policy    string       `json:"policy,omitempty" doc:"The text of other rules, as policy.csv."`
	Catalogue string       `json:"catalogue,omitempty" doc:"The text of another catalogue, as catalogue.yaml."`
	Units     string       `json:"units,omitempty" doc:"The text of another organisation, as units.csv."`
	Controls  string       `json:"controls,omitempty" doc:"The text of other controls, as controls.yaml."`
	Conflicts string       `json:"conflicts,omitempty" doc:"The text of other segregations of duties, as conflicts.yaml."`
	HR        *TriedHRFile `json:"hr,omitempty" doc:"An HR file."`
}

// TriedHRFile is an HR file that is not imported.
type TriedHRFile struct {
	Source  string `json:"source,omitempty" doc:"The source it is from; where there is one it need not be named." maxLength:"100"`
	Name    string `json:"name" doc:"What problems call it." minLength:"1" maxLength:"200"`
	Content string `json:"content" doc:"The file, in Base64 (RFC 4648, section 4)."`
}

// SimulationTask is a simulation that is being made, or was.
type SimulationTask struct {
	Task
	Simulation *access.Simulation `json:"simulation,omitempty" doc:"What would happen, once it is worked out."`
	Import     *Import            `json:"import,omitempty" doc:"What an import of the HR file would report."`
}

type simulationStarted struct {
	Location string `header:"Location"`
	Body     SimulationTask
}

func (a *api) simulations() {
	route(a, SeesAll, op{id: "simulate", method: http.MethodPost, path: "/simulations", tag: "plans", status: http.StatusAccepted, summary: "Try other rules, another catalogue or organisation, or an HR file: what they would do to everyone", description: "Nothing is changed or imported. It takes a while: the answer says where to look for how far it is, and for the result. The digest in it is that of the plan once the change is made. Files that are wrong are answered with each place."},
		func(c *call, in *struct{ Body Trial }) (*simulationStarted, error) {
			trial, err := in.Body.trial(a.Config)
			if err != nil {
				return nil, err
			}
			t, err := a.Plans.Try(c, c.caller.Subject.ID(), trial, a.Importer, func(err error) string { return a.problem(context.WithoutCancel(c.Context), err).Error() })
			var wrong *preview.TrialError
			switch {
			case errors.Is(err, preview.ErrBusy):
				return nil, newProblem(http.StatusTooManyRequests, "busy", err.Error())
			case errors.As(err, &wrong):
				p := newProblem(http.StatusBadRequest, "files", wrong.Error())
				for _, one := range c.Problems(wrong.Problems) {
					p.Errors = append(p.Errors, FieldError{Message: one.Text, Location: one.Place()})
				}
				return nil, p
			case err != nil:
				return nil, err
			}
			return &simulationStarted{Path + "/simulations/" + t.ID, SimulationTask{Task: doneOf(t)}}, nil
		})
	route(a, SeesAll, op{id: "get-simulation", method: http.MethodGet, path: "/simulations/{id}", tag: "plans", summary: "How far a simulation is, and what would happen"},
		func(c *call, in *struct {
			ID string `path:"id" format:"uuid"`
		}) (*answer[SimulationTask], error) {
			t, made, err := a.Plans.FindTrial(c, c.caller.Subject.ID(), in.ID)
			if errors.Is(err, preview.ErrNone) {
				return nil, newProblem(http.StatusNotFound, "not-found", err.Error())
			}
			if err != nil {
				return nil, err
			}
			out := SimulationTask{Task: doneOf(t)}
			if made != nil {
				shown, err := c.Simulation(made.Simulation, 0)
				if err != nil {
					return nil, err
				}
				out.Simulation = &shown
				if made.Import != nil {
					imported := ImportOf(c.View, made.Import)
					out.Import = &imported
				}
			}
			return one(out, nil)
		})
}

// trial returns what is tried with a configuration.
func (t Trial) trial(c *config.Config) (preview.Trial, error) {
	out := preview.Trial{AsOf: identity.Date(t.AsOf)}
	for _, f := range []struct {
		name, text string
		to         **config.NewFile
	}{{c.RuleFiles.Policy, t.Policy, &out.Instead.Policy}, {c.RuleFiles.Catalogue, t.Catalogue, &out.Instead.Catalogue}, {c.RuleFiles.Units, t.Units, &out.Instead.Units}, {c.RuleFiles.Controls, t.Controls, &out.Instead.Controls}, {c.RuleFiles.Conflicts, t.Conflicts, &out.Instead.Conflicts}} {
		if f.text != "" {
			*f.to = &config.NewFile{Name: f.name, Content: []byte(f.text)}
		}
	}
	if t.HR != nil {
		names := c.FileSources()
		name := t.HR.Source
		if name == "" && len(names) == 1 {
			name = names[0]
		}
		if !slices.Contains(names, name) {
			return out, newProblem(http.StatusNotFound, "not-found", "there is no such source of files")
		}
		content, err := base64.StdEncoding.DecodeString(t.HR.Content)
		if err != nil || len(content) == 0 {
			p := newProblem(http.StatusBadRequest, "files", "the HR file is not in Base64, or is empty")
			p.Errors = []FieldError{{Message: "it is no Base64", Location: "body.hr.content"}}
			return out, p
		}
		out.HR = &preview.HRFile{Source: c.Sources[name], Name: t.HR.Name, Content: content}
	}
	if out.HR == nil && out.Instead == (config.Instead{}) {
		return out, newProblem(http.StatusBadRequest, "nothing-tried", "there is nothing to try: give policy, catalogue, units or hr")
	}
	return out, nil
}
