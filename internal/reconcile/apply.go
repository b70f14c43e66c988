package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

// What becomes of a step besides the audit's outcomes: it was not tried, as
// one that it depends on was not done; or nobody knows yet, as its target gave
// no answer.
const (
	notTried = "not-tried"
	unknown  = "unknown"
	// leftToOthers: something new is known of the person, or another run has
	// their account to itself. Whoever that is sees to it.
	leftToOthers = "left-to-another-run"
)

const (
	// batchSize is how many steps are committed, carried out and committed
	// again together. What a crash leaves to be settled is at most this much
	// per target.
	batchSize = 200
	// A target that says "later" is asked again this often within a run, and
	// not kept waiting for longer than this.
	retries  = 3
	maxPause = 30 * time.Second
)

// Result is what a run did.
type Result struct {
	Plan     *plan.Plan     `json:"plan"`
	Outcomes map[string]int `json:"outcomes"` // by audit outcome
	// Undone are steps that were refused, or failed, or not tried.
	Undone []Undone `json:"undone,omitempty"`
	// Notes are steps that were done and that the target, or whoever gets
	// first passwords, had something to say about.
	Notes []Undone `json:"notes,omitempty"`
	// Settled counts steps of a stopped run whose end was found out.
	Settled map[string]int `json:"settled,omitempty"`
	// Down names targets that stopped answering; their steps are taken up by
	// the next run.
	Down map[string]string `json:"down,omitempty"`
	// After is how long those asked us to wait, as far as they did.
	After map[string]time.Duration `json:"-"`
	// Ended counts what became of the steps in each target.
	Ended map[string]map[string]int `json:"-"`
}

// Undone is a step that was not done, or not as quietly as it should.
type Undone struct {
	Step    plan.Step `json:"step"`
	Outcome string    `json:"outcome"`
	Detail  string    `json:"detail"`
}

// tell adds what became of a step, and says whether it was done.
func (r *Result) tell(s plan.Step, outcome, detail string) bool {
	r.Outcomes[outcome]++
	if r.Ended == nil {
		r.Ended = map[string]map[string]int{}
	}
	if r.Ended[s.Target] == nil {
		r.Ended[s.Target] = map[string]int{}
	}
	r.Ended[s.Target][outcome]++
	done := outcome == audit.Applied || outcome == audit.AlreadySo
	switch {
	case outcome == leftToOthers:
	case !done:
		r.Undone = append(r.Undone, Undone{Step: s, Outcome: outcome, Detail: detail})
	case detail != "":
		r.Notes = append(r.Notes, Undone{Step: s, Outcome: outcome, Detail: detail})
	}
	return done
}

// Err is nil when every step was done; otherwise it wraps ErrSomeFailed.
func (r *Result) Err() error {
	parts := []string{}
	for _, f := range r.Plan.Findings {
		if f.Kind == plan.Unreachable {
			parts = append(parts, fmt.Sprintf("target %s could not be read (%s)", f.Target, f.Text))
		}
	}
	if len(r.Undone) == 0 && len(r.Down) == 0 && len(parts) == 0 {
		return nil
	}
	if n := len(r.Undone); n > 0 {
		parts = append(parts, fmt.Sprintf("%d were refused, failed or not tried", n))
	}
	for _, t := range slices.Sorted(maps.Keys(r.Down)) {
		parts = append(parts, fmt.Sprintf("target %s stopped answering (%s)", t, r.Down[t]))
	}
	return fmt.Errorf("%w: %s; the next run tries again", ErrSomeFailed, strings.Join(parts, "; "))
}

