package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// StartedReview is a review that was started, or that would be.
type StartedReview struct {
	Campaign int64 `json:"campaign" doc:"0 for a preview."`
	Items    int   `json:"items" doc:"Questions."`
	Rules    int   `json:"rules" doc:"Of these, about a rule, once for everyone whom it gives something."`
	// Holders is how much access the review is about.
	Holders int           `json:"holders" doc:"How much access the review is about: as many questions as there would be with one for each holder of each entitlement."`
	Due     identity.Date `json:"due" doc:"The last day for answers."`
}

// StartedReviewOf returns a review that was started.
func StartedReviewOf(a governance.Asked) StartedReview {
	s := StartedReview{Campaign: a.Campaign.ID, Items: len(a.Items), Holders: a.Holders, Due: a.Campaign.Due}
	for _, i := range a.Items {
		if i.Kind == store.RuleItem {
			s.Rules++
		}
	}
	return s
}

// ReviewToStart is what a review is about, who answers, and until when: one of system, unit,
// entitlement, people and everything.
type ReviewToStart struct {
	System      string   `json:"system,omitempty" maxLength:"200"`
	Unit        string   `json:"unit,omitempty" maxLength:"200" doc:"People who work in the unit or below it."`
	Entitlement string   `json:"entitlement,omitempty" maxLength:"400"`
	People      []string `json:"people,omitempty" maxItems:"1000"`
	Everything  bool     `json:"everything,omitempty"`
	Asks        string   `json:"asks,omitempty" enum:"owner,manager,manager-then-owner" doc:"Who answers: the owner of the system of each question, the manager of its person, or the owner when the manager says keep."`
	Reviewer    string   `json:"reviewer,omitempty" maxLength:"200" doc:"The one person who answers everything."`
	Fallback    string   `json:"fallback,omitempty" maxLength:"200" doc:"Who answers where no other person can."`
	Days        int      `json:"days,omitempty" minimum:"0" maximum:"365" doc:"For how many days answers are awaited; 30 when it is left out."`
	AfterDue    string   `json:"after_due,omitempty" enum:"keep,revoke" doc:"What becomes of access about which no answer came."`
	All         bool     `json:"all,omitempty" doc:"Ask about every person, also where a rule gives the access."`
	// KnownWrong is access of which who starts the review knows that it should not be there.
	KnownWrong []KnownWrong `json:"known_wrong,omitempty" maxItems:"100" doc:"Access that the review asks about and that you know to be wrong. No one who answers is told; the report says how many of it each reviewer revoked."`
	Preview    bool         `json:"preview,omitempty" doc:"Say what would be asked, and start nothing."`
}

// KnownWrong is what a person has and should not.
type KnownWrong struct {
	Person      string `json:"person" maxLength:"200"`
	Entitlement string `json:"entitlement" maxLength:"400"`
}

// Review returns the review to start; find finds a person.
func (r ReviewToStart) Review(find func(ref string) (identity.PersonID, error)) (governance.Review, error) {
	out := governance.Review{Asks: store.CampaignAsks(r.Asks), Days: r.Days, AfterDue: store.Verdict(r.AfterDue), All: r.All}
	scopes := 0
	about := func(scope store.CampaignScope, of string, said bool) {
		if said {
			scopes++
			out.Scope, out.Of = scope, of
		}
	}
	about(store.SystemScope, r.System, r.System != "")
	about(store.UnitScope, r.Unit, r.Unit != "")
	about(store.EntitlementScope, r.Entitlement, r.Entitlement != "")
	about(store.PeopleScope, "", len(r.People) > 0)
	about(store.EverythingScope, "", r.Everything)
	if scopes != 1 {
		return out, &reason.Refusal{Reason: reason.Of(reason.ReviewOfOne{})}
	}
	for _, ref := range r.People {
		id, err := find(ref)
		if err != nil {
			return out, err
		}
		out.People = append(out.People, id)
	}
	for _, w := range r.KnownWrong {
		id, err := find(w.Person)
		if err != nil {
			return out, err
		}
		out.KnownWrong = append(out.KnownWrong, governance.KnownWrong{Person: id, Entitlement: policy.EntitlementID(w.Entitlement)})
	}
	var err error
	if r.Reviewer != "" {
		if out.Reviewer, err = find(r.Reviewer); err != nil {
			return out, err
		}
	}
	if r.Fallback != "" {
		out.Fallback, err = find(r.Fallback)
	}
	return out, err
}

