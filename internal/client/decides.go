package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
)

// said is a decision that is asked for, and why.
type said map[string]any

func because(reason string) said { return said{"reason": reason} }

func (s said) with(name string, value any) said {
	s[name] = value
	return s
}

// decide asks for a decision.
func (c *Client) decide(ctx context.Context, path string, what said) (d access.Decision, err error) {
	err = c.post(ctx, path, what, &d)
	return d, err
}

// standing returns the decision by which holds already what was asked, and true, for
// an error that says so.
func standing(d access.Decision, err error) (access.Decision, bool, error) {
	var e *Error
	if errors.As(err, &e) && e.Decision != nil {
		return *e.Decision, true, nil
	}
	return d, false, err
}

// Suspend suspends a person, or lifts it. already reports that it holds by an earlier
// decision.
func (c *Client) Suspend(ctx context.Context, ref string, lift bool, reason string) (d access.Decision, already bool, err error) {
	d, err = c.decide(ctx, at("/people", ref, "/suspension"), because(reason).with("lift", lift))
	return standing(d, err)
}

// LegalHold keeps everything of a person, or lets it go.
func (c *Client) LegalHold(ctx context.Context, ref string, lift bool, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/people", ref, "/legal-hold"), because(reason).with("lift", lift))
}

// Screen says until which day a screening of a person is valid, or that it is not any more.
func (c *Client) Screen(ctx context.Context, ref, until string, lift bool, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/people", ref, "/screening"), untilDay(until, lift, reason))
}

// ExemptFromMFA lets a person have, until a day, what needs MFA without it, or ends that.
func (c *Client) ExemptFromMFA(ctx context.Context, ref, until string, lift bool, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/people", ref, "/mfa-exemption"), untilDay(until, lift, reason))
}

func untilDay(until string, lift bool, reason string) said {
	what := because(reason).with("lift", lift)
	if until != "" {
		what = what.with("until", until)
	}
	return what
}

// SetAbsence says when a person is away and who decides in their place.
func (c *Client) SetAbsence(ctx context.Context, ref, deputy, since, until, reason string) (access.Decision, error) {
	what := because(reason).with("deputy", deputy)
	for name, day := range map[string]string{"since": since, "until": until} {
		if day != "" {
			what = what.with(name, day)
		}
	}
	return c.decide(ctx, at("/people", ref, "/absence"), what)
}

// EndAbsence says that a person is not away.
func (c *Client) EndAbsence(ctx context.Context, ref, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/people", ref, "/absence"), because(reason).with("lift", true))
}

// Absences returns who is away, today or later.
func (c *Client) Absences(ctx context.Context) ([]access.Absence, error) {
	return whole[access.Absence](ctx, c, "/absences", nil)
}

// Protect masks a person's identity, or leaves it to HR.
func (c *Client) Protect(ctx context.Context, ref string, lift bool, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/people", ref, "/protection"), because(reason).with("lift", lift))
}

// SetMain says which employment is the main one; the rule does when it is empty.
func (c *Client) SetMain(ctx context.Context, ref, employment, reason string) (access.Decision, error) {
	what := because(reason)
	if employment != "" {
		what.with("employment", employment)
	}
	return c.decide(ctx, at("/people", ref, "/main-employment"), what)
}

// Merge says that another person is this one.
func (c *Client) Merge(ctx context.Context, ref, other, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/people", ref, "/merge"), because(reason).with("other", other))
}

// Apart says that another person is not this one.
func (c *Client) Apart(ctx context.Context, ref, other, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/people", ref, "/apart"), because(reason).with("other", other))
}

// Split says that a record is not a person's.
func (c *Client) Split(ctx context.Context, ref, source, key, reason string) (d api.SplitDecision, err error) {
	err = c.post(ctx, at("/people", ref, "/split"), because(reason).with("source", source).with("key", key), &d)
	return d, err
}

// Readmit lets a record of an erased person in again.
func (c *Client) Readmit(ctx context.Context, source, key, reason string) (access.Decision, error) {
	return c.decide(ctx, "/readmissions", because(reason).with("source", source).with("key", key))
}

// Erase proposes to erase a person.
func (c *Client) Erase(ctx context.Context, ref, reason string) (p api.Proposal, err error) {
	err = c.post(ctx, at("/people", ref, "/erasure"), because(reason), &p)
	return p, err
}

// Bind proposes that an account is a person's.
func (c *Client) Bind(ctx context.Context, ref, target, account, reason string) (p api.Proposal, err error) {
	err = c.post(ctx, at("/people", ref, "/accounts", target), because(reason).with("account_id", account), &p)
	return p, err
}

// Enable lets accounts be enabled that others disabled, in a target or in every one when it
// is empty.
func (c *Client) Enable(ctx context.Context, ref, target, reason string) (access.Decision, error) {
	if target == "" {
		target = store.EveryTarget
	}
	return c.decide(ctx, at("/people", ref, "/accounts", target)+"/enable", because(reason))
}

