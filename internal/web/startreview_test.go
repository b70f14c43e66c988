package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestAReviewIsStartedOnAPage: who may start reviews sees what one would ask, and starts it;
// an owner does so about their own system only.
func TestAReviewIsStartedOnAPage(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	v := h.as("administrator", "en")
	v.get("/reviews", 200, "Start a review …")
	v.get("/reviews/start", 200, "Everything", "The office", "lib: library")
	v.get("/reviews/start?about=system:lib&days=30&look=yes", 200, "It would ask 1 question. Of these one is about a rule. One line for each holder would be 2.")
	v.get("/reviews/start?about=system:lib&days=30&look=yes&fallback=who", 200, "That person cannot answer a review")
	v.get("/reviews/start?about=moon:lib&days=30&look=yes", 200, "A review is about one of")
	owner := h.as("owner", "en")
	owner.get("/reviews/start", 200, "lib: library")
	if page := owner.get("/reviews/start", 200); strings.Contains(page, "Everything") || strings.Contains(page, "The office") {
		t.Error("an owner is offered what is not theirs")
	}
	form := url.Values{"about": {"system:lib"}, "days": {"14"}, "asks": {"manager-then-owner"}, "after_due": {"revoke"}, "all": {"yes"}}
	owner.send("/reviews/start", url.Values{"about": {"system:base"}, "days": {"14"}}, http.StatusConflict)
	owner.send("/reviews/start", url.Values{"about": {"system:lib"}, "days": {"400"}}, http.StatusUnprocessableEntity, "The last day is a day from")
	owner.send("/reviews/start", form, 200, "The manager answers first", "then: removed")
	h.as("staff", "en").get("/reviews/start", http.StatusConflict)

	v.send("/people/"+string(h.Person("owner").ID)+"/absence", url.Values{"deputy": {"stranger"}, "since": {"2026-11-30"}, "until": {"2026-12-24"}, "reason": {"leave"}}, http.StatusOK, "away")
	h.as("stranger", "en").get("/reviews/1", 200, "Anna Staff")
	h.as("stranger", "en").get("/", 200, "You decide for Given Familyowner until 24 December 2026")
	h.as("stranger", "en").get("/reviews/start", 200, "lib: library")
	v.send("/people/"+string(h.Person("stranger").ID)+"/absence", url.Values{"deputy": {"owner"}, "since": {"2026-12-01"}, "until": {"2026-12-02"}, "reason": {"leave"}}, http.StatusConflict, "comes back to the person")
	v.send("/people/"+string(h.Person("owner").ID)+"/end-absence", url.Values{"reason": {"back"}}, http.StatusOK)
	h.as("stranger", "en").get("/reviews/1", http.StatusNotFound)
}
