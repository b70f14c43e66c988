package demo_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/demo"
	"github.com/behov/behov/internal/testenv"
)

// TestStoryAgainstRealServers plays the whole story against a real slapd and a
// SCIM server that another person wrote, each over its own protocol.
func TestStoryAgainstRealServers(t *testing.T) {
	slapd := testenv.StartSlapd(t)
	scimmy := testenv.SCIMMY(t)
	service := scimmy.Service()
	groups, err := demo.Groups("directory")
	if err != nil {
		t.Fatal(err)
	}
	c := slapd.Dial()
	for _, g := range groups {
		add := ldap.NewAddRequest("cn="+g+","+slapd.GroupsDN, nil)
		add.Attribute("objectClass", []string{"groupOfNames"})
		add.Attribute("member", []string{"cn=" + g + "," + slapd.GroupsDN})
		if err := c.Add(add); err != nil {
			t.Fatal(err)
		}
	}
	if groups, err = demo.Groups("cases"); err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		addGroup(t, service, scimmy.Token, g)
	}
	play(t, demo.Endpoints{LDAPURL: slapd.URL, BindDN: slapd.BindDN, Password: slapd.Password, PeopleDN: slapd.PeopleDN, GroupsDN: slapd.GroupsDN, SCIMURL: service, Token: scimmy.Token})
}

func addGroup(t *testing.T, service, token, name string) {
	t.Helper()
	body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q}`, name)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, service+"/Groups", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusCreated {
		t.Fatalf("create group %s: %s", name, res.Status)
	}
}

// TestStoryAgainstTheDemosOwnServers plays it as behov demo does.
func TestStoryAgainstTheDemosOwnServers(t *testing.T) {
	servers, err := demo.StartServers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	}()
	play(t, servers.At)
}

func play(t *testing.T, at demo.Endpoints) {
	t.Helper()
	dir := t.TempDir()
	if err := demo.Write(dir, at); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out strings.Builder
	story := demo.Story{Dir: dir, At: at, Out: &out}
	if err := story.Play(ctx); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if n := strings.Count(out.String(), "✓"); n < 25 {
		t.Errorf("only %d things were checked:\n%s", n, out.String())
	}
	checkEventsNameNobody(t, dir)
}

// TestTheStoryNoticesWhatDidNotComeTrue plays it with a directory in which
// a person undoes the first load before it can be looked at.
func TestTheStoryNoticesWhatDidNotComeTrue(t *testing.T) {
	servers, err := demo.StartServers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	}()
	other, err := demo.StartServers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}()
	dir := t.TempDir()
	if err := demo.Write(dir, servers.At); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	// behov works on the one, the story looks into the other.
	story := demo.Story{Dir: dir, At: other.At, Out: &out}
	if err := story.Play(t.Context()); err == nil {
		t.Fatalf("the story says that all came true in a directory that was never touched:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "✗") {
		t.Errorf("nothing is marked as not so:\n%s", out.String())
	}
}
