package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
	"github.com/behov/behov/internal/wording"
)

// Story plays the demo in a directory that Write made.
type Story struct {
	Dir      string
	At       Endpoints
	Out      io.Writer
	Progress func(stage string, done, total int)

	m       *municipality
	probe   *probe
	config  *config.Config
	db      *store.DB
	engine  *reconcile.Engine
	govern  *governance.Governance
	words   *wording.Printer
	chapter int
	behind  time.Duration     // how long before today the story is
	logins  map[string]string // by HR person_id
	failed  []string
	// What the end of the story asks about.
	mover      employment
	beforeMove time.Time
}

// ErrNotTrue is returned when something that the story tells did not come true
// in the targets.
var ErrNotTrue = errors.New("not everything the demo tells came true")

// Play plays the story from the beginning. It returns ErrNotTrue when a step
// did not come true in the targets.
func (s *Story) Play(ctx context.Context) (err error) {
	if err := s.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, targets.Disconnect(s.engine.Targets), s.db.Close()) }()
	for _, chapter := range []func(context.Context) error{
		s.firstLoad, s.mfaEnrolment, s.year, s.move, s.secondEmployment, s.leave, s.mfaLost, s.behindOurBack, s.review, s.requests, s.conflict, s.outlier, s.truncatedExport, s.massEnding, s.questions, s.waits,
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	if len(s.failed) > 0 {
		return fmt.Errorf("%w: %s", ErrNotTrue, strings.Join(s.failed, "; "))
	}
	return nil
}

func (s *Story) open(ctx context.Context) error {
	s.behind = yearDays * 24 * time.Hour
	s.m, s.probe, s.logins = newMunicipality(), newProbe(s.At), map[string]string{}
	c, problems := config.Load(s.Dir)
	if c == nil {
		return fmt.Errorf("the demo's configuration: %w", problems[0])
	}
	s.config = c
	key, err := config.Resolve(c.Dir, c.Key)
	if err != nil {
		return err
	}
	master, err := seal.ParseMaster([]byte(key))
	if err != nil {
		return err
	}
	if s.db, err = store.Open(ctx, c.Database, master); err != nil {
		return err
	}
	connected, err := targets.Connect(c, s.db)
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	s.engine = &reconcile.Engine{DB: s.db, Config: c, Targets: connected, Now: s.clock, Actor: identity.System, Progress: s.Progress}
	s.govern = &governance.Governance{DB: s.db, Config: c, Now: s.clock}
	s.words, err = wording.New(wording.Reader{Language: wording.English, Zone: c.Zone, Person: func(identity.PersonID) string { return "the owner" }})
	return err
}

func (s *Story) tell(format string, args ...any) {
	fmt.Fprintf(s.Out, format+"\n", args...)
}

func (s *Story) title(text string) {
	s.chapter++
	s.tell("\n%d. %s", s.chapter, text)
}

// check tells whether something is so in a target.
func (s *Story) check(so bool, err error, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	switch {
	case err != nil:
		s.failed = append(s.failed, text+" ("+err.Error()+")")
		s.tell("   ✗ %s: %v", text, err)
	case !so:
		s.failed = append(s.failed, text)
		s.tell("   ✗ not so: %s", text)
	default:
		s.tell("   ✓ %s", text)
	}
}

func (s *Story) checkMember(row employment, group string, want bool) {
	so, err := s.probe.member(s.login(row), group)
	if want {
		s.check(so, err, "the directory has %s in %s", name(row), group)
	} else {
		s.check(!so, err, "the directory does not have %s in %s", name(row), group)
	}
}

func name(row employment) string { return row["given_name"] + " " + row["family_name"] }

func (s *Story) login(row employment) string { return s.logins[row["person_id"]] }

// load writes the export as HR would and imports it.
func (s *Story) load(ctx context.Context, what string) (*hr.Report, error) {
	content, err := s.m.export()
	if err != nil {
		return nil, err
	}
	return s.loadFile(ctx, what, content)
}

func (s *Story) loadFile(ctx context.Context, what string, content []byte) (*hr.Report, error) {
	r, err := s.read(ctx, what, content)
	if err == nil && r.Held == nil {
		s.tell("   HR's export has %d rows, and says %d new things.", r.Rows, r.Events)
	}
	return r, err
}

