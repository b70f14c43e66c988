package testenv_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/behov/behov/internal/testenv"
)

func TestSCIMMYServicesKnowNothingOfOneAnother(t *testing.T) {
	t.Parallel()
	s := testenv.SCIMMY(t)
	count := func(url, token string) (status, total int) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/Users", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var list struct{ TotalResults int }
		if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, list.TotalResults
	}
	one, other := s.Service(), s.Service()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, one+"/Users",
		strings.NewReader(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"anna"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.Token)
	r.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if status, n := count(one, s.Token); status != http.StatusOK || n != 1 {
		t.Errorf("the service with a user: %d, %d users", status, n)
	}
	if _, n := count(other, s.Token); n != 0 {
		t.Errorf("the service without one: %d users", n)
	}
	if status, _ := count(one, "another"); status != http.StatusUnauthorized {
		t.Errorf("with another token: %d", status)
	}
}
