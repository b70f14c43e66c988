package api

import (
	"net/http"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// heldContent is a hold with what it would do.
type heldContent struct {
	access.Hold
	Would access.HoldContent `json:"would"`
}

// holdDecision is a decision on a hold, and what it covers.
type holdDecision struct {
	access.Decision
	Hold      string `json:"hold"`
	Steps     int    `json:"steps" doc:"How many steps it covers, of a hold of a plan."`
	Remaining int    `json:"remaining" doc:"How many steps stay held for another person: they are about the maker, or the maker caused them."`
}

// AboutHold names a hold in the address.
type AboutHold struct {
	Digest string `path:"digest" doc:"The digest, or the first digits of it." pattern:"^[0-9a-f]{1,64}$"`
}

func (a *api) holds() {
	route(a, SeesAll, op{id: "list-holds", method: http.MethodGet, path: "/holds", tag: "holds", summary: "What waits for a person to release or reject it"},
		func(c *call, in *struct {
			All bool `query:"all" doc:"What is decided or superseded, too."`
		}) (*answer[list[access.Hold]], error) {
			all, _, err := c.Holds(in.All)
			return items(all, "", err)
		})
	route(a, SeesAll, op{id: "get-hold", method: http.MethodGet, path: "/holds/{digest}", tag: "holds", summary: "A hold, and what it would do"}, func(c *call, in *AboutHold) (*tagged[heldContent], error) {
		return tag(c.holdOf(in.Digest))
	})
	for _, d := range []struct {
		id, summary string
		verdict     store.Verdict
	}{{"release", "Let through what is held, or what of it is about some people", store.Release}, {"reject", "Refuse what is held, or what of it is about some people", store.Reject}} {
		route(a, Decides(rights.DecideHold), op{id: d.id + "-hold", method: http.MethodPost, path: "/holds/{digest}/" + d.id, tag: "holds", summary: d.summary},
			func(c *call, in *struct {
				AboutHold
				Unchanged
				Body struct {
					DecisionReason
					People []string `json:"people,omitempty" doc:"Only the steps of these people." maxItems:"1000"`
				}
			}) (*answer[holdDecision], error) {
				if err := in.check(func() (any, error) { return c.holdOf(in.Digest) }); err != nil {
					return nil, err
				}
				var about []identity.PersonID
				for _, ref := range in.Body.People {
					p, err := c.Find(ref)
					if err != nil {
						return nil, err
					}
					about = append(about, p.ID)
				}
				made, err := c.governance().DecideHold(c, in.Digest, d.verdict, about, c.caller.Subject, in.Body.Reason)
				if err != nil {
					return nil, err
				}
				return one(holdDecision{c.Decision(made.Decision), in.Digest, len(made.Steps), made.Remaining}, nil)
			})
	}
}

func (c *call) holdOf(digest string) (heldContent, error) {
	h, err := c.governance().HoldContent(c, digest)
	if err != nil {
		return heldContent{}, err
	}
	would, err := c.HoldContent(h.HoldState, h.Steps)
	return heldContent{c.Hold(h.HoldState), would}, err
}