// apply carries out a plan, every target by itself, so that one that fails
// does not delay the others.
func (e *Engine) apply(ctx context.Context, w *world, p *plan.Plan) (*Result, error) {
	result := &Result{Plan: p, Outcomes: map[string]int{}, Down: map[string]string{}, After: map[string]time.Duration{}, Settled: w.settled, Notes: w.notes}
	var mu sync.Mutex
	done := 0
	ended := map[string]bool{} // steps that were done
	var wg sync.WaitGroup
	errs := make([]error, len(w.targets))
	for i, t := range w.targets {
		run := newTargetRun(e, w, t)
		run.plan = p.Digest
		for _, r := range p.Released {
			for _, id := range r.Steps {
				run.released[id] = true
			}
		}
		for _, s := range p.Steps {
			if s.Target == t.Name {
				run.steps = append(run.steps, s)
			}
		}
		run.report = func(s plan.Step, outcome, detail string) {
			mu.Lock()
			defer mu.Unlock()
			done++
			ended[s.ID] = result.tell(s, outcome, detail)
			e.progress("apply", done, len(p.Steps))
		}
		wg.Go(func() {
			var down string
			err := guarded(func() (err error) { down, err = run.all(ctx); return err })
			mu.Lock()
			defer mu.Unlock()
			errs[i] = err
			if down != "" {
				result.Down[t.Name], result.After[t.Name] = down, run.after
			}
		})
	}
	wg.Wait()
	errs = append(errs, e.endHolds(context.WithoutCancel(ctx), p, ended))
	slices.SortFunc(result.Undone, func(a, b Undone) int { return strings.Compare(a.Step.ID, b.Step.ID) })
	return result, errors.Join(errs...)
}

// endHolds uses up the releases of which something was carried out: what is
// left of them has another digest, and needs another decision.
func (e *Engine) endHolds(ctx context.Context, p *plan.Plan, ended map[string]bool) error {
	if len(p.Released) == 0 {
		return nil
	}
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		for _, r := range p.Released {
			if !slices.ContainsFunc(r.Steps, func(id string) bool { return ended[id] }) {
				continue
			}
			if err := tx.EndHold(ctx, r.Digest); err != nil {
				return err
			}
		}
		return nil
	})
}

var tracer = otel.Tracer("github.com/behov/behov/internal/reconcile")

// targetRun carries out the steps of one target.
type targetRun struct {
	engine   *Engine
	world    *world
	target   plan.Target
	plan     string
	released map[string]bool // steps that somebody released
	steps    []plan.Step
	report   func(s plan.Step, outcome, detail string)
	ended    map[string]bool // steps that were done
	accounts map[identity.PersonID]string
	left     map[identity.PersonID]string // who is left to others, and why
	after    time.Duration                // how long the target asked us to wait
	putOff   int                          // how many batches it wanted to do later, in a row
	// urgent steps are taken whatever else is going on.
	urgent bool
}

func newTargetRun(e *Engine, w *world, t plan.Target) *targetRun {
	return &targetRun{engine: e, world: w, target: t, released: map[string]bool{}, ended: map[string]bool{}, accounts: map[identity.PersonID]string{}, left: map[identity.PersonID]string{}}
}

// all carries out every step in its order. It returns why the target stopped
// answering, if it did; an error is ours and not the target's.
func (r *targetRun) all(ctx context.Context) (down string, err error) {
	for rest := r.steps; len(rest) > 0; {
		n := 1
		for n < len(rest) && n < batchSize && plan.PhaseOf(rest[n].Op) == plan.PhaseOf(rest[0].Op) {
			n++
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("stopped before %d of %d steps in %s: %w", len(rest), len(r.steps), r.target.Name, ctx.Err())
		}
		if down, err = r.batch(ctx, rest[:n]); down != "" || err != nil {
			return down, err
		}
		rest = rest[n:]
	}
	return "", nil
}

// attempt is a step on its way: its own name in the audit trail, and the
// change that the connector is asked for.
type attempt struct {
	id     string
	step   plan.Step
	change connectors.Change
}

// batch commits the intent, touches the target, and commits the outcome.
func (r *targetRun) batch(ctx context.Context, steps []plan.Step) (down string, err error) {
	held, err := r.lock(ctx, steps)
	defer held.unlock()
	if err != nil {
		return "", err
	}
	var attempts []attempt
	for _, s := range steps {
		if r.left[s.Person] != "" {
			r.report(s, leftToOthers, r.left[s.Person])
			continue
		}
		a, why := r.prepare(s)
		if why != "" {
			r.report(s, notTried, why)
			continue
		}
		attempts = append(attempts, a)
	}
	began := r.engine.Now()
	if attempts, err = r.intend(ctx, attempts, began); err != nil || len(attempts) == 0 {
		return "", err
	}
	results := r.touch(ctx, attempts)
	// The outcome is recorded even when somebody is impatient: what was done
	// was done.
	if err := r.end(context.WithoutCancel(ctx), attempts, results, began); err != nil {
		return "", err
	}
	return r.down(results), nil
}