// IssuePass issues a temporary access pass.
func (c *Client) IssuePass(ctx context.Context, ref string, valid time.Duration, reason string) (p api.Pass, err error) {
	if valid%time.Minute != 0 {
		return p, errors.New("a server takes a time in whole minutes")
	}
	err = c.post(ctx, at("/people", ref, "/mfa-pass"), because(reason).with("minutes", int(valid/time.Minute)), &p)
	return p, err
}

// WithdrawPass withdraws a person's passes.
func (c *Client) WithdrawPass(ctx context.Context, ref, reason string) (w api.Withdrawn, err error) {
	err = c.post(ctx, at("/people", ref, "/mfa-pass/withdrawal"), because(reason), &w)
	return w, err
}

// DecideHold releases or rejects a hold, or what of it is about some people.
func (c *Client) DecideHold(ctx context.Context, digest string, verdict store.Verdict, people []string, reason string) (d api.HoldDecision, err error) {
	what := because(reason)
	if len(people) > 0 {
		what.with("people", people)
	}
	err = c.post(ctx, at("/holds", digest)+"/"+string(verdict), what, &d)
	return d, err
}

// DecideSteps has failing steps tried again, or given up, by their keys.
func (c *Client) DecideSteps(ctx context.Context, keys []string, verdict store.Verdict, reason string) (d api.StepDecisions, err error) {
	err = c.post(ctx, "/steps/"+string(verdict), because(reason).with("keys", keys), &d)
	return d, err
}

// RetrySteps has all failing steps in a target tried again, or in every one when it is empty.
func (c *Client) RetrySteps(ctx context.Context, target, reason string) (d api.StepDecisions, err error) {
	if target == "" {
		target = store.EveryTarget
	}
	err = c.post(ctx, "/steps/retry", because(reason).with("target", target), &d)
	return d, err
}

// StartReview starts a review, or says what it would ask.
func (c *Client) StartReview(ctx context.Context, r api.ReviewToStart) (s api.StartedReview, err error) {
	err = c.post(ctx, "/reviews", r, &s)
	return s, err
}

// SignOff ends a review.
func (c *Client) SignOff(ctx context.Context, campaign int64, reason string) (access.Decision, error) {
	return c.decide(ctx, fmt.Sprintf("/reviews/%d/sign-off", campaign), because(reason))
}

// ReviewReport returns what a review asked and what was answered.
func (c *Client) ReviewReport(ctx context.Context, campaign int64) (r access.ReviewReport, err error) {
	err = c.get(ctx, fmt.Sprintf("/reviews/%d", campaign), nil, &r)
	return r, err
}

// RuleTasks returns the rules that reviewers want changed.
func (c *Client) RuleTasks(ctx context.Context) ([]access.RuleTask, error) {
	return whole[access.RuleTask](ctx, c, "/rule-tasks", nil)
}

// Reviews returns the newest reviews.
func (c *Client) Reviews(ctx context.Context) ([]access.Review, error) {
	return whole[access.Review](ctx, c, "/reviews", nil)
}

// Revise says that a system, or what else is gone through, was.
func (c *Client) Revise(ctx context.Context, subject, reason string) (access.Decision, error) {
	return c.decide(ctx, "/revisions", because(reason).with("subject", subject))
}

// SystemStates returns the systems with what their class demands and where practice falls
// short.
func (c *Client) SystemStates(ctx context.Context) ([]access.SystemState, error) {
	return whole[access.SystemState](ctx, c, "/systems", nil)
}

// Revisions returns when everything was last gone through.
func (c *Client) Revisions(ctx context.Context) ([]access.Revision, error) {
	return whole[access.Revision](ctx, c, "/revisions", nil)
}

// Conflicts returns the segregations of duties, and who has both sides.
func (c *Client) Conflicts(ctx context.Context) ([]access.ConflictState, error) {
	return whole[access.ConflictState](ctx, c, "/conflicts", nil)
}

// Compliance returns what frameworks demand, and how far the data show it to be met.
func (c *Client) Compliance(ctx context.Context) ([]access.Requirement, error) {
	return whole[access.Requirement](ctx, c, "/compliance", nil)
}

