package reconcile_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
	"github.com/behov/behov/internal/testenv"
)

// directory is one kind of directory server as the scenario uses it.
type directory struct {
	*testenv.Directory
	settings string // what its target needs besides the address
	group    map[string][]string
}

// everyDirectory returns a server of each kind, to be started by the test.
func everyDirectory() map[string]func(t *testing.T) directory {
	empty := map[string][]string{"objectClass": {"groupOfNames"}}
	return map[string]func(t *testing.T) directory{
		"OpenLDAP": func(t *testing.T) directory {
			s := testenv.StartSlapd(t)
			return directory{s.Directory(), "", empty}
		},
		"Active Directory": func(t *testing.T) directory {
			s := testenv.StartSamba(t)
			// A password that has to be changed lets no one in there.
			return directory{s.Directory(), "first_password: {keep: true}, ", map[string][]string{"objectClass": {"group"}}}
		},
		"389-DS": func(t *testing.T) directory {
			return directory{testenv.Start389DS(t), "id_attribute: nsUniqueId, disable: {attribute: nsAccountLock, value: \"true\"}, ", empty}
		},
		"OpenDJ": func(t *testing.T) directory {
			return directory{testenv.StartOpenDJ(t), "disable: {attribute: ds-pwp-account-disabled, value: \"true\"}, ", empty}
		},
		"ApacheDS": func(t *testing.T) directory {
			return directory{testenv.StartApacheDS(t), "", empty}
		},
	}
}

// directoryRun is one directory with an engine and an HR file in front of it.
type directoryRun struct {
	directory
	*reconcile.Engine
	t         *testing.T
	passwords string
}

