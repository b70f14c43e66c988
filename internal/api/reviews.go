package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// StartedReview is a review that was started.
type StartedReview struct {
	Campaign int64 `json:"campaign"`
	Items    int   `json:"items"`
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
	route(a, Decides(rights.StartReview), op{id: "start-review", method: http.MethodPost, path: "/reviews", tag: "reviews", systems: true, summary: "Start a review of a system: one question for each person with access", status: http.StatusCreated},
		func(c *call, in *struct {
			Body struct {
				System string `json:"system" maxLength:"200"`
			}
		}) (*answer[StartedReview], error) {
			if err := c.mayUse(in.Body.System); err != nil {
				return nil, err
			}
			campaign, all, err := c.governance().StartReview(c, in.Body.System, c.caller.Subject)
			return one(StartedReview{campaign, len(all)}, err)
		})
	for _, d := range []struct {
		id, summary string
		verdict     store.Verdict
	}{{"keep", "Decide that a person keeps what a question is about", store.Keep}, {"revoke", "Decide that a person loses what a question is about", store.Revoke}} {
		route(a, Decides(rights.DecideReview), op{id: d.id + "-access", method: http.MethodPost, path: "/review-items/{item}/" + d.id, tag: "reviews", systems: true, summary: d.summary},
			func(c *call, in *struct {
				Item string `path:"item" doc:"CAMPAIGN-NUMBER." pattern:"^[0-9]{1,18}-[0-9]{1,18}$"`
				Body DecisionReason
			}) (*answer[access.Decision], error) {
				if c.caller.Token.Systems != "" {
					item, err := c.reviewItem(in.Item)
					if err != nil {
						return nil, err
					}
					of, _ := c.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(item.Entitlement))
					if err := c.mayUse(of.System); err != nil {
						return nil, err
					}
				}
				return c.decided(c.governance().DecideItem(c, in.Item, d.verdict, c.caller.Subject, in.Body.Reason))
			})
	}
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

func (c *call) reviewItem(item string) (store.ReviewItem, error) {
	var campaign, number int64
	if _, err := fmt.Sscanf(item, "%d-%d", &campaign, &number); err != nil {
		return store.ReviewItem{}, &access.CursorError{}
	}
	return c.api.DB.ReviewItem(c, campaign, number)
}