// patience is how many batches in a row a target may want to do later without
// saying when: with one it may be the steps' fault.
const patience = 3

// down says why the target does not answer, or will do nothing now; empty when
// neither is so.
func (r *targetRun) down(results []connectors.Result) string {
	later := 0
	after := time.Duration(0)
	for _, res := range results {
		switch connectors.ClassOf(res.Err) {
		case connectors.TargetDown:
			return res.Err.Error()
		case connectors.RetryLater:
			later++
			after = max(after, connectors.After(res.Err))
		}
	}
	if later < len(results) {
		r.putOff = 0
		return ""
	}
	if r.putOff++; after == 0 && r.putOff < patience {
		return ""
	}
	r.after = after
	return results[0].Err.Error()
}

// prepare makes of a step the change to ask for, or says why it cannot.
func (r *targetRun) prepare(s plan.Step) (attempt, string) {
	for _, id := range s.DependsOn {
		if !r.ended[id] {
			return attempt{}, "a step that it depends on was not done"
		}
	}
	a := attempt{id: uuid.Must(uuid.NewV7()).String(), step: s}
	accountID := s.AccountID
	if accountID == "" {
		accountID = r.accounts[s.Person]
	}
	desired := r.engine.accountOf(r.world, s.Person, s.Target)
	a.change = connectors.Change{Op: s.Op, Entitlement: s.Native, Account: connectors.AccountRef{ID: accountID, Anchor: string(s.Person), Name: desired.Name}}
	switch s.Op {
	case connectors.CreateAccount, plan.PrepareAccount, connectors.UpdateAccount:
		a.change.Enabled = s.Op != plan.PrepareAccount
		if s.Op == plan.PrepareAccount {
			a.change.Op = connectors.CreateAccount
		}
		why := r.values(&a, desired)
		return a, why
	case connectors.RenameAccount:
		if !r.planned(s, plan.NameAttribute, []string{desired.Name}) {
			return attempt{}, "the name is not the one that was planned"
		}
	}
	return a, ""
}

// creates says whether a step makes an account.
func creates(op connectors.Op) bool {
	return op == connectors.CreateAccount || op == plan.PrepareAccount
}

// values fills in what the change writes, or says why it cannot.
func (r *targetRun) values(a *attempt, desired plan.Account) (why string) {
	a.change.Attributes = map[string][]string{}
	for name := range a.step.Attributes {
		values := desired.Attributes[name]
		person, refers := desired.References[name]
		if refers && person != "" {
			values = []string{plan.Referred(person)}
		}
		if !r.planned(a.step, name, values) {
			return "the value of " + name + " is not the one that was planned"
		}
		if refers && person != "" {
			id := r.accountOf(person)
			if id == "" {
				return "the account that " + name + " refers to is not there"
			}
			values = []string{id}
		}
		if !creates(a.step.Op) || len(values) > 0 {
			a.change.Attributes[name] = values
		}
	}
	return ""
}

// planned says whether the value is the one that the step names.
func (r *targetRun) planned(s plan.Step, attribute string, values []string) bool {
	return r.target.Fingerprint(r.world.fingerprintKey, attribute, values) == s.Attributes[attribute]
}

// accountOf returns the ID of a person's account, one created in this run
// included.
func (r *targetRun) accountOf(person identity.PersonID) string {
	if id := r.accounts[person]; id != "" {
		return id
	}
	if own, _ := r.target.Owned(person); own != nil {
		return own.ID
	}
	return ""
}

func (r *targetRun) record(a attempt, action audit.Action, at time.Time) audit.Record {
	return audit.Record{At: at, Actor: r.engine.Actor, Action: action, Person: string(a.step.Person), Target: a.step.Target,
		Entitlement: string(a.step.Entitlement), Op: string(a.step.Op), Reason: a.step.Reason, Plan: r.plan, Step: a.id}
}