// read imports an export that was made just now, by the story's clock.
func (s *Story) read(ctx context.Context, what string, content []byte) (*hr.Report, error) {
	file := filepath.Join(s.Dir, fmt.Sprintf("hr-%02d-%s.csv", s.chapter, what))
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	if err := os.Chtimes(file, s.clock(), s.clock()); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	importer := hr.Importer{DB: s.db, Config: s.config, Now: s.clock, Actor: identity.System, Progress: func(done, total int) {
		if s.Progress != nil {
			s.Progress("record HR events", done, total)
		}
	}}
	r, err := importer.Import(ctx, file, content, s.config.Sources["hr"])
	if err != nil {
		return nil, err
	}
	if len(r.Problems) > 0 {
		return nil, r.Problems[0]
	}
	if r.Held != nil {
		return r, nil
	}
	for p, err := range s.db.People(ctx) {
		if err != nil {
			return nil, err
		}
		s.logins[p.Keys[0].Key] = p.Login
	}
	return r, nil
}

// apply plans, applies and tells.
func (s *Story) apply(ctx context.Context) (*execute.Result, error) {
	began := time.Now()
	r, err := s.engine.Run(ctx, reconcile.Scope{})
	if err != nil {
		return nil, err
	}
	if err := r.Err(); err != nil {
		s.check(false, err, "every step was done")
	}
	s.tell("   Applied in %s: %s.", time.Since(began).Round(time.Millisecond), summary(r.Plan.Steps))
	return r, nil
}

// verbs say what steps do, in the past.
var verbs = map[connectors.Op]string{
	connectors.CreateAccount: "accounts created", connectors.UpdateAccount: "accounts updated", connectors.EnableAccount: "accounts enabled",
	connectors.DisableAccount: "accounts disabled", connectors.DeleteAccount: "accounts deleted", connectors.AddMember: "entitlements given",
	connectors.RemoveMember: "entitlements taken away", connectors.RemoveFormerMember: "earlier names taken out of groups", plan.RevokeSessions: "accounts signed out",
	plan.LeaveFormerGroup: "former groups left", plan.RemoveFromFormerGroup: "former groups taken away",
}

// summary counts steps by what they do.
func summary(steps []plan.Step) string {
	var kinds []connectors.Op
	counts := map[connectors.Op]int{}
	for _, x := range steps {
		if counts[x.Op] == 0 {
			kinds = append(kinds, x.Op)
		}
		counts[x.Op]++
	}
	parts := make([]string, len(kinds))
	for i, k := range kinds {
		parts[i] = fmt.Sprintf("%s: %d", verbs[k], counts[k])
	}
	if len(parts) == 0 {
		return "there was nothing to do"
	}
	return strings.Join(parts, ", ")
}

// reasonFor tells the reason of the step about the person's entitlement.
func (s *Story) reasonFor(r *execute.Result, row employment, entitlement policy.EntitlementID) {
	for _, x := range r.Plan.Steps {
		if x.Entitlement == entitlement && x.Person == s.person(row) {
			s.tell("   %s, %s: %s", entitlement, verbs[x.Op], s.words.Reason(x.Reason))
			return
		}
	}
}

func (s *Story) person(row employment) identity.PersonID {
	p, err := s.db.FindPerson(context.Background(), s.login(row), "hr")
	if err != nil {
		return ""
	}
	return p.ID
}

func (s *Story) firstLoad(ctx context.Context) error {
	s.title("First load: HR's whole export, two empty targets")
	if _, err := s.load(ctx, "first"); err != nil {
		return err
	}
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	n, err := s.probe.accounts()
	s.check(n == 300, err, "the directory has %d accounts for 300 people", n)
	teacher := s.m.first("2120", 0)
	s.checkMember(teacher, "school-register", true)
	so, err := s.probe.active(ctx, s.login(teacher))
	s.check(so, err, "the case system has %s as an active user", name(teacher))
	p, err := s.engine.Plan(ctx, reconcile.Scope{})
	if err != nil {
		return err
	}
	s.check(len(p.Steps) == 0, nil, "a second plan is empty")
	return nil
}

