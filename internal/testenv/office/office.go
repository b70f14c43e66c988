// Package office is a small installation for tests, in which each person is called as
// their role: administrator, operator, personnel (HR), officer (data protection), auditor,
// owner and deputy (of the system lib), manager (of staff and secret), reviewer, stranger,
// staff (a librarian), secret (who has a protected identity), and gone (who has left).
//
// The service accounts are called as their role, too: auditor, which sees everyone;
// payroll (HR), which sends HR events; administrator; and idle, which has no role.
//
// It must never be imported by anything but tests.
package office

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
	"github.com/behov/behov/internal/testenv"
)

// Office is the installation.
type Office struct {
	DB     *store.DB
	Config *config.Config
	Engine *reconcile.Engine
	Time   time.Time // what Clock returns; Monday 2026-11-30 at first
	t      testing.TB
}

// Roles are the people, but for staff, secret and gone.
var Roles = []string{"administrator", "operator", "personnel", "officer", "auditor", "owner", "deputy", "manager", "reviewer", "stranger"}

// Services are the service accounts. The administrator and the operator are responsible for
// each of them.
var Services = []string{"administrator", "auditor", "idle", "payroll"}

// Header is that of the HR file.
const Header = "person_id,employment_id,given_name,family_name,unit,job_code,job_title,manager_id,start_date,end_date,protected\n"

const given = `g, hr/administrator, administrator
g, hr/operator, operator
g, hr/personnel, hr
g, hr/officer, data-protection-officer
g, hr/auditor, auditor
g, service:administrator, administrator
g, service:auditor, auditor
g, service:payroll, hr
`

const services = `service_accounts:
  administrator: {purpose: a test, responsible: [hr/administrator, hr/operator]}
  auditor: {purpose: a test, responsible: [hr/administrator, hr/operator]}
  idle: {purpose: a test, responsible: [hr/administrator, hr/operator]}
  payroll: {purpose: a test, responsible: [hr/administrator, hr/operator]}
`

// files are the configuration. The text of rights.csv follows the roles.
var files = map[string]string{
	"behov.yaml":     "timezone: Europe/Stockholm\nhr: {sources: {hr: {}, manual: {forms: true}}}\n" + services + "targets:\n  one: {memory: {groups: [staff, library, desk]}}\n",
	"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, entitlements: {library: {authoritative: true}, desk: {requestable: true, emergency: true, purpose: lend at the desk}}}\n",
	"policy.csv":     "p, everyone, true, base:staff, allow, everybody\np, librarian, r.sub.job_code == 'LIB', lib:library, allow, lends books\n",
	"units.csv":      "unit,parent,name\noffice,,The office\nhideout,,The hideout\n",
	"rights.csv":     "",
}

// New makes the installation, with other files in place of its own: rights.csv in addition
// to the roles, and behov.yaml in addition to what it says.
func New(t testing.TB, other map[string]string) *Office {
	t.Helper()
	dir := t.TempDir()
	all := maps.Clone(files)
	maps.Copy(all, other)
	all["rights.csv"] = given + other["rights.csv"]
	all["behov.yaml"] = files["behov.yaml"] + other["behov.yaml"]
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	key, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	master, err := seal.ParseMaster(key)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), testenv.Database(t), master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	connected, err := targets.Connect(c, db)
	if err != nil {
		t.Fatal(err)
	}
	o := &Office{t: t, DB: db, Config: c, Time: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)}
	o.Engine = &reconcile.Engine{DB: db, Config: c, Targets: connected, Now: o.Clock, Actor: identity.System, RetryAllSteps: true}
	rows := Header
	for _, key := range Roles {
		rows += key + ",E-" + key + ",Given,Family" + key + ",office,,,,2020-01-01,,no\n"
	}
	rows += "staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01,,no\n" +
		"secret,E2,Hemlig,Hemligsson,hideout,LIB,Librarian,manager,2020-01-01,,yes\n" +
		"gone,E3,Given,Familygone,office,,,,2020-01-01,2021-01-01,no\n"
	o.Import(rows)
	return o
}

// Clock is the installation's clock.
func (o *Office) Clock() time.Time { return o.Time }

// Import imports changed rows of HR's file.
func (o *Office) Import(rows string) {
	o.t.Helper()
	s := o.Config.Sources["hr"]
	s.Changes = true
	im := hr.Importer{DB: o.DB, Config: o.Config, Now: o.Clock, Actor: identity.System}
	if r, err := im.Import(o.t.Context(), "hr.csv", []byte(rows), s); err != nil || r.LeftOut > 0 || r.Held != nil {
		o.t.Fatalf("%+v, %v", r, err)
	}
}

// Apply brings the target to the desired state.
func (o *Office) Apply() {
	o.t.Helper()
	r, err := o.Engine.Run(o.t.Context(), reconcile.Scope{})
	if err != nil || r.Err() != nil {
		o.t.Fatal(err, r)
	}
}

// Person returns a person by their key.
func (o *Office) Person(key string) identity.Person {
	o.t.Helper()
	p, err := o.DB.FindPerson(o.t.Context(), "hr/"+key, "hr")
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

// By is a person as the subject of a decision.
func (o *Office) By(key string) rights.Subject {
	return rights.Subject{Person: o.Person(key).ID, How: rights.OperatingSystem}
}

// Answers are the installation's.
func (o *Office) Answers() *access.Answers {
	return &access.Answers{DB: o.DB, Config: o.Config, Now: o.Clock}
}

// Governance is the installation's.
func (o *Office) Governance() *governance.Governance {
	return &governance.Governance{DB: o.DB, Config: o.Config, Now: o.Clock, Targets: o.Engine}
}

// Runs returns what carries out one full run, or nil when no run is wanted.
func (o *Office) Runs(wanted bool) func(context.Context) error {
	if !wanted {
		return nil
	}
	return func(ctx context.Context) error {
		_, err := o.Engine.Run(ctx, reconcile.Scope{})
		return err
	}
}