func (a *api) reviews() {
	route(a, Signed, op{id: "list-review-items", method: http.MethodGet, path: "/review-items", tag: "reviews", summary: "The questions of reviews, about those whom I may see"},
		func(c *call, in *struct {
			All bool `query:"all" doc:"Those that are decided, too."`
			Paged
		}) (*answer[List[access.ReviewItem]], error) {
			page, err := in.page()
			if err != nil {
				return nil, err
			}
			all, err := c.ReviewItems(in.All)
			part, next := cut(all, page, func(i access.ReviewItem) string { return itemKey(i.Item) })
			return items(part, next, err)
		})
	route(a, Signed, op{id: "list-reviews", method: http.MethodGet, path: "/reviews", tag: "reviews", summary: "The newest reviews that I may answer; of those who see everyone all"}, func(c *call, _ *struct{}) (*answer[List[access.Review]], error) {
		all, err := c.Reviews()
		return items(all, "", err)
	})
	route(a, Signed, op{id: "get-review", method: http.MethodGet, path: "/reviews/{review}", tag: "reviews", summary: "What a review asked, what was answered, and what the targets confirmed"},
		func(c *call, in *struct {
			Review int64 `path:"review" minimum:"1"`
		}) (*answer[access.ReviewReport], error) {
			return one(c.ReviewReport(in.Review))
		})
	route(a, SeesAll, op{id: "list-rule-tasks", method: http.MethodGet, path: "/rule-tasks", tag: "reviews", summary: "The rules that reviewers want changed, and those against which decisions hold"}, func(c *call, _ *struct{}) (*answer[List[access.RuleTask]], error) {
		all, err := c.RuleTasks()
		return items(all, "", err)
	})
	route(a, Decides(rights.StartReview), op{id: "start-review", method: http.MethodPost, path: "/reviews", tag: "reviews", systems: true, summary: "Start a review: questions about rules, and about people where judgement is needed", status: http.StatusCreated},
		func(c *call, in *struct{ Body ReviewToStart }) (*answer[StartedReview], error) {
			system := in.Body.System
			if in.Body.Entitlement != "" {
				of, _ := c.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(in.Body.Entitlement))
				system = of.System
			}
			if err := c.mayUse(system); err != nil {
				return nil, err
			}
			r, err := in.Body.Review(func(ref string) (identity.PersonID, error) {
				p, err := c.person(AboutOne{AboutPerson: AboutPerson{Person: ref}})
				return p.ID, err
			})
			if err != nil {
				return nil, err
			}
			start := c.governance().StartReview
			if in.Body.Preview {
				start = c.governance().PreviewReview
			}
			asked, err := start(c, r, c.caller.Subject)
			return one(StartedReviewOf(asked), err)
		})
	route(a, Decides(rights.StartReview), op{id: "sign-off-review", method: http.MethodPost, path: "/reviews/{review}/sign-off", tag: "reviews", summary: "End a review of which every question is answered: no answer changes then"},
		func(c *call, in *struct {
			Review int64 `path:"review" minimum:"1"`
			Body   DecisionReason
		}) (*answer[access.Decision], error) {
			return c.decided(c.governance().SignOff(c, in.Review, c.caller.Subject, in.Body.Reason))
		})
	for _, d := range []struct {
		id, summary string
		verdict     store.Verdict
	}{{"keep-access", "Decide that a person keeps what a question is about, or that a rule is right", store.Keep}, {"revoke-access", "Decide that a person loses what a question is about", store.Revoke},
		{"change-rule", "Say that the rule that gives the access should change", store.ChangeRule}, {"not-mine", "Say that the question is another person's to answer", store.NotMine}} {
		route(a, Decides(rights.DecideReview), op{id: d.id, method: http.MethodPost, path: "/review-items/{item}/" + string(d.verdict), tag: "reviews", systems: true, summary: d.summary},
			func(c *call, in *struct {
				Item string `path:"item" doc:"CAMPAIGN-NUMBER." pattern:"^[0-9]{1,18}-[0-9]{1,18}$"`
				Body struct {
					DecisionReason
					Until string `json:"until,omitempty" doc:"The last day of what is kept, YYYY-MM-DD." pattern:"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"`
				}
			}) (*answer[access.Decision], error) {
				if err := c.mayUseItem(in.Item); err != nil {
					return nil, err
				}
				return c.decided(c.governance().DecideItem(c, in.Item, governance.Answer{Verdict: d.verdict, Until: identity.Date(in.Body.Until), Reason: in.Body.Reason}, c.caller.Subject))
			})
	}
	route(a, Decides(rights.DecideReview), op{id: "hand-on", method: http.MethodPost, path: "/review-items/{item}/hand-on", tag: "reviews", systems: true, summary: "Ask another person about a question from now on"},
		func(c *call, in *struct {
			Item string `path:"item" doc:"CAMPAIGN-NUMBER." pattern:"^[0-9]{1,18}-[0-9]{1,18}$"`
			Body struct {
				DecisionReason
				To string `json:"to" doc:"The person." maxLength:"200"`
			}
		}) (*answer[access.Decision], error) {
			if err := c.mayUseItem(in.Item); err != nil {
				return nil, err
			}
			return c.decided(c.governance().HandOn(c, in.Item, in.Body.To, c.caller.Subject, in.Body.Reason))
		})
}

// itemKey returns a key that sorts items by campaign and number.
func itemKey(item string) string {
	campaign, number, _ := strings.Cut(item, "-")
	a, err1 := strconv.ParseInt(campaign, 10, 64)
	b, err2 := strconv.ParseInt(number, 10, 64)
	if err1 != nil || err2 != nil {
		return item
	}
	return fmt.Sprintf("%020d-%020d", a, b)
}

// mayUseItem returns an error for a question about a system for which the token is not.
func (c *call) mayUseItem(item string) error {
	if c.caller.Token.Systems == "" {
		return nil
	}
	var campaign, number int64
	if _, err := fmt.Sscanf(item, "%d-%d", &campaign, &number); err != nil {
		return &access.CursorError{}
	}
	of, err := c.api.DB.ReviewItem(c, campaign, number)
	if err != nil {
		return err
	}
	return c.mayUse(of.System)
}
