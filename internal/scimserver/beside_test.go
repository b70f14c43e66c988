package scimserver_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestTwoServers checks that nothing is lost of what is pushed to two processes
// at the same time, even when the clock stands still.
func TestTwoServers(t *testing.T) {
	s := newService(t)
	other := &service{t: t, url: s.second(), token: s.token}
	code, user, _ := s.send(http.MethodPost, "/Users", `{"schemas":["`+core+`"],"userName":"anna","externalId":"7","name":{"givenName":"Anna","familyName":"Ek"},"`+enterprise+`":{"department":"school"}}`)
	if code != http.StatusCreated {
		t.Fatalf("%d %v", code, user)
	}
	const each = 15
	var wg sync.WaitGroup
	for n, to := range []*service{s, other} {
		for i := range each {
			wg.Go(func() {
				body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"phoneNumbers","value":[{"value":"+46 8 %d %02d","type":"work%d-%d"}]}]}`, n, i, n, i)
				if code, answer, _ := to.send(http.MethodPatch, "/Users/"+user["id"].(string), body); code != http.StatusOK {
					t.Errorf("%d %v", code, answer)
				}
			})
		}
	}
	wg.Wait()
	_, now, _ := other.send(http.MethodGet, "/Users/"+user["id"].(string), "")
	if numbers, _ := now["phoneNumbers"].([]any); len(numbers) != 2*each {
		t.Errorf("%d numbers of %d: %v", len(numbers), 2*each, now)
	}
}

// TestPushThatWaitsTooLongGetsRetryAfter checks that a push waits while other
// requests change the source's users, and is then told to retry.
func TestPushThatWaitsTooLongGetsRetryAfter(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for ten seconds")
	}
	t.Parallel()
	s := newService(t)
	lock, err := s.db.Locks().Wait(t.Context(), time.Second, "scim idp")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	if status, answer, header := s.send("POST", "/Users", asa); status != http.StatusServiceUnavailable || header.Get("Retry-After") != "1" {
		t.Errorf("%d %v %v", status, answer, header)
	}
}
