package api

import (
	"net/http"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

func (a *api) steps() {
	route(a, Signed, op{id: "list-steps", method: http.MethodGet, path: "/steps", tag: "steps", summary: "Steps that a target refused or failed to do, of those whom I may see"},
		func(c *call, in *struct {
			Target string `query:"target" maxLength:"200"`
			All    bool   `query:"all" doc:"Those that were given up, too."`
			Paged
		}) (*answer[list[access.FailingStep]], error) {
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
					DecisionReason
					Keys []string `json:"keys" doc:"The keys of the steps." minItems:"1" maxItems:"1000" nullable:"false"`
				}
			}) (*answer[list[access.FailingStep]], error) {
				decided, err := c.governance().DecideSteps(c, in.Body.Keys, d.verdict, c.caller.Subject, in.Body.Reason)
				if err != nil {
					return nil, err
				}
				shown, err := c.Steps(decided)
				return items(shown, "", err)
			})
	}
}
