package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// HeldHold is a hold with what it would do.
type HeldHold struct {
	access.Hold
	Would access.HoldContent `json:"would"`
}

// HoldList are holds.
type HoldList struct {
	Items    []access.Hold `json:"items" nullable:"false"`
	Rejected int           `json:"rejected" doc:"How many holds a decision rejected, which stay held."`
}

// HoldDecision is a decision on a hold, and what it covers.
type HoldDecision struct {
	access.Decision
	Hold        string         `json:"hold" doc:"The digest."`
	HoldKind    store.HoldKind `json:"hold_kind"`
	HoldSubject string         `json:"hold_subject" doc:"The target, or the HR source."`
	People      []access.Ref   `json:"people" doc:"Those whose steps it covers, of a hold of a plan."`
	Steps       int            `json:"steps" doc:"How many steps it covers, of a hold of a plan."`
	Remaining   int            `json:"remaining" doc:"How many steps stay held for another person: they are about the maker, or the maker caused them."`
}

// AboutHold names a hold in the address.
type AboutHold struct {
	Digest string `path:"digest" doc:"The digest, or the first digits of it." pattern:"^[0-9a-f]{1,64}$"`
}

func (a *api) holds() {
	route(a, SeesAll, op{id: "list-holds", method: http.MethodGet, path: "/holds", tag: "holds", summary: "What waits for a person to release or reject it"},
		func(c *call, in *struct {
			All bool `query:"all" doc:"What is decided or superseded, too."`
		}) (*answer[HoldList], error) {
			all, rejected, err := c.Holds(in.All)
			return one(HoldList{all, rejected}, err)
		})
	route(a, SeesAll, op{id: "get-hold", method: http.MethodGet, path: "/holds/{digest}", tag: "holds", summary: "A hold, and what it would do"}, func(c *call, in *AboutHold) (*tagged[HeldHold], error) {
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
			}) (*answer[HoldDecision], error) {
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
				g := c.governance()
				hold, err := g.Hold(c, in.Digest)
				if err != nil {
					return nil, err
				}
				made, err := g.DecideHold(c, in.Digest, d.verdict, about, c.caller.Subject, in.Body.Reason)
				if err != nil {
					return nil, err
				}
				c.Forget()
				return one(HoldDecisionOf(c.View, hold, made))
			})
	}
}

// HoldDecisionOf returns a decision on a hold as the viewer sees it.
func HoldDecisionOf(v *access.View, h store.HoldState, d governance.HoldDecision) (HoldDecision, error) {
	var people []identity.PersonID
	for _, s := range d.Steps {
		people = append(people, s.Person)
	}
	slices.Sort(people)
	people = slices.Compact(people)
	if err := v.Load(append(people, d.Person)); err != nil {
		return HoldDecision{}, err
	}
	out := HoldDecision{Decision: v.Decision(d.Decision), Hold: string(h.Digest), HoldKind: h.Kind, HoldSubject: h.Subject, People: []access.Ref{}, Steps: len(d.Steps), Remaining: d.Remaining}
	for _, id := range people {
		out.People = append(out.People, v.Ref(id))
	}
	return out, nil
}

func (c *call) holdOf(digest string) (HeldHold, error) {
	return HeldHoldOf(c, c.View, c.governance(), digest)
}

// HeldHoldOf returns the hold whose digest begins so, and what it would do.
func HeldHoldOf(ctx context.Context, v *access.View, g *governance.Governance, digest string) (HeldHold, error) {
	h, err := g.HoldContent(ctx, digest)
	if err != nil {
		return HeldHold{}, err
	}
	would, err := v.HoldContent(h.HoldState, h.Steps)
	return HeldHold{v.Hold(h.HoldState), would}, err
}
