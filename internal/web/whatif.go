package web

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// UploadPath is the path below which files are sent to the pages, and MostUploaded how many
// bytes they have at most.
const (
	UploadPath   = "/upload"
	MostUploaded = 8 << 20

	whatIfPath = "/changes/what-if"
)

// trialPage is the form for trying files.
type trialPage struct {
	Files    config.RuleFiles
	Sources  []string
	Tomorrow identity.Date
	AsOf     string
	Source   string
	Wrong    string // what is missing
	Problems []diagnostic.Problem
}

// trialResult is what a trial would do, beside what happens without it.
type trialResult struct {
	Task       store.Task
	AsOf       identity.Date // when it is not today
	Simulation *access.Simulation
	Import     *importForeseen
	Changed    []changedEntitlement
	Same       int             // entitlements that as many people have
	Groups     []changedPeople // those of whom most people are first
	Steps      []stepCount
	Dropped    []stepCount
}

// importForeseen is what an import of the HR file would do.
type importForeseen struct {
	Name                  string
	Rows, Events, LeftOut int
	Held                  []string // why
	Problems              []diagnostic.Problem
	MoreProblems          int
}

// changedEntitlement is how many people have an entitlement now and then, drawn as bars of
// so many hundredths.
type changedEntitlement struct {
	ID                               policy.EntitlementID
	Before, After, Begin, End, Waits int
	BeforeShare, AfterShare          int
}

// changedPeople are people who get, lose and wait for the same for the same reasons.
type changedPeople struct {
	Count  int
	People []access.Ref
	Grants []changedGrant
}

// More is how many people are not listed.
func (p changedPeople) More() int { return p.Count - len(p.People) }

// peopleListed is how many people of a group are listed.
const peopleListed = 12

// changedGrant is a grant that is not as it was.
type changedGrant struct{ access.GrantChange }

// Becomes returns the name of the words for what becomes of the grant.
func (g changedGrant) Becomes() string {
	switch {
	case g.After == reconcile.GrantUndecided:
		return "unclear"
	case g.After == "":
		return "loses"
	case g.After == reconcile.GrantWaiting && g.Before == reconcile.GrantGiven:
		return "has-to-wait"
	case g.After == reconcile.GrantWaiting:
		return "waits"
	case g.Before == reconcile.GrantWaiting:
		return "no-longer-waits"
	}
	return "gets"
}

// Running reports whether it is being worked out.
func (p trialResult) Running() bool { return p.Task.State == store.TaskRunning }

// problemsListed is how many problems of an HR file are shown, simulatedListed of how many
// people there are names and sentences, and longestName how many letters of a file's name are
// kept.
const (
	longestName     = 100
	problemsListed  = 20
	simulatedListed = 1000
)

func (s *site) whatIf() {
	s.page(whatIfPath, "what-if", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		return v.trialPage(), nil
	})
	s.upload(UploadPath+"/what-if", func(v *visit) (string, error) {
		if !v.SeesEveryone() {
			return "", errEveryone
		}
		again := v.trialPage()
		again.AsOf, again.Source = v.field("as_of"), v.field("source")
		trial, err := v.trial(again)
		if err != nil {
			return "", err
		}
		switch day := identity.Date(again.AsOf); {
		case day != "" && (!isDate(day) || day <= v.Today()):
			again.Wrong = v.T("plan.bad-day", "day", v.Date(again.Tomorrow))
		case trial.HR == nil && trial.Instead == (config.Instead{}):
			again.Wrong = v.T("trial.nothing")
		}
		if again.Wrong != "" {
			return "", &unfinished{"what-if", again}
		}
		t, err := s.Plans.Try(v, string(v.caller.Subject.Person), trial, s.Importer, v.trialFault)
		var wrong *preview.TrialError
		switch {
		case errors.As(err, &wrong):
			again.Problems = v.Problems(wrong.Problems)
			return "", &unfinished{"what-if", again}
		case errors.Is(err, preview.ErrBusy):
			again.Wrong = v.T("plan.busy")
			return "", &unfinished{"what-if", again}
		}
		return whatIfPath + "/" + t.ID, err
	})
	s.page(whatIfPath+"/{id}", "what-if-result", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		t, made, err := s.Plans.FindTrial(v, string(v.caller.Subject.Person), v.request.PathValue("id"))
		if errors.Is(err, preview.ErrNone) {
			return nil, &access.CursorError{}
		}
		if err != nil || made == nil {
			return trialResult{Task: t}, err
		}
		shown, err := v.Simulation(made.Simulation, simulatedListed)
		if err != nil {
			return nil, err
		}
		p := trialResult{Task: t, Simulation: &shown, Import: v.foreseen(made), Steps: counts(slices.Concat(made.Groups, made.Steps)), Dropped: counts(made.Dropped)}
		if shown.AsOf > identity.DateOf(t.BeganUS.Time(), s.Config.Zone) {
			p.AsOf = shown.AsOf
		}
		p.compare()
		return p, nil
	})
}

func (v *visit) trialPage() trialPage {
	return trialPage{Files: v.site.Config.RuleFiles, Sources: v.site.Config.FileSources(), Tomorrow: v.Today().AddDays(1)}
}