// valueChange is what an intent says, sealed, of the values it writes.
type valueChange struct {
	Account string              `json:"account,omitempty"`
	Before  map[string][]string `json:"before,omitempty"`
	After   map[string][]string `json:"after,omitempty"`
}

// intend commits that the attempts are about to be made, and returns those that
// are: not of people of whom something new is known by now, and not with a name
// that is or was somebody else's.
func (r *targetRun) intend(ctx context.Context, attempts []attempt, at time.Time) ([]attempt, error) {
	var kept []attempt
	why := map[string]string{} // by attempt, why it is not made
	err := r.engine.DB.Write(ctx, func(tx *store.Tx) error {
		touched, err := r.touched(ctx, tx, attempts)
		if err != nil {
			return err
		}
		if stopped, err := r.pausedSince(ctx, tx); err != nil {
			return err
		} else if stopped != "" {
			for _, a := range attempts {
				why[a.id] = stopped
			}
			return nil
		}
		for _, a := range attempts {
			if touched[a.step.Person] {
				r.left[a.step.Person] = "something new is known of the person since this was planned"
				continue
			}
			if creates(a.step.Op) || a.step.Op == connectors.RenameAccount {
				var taken *store.NameTaken
				err := tx.TakeName(ctx, a.step.Target, a.change.Account.Name, string(a.step.Person))
				if errors.As(err, &taken) {
					// Others took it since this was planned; another is found.
					tx.Enqueue(store.PeopleJob{People: []string{string(a.step.Person)}, Target: r.target.Name})
					why[a.id] = "the name is or was another person's in this target, and names are never given to somebody else"
					continue
				}
				if err != nil {
					return err
				}
			}
			kept = append(kept, a)
		}
		return r.recordIntents(ctx, tx, kept, at)
	})
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		if left := r.left[a.step.Person]; left != "" {
			r.report(a.step, leftToOthers, left)
		} else if why[a.id] != "" {
			r.report(a.step, notTried, why[a.id])
		}
	}
	return kept, nil
}

// pausedSince says whether somebody paused the target since this was planned.
func (r *targetRun) pausedSince(ctx context.Context, tx *store.Tx) (why string, err error) {
	if r.urgent {
		return "", nil
	}
	pauses, err := tx.Pauses(ctx)
	for _, d := range []store.Decision{pauses[store.EveryTarget], pauses[r.target.Name]} {
		if d.Seq > r.world.heads.Decisions {
			why = fmt.Sprintf("paused by decision %d", d.Seq)
		}
	}
	return why, err
}

// touched returns of whom something is known that the plan did not know.
func (r *targetRun) touched(ctx context.Context, tx *store.Tx, attempts []attempt) (map[identity.PersonID]bool, error) {
	if r.urgent {
		return nil, nil
	}
	settled := map[identity.PersonID]bool{}
	for _, s := range r.world.stopped[r.target.Name] {
		settled[identity.PersonID(s.Person)] = true
	}
	var ours, others store.Few // whom nobody else touched since what stopped was settled, and before
	for _, a := range attempts {
		if r.world.lock != nil || settled[a.step.Person] {
			ours = append(ours, a.step.Person)
		} else {
			others = append(others, a.step.Person)
		}
	}
	since := r.world.heads
	touched, err := tx.Touched(ctx, r.target.Name, unique(others), since, r.plan)
	if err != nil || len(ours) == 0 {
		return touched, err
	}
	since.Audit = r.world.settledAt
	more, err := tx.Touched(ctx, r.target.Name, unique(ours), since, r.plan)
	maps.Copy(touched, more)
	return touched, err
}

func unique(people store.Few) store.Few {
	if len(people) == 0 {
		return store.Few{}
	}
	slices.Sort(people)
	return slices.Compact(people)
}

