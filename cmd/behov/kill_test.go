package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// buildBinary builds the real command.
func buildBinary(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "behov")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

const killCatalogue = `systems:
  base:
    target: ldap
    entitlements: {staff: {}, school: {}, library: {}, temps: {}}
`

const killPolicy = `p, everyone, true, base:staff, allow, everybody
p, school, "under(r.sub.unit, 'school')", base:school, allow, school
p, library, "under(r.sub.unit, 'library')", base:library, allow, library
p, temps, "r.sub.type == 'hourly'", base:temps, allow, temps
`

// ldapInstallation writes a configuration whose one target is a slapd.
func ldapInstallation(t *testing.T, s *testenv.Slapd) string {
	t.Helper()
	dir := t.TempDir()
	key, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"behov.key": string(key), "ldap.password": s.Password, "catalogue.yaml": killCatalogue, "policy.csv": killPolicy,
		"units.csv": "unit,parent,name\nschool,,\nlibrary,,\n",
		"behov.yaml": fmt.Sprintf(`targets:
  ldap:
    hold_above: {all: {number: 100000}}
    attributes: {sn: "{{.FamilyName}}", cn: "{{.GivenName}} {{.FamilyName}}", mail: "{{.Email}}"}
    ldap: {url: %q, ca_file: %q, start_tls: true, bind_dn: %q, password: file:ldap.password, people_dn: %q, groups_dn: %q}
`, s.URL, s.CAFile, s.BindDN, s.PeopleDN, s.GroupsDN),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := s.Dial()
	for _, group := range []string{"staff", "school", "library", "temps"} {
		add := ldap.NewAddRequest("cn="+group+","+s.GroupsDN, nil)
		add.Attribute("objectClass", []string{"groupOfNames"})
		add.Attribute("member", []string{"cn=" + group + "," + s.GroupsDN})
		if err := c.Add(add); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// killHR writes an export in which everyone has moved, round by round.
func killHR(t *testing.T, dir string, people, round int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("person_id,employment_id,given_name,family_name,email,unit,employment_type,start_date,end_date\n")
	for i := range people {
		unit := []string{"school", "library"}[(i+round)%2]
		kind := []string{"permanent", "hourly"}[(i/2+round)%2]
		end := "2099-12-31" // an empty cell takes no past end back
		if i%7 == round%7 {
			end = "2020-12-31" // out this round, and back in the next: a rehire
		}
		fmt.Fprintf(&b, "%d,E%d,Given%d,Family%d,p%d.%d@example.org,%s,%s,2020-01-01,%s\n", i, i, i, i, i, round, unit, kind, end)
	}
	file := filepath.Join(dir, "hr.csv")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestKilledAtAnyInstant kills the real process with SIGKILL in the middle of
// applies against the real slapd, and then shows that nothing was lost,
// nothing was done twice, every intent has one outcome, the chain verifies and
// who-had agrees with the directory. BEHOV_KILLS sets how many kills.
func TestKilledAtAnyInstant(t *testing.T) {
	log := filepath.Join(t.TempDir(), "audit.ldif")
	slapd := testenv.StartSlapd(t, "moduleload auditlog", "overlay auditlog", "auditlog "+log, "dbnosync")
	binary := buildBinary(t)
	dir := ldapInstallation(t, slapd)
	kills, people := 10, 150
	if n, err := strconv.Atoi(os.Getenv("BEHOV_KILLS")); err == nil {
		kills = n
	}
	behov := func(args ...string) ([]byte, error) {
		return exec.Command(binary, append([]string{"-c", dir}, args...)...).CombinedOutput()
	}
	must := func(args ...string) string {
		t.Helper()
		out, err := behov(args...)
		if err != nil {
			t.Fatalf("behov %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	must("hr", "import", killHR(t, dir, people, 0))
	began := time.Now()
	must("apply", "--yes")
	usual := time.Since(began)

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	hit, open := 0, 0
	more := func() bool { return hit < kills || open == 0 && hit < 10*kills }
	for round := 1; more(); round++ {
		if round > 30*kills {
			t.Fatalf("only %d of %d rounds were hit while the process ran", hit, round)
		}
		must("hr", "import", killHR(t, dir, people, round))
		for alive := true; alive && more(); {
			cmd := exec.Command(binary, "-c", dir, "apply", "--yes")
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(rng.Int64N(int64(usual))))
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
			err := cmd.Wait()
			var exit *exec.ExitError
			switch {
			case err == nil:
				alive = false // it was done before the kill came
			case errors.As(err, &exit) && exit.ExitCode() == -1:
				hit++
				var summary struct {
					Open []string `json:"open_steps"`
				}
				if err := json.Unmarshal([]byte(must("audit", "verify", "--json")), &summary); err != nil {
					t.Fatal(err)
				}
				open += len(summary.Open)
			default:
				t.Fatalf("apply: %v\n%s", err, out.String())
			}
		}
	}
	t.Logf("%d kills, %d steps left open by them", hit, open)
	if open == 0 {
		t.Error("no kill came between an intent and its outcome: the test shows nothing")
	}

	if out := must("apply", "--yes"); strings.Contains(out, "failed") || strings.Contains(out, "refused") {
		t.Errorf("the last apply: %s", out)
	}
	if out, err := behov("plan"); err != nil {
		t.Errorf("after the last apply there is still something to do: %v\n%s", err, out)
	}
	if out := must("audit", "verify"); !strings.Contains(out, "Audit trail verified") || strings.Contains(out, "not seen to end") {
		t.Errorf("verify: %s", out)
	}
	compareWithDirectory(t, dir, slapd)
	checkNothingTwice(t, log)
}

// openStore opens the database of an installation.
func openStore(t *testing.T, dir string) *store.DB {
	t.Helper()
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	text, err := config.Resolve(dir, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	master, err := seal.ParseMaster([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), c.Database, master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// compareWithDirectory holds the access intervals against the directory.
func compareWithDirectory(t *testing.T, dir string, s *testenv.Slapd) {
	t.Helper()
	ctx := context.Background()
	db := openStore(t, dir)
	logins := map[identity.PersonID]string{}
	for p, err := range db.People(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		logins[p.ID] = p.Login
	}
	intervals, err := db.Intervals(ctx, store.IntervalQuery{}.At(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, i := range intervals {
		said[logins[i.Person]+" "+strings.TrimPrefix(i.Entitlement, "base:")] = true
	}
	found := map[string]bool{}
	conn := s.Dial()
	users, err := conn.Search(ldap.NewSearchRequest(s.PeopleDN, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=inetOrgPerson)", []string{"uid", "pwdAccountLockedTime"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	ever := map[identity.PersonID]bool{} // who had an account at any time: HR may have taken a person back before we heard of them
	all, err := db.Intervals(ctx, store.IntervalQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		ever[i.Person] = true
	}
	// What a killed proof of disabling left is deleted by the next proof.
	users.Entries = slices.DeleteFunc(users.Entries, func(e *ldap.Entry) bool { return strings.HasPrefix(e.GetAttributeValue("uid"), "behovcheck") })
	if len(users.Entries) != len(ever) {
		t.Errorf("%d accounts in the directory, and %d people ever had one", len(users.Entries), len(ever))
	}
	for _, e := range users.Entries {
		if e.GetAttributeValue("pwdAccountLockedTime") == "" {
			found[e.GetAttributeValue("uid")+" account"] = true
		}
	}
	groups, err := conn.Search(ldap.NewSearchRequest(s.GroupsDN, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=groupOfNames)", []string{"cn", "member"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups.Entries {
		for _, m := range g.GetAttributeValues("member") {
			if uid, ok := strings.CutPrefix(m, "uid="); ok {
				uid, _, _ = strings.Cut(uid, ",")
				found[uid+" "+g.GetAttributeValue("cn")] = true
			}
		}
	}
	if !maps.Equal(said, found) {
		t.Errorf("who-had and the directory differ\nonly in who-had: %v\nonly in the directory: %v", missing(said, found), missing(found, said))
	}
	if len(found) == 0 {
		t.Error("the directory is empty: the comparison shows nothing")
	}
}

func missing(a, b map[string]bool) []string {
	var only []string
	for k := range a {
		if !b[k] {
			only = append(only, k)
		}
	}
	slices.Sort(only)
	return only
}

// checkNothingTwice reads slapd's own log of changes: no account was added
// twice, and for each member of each group additions and removals alternate.
func checkNothingTwice(t *testing.T, log string) {
	t.Helper()
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "\n ", "") // folded lines
	created, member := map[string]int{}, map[string]bool{}
	changes := 0
	for block := range strings.SplitSeq(text, "\n\n") {
		var dn, kind, op, attribute string
		for line := range strings.SplitSeq(block, "\n") {
			key, value, ok := strings.Cut(line, ":")
			if !ok || strings.HasPrefix(line, "#") {
				continue
			}
			if rest, ok := strings.CutPrefix(value, ": "); ok {
				if decoded, err := base64.StdEncoding.DecodeString(rest); err == nil {
					value = string(decoded)
				}
			}
			value = strings.ToLower(strings.TrimSpace(value))
			switch key {
			case "dn":
				dn = value
			case "changetype":
				if kind = value; kind == "add" && strings.HasPrefix(dn, "uid=") {
					created[dn]++
				}
			case "add", "delete", "replace":
				op, attribute = key, value
			case "member":
				if kind != "modify" || attribute != "member" || !strings.HasPrefix(value, "uid=") {
					continue
				}
				changes++
				at := dn + " " + value
				if member[at] == (op == "add") {
					t.Errorf("%s of %s in %s was done twice", op, value, dn)
				}
				member[at] = op == "add"
			}
		}
	}
	for dn, n := range created {
		if n != 1 {
			t.Errorf("%s was created %d times", dn, n)
		}
	}
	if len(created) == 0 || changes == 0 {
		t.Errorf("slapd's log has %d creations and %d membership changes: the check shows nothing", len(created), changes)
	}
	t.Logf("slapd's log: %d accounts created, %d membership changes, none twice", len(created), changes)
}