// trial returns what the files of the form try.
func (v *visit) trial(p trialPage) (t preview.Trial, err error) {
	t.AsOf = identity.Date(p.AsOf)
	for _, f := range []struct {
		field, name string
		to          **config.NewFile
	}{{"policy", p.Files.Policy, &t.Instead.Policy}, {"catalogue", p.Files.Catalogue, &t.Instead.Catalogue}, {"units", p.Files.Units, &t.Instead.Units}, {"controls", p.Files.Controls, &t.Instead.Controls}, {"conflicts", p.Files.Conflicts, &t.Instead.Conflicts}} {
		_, content, err := v.file(f.field)
		if err != nil {
			return t, err
		}
		if content != nil {
			*f.to = &config.NewFile{Name: f.name, Content: content}
		}
	}
	name, content, err := v.file("hr")
	if err != nil || content == nil {
		return t, err
	}
	source := p.Source
	if source == "" && len(p.Sources) > 0 {
		source = p.Sources[0]
	}
	if !slices.Contains(p.Sources, source) {
		return t, errBadForm
	}
	t.HR = &preview.HRFile{Source: v.site.Config.Sources[source], Name: name, Content: content}
	return t, nil
}

// file returns a file of a form; nil when none was chosen.
func (v *visit) file(field string) (name string, content []byte, err error) {
	f, header, err := v.request.FormFile(field)
	if errors.Is(err, http.ErrMissingFile) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, errBadForm
	}
	defer func() { _ = f.Close() }()
	if content, err = io.ReadAll(f); err != nil || len(content) == 0 {
		return "", nil, errBadForm
	}
	name = strings.ToValidUTF8(strings.ReplaceAll(header.Filename, "\x00", ""), "")
	if letters := []rune(name); len(letters) > longestName {
		name = string(letters[:longestName])
	}
	return name, content, nil
}

// trialFault says why a trial was not worked out.
func (b *book) trialFault(err error) string {
	var wrong *preview.TrialError
	if !errors.As(err, &wrong) {
		return b.wordOf(err)
	}
	texts := make([]string, len(wrong.Problems))
	for i, p := range wrong.Problems {
		texts[i] = b.words.Problem(p)
	}
	return strings.Join(texts, " ")
}

// foreseen returns what an import of the HR file would do; nil without one.
func (v *visit) foreseen(o *preview.Outcome) *importForeseen {
	r := o.Import
	if r == nil {
		return nil
	}
	f := &importForeseen{Name: r.Name, Rows: r.Rows, Events: r.Events, LeftOut: r.LeftOut}
	held := func(h *store.HoldState) {
		if h != nil {
			f.Held = append(f.Held, v.Text(h.Why))
		}
	}
	held(r.Held)
	held(r.EndingsHeld)
	for i := range r.StartsHeld {
		held(&r.StartsHeld[i])
	}
	problems := v.Problems(r.Problems)
	f.Problems = problems[:min(len(problems), problemsListed)]
	f.MoreProblems = len(problems) - len(f.Problems)
	return f
}

// compare fills in what the page shows of the simulation.
func (p *trialResult) compare() {
	most := 1
	for _, e := range p.Simulation.Entitlements {
		most = max(most, e.Before, e.After)
	}
	for _, e := range p.Simulation.Entitlements {
		if e.Begin+e.End == 0 && e.Before == e.After {
			p.Same++
			continue
		}
		p.Changed = append(p.Changed, changedEntitlement{ID: e.Entitlement, Before: e.Before, After: e.After, Begin: e.Begin, End: e.End, Waits: e.Waiting,
			BeforeShare: 100 * e.Before / most, AfterShare: 100 * e.After / most})
	}
	slices.SortStableFunc(p.Changed, func(a, b changedEntitlement) int { return cmp.Compare(b.Begin+b.End, a.Begin+a.End) })
	at := map[string]int{}
	grants := p.Simulation.Grants
	for i, j := 0, 0; i < len(grants); i = j {
		var same strings.Builder
		group := changedPeople{}
		for j = i; j < len(grants) && grants[j].Person.ID == grants[i].Person.ID; j++ {
			g := changedGrant{grants[j]}
			group.Grants = append(group.Grants, g)
			same.WriteString(g.Becomes() + string(g.Entitlement) + g.Reason.JSON())
		}
		n, known := at[same.String()]
		if !known {
			n = len(p.Groups)
			at[same.String()] = n
			p.Groups = append(p.Groups, group)
		}
		of := &p.Groups[n]
		if of.Count++; len(of.People) < peopleListed && grants[i].Person.DisplayName != "" {
			of.People = append(of.People, grants[i].Person)
		}
		for k := range of.Grants { // of the first person it may not be worded
			if of.Grants[k].Reason.Text == "" {
				of.Grants[k].Reason = group.Grants[k].Reason
			}
		}
	}
	slices.SortStableFunc(p.Groups, func(a, b changedPeople) int { return cmp.Compare(b.Count, a.Count) })
	p.Groups = p.Groups[:min(len(p.Groups), groupsListed)]
}