func (r *targetRun) recordIntents(ctx context.Context, tx *store.Tx, attempts []attempt, at time.Time) error {
	open := make([]store.OpenStep, len(attempts))
	for i, a := range attempts {
		body, err := json.Marshal(a.step)
		if err != nil {
			return fmt.Errorf("step %s: %w", a.step.ID, err)
		}
		open[i] = store.OpenStep{ID: a.id, Target: a.step.Target, Person: string(a.step.Person), Body: string(body), Plan: r.plan}
		record := r.record(a, audit.StepIntended, at)
		if a.change.Attributes == nil && a.step.Op != connectors.RenameAccount {
			tx.Audit(record)
			continue
		}
		v := valueChange{After: a.change.Attributes, Before: map[string][]string{}}
		if creates(a.step.Op) || a.step.Op == connectors.RenameAccount {
			v.Account = a.change.Account.Name
		}
		if account, ok := r.target.Observed.ByID(a.step.AccountID); ok {
			for name := range a.change.Attributes {
				if account.Attributes[name] != nil {
					v.Before[name] = account.Attributes[name]
				}
			}
		}
		if err := tx.AuditSealed(record, v); err != nil {
			return err
		}
	}
	return tx.IntendSteps(ctx, open, at)
}

// touch asks the target, and asks again for what it would rather do later.
func (r *targetRun) touch(ctx context.Context, attempts []attempt) []connectors.Result {
	ctx, span := tracer.Start(ctx, "target.apply", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("behov.target", r.target.Name),
		attribute.String("behov.op", string(attempts[0].step.Op)), attribute.Int("behov.steps", len(attempts))))
	defer span.End()
	if len(attempts) == 1 {
		span.SetAttributes(attribute.String("behov.person", string(attempts[0].step.Person)))
	}
	results := make([]connectors.Result, len(attempts))
	todo := make([]int, len(attempts))
	for i := range todo {
		todo[i] = i
	}
	connector := r.engine.Targets[r.target.Name]
	for try := 0; len(todo) > 0; try++ {
		var again []int
		pause := time.Duration(0)
		for i, res := range r.ask(ctx, connector, attempts, todo) {
			results[todo[i]] = res
			var e *connectors.Error
			if errors.As(res.Err, &e) && e.Class == connectors.RetryLater {
				again = append(again, todo[i])
				pause = max(pause, e.After, time.Second<<try)
			}
		}
		todo = again
		if len(todo) == 0 || try == retries || pause > maxPause {
			break
		}
		select {
		case <-ctx.Done():
			return results
		case <-time.After(pause):
		}
	}
	return results
}

func (r *targetRun) ask(ctx context.Context, connector connectors.Connector, attempts []attempt, which []int) (results []connectors.Result) {
	if err := guarded(func() error { results = r.askOnce(ctx, connector, attempts, which); return nil }); err != nil {
		// What was done before it panicked nobody knows: a snapshot shows it.
		err := connectors.Errorf(connectors.Permanent, "target %s: %w", r.target.Name, err)
		results = slices.Repeat([]connectors.Result{{Err: err}}, len(which))
	}
	return results
}

// guarded makes of a panic an error: a connector that is defective must not end
// the process, and everybody else's work with it.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("its connector is defective: %v, at %s", v, where())
		}
	}()
	return f()
}

