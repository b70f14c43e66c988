package notice_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/notice"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv/office"
)

// house is an office whose people have addresses.
type house struct {
	*office.Office
	t *testing.T
}

func newHouse(t *testing.T) *house { return newHouseWith(t, "mfa: {target: one, suspend_after: 14}") }

func newHouseWith(t *testing.T, mfa string) *house {
	t.Helper()
	h := &house{office.New(t, map[string]string{
		"behov.yaml":     mfa + "\nnotices: {remind: [7, 1], escalate: 3}\nalerts: {email: {from: behov@example.org, to: [iam@example.org], server: \"127.0.0.1:25\"}}\n",
		"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, entitlements: {library: {mfa: true}, desk: {requestable: true, purpose: lend at the desk}}}\n",
		"controls.yaml":  "controls:\n  every: {from: {confidentiality: 0}, request_days: 30, approvers: [owner]}\n",
	}), t}
	h.hr("owner,E-owner,Olle,Owner,office,,,reviewer,2020-01-01,,no,owner@example.org\n" +
		"deputy,E-deputy,Dag,Deputy,office,,,reviewer,2020-01-01,,no,deputy@example.org\n" +
		"reviewer,E-reviewer,Rut,Reviewer,office,,,,2020-01-01,,no,reviewer@example.org\n" +
		"manager,E-manager,Maja,Manager,office,,,,2020-01-01,,no,manager@example.org\n" +
		"staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01,,no,staff@example.org\n")
	return h
}

func (h *house) hr(rows string) {
	h.t.Helper()
	source := h.Config.Sources["hr"]
	source.Changes = true
	im := hr.Importer{DB: h.DB, Config: h.Config, Now: h.Clock, Actor: identity.System}
	text := strings.TrimSuffix(office.Header, "\n") + ",email\n" + rows
	if r, err := im.Import(h.t.Context(), "hr.csv", []byte(text), source); err != nil || r.LeftOut > 0 || r.Held != nil || r.Refused != nil {
		h.t.Fatalf("%+v, %v", r, err)
	}
}

// due returns what is to be told now, and records it as told.
func (h *house) due() (told []string) {
	h.t.Helper()
	all, err := notice.Due(h.t.Context(), h.DB, h.Config, h.Time)
	if err != nil {
		h.t.Fatal(err)
	}
	names := map[identity.PersonID]string{}
	for _, key := range []string{"owner", "deputy", "reviewer", "manager", "staff", "secret"} {
		names[h.Person(key).ID] = key
	}
	if err := h.DB.Write(h.t.Context(), func(tx *store.Tx) error {
		for _, n := range all {
			if added, err := tx.RecordNotice(h.t.Context(), n, h.Time); err != nil || !added {
				return fmt.Errorf("%+v: recorded %v, %w", n, added, err)
			}
			stage, of, _ := strings.Cut(n.Stage, " ")
			if of != "" {
				stage += " " + names[identity.PersonID(of)]
			}
			told = append(told, fmt.Sprint(cmp.Or(names[n.Person], n.Mailbox), ": ", n.About, " ", stage))
		}
		return nil
	}); err != nil {
		h.t.Fatal(err)
	}
	slices.Sort(told)
	return told
}