func runDirectory(t *testing.T, d directory) *directoryRun {
	t.Helper()
	for _, g := range []string{"staff", "library", "school"} {
		dn := "cn=" + g + "," + d.GroupsDN
		r := ldap.NewAddRequest(dn, nil)
		for name, values := range d.group {
			r.Attribute(name, values)
		}
		if d.group["objectClass"][0] == "groupOfNames" {
			r.Attribute("member", []string{dn})
		} else {
			r.Attribute("sAMAccountName", []string{g})
		}
		if err := d.Dial().Add(r); err != nil {
			t.Fatalf("%s: %v", dn, err)
		}
	}
	t.Setenv("BEHOV_DIRECTORY", d.Password)
	key, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	passwords := filepath.Join(dir, "passwords")
	if err := os.Mkdir(passwords, 0o700); err != nil {
		t.Fatal(err)
	}
	secure := "plaintext: true"
	if d.CAFile != "" {
		secure = fmt.Sprintf("ca_file: %q", d.CAFile)
	}
	for name, text := range map[string]string{
		"behov.key": string(key), "units.csv": "unit,parent,name\nlibrary,,\nschool,,\n",
		"policy.csv":     "p, staff, true, dir:staff, allow, everybody\np, library, \"r.sub.unit == 'library'\", dir:library, allow, the library\np, school, \"r.sub.unit == 'school'\", dir:school, allow, the school\n",
		"catalogue.yaml": "systems:\n  dir: {target: dir, entitlements: {staff: {}, library: {}, school: {}}}\n",
		"behov.yaml": fmt.Sprintf(`hr: {sources: {hr: {shrink_limit: {percent: 100}}}}
targets:
  dir: {hold_above: {all: {number: 1000000}}, name: {value: "{{.GivenName}}{{.FamilyName}}", rename: true, collision: number, max_length: 20}, first_password: {directory: %q}, attributes: {cn: "{{.GivenName}} {{.FamilyName}}", sn: "{{.FamilyName}}", title: "{{.JobTitle}}", manager: {reference: manager}}, ldap: {%surl: %q, %s, bind_dn: %q, password: env:BEHOV_DIRECTORY, people_dn: %q, groups_dn: %q}}
`, passwords, d.settings, d.URL, secure, d.BindDN, d.PeopleDN, d.GroupsDN),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	master, err := seal.ParseMaster(key)
	if err != nil {
		t.Fatal(err)
	}
	c.Database = testenv.Database(t)
	db, err := store.Open(t.Context(), c.Database, master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	connected, err := targets.Connect(c, db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = targets.Disconnect(connected) })
	now := newYear
	return &directoryRun{d, &reconcile.Engine{DB: db, Config: c, Targets: connected, Now: func() time.Time { return now }, Actor: "behov"}, t, passwords}
}

// people imports an HR file of anna, who is as the row says, and her manager bo,
// and carries out what follows. The plan after that one is empty.
func (r *directoryRun) people(row string) *execute.Result {
	r.t.Helper()
	text := "person_id,employment_id,given_name,family_name,job_title,job_code,unit,employment_percent,start_date,end_date,manager_id\n" + row + "\n2,E2,Bo,Ek,Head,head,library,100,2020-01-01,,\n"
	im := hr.Importer{DB: r.DB, Config: r.Config, Now: r.Now, Actor: "behov"}
	report, err := im.Import(r.t.Context(), "hr.csv", []byte(text), r.Config.Sources["hr"])
	if err != nil || report.Held != nil || len(report.Problems) > 0 {
		r.t.Fatalf("import: %+v, %v", report, err)
	}
	return r.run()
}

func (r *directoryRun) run() *execute.Result {
	r.t.Helper()
	done, err := r.Run(r.t.Context(), reconcile.Scope{})
	if err != nil || done.Err() != nil || len(done.Plan.Holds) > 0 {
		r.t.Fatalf("%v, %v, holds %+v, undone %+v", err, done.Err(), done.Plan.Holds, done.NotDone)
	}
	if p, err := r.Plan(r.t.Context(), reconcile.Scope{}); err != nil || len(p.Steps) > 0 {
		r.t.Errorf("the second plan has %v, %v", opsOf(p.Steps), err)
	}
	return done
}

// entry returns the only account with a value, or nil.
func (r *directoryRun) entry(attribute, value string) *ldap.Entry {
	r.t.Helper()
	found, err := r.Dial().Search(&ldap.SearchRequest{BaseDN: r.PeopleDN, Scope: ldap.ScopeWholeSubtree, Filter: "(" + attribute + "=" + value + ")"})
	if err != nil || len(found.Entries) > 1 {
		r.t.Fatalf("%s=%s: %d, %v", attribute, value, len(found.Entries), err)
	}
	if len(found.Entries) == 0 {
		return nil
	}
	return found.Entries[0]
}

// members returns who is in a group, without what stands in an empty one.
func (r *directoryRun) members(group string) []string {
	r.t.Helper()
	dn := "cn=" + group + "," + r.GroupsDN
	found, err := r.Dial().Search(&ldap.SearchRequest{BaseDN: dn, Filter: "(objectClass=*)", Attributes: []string{"member"}})
	if err != nil || len(found.Entries) != 1 {
		r.t.Fatalf("%s: %v", dn, err)
	}
	members := slices.DeleteFunc(found.Entries[0].GetAttributeValues("member"), func(m string) bool { return strings.EqualFold(m, dn) })
	slices.Sort(members)
	return members
}

// password returns the first password that was handed over for an account.
func (r *directoryRun) password(account string) string {
	r.t.Helper()
	files, err := os.ReadDir(r.passwords)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(r.passwords, f.Name()))
		var told struct{ Account, Password string }
		if err != nil || json.Unmarshal(content, &told) != nil {
			r.t.Fatalf("%s: %s", f.Name(), content)
		}
		if strings.EqualFold(told.Account, account) {
			return told.Password
		}
	}
	r.t.Fatalf("no password was handed over for %s", account)
	return ""
}

// signsIn reports whether a DN and a password are let in.
func (r *directoryRun) signsIn(dn, password string) bool {
	r.t.Helper()
	c, err := r.Connect()
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.Bind(dn, password) == nil
}