// SuggestRules returns which rules are missing or not needed. It waits while they are counted.
func (c *Client) SuggestRules(ctx context.Context) (*access.Suggestions, error) {
	for {
		var out api.CountedSuggestions
		if err := c.get(ctx, "/rules/suggestions", nil, &out); err != nil || out.Suggestions != nil {
			return out.Suggestions, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// RulesApproval returns which version of the rules is in force, and which wait for approval.
func (c *Client) RulesApproval(ctx context.Context) (access.RulesApproval, error) {
	var out access.RulesApproval
	return out, c.get(ctx, "/rules/approval", nil, &out)
}

// ProposeRules proposes that the rules in the server's directory come into use.
func (c *Client) ProposeRules(ctx context.Context, reason string) (access.Decision, error) {
	return c.decide(ctx, "/rules/proposals", because(reason))
}

// DecideRules approves or rejects a version of the rules, by the beginning of its digest.
func (c *Client) DecideRules(ctx context.Context, digest string, verdict store.Verdict, reason string) (access.Decision, error) {
	verb := "/approve"
	if verdict == store.Reject {
		verb = "/reject"
	}
	return c.decide(ctx, at("/rules/proposals", digest)+verb, because(reason))
}

// AllowConflict lets a person have both sides of a conflict until a day, or ends that.
func (c *Client) AllowConflict(ctx context.Context, ref, conflict, until string, lift bool, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/people", ref, "/conflicts/")+url.PathEscape(conflict), untilDay(until, lift, reason))
}

// DecideItem answers a question of a review.
func (c *Client) DecideItem(ctx context.Context, item string, verdict store.Verdict, until, reason string) (access.Decision, error) {
	what := because(reason)
	if until != "" {
		what = what.with("until", until)
	}
	return c.decide(ctx, at("/review-items", item)+"/"+url.PathEscape(string(verdict)), what)
}

// HandOn asks another person about a question of a review.
func (c *Client) HandOn(ctx context.Context, item, to, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/review-items", item)+"/hand-on", because(reason).with("to", to))
}

// Pause stops changes to a target, or lets them go on. already reports that it holds by an
// earlier decision.
func (c *Client) Pause(ctx context.Context, target string, verdict store.Verdict, reason string) (d access.Decision, already bool, err error) {
	verb, what := "/pause", because(reason)
	switch verdict {
	case store.Resume:
		verb = "/resume"
	case store.PauseExceptLeavers:
		what.with("except_leavers", true)
	}
	d, err = c.decide(ctx, at("/targets", target)+verb, what)
	return standing(d, err)
}

// NewToken is what a token is to be for.
type NewToken struct {
	Name    string    `json:"name"`
	Scopes  []string  `json:"scopes"`
	Systems []string  `json:"systems,omitempty"`
	Service string    `json:"service,omitempty"` // the service account; the caller's own without it
	Expires time.Time `json:"expires"`
}

// MakeToken makes a token of the caller's own, or of a service account.
func (c *Client) MakeToken(ctx context.Context, t NewToken) (made api.MadeToken, err error) {
	err = c.post(ctx, "/tokens", t, &made)
	return made, err
}

// EndSessions ends a session of a person, or all of them when id is empty.
func (c *Client) EndSessions(ctx context.Context, ref, id, reason string) (d access.Decision, err error) {
	path := at("/people", ref, "/sessions")
	if id != "" {
		path = at("/people", ref, "/sessions", id)
	}
	err = c.send(ctx, http.MethodDelete, path, url.Values{"reason": {reason}}, nil, &d)
	return d, err
}

// askEvery is how often a plan that is being made is asked about.
const askEvery = time.Second / 2

// Plan makes a plan, for a person or for everyone when ref is empty, and for a later day
// unless asOf is empty. progress is told how far it is.
func (c *Client) Plan(ctx context.Context, ref, asOf string, progress func(stage string, done, total int)) (t api.PlanTask, err error) {
	what := map[string]string{}
	for name, value := range map[string]string{"person": ref, "as_of": asOf} {
		if value != "" {
			what[name] = value
		}
	}
	if err := c.post(ctx, "/plans", what, &t); err != nil {
		return t, err
	}
	return t, c.wait(ctx, &t.Task, func() error { return c.get(ctx, at("/plans", t.ID), nil, &t) }, progress)
}

// Simulate tries files. progress is told how far it is.
func (c *Client) Simulate(ctx context.Context, what api.Trial, progress func(stage string, done, total int)) (t api.SimulationTask, err error) {
	if err := c.post(ctx, "/simulations", what, &t); err != nil {
		return t, err
	}
	return t, c.wait(ctx, &t.Task, func() error { return c.get(ctx, at("/simulations", t.ID), nil, &t) }, progress)
}

// wait asks about a task until it has ended.
func (c *Client) wait(ctx context.Context, t *api.Task, ask func() error, progress func(stage string, done, total int)) error {
	for t.State == store.TaskRunning {
		if t.Stage != "" { // it has begun
			progress(t.Stage, t.Done, t.Total)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(askEvery):
		}
		if err := ask(); err != nil {
			return err
		}
	}
	if t.State != store.TaskDone {
		return errors.New(t.Fault)
	}
	return nil
}

// Reports returns what was reported and the HR system has not said yet.
func (c *Client) Reports(ctx context.Context) (access.Reports, error) {
	return one[access.Reports](ctx, c, "/hr/reports", nil)
}

// ReportEnd reports that an employment ends.
func (c *Client) ReportEnd(ctx context.Context, ref, employment, lastDay, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/people", ref, "/employment-end"), because(reason).with("employment", employment).with("last_day", lastDay))
}

// ReportHire reports a hire.
func (c *Client) ReportHire(ctx context.Context, h api.Hire) (done api.ReportedHire, err error) {
	err = c.post(ctx, "/hr/hires", h, &done)
	return done, err
}

// TakeBackReport takes back what was reported of an employment.
func (c *Client) TakeBackReport(ctx context.Context, ref, employment, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/people", ref, "/employment-end/take-back"), because(reason).with("employment", employment))
}
