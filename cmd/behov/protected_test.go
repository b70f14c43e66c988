package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/demo"
	"github.com/behov/behov/internal/identity"
)

// bergstrom is what the shipped HR file says of the person with protected
// identity.
var bergstrom = []string{"Lena", "Bergström", "lena.bergstrom", "lenber", "19770404", "1008"}

// TestTheShippedConfigurationProtects: with the configuration that init writes
// the account of a person with protected identity has no name and no address,
// whether the identity is protected from the first day or later.
func TestTheShippedConfigurationProtects(t *testing.T) {
	h := newHousehold(t)
	h.edit("behov.yaml", "changes: {number: 200, percent: 10}", "changes: {number: 200, percent: 50}")
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	written := func() string {
		t.Helper()
		b, err := os.ReadFile(h.file("directory.json"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, secret := range bergstrom {
		if strings.Contains(written(), secret) {
			t.Errorf("the directory has %q", secret)
		}
	}
	if !strings.Contains(written(), "Sjögren") {
		t.Error("the directory has no names at all: the test shows nothing")
	}
	h.edit("hr.csv", "elin.sjogren@example.org,,library,4400,Head librarian,permanent,100,1001,2009-05-04,,,,no", "elin.sjogren@example.org,,library,4400,Head librarian,permanent,100,1001,2009-05-04,,,,yes")
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	if strings.Contains(written(), "Sjögren") || strings.Contains(written(), "elin.sjogren") {
		t.Errorf("an identity is protected later, and the directory still has the name")
	}
	// What a mapping says itself counts, and check warns of it.
	if _, _, errs := h.run("check"); strings.Contains(errs, "protected") {
		t.Errorf("check says %s", errs)
	}
	h.edit("behov.yaml", `      mail: "{{.Email}}"`, `      mail: {value: "{{.Email}}", protected: "{{.Email}}"}`)
	if _, _, errs := h.run("check"); !strings.Contains(errs, "warning: target directory, mail: its protected value tells who") || strings.Count(errs, "protected value") != 1 {
		t.Errorf("check says %s", errs)
	}
	h.ok("apply", "--yes")
	if !strings.Contains(written(), "elin.sjogren") {
		t.Error("what the mapping says itself does not count")
	}
}

// TestAProtectedPersonGetsAnAccountInLDAP: where a target needs a value, the
// account name stands in.
func TestAProtectedPersonGetsAnAccountInLDAP(t *testing.T) {
	servers, err := demo.StartServers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = servers.Close() })
	h := newHousehold(t)
	h.dir = filepath.Join(t.TempDir(), "demo")
	if err := demo.Write(h.dir, servers.At); err != nil {
		t.Fatal(err)
	}
	const header = "person_id,employment_id,given_name,family_name,email,national_id,unit,job_code,start_date,protected\n"
	if err := os.WriteFile(h.file("hr.csv"), []byte(header+"1008,E9,Lena,Bergström,lena.bergstrom@example.org,19770404-0026,finance,1520,2020-01-01,yes\n1009,E10,Peter,Nyström,peter@example.org,,finance,1520,2020-01-01,no\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	c, err := ldap.DialURL(servers.At.LDAPURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Bind(servers.At.BindDN, servers.At.Password); err != nil {
		t.Fatal(err)
	}
	found, err := c.Search(ldap.NewSearchRequest(servers.At.PeopleDN, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=inetOrgPerson)", []string{"*"}, nil))
	if err != nil || len(found.Entries) != 2 {
		t.Fatalf("%d accounts, %v", len(found.Entries), err)
	}
	names := 0
	for _, e := range found.Entries {
		var all strings.Builder
		all.WriteString(e.DN)
		for _, a := range e.Attributes {
			all.WriteString(" " + a.Name + "=" + strings.Join(a.Values, ","))
		}
		if strings.Contains(all.String(), "Nyström") {
			names++
			continue
		}
		for _, secret := range bergstrom {
			if strings.Contains(all.String(), secret) {
				t.Errorf("the directory has %s", all.String())
			}
		}
		if sn := e.GetAttributeValue("sn"); sn == "" || sn != e.GetAttributeValue("uid") {
			t.Errorf("the account name does not stand in: %s", all.String())
		}
	}
	if names != 1 {
		t.Error("the other person has no name: the test shows nothing")
	}
}

// TestAKeyThatIsANumberIsNotShown: where person_id is the national identity
// number no command shows it, and check warns of what writes it.
func TestAKeyThatIsANumberIsNotShown(t *testing.T) {
	h := newHousehold(t)
	const number, other = "198507300013", "19830107-0010"
	b, err := os.ReadFile(h.file("hr.csv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	for i, line := range lines[1:] {
		fields := strings.Split(line, ",")
		if fields[0] == "1004" {
			fields[0], fields[1] = number, number+fields[1][:1]
			if strings.HasSuffix(line, ",21") {
				fields[1] = number
			}
		}
		if fields[0] == "1009" {
			fields[0] = other
			fields[12] = number // the manager
		}
		lines[i+1] = strings.Join(fields, ",")
	}
	if err := os.WriteFile(h.file("hr.csv"), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, args := range []string{"hr import " + h.file("hr.csv"), "plan -o " + h.file("p"), "plan --json --all", "apply --yes", "explain sven.oberg@example.org", "explain sven.oberg@example.org --json", "explain sven.oberg@example.org library:loans",
		"audit who-had base:staff", "audit who-had base:staff --json", "audit access sven.oberg@example.org", "people list", "people list --json", "people show sven.oberg@example.org", "people show sven.oberg@example.org --json",
		"people show peter.nystrom@example.org --json", "people show peter.nystrom@example.org", "plan --all", "account list sven.oberg@example.org", "check", "hr imports --problems"} {
		_, out, errs := h.run(strings.Fields(args)...)
		said.WriteString(out + errs)
	}
	for _, secret := range []string{number, other, "8507300013", "198301070010"} {
		if i := strings.Index(said.String(), secret); i >= 0 {
			t.Errorf("%q is said: …%s…", secret, said.String()[max(0, i-200):i+30])
		}
	}
	if !strings.Contains(said.String(), "Sven Öberg (") || !strings.Contains(said.String(), "hr/…") {
		t.Error("the person is not spoken of: the test shows nothing")
	}
	h.edit("behov.yaml", `      mail: "{{.Email}}"`, `      employeeNumber: "{{.Key}}"`)
	if _, _, errs := h.run("check"); !strings.Contains(errs, "warning: target directory: a template reads .Key, and the person_id of HR source hr is a national identity number") {
		t.Errorf("check says %s", errs)
	}
}

// TestValuesAreShownOnAsking: a problem has no value in it but on the terminal
// of the person who asks.
func TestValuesAreShownOnAsking(t *testing.T) {
	h := newHousehold(t)
	h.edit("hr.csv", "1004,E4,Sven,Öberg,19850730-0013", "1004,Sven,Öberg,19850730-0013") // shifted by one
	said := func(args ...string) string {
		t.Helper()
		_, out, errs := h.run(args...)
		return out + errs
	}
	for _, args := range [][]string{{"hr", "import", h.file("hr.csv")}, {"hr", "import", h.file("hr.csv"), "--json"}, {"hr", "imports", "--problems"}, {"hr", "imports", "--problems", "--json"}, {"hr", "import", h.file("hr.csv"), "--show-values", "--json"}} {
		if out := said(args...); strings.Contains(out, "19850730") || strings.Contains(out, "teaching") || strings.Contains(out, "north-school") {
			t.Errorf("behov %v says %s", args, out)
		}
	}
	if out := said("hr", "import", h.file("hr.csv"), "--show-values"); !strings.Contains(out, `person_id "1004", the value is`) {
		t.Errorf("asked for, it says %s", out)
	}
	if out := said("hr", "imports", "--problems", "--json"); strings.Contains(out, "the value is") {
		t.Errorf("it was kept: %s", out)
	}
	// A file without a header is refused, and none of its row is said.
	h.edit("hr.csv", strings.SplitN(read(t, h.file("hr.csv")), "\n", 2)[0]+"\n", "")
	if out := said("hr", "import", h.file("hr.csv")); strings.Contains(out, "Karin") {
		t.Errorf("without a header: %s", out)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTheTrailAnswersForErasedPeople: by their ID, which is all that is left.
func TestTheTrailAnswersForErasedPeople(t *testing.T) {
	h := newHousehold(t)
	at := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	h.now = func() time.Time { return at }
	h.edit("behov.yaml", "delete_after_days: 365", "delete_after_days: 10")
	h.edit("behov.yaml", "erase_after_days: 0", "erase_after_days: 20")
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	shown := h.ok("people", "show", "1009")
	id := strings.Fields(shown[strings.Index(shown, "  ID ")+len("  ID "):])[0]
	had := h.ok("audit", "access", "1009")
	at = at.AddDate(0, 0, 1)
	h.edit("hr.csv", "Accountant,permanent,100,1001,2022-02-01,,", "Accountant,permanent,100,1001,2022-02-01,2026-11-02,")
	for range 4 {
		h.ok("hr", "import", h.file("hr.csv"))
		h.ok("apply", "--yes")
		at = at.AddDate(0, 0, 11)
	}
	h.fails("no person matches that", "people", "show", "1009")
	h.fails("no person matches that", "audit", "access", "1009")
	h.says([]string{"audit", "access", id, "--at", "2026-11-02"}, id, "base:staff")
	h.says([]string{"audit", "who-had", "base:staff", "--at", "2026-11-02"}, id)
	if strings.Count(h.ok("audit", "access", id, "--at", "2026-11-02"), "\n") != strings.Count(had, "\n") {
		t.Errorf("what they had is not all there:\n%s", had)
	}
	h.says([]string{"audit", "access", id}, "Nothing then")
}

// TestWhatAKillLeftIsRemoved: a temporary file of a saved plan goes when the next
// is saved there.
func TestWhatAKillLeftIsRemoved(t *testing.T) {
	h := newHousehold(t)
	for name, age := range map[string]time.Duration{".plan-12": 2 * time.Hour, ".plan-13": 0, ".plan-mine": 2 * time.Hour} {
		if err := os.WriteFile(h.file(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Now().Add(-age)
		if err := os.Chtimes(h.file(name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	h.run("plan", "-o", h.file("p"))
	for name, want := range map[string]bool{".plan-12": false, ".plan-13": true, ".plan-mine": true} {
		if _, err := os.Stat(h.file(name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAKeyMadeOfANameIsNotShown: of a person with protected identity no command shows a
// key that may be made of the name.
func TestAKeyMadeOfANameIsNotShown(t *testing.T) {
	h := newHousehold(t)
	b, err := os.ReadFile(h.file("hr.csv"))
	if err != nil {
		t.Fatal(err)
	}
	const key = "konsultett"
	text := strings.ReplaceAll(string(b), "\n1008,", "\n"+key+",")
	text = strings.ReplaceAll(text, ","+"1008-1,", ","+key+"-1,")
	if err := os.WriteFile(h.file("hr.csv"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	run := func(args string) {
		_, out, errs := h.run(strings.Fields(args)...)
		said.WriteString(out + errs)
	}
	run("hr import " + h.file("hr.csv"))
	db := openStore(t, h.dir)
	p, found, err := db.PersonByKey(t.Context(), identity.SourceKey{Source: "hr", Key: key})
	if err != nil || !found || !p.Protected {
		t.Fatalf("%v, %t, %+v", err, found, p)
	}
	id := string(p.ID)
	for _, args := range []string{"plan --all", "apply --yes", "explain " + id, "explain " + id + " --json", "audit who-had base:staff", "audit who-had base:staff --json", "audit access " + id, "audit log " + id,
		"people list", "people list --json", "people show " + id, "people show " + id + " --json", "account list " + id, "rights " + id, "status"} {
		run(args)
	}
	if i := strings.Index(said.String(), key); i >= 0 {
		t.Errorf("the key is said: …%s…", said.String()[max(0, i-200):i+30])
	}
	if !strings.Contains(said.String(), id) {
		t.Error("the person is not spoken of: the test shows nothing")
	}
}

// TestExplainMasksWhatAProtectedPersonHas: no part of a condition tells where a person
// with protected identity works, as the heading does not; of another they do.
func TestExplainMasksWhatAProtectedPersonHas(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	for _, format := range [][]string{nil, {"--json"}} {
		said := h.ok(append([]string{"explain", "1008", "library:loans"}, format...)...)
		if strings.Contains(said, "south-school") || strings.Contains(said, "Bergström") || !strings.Contains(said, "masked") || strings.Contains(said, "r.sub.unit") {
			t.Errorf("explain %v says %s", format, said)
		}
		if said = h.ok(append([]string{"explain", "1001", "library:loans"}, format...)...); !strings.Contains(said, "r.sub.unit == 'library'") || !strings.Contains(said, "'finance'") {
			t.Errorf("of another, explain %v says %s", format, said)
		}
	}
}