func (s *Story) mfaEnrolment(ctx context.Context) error {
	s.title("MFA: some access waits until the person has enrolled")
	p, err := s.engine.Plan(ctx, reconcile.Scope{})
	if err != nil {
		return err
	}
	s.tell("   %d grants wait, because what they open demands MFA and no one has enrolled yet.", len(p.GatedGrants))
	nurse := s.m.first("3300", 0)
	s.checkMember(nurse, "care-record-read", false)
	s.checkMember(nurse, "care-rota", true)
	var logins []string
	for _, w := range p.GatedGrants {
		person, err := s.db.Person(ctx, w.Person)
		if err != nil {
			return err
		}
		logins = append(logins, person.Login)
	}
	slices.Sort(logins)
	logins = slices.Compact(logins)
	late := s.login(s.m.first("3300", 1))
	logins = slices.DeleteFunc(logins, func(l string) bool { return l == late })
	if err := s.probe.enrol(logins, true); err != nil {
		return err
	}
	s.tell("   %d people enrol; %s has not got round to it.", len(logins), name(s.m.first("3300", 1)))
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	s.checkMember(nurse, "care-record-read", true)
	s.checkMember(s.m.first("3300", 1), "care-record-read", false)
	return nil
}

func (s *Story) move(ctx context.Context) error {
	s.mover = s.m.first("2120", 2)
	s.title("A mover: " + name(s.mover) + " leaves teaching at " + s.mover["unit"] + " for the library")
	s.checkMember(s.mover, "school-register", true)
	s.beforeMove = s.clock()
	s.mover["unit"], s.mover["job_code"], s.mover["job_title"], s.mover["employment_percent"] = "library", "4410", "Library assistant", "100"
	if _, err := s.load(ctx, "move"); err != nil {
		return err
	}
	r, err := s.apply(ctx)
	if err != nil {
		return err
	}
	s.reasonFor(r, s.mover, "school:register")
	s.reasonFor(r, s.mover, "library:loans")
	s.checkMember(s.mover, "school-register", false)
	s.checkMember(s.mover, "library-loans", true)
	s.checkMember(s.mover, "base-staff", true)
	return nil
}

func (s *Story) secondEmployment(ctx context.Context) error {
	teacher := s.m.first("2120", 4)
	s.title("A second employment: " + name(teacher) + " also works two evenings in the library, for a while")
	row := s.m.personal(slices.IndexFunc(s.m.rows, func(r employment) bool { return r["person_id"] == teacher["person_id"] }))
	extra := s.m.employ(row, jobs[23], "library", "20", string(s.today()))
	if _, err := s.load(ctx, "second"); err != nil {
		return err
	}
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	s.checkMember(teacher, "library-desk", true)
	s.checkMember(teacher, "school-register", true)
	s.tell("   The evenings end. What the teaching needs stays.")
	extra["start_date"], extra["end_date"] = string(s.today().AddDays(-30)), string(s.today().AddDays(-1))
	if _, err := s.load(ctx, "second-ended"); err != nil {
		return err
	}
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	s.checkMember(teacher, "library-desk", false)
	s.checkMember(teacher, "school-register", true)
	return nil
}

func (s *Story) today() identity.Date { return identity.DateOf(s.clock(), s.config.Zone) }

// clock is the story's: it begins a year ago.
func (s *Story) clock() time.Time { return time.Now().Add(-s.behind) }

func (s *Story) leave(ctx context.Context) error {
	leaver := s.m.first("1520", 0)
	s.title("A leaver: " + name(leaver) + ", accountant, left yesterday")
	leaver["end_date"] = string(s.today().AddDays(-1))
	if _, err := s.load(ctx, "leaver"); err != nil {
		return err
	}
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	so, err := s.probe.usable(s.login(leaver))
	s.check(!so, err, "the account of %s in the directory is locked", name(leaver))
	so, err = s.probe.active(ctx, s.login(leaver))
	s.check(!so, err, "the case system does not have %s as an active user", name(leaver))
	s.checkMember(leaver, "finance-ledger", false)
	s.checkMember(leaver, "base-staff", false)
	return nil
}

