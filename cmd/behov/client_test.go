package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// storyFiles are the installation of the story: the system lib has an owner, and what takes
// away more than two memberships or accounts at once waits for a person.
var storyFiles = map[string]string{
	"catalogue.yaml": "systems:\n  base: {target: ldap, entitlements: {staff: {}}}\n  lib: {owner: owner, target: ldap, entitlements: {library: {}}}\n",
	"policy.csv":     "p, everyone, true, base:staff, allow, everybody\np, librarian, r.sub.job_code == 'LIB', lib:library, allow, lends books\n",
	"units.csv":      "unit,parent,name\noffice,,The office\n",
	"rights.csv":     "g, hr/administrator, administrator\ng, hr/operator, operator\ng, hr/personnel, hr\ng, hr/auditor, auditor\n",
}

// TestStoryByGeneratedClient: a client that another project generated from the document, and
// that is compiled outside this module, brings a librarian from the hire to the last day,
// through a running behov serve and a real directory.
func TestStoryByGeneratedClient(t *testing.T) {
	slapd := testenv.StartSlapd(t)
	h := &household{t: t, dir: ldapInstallation(t, slapd), now: time.Now}
	for name, text := range storyFiles {
		if err := os.WriteFile(h.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.edit("behov.yaml", "hold_above: {all: {number: 100000}}", "hold_above: {all: {number: 100}, disables: {number: 1}}")
	h.edit("behov.yaml", "targets:\n", "timezone: Europe/Stockholm\nhr: {sources: {hr: {}}}\ntargets:\n")
	roles := "person_id,employment_id,given_name,family_name,unit,start_date\n"
	who := []string{"administrator", "operator", "personnel", "auditor", "owner"}
	for _, key := range who {
		roles += key + ",E-" + key + ",Given,Family" + key + ",office,2020-01-01\n"
	}
	if err := os.WriteFile(h.file("roles.csv"), []byte(roles), 0o600); err != nil {
		t.Fatal(err)
	}
	h.ok("hr", "import", h.file("roles.csv"))
	s := h.listen("--apply", "--every", "1s")
	environment := append(os.Environ(), "BEHOV_URL=http://"+s.address)
	for _, key := range who {
		environment = append(environment, "TOKEN_"+strings.ToUpper(key)+"="+ownToken(t, h.dir, key))
	}
	program := testenv.BuildClient(t, fetched(t, "http://"+s.address+api.Path+"/openapi.json"), "testdata/client")
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = environment
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the story: %v\n%s", err, s.errs.String())
	}
	// The directory is as the client was told.
	found, err := slapd.Dial().Search(ldap.NewSearchRequest(slapd.GroupsDN, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(cn=library)", []string{"member"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if members := found.Entries[0].GetAttributeValues("member"); len(members) != 1 { // itself, as a group has one always
		t.Errorf("library has the members %q", members)
	}
	h.ok("audit", "verify")
}

// ownToken returns the token of a person who signed in just now with more than one factor.
func ownToken(t *testing.T, dir, key string) string {
	t.Helper()
	db := openStore(t, dir)
	p, err := db.FindPerson(t.Context(), key, "hr")
	if err != nil {
		t.Fatal(err)
	}
	text, made, err := store.NewToken(store.Token{Name: "a test", Owner: p.ID, Scopes: "*:read *:write", Factors: store.ManyFactors}, time.Now(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		return tx.PutToken(t.Context(), made, store.Decision{Maker: identity.PersonActor(p.ID)})
	}); err != nil {
		t.Fatal(err)
	}
	return text
}

// fetched returns what is at an address.
func fetched(t *testing.T, url string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, res.Status, err)
	}
	return b
}
