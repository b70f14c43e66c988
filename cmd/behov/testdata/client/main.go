// Story lives a working life through behov's API, by a client that was generated from its
// OpenAPI document: it is its own module, and knows nothing else of behov.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"example.org/story/client"
)

// limit is how long behov may take to do what it was told.
const limit = 15 * time.Second

var ctx = context.Background()

// as returns the client of a person, whose token is in the environment.
func as(who string) *client.ClientWithResponses {
	token := os.Getenv("TOKEN_" + strings.ToUpper(who))
	c, err := client.NewClientWithResponses(os.Getenv("BEHOV_URL"), client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	check(err)
	return c
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// answered fails unless behov gave the answer that the story needs.
func answered[T any](err error, good *T, body []byte) *T {
	check(err)
	if good == nil {
		log.Fatalf("behov answers %s", body)
	}
	return good
}

var personnel, operator, owner, auditor = as("personnel"), as("operator"), as("owner"), as("auditor")

// say tells what HR knows.
func say(events ...client.HrEvent) *client.Happened {
	r, err := personnel.SendHrEventsWithResponse(ctx, client.SendHrEventsJSONRequestBody{Events: events})
	return answered(err, r.JSON200, r.Body)
}

// employed is an employment that began a year ago.
func employed(who, job, end string) client.HrEvent {
	id, given, family, unit, start := "E-"+who, "Given", "Family"+who, "office", time.Now().AddDate(-1, 0, 0).Format(time.DateOnly)
	e := client.HrEvent{PersonId: &who, EmploymentId: &id, GivenName: &given, FamilyName: &family, Unit: &unit, JobCode: &job, StartDate: &start}
	if end != "" {
		e.EndDate = &end
	}
	return e
}

// has returns what a person has now.
func has(who string) map[string]client.Access {
	r, err := auditor.GetAccessWithResponse(ctx, who, nil)
	all := map[string]client.Access{}
	for _, a := range answered(err, r.JSON200, r.Body).Items {
		all[a.Entitlement] = a
	}
	return all
}

// until waits for what a person has to be just that, and returns it.
func until(who string, want ...string) map[string]client.Access {
	slices.Sort(want)
	began := time.Now()
	for {
		all := has(who)
		var names []string
		for name := range all {
			names = append(names, name)
		}
		slices.Sort(names)
		if slices.Equal(names, want) {
			return all
		}
		if time.Since(began) > limit {
			log.Fatalf("%s has %v, not %v", who, names, want)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func main() {
	log.SetFlags(log.Lshortfile)
	// A librarian and two colleagues are hired, and get an account and their memberships.
	began := time.Now()
	happened := say(employed("anna", "LIB", ""), employed("bo", "LIB", ""), employed("cia", "LIB", ""))
	if len(*happened.People) != 3 || (*happened.People)[0].Stage.State != "active" || happened.Import.LeftOut != 0 {
		log.Fatalf("hired: %+v", happened)
	}
	anna := (*happened.People)[0].Person.Id
	got := until("anna", "account", "base:staff", "lib:library")
	if why := got["lib:library"].Reason; why == nil || why.Code != "rule" || !strings.Contains(*why.Text, "lends books") {
		log.Fatalf("anna has the library for %+v", why)
	}
	until("bo", "account", "base:staff", "lib:library")
	until("cia", "account", "base:staff", "lib:library")
	fmt.Println("hired: all access after", time.Since(began).Round(time.Millisecond))

	// Why, and who had it.
	explained, err := auditor.ExplainWithResponse(ctx, anna, "lib:library")
	if e := answered(err, explained.JSON200, explained.Body); e.Grant.Reasons == nil || len(*e.Grant.Reasons) != 1 || !strings.Contains(*(*e.Grant.Reasons)[0].By.Text, "lends books") {
		log.Fatalf("why: %+v", e.Grant)
	}
	had, err := auditor.WhoHadEntitlementWithResponse(ctx, "lib:library", nil)
	if items := answered(err, had.JSON200, had.Body).Items; len(items) != 3 || !slices.ContainsFunc(items, func(a client.Access) bool { return a.Person.Id == anna && a.Reason.Code == "rule" }) {
		log.Fatalf("who had: %+v", items)
	}

	// A mover loses the old access, and keeps what all have.
	began = time.Now()
	say(employed("bo", "CLERK", ""))
	until("bo", "account", "base:staff")
	fmt.Println("moved: the old access is gone after", time.Since(began).Round(time.Millisecond))

	// The owner takes the access of another back in a review, and no later word of HR gives
	// it again.
	lib, everyone := "lib", true
	review, err := owner.StartReviewWithResponse(ctx, client.StartReviewJSONRequestBody{System: &lib, All: &everyone})
	if s := answered(err, review.JSON201, review.Body); s.Items != 3 || s.Rules != 1 {
		log.Fatalf("the review asks %d questions", s.Items)
	}
	questions, err := owner.ListReviewItemsWithResponse(ctx, nil)
	for _, q := range answered(err, questions.JSON200, questions.Body).Items {
		if q.Person != nil && q.Person.Id == anna {
			revoked, err := owner.RevokeAccessWithResponse(ctx, q.Item, client.RevokeAccessJSONRequestBody{Reason: "she lends no books any more"})
			answered(err, revoked.JSON200, revoked.Body)
		}
	}
	until("anna", "account", "base:staff")
	phone := "08-123 45 67"
	again := employed("anna", "LIB", "")
	again.Phone = &phone
	say(again)
	time.Sleep(2 * time.Second)
	until("anna", "account", "base:staff")
	planned, err := auditor.PreviewPersonWithResponse(ctx, anna, nil)
	for _, s := range *answered(err, planned.JSON200, planned.Body).Steps {
		if s.Entitlement != nil && *s.Entitlement == "lib:library" {
			log.Fatalf("what was revoked is to be given again: %+v", s)
		}
	}
	fmt.Println("revoked: it stays so")

	// More leave at once than the target lets through unasked: they wait for a person.
	yesterday := time.Now().AddDate(0, 0, -1).Format(time.DateOnly)
	say(employed("bo", "CLERK", yesterday), employed("cia", "LIB", yesterday))
	var held []client.Hold
	for began := time.Now(); len(held) == 0; time.Sleep(50 * time.Millisecond) {
		holds, err := operator.ListHoldsWithResponse(ctx, nil)
		held = answered(err, holds.JSON200, holds.Body).Items
		if time.Since(began) > limit {
			log.Fatal("nothing is held")
		}
	}
	if _, still := has("cia")["account"]; !still {
		log.Fatal("what is held is done")
	}
	for _, h := range held {
		content, err := operator.GetHoldWithResponse(ctx, h.Digest)
		answered(err, content.JSON200, content.Body)
		etag := content.HTTPResponse.Header.Get("ETag")
		released, err := operator.ReleaseHoldWithResponse(ctx, h.Digest, &client.ReleaseHoldParams{IfMatch: &etag}, client.ReleaseHoldJSONRequestBody{Reason: "they have left"})
		answered(err, released.JSON200, released.Body)
	}
	until("bo")
	until("cia")
	fmt.Println("held and released: the leavers have nothing")

	// A suspension closes at once.
	began = time.Now()
	suspended, err := operator.SuspendWithResponse(ctx, anna, nil, client.SuspendJSONRequestBody{Reason: "a theft"})
	answered(err, suspended.JSON200, suspended.Body)
	for {
		if _, usable := has("anna")["account"]; !usable {
			break
		}
		if time.Since(began) > limit {
			log.Fatal("a suspended person has a usable account")
		}
		time.Sleep(20 * time.Millisecond)
	}
	fmt.Println("suspended: closed after", time.Since(began).Round(time.Millisecond))
	lift := true
	lifted, err := operator.SuspendWithResponse(ctx, anna, nil, client.SuspendJSONRequestBody{Reason: "no theft", Lift: &lift})
	if lifted.JSON200 == nil { // who may suspend may not always lift
		administrator := as("administrator")
		lifted, err = administrator.SuspendWithResponse(ctx, anna, nil, client.SuspendJSONRequestBody{Reason: "no theft", Lift: &lift})
	}
	answered(err, lifted.JSON200, lifted.Body)
	until("anna", "account", "base:staff")

	// She leaves, and loses all.
	began = time.Now()
	say(employed("anna", "LIB", yesterday))
	until("anna")
	fmt.Println("left: nothing after", time.Since(began).Round(time.Millisecond))

	// The audit trail says all of it, and by whom.
	limitOf := int64(1000)
	trail, err := auditor.ListRecordsWithResponse(ctx, &client.ListRecordsParams{Person: &anna, Limit: &limitOf})
	var said []string
	for _, r := range answered(err, trail.JSON200, trail.Body).Items {
		line := r.Action
		if r.Reason != nil && r.Reason.Text != nil {
			line += ": " + *r.Reason.Text
		}
		said = append(said, line)
	}
	text := strings.Join(said, "\n")
	for _, want := range []string{"lends books", "she lends no books any more", "a theft"} {
		if !strings.Contains(text, want) {
			log.Fatalf("the trail does not say %q:\n%s", want, text)
		}
	}
	was := time.Now().Add(-time.Millisecond)
	start := time.Now().Add(-time.Hour)
	over, err := auditor.GetAccessWithResponse(ctx, anna, &client.GetAccessParams{From: &start, To: &was})
	if items := answered(err, over.JSON200, over.Body).Items; len(items) < 3 || slices.ContainsFunc(items, func(a client.Access) bool { return a.Until == nil }) {
		log.Fatalf("over the hour she had %+v", items)
	}
	fmt.Println("the audit trail has", len(said), "records of her")
}