func (s *Story) mfaLost(ctx context.Context) error {
	nurse := s.m.first("3300", 0)
	s.title("MFA again: " + name(nurse) + " loses the phone and is no longer enrolled")
	if err := s.probe.enrol([]string{s.login(nurse)}, false); err != nil {
		return err
	}
	r, err := s.apply(ctx)
	if err != nil {
		return err
	}
	s.reasonFor(r, nurse, "care:record-read")
	s.checkMember(nurse, "care-record-read", false)
	s.checkMember(nurse, "care-rota", true)
	return nil
}

func (s *Story) behindOurBack(ctx context.Context) error {
	caretaker := s.m.first("5100", 0)
	s.title("An operator puts " + name(caretaker) + ", caretaker, into the pupil register's group by hand")
	if err := s.probe.slipIn(s.login(caretaker), "school-register"); err != nil {
		return err
	}
	s.checkMember(caretaker, "school-register", true)
	r, err := s.apply(ctx)
	if err != nil {
		return err
	}
	s.reasonFor(r, caretaker, "school:register")
	s.checkMember(caretaker, "school-register", false)
	s.tell("   Both the finding and the removal stand in the audit trail.")
	return nil
}

// subject is a person of a row, who decides.
func (s *Story) subject(row employment) rights.Subject { return s.subjectOf(s.person(row)) }

func (s *Story) subjectOf(person identity.PersonID) rights.Subject {
	return rights.Subject{Person: person, How: rights.Claimed}
}

func (s *Story) review(ctx context.Context) error {
	owner := s.m.first("4400", 0)
	s.title("A review: " + name(owner) + ", head librarian, goes through who has what in the library")
	asked, err := s.govern.StartReview(ctx, governance.Review{Scope: store.SystemScope, Of: "library", All: true}, s.subject(owner))
	if err != nil {
		return err
	}
	mover := s.person(s.mover)
	i := slices.IndexFunc(asked.Items, func(x store.ReviewItem) bool { return x.Person == mover && x.Entitlement == "library:loans" })
	own := slices.IndexFunc(asked.Items, func(x store.ReviewItem) bool { return x.Person == s.person(owner) })
	rule := slices.IndexFunc(asked.Items, func(x store.ReviewItem) bool { return x.Kind == store.RuleItem })
	if i < 0 || own < 0 || rule < 0 {
		return fmt.Errorf("review %d lacks questions it should have", asked.Campaign.ID)
	}
	s.tell("   Review %d has %d questions. The owner keeps the first rule, for the %d people whom it covers,", asked.Campaign.ID, len(asked.Items), asked.Items[rule].Evidence.People)
	s.tell("   and revokes the borrowers' register from %s.", name(s.mover))
	if _, err := s.govern.DecideItem(ctx, asked.Items[rule].Ref(), governance.Answer{Verdict: store.Keep, Reason: "the work is as it was"}, s.subject(owner)); err != nil {
		return err
	}
	if _, err := s.govern.DecideItem(ctx, asked.Items[i].Ref(), governance.Answer{Verdict: store.Revoke, Reason: "does not work with loans yet"}, s.subject(owner)); err != nil {
		return err
	}
	_, err = s.govern.DecideItem(ctx, asked.Items[own].Ref(), governance.Answer{Verdict: store.Keep, Reason: "I need it"}, s.subject(owner))
	s.check(rights.IsSelf(err), nil, "the owner cannot decide on their own access")
	r, err := s.apply(ctx)
	if err != nil {
		return err
	}
	s.reasonFor(r, s.mover, "library:loans")
	s.checkMember(s.mover, "library-loans", false)
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	s.checkMember(s.mover, "library-loans", false)
	s.tell("   The rule would still give it; the decision holds.")
	return nil
}

func (s *Story) truncatedExport(ctx context.Context) error {
	s.title("The next export breaks off half-way")
	content, err := s.m.export()
	if err != nil {
		return err
	}
	half := content[:strings.LastIndexByte(string(content[:len(content)/2]), '\n')+1]
	r, err := s.loadFile(ctx, "truncated", half)
	if err != nil {
		return err
	}
	s.check(r.Held != nil, nil, "it is held whole")
	if r.Held != nil {
		s.tell("   %s.", s.words.Reason(r.Held.Why))
	}
	p, err := s.engine.Plan(ctx, reconcile.Scope{})
	if err != nil {
		return err
	}
	s.check(len(p.Steps) == 0 && len(p.Holds) == 0, nil, "no one's access would change")
	return nil
}

