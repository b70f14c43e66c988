package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
	"github.com/behov/behov/internal/testenv"
)

// payroll is an installation with an application without an interface: cia (3) makes the
// changes, the owner (4) is told of what is overdue.
type payroll struct {
	*reconcile.Engine
	t    *testing.T
	time time.Time
}

func newPayroll(t *testing.T, settings string) *payroll {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"behov.yaml":     "targets:\n  pay: {" + settings + "manual: {to: \"3\", days: 5, escalate: \"4\"}}\n",
		"catalogue.yaml": "systems:\n  pay: {owner: \"4\", target: pay, entitlements: {clerk: {}, school: {}, boss: {}}}\n",
		"policy.csv":     "p, clerk, \"r.sub.job_code == 'CLERK'\", pay:clerk, allow, clerks\np, school, \"r.sub.unit == 'school' && r.sub.job_code == 'CLERK'\", pay:school, allow, the school's clerks\n",
		"units.csv":      "unit,parent,name\nschool,,\nlibrary,,\n",
		"rights.csv":     "g, hr/5, operator\n",
	} {
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
	h := &payroll{t: t, time: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	h.Engine = &reconcile.Engine{DB: db, Config: c, Targets: connected, Now: func() time.Time { return h.time }, Actor: "behov", RetryAllSteps: true}
	return h
}

// says imports what HR says: each row is "key unit job", or "key unit job end".
func (h *payroll) says(rows ...string) {
	h.t.Helper()
	h.time = h.time.Add(time.Minute)
	text := "person_id,employment_id,given_name,family_name,unit,job_code,start_date,end_date\n"
	for _, row := range []string{"3 library CIA", "4 library OWNER", "5 library IT", "6 library OTHER"} {
		if !slices.ContainsFunc(rows, func(r string) bool { return r[:2] == row[:2] }) {
			rows = append(rows, row)
		}
	}
	for _, row := range rows {
		f := append(strings.Fields(row), "")
		text += fmt.Sprintf("%s,E%s,Given%s,Family%s,%s,%s,2020-01-01,%s\n", f[0], f[0], f[0], f[0], f[1], f[2], f[3])
	}
	im := hr.Importer{DB: h.DB, Config: h.Config, Now: h.Now, Actor: "behov"}
	source := h.Config.Sources["hr"]
	export, err := hr.Read("hr.csv", []byte(text), source, nil, h.Config.Rules.Units, im.Today())
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := im.Deliver(h.t.Context(), hr.Delivery{Source: source, Name: "hr.csv", Hash: hr.HashOf([]byte(text)), ExportTimeStated: true, Current: true, Export: export})
	if err != nil || r.Held != nil || r.EndingsHeld != nil {
		h.t.Fatalf("%+v, %v", r, err)
	}
}

func (h *payroll) person(key string) identity.Person {
	h.t.Helper()
	p, err := h.DB.FindPerson(h.t.Context(), key, "hr")
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *payroll) as(key string) rights.Subject { return by(h.person(key).ID) }

func (h *payroll) decides() *governance.Governance {
	return &governance.Governance{DB: h.DB, Config: h.Config, Now: h.Now}
}

// runs is a run in which no step fails, and another one that has nothing to do.
func (h *payroll) runs() *execute.Result {
	h.t.Helper()
	h.time = h.time.Add(time.Minute)
	r, err := h.Run(h.t.Context(), reconcile.Scope{})
	if err == nil {
		err = r.Err()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	again, err := h.Run(h.t.Context(), reconcile.Scope{})
	if err != nil || len(again.Plan.Steps) > 0 {
		h.t.Fatalf("a second run does %v, %v", opsOf(again.Plan.Steps), err)
	}
	var people []identity.PersonID
	for p, err := range h.DB.People(h.t.Context()) {
		if err != nil {
			h.t.Fatal(err)
		}
		people = append(people, p.ID)
	}
	results, err := h.ReconcilePeople(h.t.Context(), people, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil || len(r.Result.Plan.Steps) > 0 {
			h.t.Fatalf("a run for each person does %v, %v", opsOf(r.Result.Plan.Steps), r.Err)
		}
	}
	return r
}

// lostAnswer is a target whose answers are lost.
type lostAnswer struct{ connectors.Connector }

// Apply implements connectors.Connector.
func (l lostAnswer) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	l.Connector.Apply(ctx, changes)
	return slices.Repeat([]connectors.Result{{Err: connectors.Errorf(connectors.TargetDown, "the answer is lost")}}, len(changes))
}

// TestOrderAfterALostAnswer: a run that stops between the intent of a step and its order has
// ordered nothing, and the next run orders it once.
func TestOrderAfterALostAnswer(t *testing.T) {
	h := newPayroll(t, "")
	h.says("1 library CLERK")
	whole := h.Targets["pay"]
	h.Targets["pay"] = lostAnswer{whole}
	if r, err := h.Run(t.Context(), reconcile.Scope{}); err != nil || r.Err() == nil {
		t.Fatal(r, err)
	}
	h.wantOrders("after a lost answer", store.OrderWaiting)
	h.Targets["pay"] = whole
	h.runs()
	h.wantOrders("afterwards", store.OrderWaiting, "1 create-account", "1 add-member clerk")
	h.confirms("")
	h.runs()
	h.verify()
}

// TestOrdersOfAPersonAlone: a run for one person orders, withdraws, and takes what a list
// shows as a run for everyone does.
func TestOrdersOfAPersonAlone(t *testing.T) {
	h := newPayroll(t, "")
	alone := func() {
		t.Helper()
		for range 2 {
			results, err := h.ReconcilePeople(t.Context(), []identity.PersonID{h.person("1").ID}, nil)
			if err != nil || len(results) != 1 || results[0].Err != nil || results[0].Result.Err() != nil {
				t.Fatal(results, err)
			}
		}
	}
	h.says("1 library CLERK")
	h.runs() // a first load is for everyone
	h.says("1 school CLERK", "2 library OTHER")
	alone()
	h.wantOrders("while the account waits", store.OrderWaiting, "1 create-account", "1 add-member clerk")
	h.confirms("")
	alone()
	h.wantOrders("when it is there", store.OrderWaiting, "1 add-member school")
	h.says("1 library CLERK", "2 library OTHER")
	alone()
	h.wantOrders("not wanted any more", store.OrderWithdrawn, "1 add-member school")
	h.says("1 school CLERK", "2 library OTHER")
	alone()
	name := ""
	if err := h.DB.AccountList("pay").Each(t.Context(), func(a connectors.Account) error { name = a.Name; return nil }, func(string, string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := h.upload("account,entitlement\n" + name + ",clerk\n" + name + ",school\n"); err != nil {
		t.Fatal(err)
	}
	alone()
	h.wantOrders("the list has it", store.OrderWaiting)
	if got := h.has("1"); got != "account pay:clerk pay:school" {
		t.Errorf("she has %q", got)
	}
	h.verify()
}

// orders returns the orders of a state as "person op entitlement", in their order.
func (h *payroll) orders(state store.OrderState) []string {
	h.t.Helper()
	all, err := h.DB.OrdersInState(h.t.Context(), "pay", state, 0, 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	var texts []string
	for _, o := range slices.Backward(all) {
		key := ""
		for _, k := range []string{"1", "2", "3"} {
			if p, known, err := h.DB.PersonByKey(h.t.Context(), identity.SourceKey{Source: "hr", Key: k}); err == nil && known && p.ID == o.Person {
				key = k
			}
		}
		texts = append(texts, strings.TrimSpace(key+" "+o.Op+" "+strings.TrimPrefix(o.Entitlement, "pay:")))
	}
	return texts
}

func (h *payroll) wantOrders(when string, state store.OrderState, want ...string) {
	h.t.Helper()
	if got := h.orders(state); !slices.Equal(got, want) {
		h.t.Errorf("%s: the orders that are %s are\n%q, want\n%q", when, state, got, want)
	}
}

// confirms confirms every order that waits, in their order.
func (h *payroll) confirms(day identity.Date) {
	h.t.Helper()
	all, err := h.DB.WaitingOrders(h.t.Context(), "pay", store.Everyone())
	if err != nil {
		h.t.Fatal(err)
	}
	for _, o := range all {
		if _, _, err := h.decides().ConfirmOrder(h.t.Context(), o.ID, day, h.as("3"), ""); err != nil {
			h.t.Fatalf("order %d %s: %v", o.ID, o.Op, err)
		}
	}
}

// has is what the trail says that a person has, held against what the target shows.
func (h *payroll) has(key string) string {
	h.t.Helper()
	p := h.person(key)
	intervals, err := h.DB.Intervals(h.t.Context(), store.IntervalQuery{Person: p.ID, Open: true})
	if err != nil {
		h.t.Fatal(err)
	}
	var said, seen []string
	for _, i := range intervals {
		said = append(said, i.Entitlement)
	}
	o := plan.NewObserved()
	c, err := h.Targets["pay"].Snapshot(h.t.Context(), o)
	if err != nil {
		h.t.Fatal(err)
	}
	o.Done(c)
	for _, a := range o.ByAnchor(string(p.ID)) {
		if a.Enabled {
			seen = append(seen, audit.Account)
		}
		for _, e := range h.Config.Rules.Catalogue.Entitlements {
			if o.Member(a.ID, e.Native) {
				seen = append(seen, string(e.ID))
			}
		}
	}
	slices.Sort(said)
	slices.Sort(seen)
	if !slices.Equal(said, seen) {
		h.t.Errorf("the trail says that %s has %v, the target %v", key, said, seen)
	}
	return strings.Join(seen, " ")
}

func (h *payroll) upload(text string) error {
	_, _, err := h.decides().UploadList(h.t.Context(), "pay", governance.AccountFile{Name: "pay.csv", Content: []byte(text)}, h.as("4"), "")
	return err
}

func (h *payroll) verify() {
	h.t.Helper()
	if _, err := h.DB.VerifyAudit(h.t.Context()); err != nil {
		h.t.Error(err)
	}
}

// TestWorkOrders: a hire becomes orders, which are done when they are confirmed; a mover and
// a leaver become orders, too; and what is not wanted any more is withdrawn.
func TestWorkOrders(t *testing.T) {
	h := newPayroll(t, "")
	h.says("1 library CLERK")
	r := h.runs()
	if r.Outcomes[audit.Ordered] != 2 {
		t.Errorf("the outcomes are %v", r.Outcomes)
	}
	h.wantOrders("a hire", store.OrderWaiting, "1 create-account", "1 add-member clerk")
	if got := h.has("1"); got != "" {
		t.Errorf("before anything is confirmed she has %s", got)
	}
	again, err := h.Plan(t.Context(), reconcile.Scope{})
	if err != nil || again.Status() != plan.Nothing || len(again.SkippedSteps) != 2 || len(again.FailedSteps()) != 0 {
		t.Errorf("while the orders wait the plan is %+v, %v", again, err)
	}
	first, err := h.DB.WorkOrder(t.Context(), 1)
	if err != nil || first.Due != "2026-03-07" || first.Name == "" {
		t.Errorf("%+v, %v", first, err)
	}
	// The membership needs the account.
	if _, _, err := h.decides().ConfirmOrder(t.Context(), 2, "", h.as("3"), ""); !isRefusal(err, "order-needs-account") {
		t.Errorf("a membership without an account: %v", err)
	}
	h.time = h.time.AddDate(0, 0, 2)
	for day, want := range map[identity.Date]reason.Code{"2026-03-01": "order-day-wrong", "2026-03-05": "order-day-wrong", "x": "order-day-wrong"} {
		if _, _, err := h.decides().ConfirmOrder(t.Context(), 1, day, h.as("3"), ""); !isRefusal(err, want) {
			t.Errorf("made on %s: %v", day, err)
		}
	}
	h.confirms("2026-03-03")
	if got := h.has("1"); got != "account pay:clerk" {
		t.Errorf("when it is confirmed she has %q", got)
	}
	if _, _, err := h.decides().ConfirmOrder(t.Context(), 1, "", h.as("3"), ""); !isRefusal(err, "order-ended") {
		t.Errorf("twice: %v", err)
	}
	h.runs()
	h.wantOrders("confirmed", store.OrderWaiting)
	// Who had it when: from the day on which it was made, for the reason of the rule.
	intervals, err := h.DB.Intervals(t.Context(), store.IntervalQuery{Person: h.person("1").ID})
	if err != nil || len(intervals) != 2 {
		t.Fatalf("%+v, %v", intervals, err)
	}
	for _, i := range intervals {
		if day := identity.DateOf(i.Since, h.Config.Zone); day != "2026-03-03" || !i.Given {
			t.Errorf("%s since %s, given %t", i.Entitlement, day, i.Given)
		}
	}
	// A mover gets what is new, and later a leaver loses everything.
	h.says("1 school CLERK")
	h.runs()
	h.wantOrders("a mover", store.OrderWaiting, "1 add-member school")
	h.confirms("")
	h.says("1 school OTHER")
	h.runs()
	h.wantOrders("another job", store.OrderWaiting, "1 disable-account", "1 remove-member clerk", "1 remove-member school")
	if got := h.has("1"); got != "account pay:clerk pay:school" {
		t.Errorf("while the removal waits she has %q", got)
	}
	// Back before it was done: nothing of it is wanted any more.
	h.says("1 school CLERK")
	h.runs()
	h.wantOrders("back", store.OrderWaiting)
	h.wantOrders("back", store.OrderWithdrawn, "1 disable-account", "1 remove-member clerk", "1 remove-member school")
	h.says("1 school CLERK 2026-03-02")
	h.runs()
	h.wantOrders("a leaver", store.OrderWaiting, "1 disable-account", "1 remove-member clerk", "1 remove-member school")
	h.confirms("")
	h.runs()
	if got := h.has("1"); got != "" {
		t.Errorf("a leaver has %q", got)
	}
	h.wantOrders("a leaver who lost it", store.OrderWaiting)
	h.verify()
	for r, err := range h.DB.AuditRecords(t.Context(), store.Everyone()) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Action == audit.AccessFound || r.Action == audit.AccessGone || r.Action == audit.AccessAdopted {
			t.Errorf("what was confirmed was taken for drift: %+v", r)
		}
	}
}

// TestWorkOrderThatCannotBeDone waits for an operator, who has it tried again.
func TestWorkOrderThatCannotBeDone(t *testing.T) {
	h := newPayroll(t, "")
	h.says("1 library CLERK", "2 library CLERK")
	h.runs()
	if _, _, err := h.decides().CannotOrder(t.Context(), 1, h.as("3"), ""); err == nil {
		t.Error("without a reason")
	}
	if _, _, err := h.decides().CannotOrder(t.Context(), 1, h.as("3"), "no licence is left"); err != nil {
		t.Fatal(err)
	}
	h.runs()
	h.wantOrders("impossible", store.OrderImpossible, "1 create-account")
	failing, err := h.DB.FailingSteps(t.Context(), "pay", store.Everyone())
	if err != nil || len(failing) != 1 || failing[0].State != store.Parked {
		t.Fatalf("%+v, %v", failing, err)
	}
	// The order for the membership waits on, and is not repeated.
	h.wantOrders("impossible", store.OrderWaiting, "2 create-account", "1 add-member clerk", "2 add-member clerk")
	if _, err := h.decides().DecideSteps(t.Context(), []string{string(failing[0].Key)}, store.Retry, h.as("5"), ""); err != nil {
		t.Fatal(err)
	}
	h.runs()
	h.wantOrders("again", store.OrderWaiting, "2 create-account", "1 add-member clerk", "2 add-member clerk", "1 create-account")
	h.verify()
}

// TestWhoDecidesOnWorkOrders: those to whom orders go, the owner, and operators; none about
// themselves.
func TestWhoDecidesOnWorkOrders(t *testing.T) {
	h := newPayroll(t, "")
	h.says("3 library CLERK", "1 library CLERK")
	h.runs()
	waiting, err := h.DB.WaitingOrders(t.Context(), "pay", store.Only(h.person("3").ID))
	if err != nil || len(waiting) != 2 {
		t.Fatal(waiting, err)
	}
	about3 := waiting[0].ID
	for _, c := range []struct {
		who string
		may bool
	}{{"1", false}, {"6", false}, {"3", false}, {"4", true}} {
		_, _, err := h.decides().ConfirmOrder(t.Context(), about3, "", h.as(c.who), "")
		if (err == nil) != c.may || !c.may && !rights.IsRefused(err) {
			t.Errorf("%s confirms the order about 3: %v", c.who, err)
		}
	}
	for who, may := range map[string]bool{"1": false, "6": false, "3": true, "4": true, "5": true} {
		_, _, err := h.decides().UploadList(t.Context(), "pay", governance.AccountFile{Name: "x.csv", Content: []byte("none\n")}, h.as(who), "")
		if rights.IsRefused(err) == may || err == nil {
			t.Errorf("%s uploads a list: %v", who, err)
		}
	}
}

func isRefusal(err error, code reason.Code) bool {
	var refused *reason.Refusal
	return errors.As(err, &refused) && refused.Reason.Code() == code
}
