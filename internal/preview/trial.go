package preview

import (
	"context"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
)

// Trial is what somebody tries before it is put in place.
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
	Import *hr.Report
}

// TrialError is returned for files that are wrong: each problem names its place.
type TrialError struct{ Problems []diagnostic.Problem }

func (e *TrialError) Error() string { return "the files cannot be used" }

// Simulate says what a trial would do. It changes nothing.
func (t Trial) Simulate(ctx context.Context, e *reconcile.Engine, importer *hr.Importer) (*Outcome, error) {
	c := *e.Config
	change := reconcile.Change{}
	if t.Instead != (config.Instead{}) {
		other, problems := config.LoadInstead(c.Dir, t.Instead)
		if other == nil {
			return nil, &TrialError{problems}
		}
		c.Rules, change.Rules = other.Rules, other.Rules
	}
	out := &Outcome{}
	if t.HR != nil {
		im := *importer
		im.Config = &c
		var err error
		if out.Import, change.People, err = im.Foresee(ctx, t.HR.Name, t.HR.Content, t.HR.Source); err != nil {
			return nil, &TrialError{[]diagnostic.Problem{*hr.ProblemOf(t.HR.Name, err)}}
		}
	}
	var err error
	out.Simulation, err = e.Simulate(ctx, t.AsOf, change)
	return out, err
}
