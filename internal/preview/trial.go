package preview

import (
	"context"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
)

// Trial is what a person tries before it is put in place.
type Trial struct {
	// Instead are files in the place of those that the configuration names.
	Instead config.Instead
	// HR, when it is not nil, is an HR file.
	HR *HRFile
	// AsOf is the date that is simulated; empty for today.
	AsOf identity.Date
}

// HRFile is a file of an HR source.
type HRFile struct {
	Source  config.Source
	Name    string
	Content []byte
}

// Outcome is what a trial would do.
type Outcome struct {
	*reconcile.Simulation
	// Import is the report of the import of the HR file; nil without one.
	Import *hr.Report `json:"import,omitempty"`
}

// TrialError is returned for files that are wrong: each problem names its place.
type TrialError struct{ Problems []diagnostic.Problem }

func (e *TrialError) Error() string { return "the files cannot be used" }

// Simulate says what a trial would do. It changes nothing. Files that are wrong are a
// *TrialError.
func (t Trial) Simulate(ctx context.Context, e *reconcile.Engine, importer *hr.Importer) (*Outcome, error) {
	c, err := t.config(e.Config)
	if err != nil {
		return nil, err
	}
	return t.simulate(ctx, e, importer, c)
}

// config returns a configuration with the rules, catalogue and organisation that are tried.
func (t Trial) config(now *config.Config) (*config.Config, error) {
	c := *now
	if t.Instead != (config.Instead{}) {
		other, problems := config.LoadInstead(c.Dir, t.Instead.Over(now))
		if other == nil {
			return nil, &TrialError{slices.DeleteFunc(problems, func(p diagnostic.Problem) bool { return p.Warning })}
		}
		c.Rules = other.Rules
	}
	return &c, nil
}

func (t Trial) simulate(ctx context.Context, e *reconcile.Engine, importer *hr.Importer, c *config.Config) (*Outcome, error) {
	out, change := &Outcome{}, reconcile.Change{Rules: c.Rules}
	if t.HR != nil {
		im := *importer
		im.Config = c
		var err error
		if out.Import, change.People, err = im.Foresee(ctx, t.HR.Name, t.HR.Content, t.HR.Source); err != nil {
			return nil, &TrialError{[]diagnostic.Problem{*hr.ProblemOf(t.HR.Name, err)}}
		}
	}
	var err error
	out.Simulation, err = e.Simulate(ctx, t.AsOf, change)
	return out, err
}