func (h *house) expect(when string, want ...string) {
	h.t.Helper()
	slices.Sort(want)
	if got := h.due(); !slices.Equal(got, want) {
		h.t.Errorf("%s: told\n\t%s\nwant\n\t%s", when, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func (h *house) after(days int) { h.Time = h.Time.AddDate(0, 0, days) }

// revised: the systems were gone through, so that tests of other notices are not about them.
func (h *house) revised() {
	h.t.Helper()
	for _, system := range []string{"lib"} {
		if _, err := h.Governance().Revise(h.t.Context(), system, h.By("owner"), "gone through"); err != nil {
			h.t.Fatal(err)
		}
	}
}

// TestWhoIsTold: each is told once of what waits for them, is reminded before the last day, and
// their manager is told in time.
func TestWhoIsTold(t *testing.T) {
	h := newHouse(t)
	h.expect("no revision was ever made", "owner: revision asked", "deputy: revision asked")
	h.revised()
	h.Apply()
	h.expect("no one is enrolled", "staff: mfa asked")
	account, err := h.DB.AccountOf(t.Context(), "one", h.Person("staff").ID)
	if err == nil {
		err = h.Engine.Targets["one"].(*memory.Connector).Enrol(account, connectors.AppMethod)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.Apply()
	h.expect("enrolled")
	if _, err := h.Governance().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib", Days: 20, All: true}, h.By("owner")); err != nil {
		t.Fatal(err)
	}
	h.expect("a review began", "owner: review asked", "deputy: review asked")
	h.expect("at once again")
	h.after(13)
	h.expect("seven days are left", "manager: mfa escalated secret", "owner: review 7", "deputy: review 7")
	h.after(4)
	h.expect("three days are left", "reviewer: review escalated owner", "reviewer: review escalated deputy")
	h.after(2)
	h.expect("a day is left", "owner: review 1", "deputy: review 1")
	h.after(2)
	h.expect("it is over")

	r, _, err := h.Governance().RequestAccess(t.Context(), h.Person("staff"), governance.Request{Entitlement: "lib:desk", Until: h.today().AddDays(20)}, h.By("staff"), "a desk")
	if err != nil {
		t.Fatal(err)
	}
	night := h.Time
	h.Time = time.Date(night.Year(), night.Month(), night.Day(), 3, 0, 0, 0, h.Config.Zone)
	h.expect("in the night")
	h.Time = night
	h.expect("a request", "owner: request asked", "deputy: request asked")
	h.after(3)
	h.expect("it has waited", "reviewer: request escalated owner", "reviewer: request escalated deputy")
	if _, err := h.Governance().DecideRequest(t.Context(), r.ID, store.Approve, h.By("owner"), "needed"); err != nil {
		t.Fatal(err)
	}
	h.expect("approved")
	h.after(10)
	h.expect("it ends in seven days", "staff: access-end 7")
	h.after(6)
	h.expect("it ends tomorrow", "staff: access-end 1")
}

// TestWhoIsNotTold: a person who is suspended is told nothing, and nor is their manager; the
// manager is told of one without an address.
func TestWhoIsNotTold(t *testing.T) {
	h := newHouse(t)
	h.revised()
	h.Apply()
	if _, err := h.Governance().Suspend(t.Context(), h.Person("staff"), false, h.By("administrator"), "a test"); err != nil {
		t.Fatal(err)
	}
	h.expect("suspended")
	h.after(4)
	h.expect("suspended for days", "manager: mfa escalated secret")
	if _, err := h.Governance().Suspend(t.Context(), h.Person("staff"), true, h.By("administrator"), "a test"); err != nil {
		t.Fatal(err)
	}
	h.hr("staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01,,no,ask at the desk\n")
	h.expect("no address", "manager: mfa escalated staff")
}

func (h *house) today() identity.Date { return identity.DateOf(h.Time, h.Config.Zone) }

// TestNoticesWithoutMail: notices need a mail server.
func TestNoticesWithoutMail(t *testing.T) {
	h := newHouse(t)
	if h.Config.Notices == nil || h.Config.Notices.Remind[0] != 7 || h.Config.Notices.Language != "en" {
		t.Errorf("%+v", h.Config.Notices)
	}
	h.Config = func(c config.Config) *config.Config { c.Notices = nil; return &c }(*h.Config)
	h.expect("not configured")
}

// TestAManagerIsToldOfAJoiner: on the first day of a person who is not enrolled, and not before,
// the manager is told to have a pass issued.
func TestAManagerIsToldOfAJoiner(t *testing.T) {
	h := newHouseWith(t, "mfa: {target: one, ask_manager: true}\nlifecycle: {prepare_days: 20}")
	h.revised()
	h.hr("joiner,EJ,Jo,Iner,office,LIB,Librarian,reviewer,2026-12-10,,no,\n")
	h.Apply()
	h.due() // of those who are there
	h.after(9)
	h.Apply()
	for _, told := range h.due() {
		if strings.HasPrefix(told, "reviewer") {
			t.Errorf("before the first day: %s", told)
		}
	}
	h.after(1)
	h.Apply()
	h.expect("the first day", "reviewer: mfa joined ")
	h.after(3)
	h.expect("still not enrolled", "reviewer: mfa escalated ")
}

// TestDeputiesAreTold: while a person is away, what they are asked is told to the person who
// decides in their place, once, and then to that one's manager.
func TestDeputiesAreTold(t *testing.T) {
	h := newHouse(t)
	h.revised()
	h.Apply()
	account, err := h.DB.AccountOf(t.Context(), "one", h.Person("staff").ID)
	if err == nil {
		err = h.Engine.Targets["one"].(*memory.Connector).Enrol(account, connectors.AppMethod)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.Apply()
	h.due()
	for _, who := range []string{"owner", "deputy"} {
		if _, err := h.Governance().SetAbsence(t.Context(), h.Person(who), governance.Absence{Deputy: "manager", Until: h.today().AddDays(5)}, h.By(who), "leave"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Governance().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib", Days: 8, All: true}, h.By("administrator")); err != nil {
		t.Fatal(err)
	}
	h.expect("the owner and the deputy are away", "manager: absence asked", "manager: absence asked", "manager: review asked")
	h.after(5)
	h.expect("the last days come near", "manager: mfa escalated secret", "manager: review 7")
	h.after(1)
	h.expect("they are back", "owner: review 7", "deputy: review 7", "reviewer: review escalated owner", "reviewer: review escalated deputy")
}

// TestOrdersAreTold: who makes changes in a target without an interface is told of them and of
// the last day; when it has passed, who is to be told then is, be it a mailbox.
func TestOrdersAreTold(t *testing.T) {
	h := newHouseWith(t, "  pay: {manual: {to: reviewer, escalate: pay@example.org, days: 2}}\n  toll: {manual: {to: toll@example.org, escalate: manager, days: 2}}\nmfa: {target: one, suspend_after: 14}")
	h.revised()
	h.due()
	place := func(target, key string) {
		t.Helper()
		if err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.PlaceOrder(t.Context(), store.WorkOrder{Target: target, Person: h.Person("staff").ID, Key: audit.StepKey(key), Body: "{}", Op: string(connectors.AddMember), Due: h.today().AddDays(2), Name: "x"}, h.Time)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	place("pay", "1")
	place("pay", "2")
	place("toll", "3")
	h.expect("orders were placed", "toll@example.org: work-orders 7", "reviewer: work-orders 7")
	h.expect("at once again")
	h.after(1)
	h.expect("a day is left", "toll@example.org: work-orders 1", "reviewer: work-orders 1")
	h.after(2)
	h.expect("they are overdue", "pay@example.org: work-orders escalated", "toll@example.org: work-orders escalated", "manager: work-orders escalated", "reviewer: work-orders escalated")
}

// TestAccountsAreTold: the owner of an account of the register is told before it ends, and so is
// their manager when the owner leaves.
func TestAccountsAreTold(t *testing.T) {
	h := newHouse(t)
	h.revised()
	h.due()
	a := store.NonHumanAccount{ID: "00000000-0000-7000-8000-000000000001", Target: "one", Native: "r1", Name: "robot-1", Kind: store.RobotKind, System: "lib", Owner: h.Person("staff").ID, Purpose: "lends books", Until: h.today().AddDays(5), State: store.Registered}
	if err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.DecideNonHumanAccount(t.Context(), a, store.NonHumanAccount{}, store.Decision{Verdict: store.Register, Maker: identity.System, Reason: "a test"}, h.Time)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	h.expect("it ends in five days", "staff: account 7")
	h.hr("staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01," + string(h.today().AddDays(2)) + ",no,staff@example.org\n")
	h.expect("the owner leaves before that", "staff: account 7", "manager: account escalated staff")
}