// where says where a panic came from, in one line.
func where() string {
	frames := runtime.CallersFrames(callers())
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

func callers() []uintptr {
	pcs := make([]uintptr, 32)
	return pcs[:runtime.Callers(4, pcs)]
}

func (r *targetRun) askOnce(ctx context.Context, connector connectors.Connector, attempts []attempt, which []int) []connectors.Result {
	if attempts[which[0]].step.Op == plan.RevokeSessions {
		revoker, ok := connector.(connectors.SessionRevoker)
		results := make([]connectors.Result, len(which))
		for i, n := range which {
			if !ok {
				results[i].Err = connectors.Errorf(connectors.Permanent, "target %s cannot end sessions", r.target.Name)
				continue
			}
			results[i].Outcome, results[i].Err = revoker.RevokeSessions(ctx, attempts[n].change.Account)
		}
		return results
	}
	changes := make([]connectors.Change, len(which))
	for i, n := range which {
		changes[i] = attempts[n].change
	}
	results := connector.Apply(ctx, changes)
	if len(results) != len(changes) {
		err := connectors.Errorf(connectors.Permanent, "target %s answered %d changes with %d results: its connector is defective", r.target.Name, len(changes), len(results))
		results = make([]connectors.Result, len(changes))
		for i := range results {
			results[i].Err = err
		}
	}
	return results
}

// outcomeOf says how a result stands in the audit trail. The empty outcome is
// that of a step of which nobody knows whether it was done: whatever an error
// says, the target may have done it. It stays open until a snapshot shows.
func outcomeOf(res connectors.Result) (outcome, detail string) {
	if res.Err != nil {
		return "", res.Err.Error()
	}
	switch res.Status {
	case connectors.Applied:
		return audit.Applied, res.Detail
	case connectors.AlreadySo:
		return audit.AlreadySo, ""
	case connectors.Refused:
		return audit.Refused, res.Detail
	}
	return "", fmt.Sprintf("the connector answered with the unknown status %q", res.Status)
}

func (r *targetRun) end(ctx context.Context, attempts []attempt, results []connectors.Result, began time.Time) error {
	at := r.engine.Now()
	ended := make([]bool, len(attempts)) // by somebody else
	err := r.engine.DB.Write(ctx, func(tx *store.Tx) error {
		for i, a := range attempts {
			outcome, detail := outcomeOf(results[i])
			if outcome == "" {
				if err := tx.NoteDetail(ctx, a.id, detail); err != nil {
					return err
				}
				continue
			}
			accountID := results[i].AccountID
			if outcome == audit.Refused {
				accountID = ""
			}
			open, err := endStep(ctx, tx, a.id, a.step, accountID, outcome)
			if err != nil {
				return err
			}
			if !open { // our connection broke, and somebody took us for dead
				ended[i] = true
				continue
			}
			record := r.record(a, audit.StepEnded, at)
			record.Outcome, record.Began = outcome, began
			switch {
			case detail != "" && outcome == audit.Applied:
				record.Reason += "; " + detail
			case detail != "":
				record.Reason = detail
			}
			tx.Audit(record)
		}
		if err := r.count(ctx, tx, attempts, results, at); err != nil {
			return err
		}
		return r.noteFailures(ctx, tx, attempts, results, at)
	})
	if err != nil {
		return err
	}
	for i, a := range attempts {
		outcome, detail := outcomeOf(results[i])
		if ended[i] {
			outcome, detail = leftToOthers, "another run found out what became of it"
		}
		if outcome == audit.Applied || outcome == audit.AlreadySo {
			r.ended[a.step.ID] = true
			if id := results[i].AccountID; id != "" {
				r.accounts[a.step.Person] = id
			}
		}
		if outcome == "" {
			outcome = unknown
		}
		r.report(a.step, outcome, detail)
	}
	return nil
}

// count notes what of a batch counts against the target's limits: not what
// somebody released, and not what must be done now whatever the limits.
func (r *targetRun) count(ctx context.Context, tx *store.Tx, attempts []attempt, results []connectors.Result, at time.Time) error {
	var lost, changed store.Few
	for i, a := range attempts {
		outcome, _ := outcomeOf(results[i])
		if outcome != audit.Applied && outcome != "" || r.urgent || r.released[a.step.ID] || r.world.facts[a.step.Person].Suspended != "" {
			continue
		}
		if a.step.Takes() {
			lost = append(lost, a.step.Person)
		}
		if a.step.Changes() {
			changed = append(changed, a.step.Person)
		}
	}
	return errors.Join(tx.Count(ctx, r.target.Name, store.LossCounts, unique(lost), at, at.Add(-lately)),
		tx.Count(ctx, r.target.Name, store.ChangeCounts, unique(changed), at, at.Add(-lately)))
}

// endStep closes an open step and notes or forgets whose account is whose. It
// says whether the step was open.
func endStep(ctx context.Context, tx *store.Tx, id string, s plan.Step, accountID, outcome string) (open bool, err error) {
	if open, err = tx.EndStep(ctx, id); err != nil || !open || outcome != audit.Applied && outcome != audit.AlreadySo {
		return open, err
	}
	switch s.Op {
	case connectors.AdoptAccount:
		err = tx.BindAccount(ctx, s.Target, string(s.Person), s.AccountID)
	case connectors.CreateAccount, plan.PrepareAccount:
		if accountID != "" {
			err = tx.BindAccount(ctx, s.Target, string(s.Person), accountID)
		}
	case connectors.DeleteAccount:
		err = tx.ForgetAccount(ctx, s.Target, string(s.Person))
	}
	return open, err
}
