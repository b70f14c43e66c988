package api

import (
	"net/http"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// StepDecisions are failing steps that were decided on.
type StepDecisions struct {
	Items        []access.FailingStep `json:"items" nullable:"false"`
	LeftToOthers int                  `json:"left_to_others" doc:"How many are about the person who decides: another person decides on those."`
}

func (a *api) steps() {
	route(a, Signed, op{id: "list-steps", method: http.MethodGet, path: "/steps", tag: "steps", summary: "Steps that a target refused or failed to do, of those whom I may see"},
		func(c *call, in *struct {
			Target string `query:"target" maxLength:"200"`
			All    bool   `query:"all" doc:"Those that were given up, too."`
			Paged
		}) (*answer[List[access.FailingStep]], error) {
			page, err := in.page()
			if err != nil {
				return nil, err
			}
			all, _, err := c.FailingSteps(in.Target, in.All)
			part, next := cut(all, page, func(s access.FailingStep) string {
				return s.First.UTC().Format("20060102150405.000000") + string(s.Key)
			})
			return items(part, next, err)
		})
	for _, d := range []struct {
		id, summary string
		action      rights.Action
		verdict     store.Verdict
	}{{"retry", "Have failing steps tried again", rights.RetryStep, store.Retry}, {"give-up", "Say that failing steps are not to be done", rights.GiveUpStep, store.GiveUp}} {
		route(a, Decides(d.action), op{id: d.id + "-steps", method: http.MethodPost, path: "/steps/" + d.id, tag: "steps", summary: d.summary},
			func(c *call, in *struct {
				Body struct {
					Reason string   `json:"reason,omitempty" doc:"Why, for the audit trail; to try again needs none." maxLength:"2000"`
					Keys   []string `json:"keys,omitempty" doc:"The keys of the steps." maxItems:"1000" nullable:"false"`
					Target string   `json:"target,omitempty" doc:"In place of keys, to try again: all steps in a target, or in every one when it is all." maxLength:"200"`
				}
			}) (*answer[StepDecisions], error) {
				g, by, asked := c.governance(), c.caller.Subject, len(in.Body.Keys)
				var decided []store.FailingStep
				var err error
				switch {
				case (asked > 0) == (in.Body.Target != "") || in.Body.Target != "" && d.verdict != store.Retry:
					return nil, newProblem(http.StatusBadRequest, "invalid", "say which steps: by their keys, or to try again by a target")
				case asked > 0:
					decided, err = g.DecideSteps(c, in.Body.Keys, d.verdict, by, in.Body.Reason)
				default:
					target := c.target(in.Body.Target)
					if target == store.EveryTarget {
						target = ""
					}
					decided, asked, err = g.RetrySteps(c, target, by, in.Body.Reason)
				}
				if err != nil {
					return nil, err
				}
				shown, err := c.Steps(decided)
				return one(StepDecisions{shown, asked - len(decided)}, err)
			})
	}
}