func (s *Story) massEnding(ctx context.Context) error {
	s.title("The summer is over: every hourly temp's employment ended yesterday")
	var temps []employment
	for _, r := range s.m.rows {
		if r["employment_type"] == "hourly" {
			r["end_date"] = string(s.today().AddDays(-1))
			temps = append(temps, r)
		}
	}
	alone := temps[slices.IndexFunc(temps, func(r employment) bool { return len(s.m.of(r["person_id"])) == 1 })]
	if _, err := s.load(ctx, "temps-ended"); err != nil {
		return err
	}
	r, err := s.apply(ctx)
	if err != nil {
		return err
	}
	for _, h := range r.Plan.Holds {
		s.tell("   Held %s: %s.", h.Digest, s.words.Reason(h.Why))
	}
	so, err := s.probe.usable(s.login(alone))
	s.check(so && len(r.Plan.Holds) > 0, err, "%s, one of them, still has an account", name(alone))
	boss := s.m.first("1110", 1)
	for _, h := range r.Plan.Holds {
		if _, err := s.govern.DecideHold(ctx, string(h.Digest), store.Release, nil, s.subject(boss), "the temps' contracts ended"); err != nil {
			return err
		}
	}
	s.tell("   %s, head of the department, looks at it and releases exactly that.", name(boss))
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	so, err = s.probe.usable(s.login(alone))
	s.check(!so, err, "the account of %s in the directory is locked", name(alone))
	return nil
}

func (s *Story) questions(ctx context.Context) error {
	s.title("The auditor asks: who had the pupil register, then and now?")
	mover := s.person(s.mover)
	for _, q := range []struct {
		label string
		at    time.Time
		want  bool
	}{{"before the move", s.beforeMove, true}, {"now", s.clock(), false}} {
		began := time.Now()
		intervals, err := s.db.Intervals(ctx, store.IntervalQuery{Entitlement: "school:register"}.At(q.at))
		took := time.Since(began)
		has := slices.ContainsFunc(intervals, func(i audit.Interval) bool { return i.Person == mover })
		s.check(has == q.want, err, "%s (%s), %d people had it, %s %s (answered in %s)", q.label, q.at.In(s.config.Zone).Format("15:04:05"), len(intervals),
			name(s.mover), map[bool]string{true: "among them", false: "not among them"}[has], took.Round(10*time.Microsecond))
	}
	summary, err := s.db.VerifyAudit(ctx)
	s.check(err == nil && len(summary.OpenSteps) == 0, err, "the audit trail verifies: %d records, %d access intervals, head %.8x…", summary.Records, len(summary.Intervals), summary.Head)
	return nil
}

// Mover returns the HR person_id of the story's mover, to ask about afterwards.
func (s *Story) Mover() string { return s.mover["person_id"] }

// Guide is someone of the municipality whose day it is to look at behov.
type Guide struct {
	Person identity.PersonID
	Name   string
	Role   string // what they are
	Task   string // what to try as them
}

// Guides returns one person for each kind of reader, by the database of a story that was
// played.
func (s *Story) Guides(ctx context.Context, db *store.DB) ([]Guide, error) {
	var all []Guide
	for _, g := range []struct{ job, role, task string }{
		{"4400", "head librarian, who owns the system Library", "review who has what in it, under Reviews"},
		{"1830", "board secretary, who audits", "ask \"who had the pupil register\" with a date, under Who had?"},
		{"1620", "personnel partner", "find a person, see why they have what they have, and close everything at once"},
		{"1720", "systems engineer, who runs behov", "see what is held and what follows from it, under Changes"},
		{"2120", "teacher", "see their own access, and why they lack what others have"},
	} {
		row := s.m.first(g.job, 0)
		p, err := db.FindPerson(ctx, row["person_id"], "hr")
		if err != nil {
			return nil, fmt.Errorf("demo: %w", err)
		}
		all = append(all, Guide{p.ID, name(row), g.role, g.task})
	}
	return all, nil
}