// movedByHand moves an account to another part of the directory, which leaves its
// old DN in groups, and puts a member into a group that names nothing. The run
// that follows gives the memberships under the new DN, takes out the old one, and
// reports the other.
func (r *directoryRun) movedByHand(e *ldap.Entry) *ldap.Entry {
	t := r.t
	t.Helper()
	c := r.Dial()
	ou := ldap.NewAddRequest("ou=elsewhere,"+r.PeopleDN, nil)
	ou.Attribute("objectClass", []string{"organizationalUnit"})
	rdn, _, _ := strings.Cut(e.DN, ",")
	ghost := ldap.NewModifyRequest("cn=staff,"+r.GroupsDN, nil)
	ghost.Add("member", []string{"uid=ghost," + r.PeopleDN})
	keeps := r.group["objectClass"][0] == "group" // a server that itself corrects what refers to an entry
	var errs []error
	errs = append(errs, c.Add(ou), c.ModifyDN(ldap.NewModifyDNRequest(e.DN, rdn, true, ou.DN)))
	if !keeps {
		errs = append(errs, c.Modify(ghost))
	}
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	p := r.run().Plan
	moved := r.entry("sn", e.GetAttributeValue("sn"))
	former := 0
	for _, s := range p.Steps {
		if s.Op == connectors.RemoveFormerMember {
			former++
		}
	}
	dangling := 0
	for _, f := range p.Findings {
		if f.Kind == plan.Dangling {
			dangling++
			if f.Entitlement != "dir:staff" || !strings.Contains(testenv.Words(f.Reason), "holds 1 member that names nothing") {
				t.Errorf("%+v", f)
			}
		}
	}
	wantFormer, wantDangling := 2, 1
	if keeps {
		wantFormer, wantDangling = 0, 0
	}
	if former != wantFormer || dangling != wantDangling {
		t.Errorf("after a move by hand: %d earlier names are taken out, want %d; %d findings, want %d", former, wantFormer, dangling, wantDangling)
	}
	for _, group := range []string{"school", "staff"} {
		if got := r.members(group); slices.Contains(got, e.DN) || !slices.Contains(got, moved.DN) {
			t.Errorf("after a move by hand %s has %v", group, got)
		}
	}
	recorded := 0
	for record, err := range r.DB.AuditRecords(t.Context(), store.Everyone()) {
		if err != nil {
			t.Fatal(err)
		}
		if record.Op == string(connectors.RemoveFormerMember) && record.Outcome == audit.Applied {
			recorded++
		}
	}
	if recorded != wantFormer {
		t.Errorf("the trail has %d earlier names taken out, want %d", recorded, wantFormer)
	}
	return moved
}

// TestEachDirectory is one employment, the same on every kind of directory: hire,
// a move to another unit, a rename, the leave after which the account cannot
// sign in, and after each of them a second plan that is empty.
func TestEachDirectory(t *testing.T) {
	for name, start := range everyDirectory() {
		t.Run(name, func(t *testing.T) {
			r := runDirectory(t, start(t))
			if err := r.Targets["dir"].Check(t.Context()); err != nil {
				t.Errorf("check of an empty directory: %v", err)
			}
			r.people("1,E1,Anna,Berg,Librarian,lib,library,100,2020-01-01,,2")
			anna := r.entry("sn", "Berg")
			if anna == nil {
				t.Fatal("Anna has no account")
			}
			if got := r.members("library"); !slices.Contains(got, anna.DN) || len(r.members("staff")) != 2 || len(r.members("school")) != 0 {
				t.Errorf("after the hire library has %v, staff %v, school %v", got, r.members("staff"), r.members("school"))
			}
			password := r.password("annaberg")
			if !r.signsIn(anna.DN, password) {
				t.Errorf("the first password does not let Anna in")
			}
			if err := r.Targets["dir"].Check(t.Context()); err != nil {
				t.Errorf("check of a directory with accounts: %v", err)
			}
			if proof, err := r.Targets["dir"].(connectors.DisableProver).ProveDisable(t.Context()); err != nil || proof.Verdict != connectors.SignInRefused {
				t.Errorf("proof: %+v, %v", proof, err)
			}

			r.people("1,E1,Anna,Berg,Teacher,teacher,school,100,2020-01-01,,2")
			if got := r.members("school"); !slices.Equal(got, []string{anna.DN}) || slices.Contains(r.members("library"), anna.DN) {
				t.Errorf("after the move school has %v, library %v", got, r.members("library"))
			}

			r.people("1,E1,Anna,Dal,Teacher,teacher,school,100,2020-01-01,,2")
			renamed := r.entry("sn", "Dal")
			if renamed == nil || strings.EqualFold(renamed.DN, anna.DN) {
				t.Fatalf("after the rename: %+v", renamed)
			}
			if got := r.members("school"); !slices.Equal(got, []string{renamed.DN}) || len(r.members("staff")) != 2 || slices.Contains(r.members("staff"), anna.DN) {
				t.Errorf("after the rename school has %v, staff %v", got, r.members("staff"))
			}

			renamed = r.movedByHand(renamed)

			r.people("1,E1,Anna,Dal,Teacher,teacher,school,100,2020-01-01,2025-12-31,2")
			if r.signsIn(renamed.DN, password) {
				t.Errorf("after the leave Anna signs in")
			}
			p, err := r.Plan(t.Context(), reconcile.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range p.Findings {
				if f.Kind == plan.SignInPossible {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}
