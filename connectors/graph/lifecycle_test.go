package graph_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/graph/standin"
)

func on(op connectors.Op, id string) connectors.Change {
	return connectors.Change{Op: op, Account: connectors.AccountRef{ID: id}}
}

func joins(id, entitlement string) connectors.Change {
	c := on(connectors.AddMember, id)
	c.Entitlement = entitlement
	return c
}

func leaves(id, entitlement string) connectors.Change {
	c := on(connectors.RemoveMember, id)
	c.Entitlement = entitlement
	return c
}

// detail returns why a change was refused.
func detail(t *testing.T, c connectors.Connector, change connectors.Change) string {
	t.Helper()
	r := results(t, c, change)[0]
	if r.Err != nil || r.Status != connectors.Refused || strings.Contains(r.Detail, "\n") || strings.Contains(r.Detail, "anna") {
		t.Errorf("%s: %+v, want refused in one line that names nobody", change.Op, r)
	}
	return r.Detail
}

// TestRehireRestores checks that a person who comes back within 30 days gets the
// earlier account, changed and enabled as requested, and without its earlier
// groups; after that a new one.
func TestRehireRestores(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	staff := s.AddGroup("staff", nil)
	all := s.AddGroup("all", map[string]any{"groupTypes": []string{"DynamicMembership"}, "membershipRule": "true"})
	c := open(t, cfg)
	id := apply(t, c, connectors.Applied, creation("anna", map[string][]string{"jobTitle": {"clerk"}}))[0].AccountID
	apply(t, c, connectors.Applied, joins(id, "staff"), on(connectors.DisableAccount, id))
	s.AddMembers(all, id)
	s.AddUnit(id, "00000000-0000-4000-8000-0000000000a1")
	apply(t, c, connectors.Applied, on(connectors.DeleteAccount, id))
	boss := s.AddUser("boss", nil)
	// With another name and another title: the anchor decides.
	again := creation("anna.berg", map[string][]string{"jobTitle": {"boss"}, "manager": {boss}})
	again.Account.Anchor = "behov-anna"
	other := open(t, cfg)
	if got := apply(t, other, connectors.Applied, again)[0].AccountID; got != id {
		t.Errorf("account %s, want the old %s", got, id)
	}
	u := s.User(id)
	if u["accountEnabled"] != true || u["jobTitle"] != "boss" || u["userPrincipalName"] != "anna.berg@"+domain || u["mailNickname"] != "anna.berg" || s.Manager(id) != boss {
		t.Errorf("the restored account is %v", u)
	}
	if len(s.Members(staff)) != 0 || len(s.Members(all)) != 1 {
		t.Errorf("it is in groups %v, %v", s.Members(staff), s.Members(all))
	}
	// A cast is an advanced query, which reads a lagging index.
	if !slices.ContainsFunc(s.Requests(), func(r standin.Request) bool { return strings.HasSuffix(r.Path, "/memberOf") }) ||
		slices.ContainsFunc(s.Requests(), func(r standin.Request) bool { return strings.Contains(r.Path, "/memberOf/") }) {
		t.Error("memberOf was not read, or read with a cast")
	}
	apply(t, other, connectors.AlreadyApplied, again)
	// Another person's deleted account is not restored.
	apply(t, other, connectors.Applied, on(connectors.DeleteAccount, id))
	if got := apply(t, other, connectors.Applied, creation("cecilia", nil))[0].AccountID; got == id {
		t.Error("another person got the deleted account")
	}
	// The name is taken meanwhile.
	s.AddUser("anna.berg", nil)
	if why := detail(t, other, again); !strings.Contains(why, "cannot be restored") || !strings.Contains(why, "taken") {
		t.Errorf("refused because %q", why)
	}
	s.Purge()
	again.Account.Name = "anna.lind"
	if got := apply(t, other, connectors.Applied, again)[0].AccountID; got == id {
		t.Error("the account is back after it was purged")
	}
}

// TestRestoreOfSeveral checks that of several deleted accounts the last one is
// restored.
func TestRestoreOfSeveral(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	s, cfg := start(t, standin.Options{Now: func() time.Time { return now }})
	mine := map[string]any{"onPremisesExtensionAttributes": map[string]any{"extensionAttribute15": "behov-anna"}}
	old, last := s.AddUser("anna", mine), s.AddUser("anna2", mine)
	s.RemoveUser(old)
	now = now.Add(time.Hour)
	s.RemoveUser(last)
	if got := apply(t, open(t, cfg), connectors.Applied, creation("anna", nil))[0].AccountID; got != last {
		t.Errorf("restored %s, want %s", got, last)
	}
}

// TestGroupsThatCannotBeChanged checks that such groups are recognised, and that
// no request is sent.
func TestGroupsThatCannotBeChanged(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	id := s.AddUser("anna", nil)
	for name, tt := range map[string]struct {
		props map[string]any
		word  string
	}{
		"dynamic":      {map[string]any{"groupTypes": []string{"DynamicMembership"}}, "dynamic"},
		"dynamic team": {map[string]any{"groupTypes": []string{"Unified", "DynamicMembership"}, "mailEnabled": true}, "dynamic"},
		"synced":       {map[string]any{"onPremisesSyncEnabled": true}, "synchronised"},
		"list":         {map[string]any{"mailEnabled": true, "securityEnabled": false}, "distribution list"},
	} {
		g := s.AddGroup(name, tt.props)
		c := open(t, cfg)
		for _, change := range []connectors.Change{joins(id, name), leaves(id, name), joins(id, g)} {
			if why := detail(t, c, change); !strings.Contains(why, tt.word) {
				t.Errorf("%s: %q", name, why)
			}
		}
		s.AddMembers(g, id)
		if got := snapshot(t, c); got.Members[connectors.Membership{Entitlement: name, AccountID: id}] != 1 {
			t.Errorf("%s is not in the snapshot: %v", name, got.Members)
		}
	}
	for _, r := range s.Requests() {
		if r.Method != http.MethodGet && r.Path != "/$batch" {
			t.Errorf("%s %s was sent", r.Method, r.Path)
		}
	}
	s.AddGroup("team", map[string]any{"groupTypes": []string{"Unified"}, "mailEnabled": true, "securityEnabled": false})
	apply(t, open(t, cfg), connectors.Applied, joins(id, "team"))
}

// TestGroupThatBecomesDynamic checks the refusal by Graph when a group becomes
// dynamic between the reading and the change.
func TestGroupThatBecomesDynamic(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	g, id := s.AddGroup("staff", nil), s.AddUser("anna", nil)
	c := open(t, cfg)
	s.Hook(func(r standin.Request) *standin.Fault {
		if r.Method == http.MethodPost && strings.HasPrefix(r.Path, "/groups/"+g) {
			return &standin.Fault{Status: 400, Code: "Request_BadRequest", Message: "Cannot Update a group with dynamic membership."}
		}
		return nil
	})
	if why := detail(t, c, joins(id, "staff")); !strings.Contains(why, "dynamic") {
		t.Errorf("%q", why)
	}
}

// TestSyncedUsers checks that a change of a synchronised property is refused, and
// that a cloud property is set.
func TestSyncedUsers(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	id := s.AddUser("anna", map[string]any{"onPremisesSyncEnabled": true})
	c := open(t, cfg)
	change := on(connectors.UpdateAccount, id)
	change.Attributes = map[string][]string{"jobTitle": {"boss"}}
	rename, adopt := on(connectors.RenameAccount, id), on(connectors.AdoptAccount, id)
	rename.Account.Name, adopt.Account.Anchor = "berit", "behov-anna"
	manager := on(connectors.UpdateAccount, id)
	manager.Attributes = map[string][]string{"manager": {s.AddUser("boss", nil)}}
	for _, change := range []connectors.Change{change, rename, adopt, manager, on(connectors.DisableAccount, id)} {
		if why := detail(t, c, change); !strings.Contains(why, "synchronised from an on-premises directory") {
			t.Errorf("%s: %q", change.Op, why)
		}
	}
	change.Attributes = map[string][]string{"usageLocation": {"SE"}}
	apply(t, c, connectors.Applied, change)
	if why := detail(t, c, on(connectors.DeleteAccount, id)); !strings.Contains(why, "synchronised from an on-premises directory") {
		t.Errorf("delete: %q", why)
	}
}

// TestSyncedUsersAreMasteredExternally checks that synchronised users are shown
// as mastered externally, and that their memberships, licences, sessions and
// passes are managed.
func TestSyncedUsersAreMasteredExternally(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*graph.Config){
		"in full": func(*graph.Config) {},
		"users by delta": func(c *graph.Config) {
			c.StateStore, c.References, c.Attributes, c.Licences = &memory{}, nil, []string{"jobTitle"}, false
		},
		"groups by delta": func(c *graph.Config) { c.StateStore = &memory{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, cfg := start(t, standin.Options{Licences: []standin.Licence{{SKU: "E3", Units: 1}, {SKU: "EMS", Units: 1}}})
			cfg.Licences, cfg.UsageLocation = true, "NO"
			prepare(&cfg)
			s.AddGroup("staff", nil)
			id := s.AddUser("anna", map[string]any{"onPremisesSyncEnabled": true})
			cloud := s.AddUser("berit", map[string]any{"onPremisesSyncEnabled": false})
			c := open(t, cfg)
			elsewhere := func(want bool) {
				t.Helper()
				if got := snapshot(t, c); got.Accounts[id].MasteredExternally != want || got.Accounts[cloud].MasteredExternally || len(got.Accounts) != 2 {
					t.Errorf("elsewhere: want %t of anna: %+v", want, got.Accounts)
				}
			}
			elsewhere(true)
			apply(t, c, connectors.Applied, joins(id, "staff"))
			apply(t, c, connectors.AlreadyApplied, joins(id, "staff"))
			apply(t, c, connectors.Applied, leaves(id, "staff"))
			if cfg.Licences {
				apply(t, c, connectors.Applied, joins(id, "licence:E3"), joins(id, "licence:EMS"))
				if got := s.Licences(id); !slices.Equal(got, []string{"E3", "EMS"}) || s.User(id)["usageLocation"] != "NO" {
					t.Errorf("licences %v in %v", got, s.User(id)["usageLocation"])
				}
				apply(t, c, connectors.Applied, leaves(id, "licence:E3"))
				if why := detail(t, c, joins(cloud, "licence:E3")); !strings.Contains(why, "usage location") {
					t.Errorf("the location of others is an attribute like any: %q", why)
				}
			}
			ref := connectors.AccountRef{ID: id}
			if out, err := c.(connectors.SessionRevoker).RevokeSessions(t.Context(), ref); err != nil || out.Status != connectors.Applied || s.Revoked(id) != 1 {
				t.Errorf("revoke: %+v, %v", out, err)
			}
			if _, err := c.(connectors.PassIssuer).IssuePass(t.Context(), ref, time.Hour); err != nil || s.Passes(id) != 1 {
				t.Errorf("a pass: %v", err)
			}
			s.SetMFA(id, true)
			if enrolled, err := c.(connectors.SingleMFAReader).MFAEnrolledFor(t.Context(), ref); err != nil || enrolled != connectors.PhoneMethod {
				t.Errorf("enrolled %q, %v", enrolled, err)
			}
			// Graph returns null for a user that is no longer synchronised.
			s.SetUser(id, map[string]any{"onPremisesSyncEnabled": nil})
			elsewhere(false)
			s.SetUser(id, map[string]any{"onPremisesSyncEnabled": true})
			elsewhere(true)
		})
	}
}

// TestValuesAsGraphGivesThemBack checks that values that Graph holds equal are no
// change, and that a value it does not accept is refused with the attribute's
// name.
func TestValuesAsGraphGivesThemBack(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	c := open(t, cfg)
	id := s.AddUser("anna", nil)
	set := func(name string, values ...string) connectors.Change {
		change := on(connectors.UpdateAccount, id)
		change.Attributes = map[string][]string{name: values}
		return change
	}
	for _, tt := range []struct {
		name       string
		first      []string
		same, next []string
	}{
		{"employeeHireDate", []string{"2026-11-01"}, []string{"2026-11-01T01:00:00+01:00"}, []string{"2026-11-02"}},
		{"showInAddressList", []string{"TRUE"}, []string{"true"}, []string{"false"}},
		{"usageLocation", []string{"SE"}, []string{"se"}, []string{"NO"}},
		{"otherMails", []string{"a@b.test", "c@d.test"}, []string{"C@d.test", "a@b.test"}, []string{"a@b.test"}},
		{"jobTitle", []string{"boss"}, []string{"boss"}, []string{"Boss"}},
	} {
		apply(t, c, connectors.Applied, set(tt.name, tt.first...))
		apply(t, c, connectors.AlreadyApplied, set(tt.name, tt.first...), set(tt.name, tt.same...))
		apply(t, c, connectors.Applied, set(tt.name, tt.next...))
	}
	for name, value := range map[string]string{"otherMails": "åsa@kommun.test", "employeeHireDate": "soon", "showInAddressList": "perhaps", "usageLocation": "SWE"} {
		if why := detail(t, c, set(name, value)); !strings.Contains(why, name) {
			t.Errorf("%s: %q", name, why)
		}
	}
	detail(t, c, set("jobTitle", "one", "two"))
	apply(t, c, connectors.Applied, set("mail", "x@kommun.test"))
}

// TestPropertiesThatCannotBeCleared checks properties such as usageLocation for
// which Graph accepts no null ("Not nullable"): they are unchanged and reported,
// and the rest of the change is applied.
func TestPropertiesThatCannotBeCleared(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	c := open(t, cfg)
	id := apply(t, c, connectors.Applied, creation("anna", map[string][]string{"usageLocation": {"SE"}, "jobTitle": {"clerk"}, "showInAddressList": {"true"}}))[0].AccountID
	change := on(connectors.UpdateAccount, id)
	change.Attributes = map[string][]string{"usageLocation": nil, "showInAddressList": {}, "jobTitle": nil, "department": {"school"}}
	const left = "showInAddressList, usageLocation: Graph does not accept an empty value"
	if r := apply(t, c, connectors.Applied, change)[0]; !strings.HasPrefix(r.Detail, left) || strings.Contains(r.Detail, "SE") {
		t.Errorf("reported: %q", r.Detail)
	}
	if u := s.User(id); u["usageLocation"] != "SE" || u["jobTitle"] != nil || u["department"] != "school" || u["showInAddressList"] != true {
		t.Errorf("the user is %v", u)
	}
	s.Forget()
	if why := detail(t, c, change); !strings.HasPrefix(why, left) {
		t.Errorf("refused because %q", why)
	}
	for _, r := range s.Requests() {
		if r.Method == http.MethodPatch {
			t.Errorf("%s %s %s", r.Method, r.Path, r.Body)
		}
	}
	other := apply(t, c, connectors.Applied, creation("berit", map[string][]string{"usageLocation": nil}))[0].AccountID
	change.Account.ID, change.Attributes = other, map[string][]string{"usageLocation": nil}
	apply(t, c, connectors.AlreadyApplied, change)
}

// TestLicences checks assigning and removing licences by SKU.
func TestLicences(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{Licences: []standin.Licence{{SKU: "E3", Units: 1}, {SKU: "EMS", Units: 5}}})
	s.AddGroup("licence:E3", nil) // a group with the name of a licence entitlement
	nowhere, anna := s.AddUser("nowhere", nil), s.AddUser("anna", map[string]any{"usageLocation": "SE"})
	berit := s.AddUser("berit", map[string]any{"usageLocation": "SE"})
	plain := open(t, cfg)
	if got := snapshot(t, plain); len(got.Entitlements) != 1 {
		t.Errorf("without licences: %v", got.Entitlements)
	}
	cfg.Licences = true
	c := open(t, cfg)
	apply(t, c, connectors.Applied, joins(anna, "licence:E3"), joins(anna, "licence:EMS"))
	apply(t, c, connectors.AlreadyApplied, joins(anna, "licence:E3"), leaves(berit, "licence:E3"), leaves("00000000-0000-4000-8000-00000000dead", "licence:E3"))
	for change, word := range map[*connectors.Change]string{
		ptr(joins(berit, "licence:E3")):                                  "no licence of that kind is available",
		ptr(joins(nowhere, "licence:EMS")):                               "usageLocation",
		ptr(joins(anna, "licence:NOTHING")):                              "no such licence",
		ptr(joins("00000000-0000-4000-8000-00000000dead", "licence:E3")): "no such account",
	} {
		if why := detail(t, c, *change); !strings.Contains(why, word) {
			t.Errorf("%q, want %q in it", why, word)
		}
	}
	got := snapshot(t, c)
	want := map[connectors.Membership]int{{Entitlement: "licence:E3", AccountID: anna}: 1, {Entitlement: "licence:EMS", AccountID: anna}: 1}
	if fmt.Sprint(got.Members) != fmt.Sprint(want) || len(got.Entitlements) != 3 {
		t.Errorf("snapshot: %v %v", got.Members, got.Entitlements)
	}
	apply(t, c, connectors.Applied, leaves(anna, "licence:E3"), joins(berit, "licence:EMS"))
	apply(t, c, connectors.Applied, joins(berit, "licence:E3"))
	if got := s.Licences(berit); !slices.Equal(got, []string{"E3", "EMS"}) {
		t.Errorf("licences %v", got)
	}
	s.GiveLicence(nowhere, "EMS", true)
	if why := detail(t, c, leaves(nowhere, "licence:EMS")); !strings.Contains(why, "inherited from a group") {
		t.Errorf("%q", why)
	}
}

func ptr[T any](v T) *T { return &v }

// TestRename checks renames within the tenant's rules.
func TestRename(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{Domains: []string{domain, "skola.kommun.test"}})
	c := open(t, cfg)
	id := apply(t, c, connectors.Applied, creation("anna", nil))[0].AccountID
	s.AddUser("berit", nil)
	rename := func(name string) connectors.Change {
		r := on(connectors.RenameAccount, id)
		r.Account.Name = name
		return r
	}
	for name, word := range map[string]string{
		"berit": "taken", "BERIT": "taken", "x@elsewhere.test": "verified domain", "a b": "characters", "Åsa": "characters", "": "no login name", "a@b@c": "domain", strings.Repeat("a", 65): "characters",
	} {
		if why := detail(t, c, rename(name)); !strings.Contains(why, word) {
			t.Errorf("%q: %q, want %q in it", name, why, word)
		}
	}
	apply(t, c, connectors.Applied, rename("annika"))
	if u := s.User(id); u["userPrincipalName"] != "annika@"+domain || u["mailNickname"] != "annika" {
		t.Errorf("%v", u)
	}
	apply(t, c, connectors.Applied, rename("annika@skola.kommun.test"))
	apply(t, c, connectors.AlreadyApplied, rename("annika@skola.kommun.test"))
	if a := snapshot(t, c).Accounts[id]; a.Name != "annika@skola.kommun.test" {
		t.Errorf("name %q", a.Name)
	}
	// A rename may change the case only.
	apply(t, c, connectors.Applied, rename("Annika@skola.kommun.test"))
	// mailNickname is unchanged when it is a managed attribute.
	cfg.Attributes = append(slices.Clone(managed), "mailNickname")
	apply(t, open(t, cfg), connectors.Applied, rename("disa"))
	if u := s.User(id); u["mailNickname"] != "Annika" {
		t.Errorf("%v", u)
	}
}

// TestAdopt checks that the person's ID is written into an account that has none,
// once.
func TestAdopt(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	first, second := s.AddUser("anna", nil), s.AddUser("anna2", nil)
	taken := s.AddUser("berit", map[string]any{"onPremisesExtensionAttributes": map[string]any{"extensionAttribute15": "behov-berit", "extensionAttribute1": "keep"}})
	c := open(t, cfg)
	adopt := func(id, anchor string) connectors.Change {
		a := on(connectors.AdoptAccount, id)
		a.Account.Anchor = anchor
		return a
	}
	if why := detail(t, c, adopt(taken, "behov-anna")); !strings.Contains(why, "another person") {
		t.Errorf("%q", why)
	}
	if why := detail(t, c, adopt(first, "behov-berit")); !strings.Contains(why, "another account") {
		t.Errorf("%q", why)
	}
	detail(t, c, adopt(first, ""))
	// Of two accounts for one person in one call only one is adopted.
	r := results(t, c, adopt(first, "behov-anna"), adopt(second, "behov-anna"))
	if r[0].Status != connectors.Applied || r[1].Status != connectors.Refused {
		t.Errorf("%+v", r)
	}
	apply(t, c, connectors.AlreadyApplied, adopt(first, "behov-anna"), adopt(taken, "behov-berit"))
	if s.User(second)["onPremisesExtensionAttributes"] != nil || s.User(taken)["onPremisesExtensionAttributes"].(map[string]any)["extensionAttribute1"] != "keep" {
		t.Error("something else was changed")
	}
}

// TestEmployeeIDIsTooShortForAUUID checks that the connector refuses it without a
// request.
func TestEmployeeIDIsTooShortForAUUID(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	cfg.AnchorAttribute = "employeeId"
	change := creation("anna", nil)
	change.Account.Anchor = "019a2b3c-0000-7000-8000-000000000001"
	if why := detail(t, open(t, cfg), change); !strings.Contains(why, "16 characters") || len(s.Users()) > 0 {
		t.Errorf("%q", why)
	}
	cfg.AnchorAttribute = ""
	apply(t, open(t, cfg), connectors.Applied, change)
}

// handover is a PasswordSink that keeps passwords.
type handover struct {
	told map[string]string
	err  error
}

func (h *handover) FirstPassword(ctx context.Context, account connectors.AccountRef, password string) error {
	if account.ID == "" || account.Anchor == "" || ctx.Err() != nil {
		return errors.New("not an account")
	}
	h.told[account.Name] += password
	return h.err
}

// TestFirstPassword checks that the password is random and strong, is delivered
// once and after the account is created, and is in no error.
func TestFirstPassword(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	h := &handover{told: map[string]string{}}
	cfg.PasswordSink = h
	c := open(t, cfg)
	if !c.Capabilities()[connectors.Password].Can {
		t.Error("the ability is not there")
	}
	s.AddUser("taken", nil)
	apply(t, c, connectors.Applied, creation("anna", nil), creation("berit", nil))
	apply(t, c, connectors.AlreadyApplied, creation("anna", nil))
	apply(t, c, connectors.Refused, creation("taken", nil))
	if len(h.told) != 2 || h.told["anna"] == h.told["berit"] {
		t.Fatalf("told %v", h.told)
	}
	for _, p := range h.told {
		for name, is := range map[string]func(rune) bool{
			"lower": unicode.IsLower, "upper": unicode.IsUpper, "digit": unicode.IsDigit,
			"other": func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) },
		} {
			if !strings.ContainsFunc(p, is) || len(p) < 20 {
				t.Errorf("%q has no %s character, or is short", p, name)
			}
		}
	}
	for _, r := range s.Requests() {
		if r.Method == http.MethodPost && r.Path == "/users" && !strings.Contains(string(r.Body), `"forceChangePasswordNextSignIn":true`) {
			t.Errorf("a password that need not be changed: %s", r.Path)
		}
	}
	h.err = errors.New("the safe is full: hunter2")
	r := results(t, c, creation("cecilia", nil))[0]
	if r.Err != nil || r.Status != connectors.Applied || !strings.Contains(r.Detail, "not delivered") || strings.Contains(r.Detail, "hunter2") {
		t.Errorf("%+v", r)
	}
	cfg.PasswordSink = nil
	if open(t, cfg).Capabilities()[connectors.Password].Can {
		t.Error("without a handover the ability is there")
	}
}

// canceller is a PasswordSink that cancels the context.
type canceller struct {
	handover
	cancel context.CancelFunc
}

func (h *canceller) FirstPassword(ctx context.Context, account connectors.AccountRef, password string) error {
	h.cancel()
	return h.handover.FirstPassword(ctx, account, password)
}

// TestWhatComesAfterACreation checks that the password is delivered after ctx is
// cancelled, and that the creation succeeds when setting the manager fails.
func TestWhatComesAfterACreation(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	h := &canceller{handover{told: map[string]string{}}, cancel}
	cfg.PasswordSink = h
	c := open(t, cfg)
	for i, r := range c.Apply(ctx, []connectors.Change{creation("anna", nil), creation("berit", nil)}) {
		if r.Status != connectors.Applied || r.Err != nil {
			t.Errorf("creation %d: %+v", i, r)
		}
	}
	if len(h.told) != 2 {
		t.Errorf("told %d passwords", len(h.told))
	}
	boss := s.AddUser("boss", nil)
	s.Hook(func(r standin.Request) *standin.Fault {
		if r.Method == http.MethodPut {
			return &standin.Fault{Status: 500, Code: "UnknownError"}
		}
		return nil
	})
	r := results(t, c, creation("cecilia", map[string][]string{"manager": {boss}}))[0]
	if r.Status != connectors.Applied || r.Err != nil || !strings.Contains(r.Detail, "manager") || s.User(r.AccountID) == nil {
		t.Errorf("without its manager: %+v", r)
	}
	if why := detail(t, c, creation("disa", map[string][]string{"manager": {"00000000-0000-4000-8000-00000000dead"}})); !strings.Contains(why, "manager") || len(s.Users()) != 4 {
		t.Errorf("a manager who is not there: %q, %d users", why, len(s.Users()))
	}
}

// TestThroughput measures requests and time for many changes.
func TestThroughput(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	s, cfg := start(t, standin.Options{})
	g := s.AddGroup("staff", nil)
	cfg.StateStore = &memory{}
	cfg.Attributes, cfg.References = managed[:len(managed)-1], nil
	c := open(t, cfg)
	const n = 1000
	var changes []connectors.Change
	for i := range n {
		changes = append(changes, creation(fmt.Sprintf("u%d", i), map[string][]string{"jobTitle": {"clerk"}}))
	}
	measure := func(what string, do func()) {
		s.Forget()
		began := time.Now()
		do()
		outer := 0
		for _, r := range s.Requests() {
			if !r.InBatch {
				outer++
			}
		}
		t.Logf("%s: %s, %d HTTP requests for %d to Graph", what, time.Since(began).Round(time.Millisecond), outer, len(s.Requests())-outer)
	}
	var joined []connectors.Change
	measure("1,000 creations", func() {
		for _, r := range apply(t, c, connectors.Applied, changes...) {
			joined = append(joined, joins(r.AccountID, "staff"))
		}
	})
	measure("1,000 memberships", func() { apply(t, c, connectors.Applied, joined...) })
	measure("a reading of everything", func() { snapshot(t, c) })
	measure("a reading of no changes", func() { snapshot(t, c) })
	if len(s.Members(g)) != n {
		t.Errorf("%d members", len(s.Members(g)))
	}
}

// TestPasses checks that an account has one pass at a time, and that a validity
// outside Graph's range is refused.
func TestPasses(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	s, cfg := start(t, standin.Options{PassMax: 480, Now: func() time.Time { return now }})
	id := s.AddUser("anna", nil)
	c := open(t, cfg)
	issuer, ref := c.(connectors.PassIssuer), connectors.AccountRef{ID: id}
	first, err := issuer.IssuePass(t.Context(), ref, 61*time.Minute+time.Second)
	if err != nil || first.Code == "" || !first.Starts.Equal(now) || !first.Expires.Equal(now.Add(62*time.Minute)) {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := issuer.IssuePass(t.Context(), ref, time.Hour)
	if err != nil || second.Code == first.Code || s.Passes(id) != 1 {
		t.Errorf("%+v, %v, %d passes", second, err, s.Passes(id))
	}
	for _, valid := range []time.Duration{0, time.Minute, 9 * time.Hour, 1000 * time.Hour, -time.Hour} {
		if p, err := issuer.IssuePass(t.Context(), ref, valid); connectors.ClassOf(err) != connectors.Permanent || p.Code != "" {
			t.Errorf("%s: %+v, %v", valid, p, err)
		}
	}
	if _, err := issuer.IssuePass(t.Context(), ref, time.Hour); err != nil {
		t.Error(err)
	}
	for _, want := range []connectors.Status{connectors.Applied, connectors.AlreadyApplied} {
		if out, err := issuer.WithdrawPass(t.Context(), ref); err != nil || out.Status != want || s.Passes(id) != 0 {
			t.Errorf("%+v, %v, want %s", out, err, want)
		}
	}
	if _, err := issuer.IssuePass(t.Context(), connectors.AccountRef{ID: "00000000-0000-4000-8000-00000000dead"}, time.Hour); connectors.ClassOf(err) != connectors.Permanent {
		t.Errorf("for nobody: %v", err)
	}
	// Neither a pass nor a password counts as enrolment.
	single := c.(connectors.SingleMFAReader)
	if _, err := issuer.IssuePass(t.Context(), ref, time.Hour); err != nil {
		t.Error(err)
	}
	for _, of := range []struct {
		kind, reported string
		want           connectors.MFAMethod
	}{{"", "", connectors.NoMethod}, {"phone", "mobilePhone", connectors.PhoneMethod}, {"email", "email", connectors.NoMethod}, {"softwareOath", "softwareOneTimePasscode", connectors.AppMethod},
		{"microsoftAuthenticator", "microsoftAuthenticatorPush", connectors.AppMethod}, {"fido2", "fido2SecurityKey", connectors.PhishingResistantMethod}, {"qrCodePin", "qrCode", connectors.UnknownMethod}, {"", "", connectors.NoMethod}} {
		s.Register(id, of.kind, of.reported)
		if got, err := single.MFAEnrolledFor(t.Context(), ref); err != nil || got != of.want {
			t.Errorf("%s: %q, %v; want %q", of.kind, got, err, of.want)
		}
		if of.kind == "email" {
			continue // the report says itself who is registered
		}
		listed := connectors.NoMethod
		if _, err := c.(connectors.MFAReader).MFAEnrolled(t.Context(), func(account string, method connectors.MFAMethod) error {
			if account == id {
				listed = method
			}
			return nil
		}); err != nil || listed != of.want {
			t.Errorf("%s: listed as %q, %v; want %q", of.reported, listed, err, of.want)
		}
	}
	if _, err := single.MFAEnrolledFor(t.Context(), connectors.AccountRef{ID: "anna"}); err == nil {
		t.Error("enrolled by name")
	}
	cfg.MFA = false
	if _, ok := open(t, cfg).(connectors.MFAReader); ok {
		t.Error("without mfa it claims to read it")
	}
}

// TestGuestsAndNames checks that with guests every user is in the snapshot, under
// a name that converts back.
func TestGuestsAndNames(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{Domains: []string{domain, "skola.kommun.test"}})
	cfg.Guests = true
	guest := s.AddUser("guest", map[string]any{"userType": "Guest", "userPrincipalName": "b_firma.test#EXT#@kommun.test"})
	school := s.AddUser("x", map[string]any{"userPrincipalName": "x@skola.kommun.test"})
	s.AddGroup("staff", nil)
	first := open(t, cfg)
	apply(t, first, connectors.Applied, joins(guest, "staff"))
	got := snapshot(t, first)
	if a := got.Accounts[guest]; a.Name != "b_firma.test#EXT#" || a.Anchor != "" {
		t.Errorf("%+v", a)
	}
	if a := got.Accounts[school]; a.Name != "x@skola.kommun.test" {
		t.Errorf("%+v", a)
	}
	if got.Members[connectors.Membership{Entitlement: "staff", AccountID: guest}] != 1 {
		t.Errorf("members %v", got.Members)
	}
	apply(t, first, connectors.Applied, leaves(guest, "staff"), on(connectors.DisableAccount, guest))
	cfg.Domain = ""
	c := open(t, cfg)
	if a := snapshot(t, c).Accounts[guest]; a.Name != "b_firma.test#EXT#@kommun.test" {
		t.Errorf("%+v", a)
	}
	if why := detail(t, c, creation("cecilia", nil)); !strings.Contains(why, "set domain") {
		t.Errorf("%q", why)
	}
	apply(t, c, connectors.Applied, creation("cecilia@skola.kommun.test", nil))
}

// TestGuestsAreOutside checks that without guests they are no accounts, are
// unknown members of groups, and that every change of one is refused.
func TestGuestsAreOutside(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*graph.Config){
		"in full": func(*graph.Config) {},
		"users by delta": func(c *graph.Config) {
			c.StateStore, c.References, c.Attributes = &memory{}, nil, []string{"jobTitle"}
		},
		"groups by delta": func(c *graph.Config) { c.StateStore, c.Licences = &memory{}, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, cfg := start(t, standin.Options{Licences: []standin.Licence{{SKU: "E3", Units: 9}}})
			prepare(&cfg)
			group := s.AddGroup("staff", nil)
			anna := s.AddUser("anna", nil)
			guest := s.AddUser("guest", map[string]any{
				"userType": "guest", "usageLocation": "SE", "onPremisesExtensionAttributes": map[string]any{"extensionAttribute15": "behov-guest"},
			})
			invited := s.AddUser("invited", map[string]any{"userPrincipalName": "b_firma.test#ext#@kommun.test", "usageLocation": "SE"})
			s.AddMembers(group, anna, guest)
			s.GiveLicence(invited, "E3", false)
			c := open(t, cfg)
			members := func(e string, ids ...string) {
				t.Helper()
				got := snapshot(t, c)
				want := map[connectors.Membership]int{}
				for _, id := range ids {
					want[connectors.Membership{Entitlement: e, AccountID: id}]++
				}
				if cfg.Licences {
					want[connectors.Membership{Entitlement: "licence:E3"}] = 1
				}
				if fmt.Sprint(got.Members) != fmt.Sprint(want) {
					t.Errorf("members %v, want %v", got.Members, want)
				}
				for _, id := range []string{anna, guest, invited} {
					if _, shown := got.Accounts[id]; shown != (id == anna || slices.Contains(ids, id)) {
						t.Errorf("%s is shown: %t", s.User(id)["displayName"], shown)
					}
				}
			}
			members("staff", anna, "")
			update, rename, adopt := on(connectors.UpdateAccount, guest), on(connectors.RenameAccount, guest), on(connectors.AdoptAccount, invited)
			update.Attributes, rename.Account.Name, adopt.Account.Anchor = map[string][]string{"jobTitle": {"boss"}}, "berit", "behov-b"
			changes := []connectors.Change{
				update, rename, adopt, on(connectors.DisableAccount, invited), on(connectors.DeleteAccount, guest), on(connectors.DeleteAccount, invited),
				joins(invited, "staff"), leaves(guest, "staff"), creation("guest", nil),
			}
			if cfg.Licences {
				changes = append(changes, joins(guest, "licence:E3"), leaves(invited, "licence:E3"))
			}
			for _, change := range changes {
				if why := detail(t, c, change); !strings.Contains(why, "guests: true") {
					t.Errorf("%s: %q", change.Op, why)
				}
			}
			for _, r := range s.Requests() {
				if r.Method != http.MethodGet && r.Path != "/$batch" {
					t.Errorf("%s %s was sent", r.Method, r.Path)
				}
			}
			// Of many at a time only the guest's is refused.
			berit := s.AddUser("berit", nil)
			got := results(t, c, joins(berit, "staff"), joins(invited, "staff"))
			if got[0].Status != connectors.Applied || got[1].Status != connectors.Refused {
				t.Errorf("%+v", got)
			}
			s.RemoveUser(berit)
			if why := detail(t, c, creation("b#EXT#", nil)); !strings.Contains(why, "guests: true") {
				t.Errorf("%q", why)
			}
			// A guest can become a member, and a guest again.
			s.SetUser(guest, map[string]any{"userType": "Member"})
			members("staff", anna, guest)
			s.SetUser(guest, map[string]any{"userType": "Guest"})
			members("staff", anna, "")
		})
	}
}

// TestGuestLookUpFails checks that no change is made while it is unknown whether
// the user is a guest.
func TestGuestLookUpFails(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	group, anna := s.AddGroup("staff", nil), s.AddUser("anna", nil)
	s.Hook(func(r standin.Request) *standin.Fault {
		if strings.HasPrefix(r.Query.Get("$filter"), "id in") {
			return &standin.Fault{Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Message: "no"}
		}
		return nil
	})
	for _, r := range results(t, open(t, cfg), joins(anna, "staff"), on(connectors.DeleteAccount, anna)) {
		if r.Err == nil {
			t.Errorf("%+v, want an error", r)
		}
	}
	if s.User(anna) == nil || len(s.Members(group)) > 0 {
		t.Error("it was done all the same")
	}
}

// TestDeletedGuestIsNotRestored checks that a person whose ID a deleted guest has
// gets a new account.
func TestDeletedGuestIsNotRestored(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	guest := s.AddUser("guest", map[string]any{"userType": "Guest", "onPremisesExtensionAttributes": map[string]any{"extensionAttribute15": "behov-anna"}})
	s.RemoveUser(guest)
	if got := apply(t, open(t, cfg), connectors.Applied, creation("anna", nil)); got[0].AccountID == guest {
		t.Error("the guest was restored")
	}
}

// TestNamesThatEntraRefuses checks that the connector refuses them without a
// request, with the same rules as the stand-in.
func TestNamesThatEntraRefuses(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	c := open(t, cfg)
	id := s.AddUser("berit", nil)
	for name, word := range map[string]string{
		"": "no login name", "@kommun.test": "nothing before the @", ".": "dot", "..": "dot", "annalisa.": "dot", ".annalisa": "dot", "a..b": "dot",
		"annalisa.@kommun.test": "dot", " ": "characters", "a b": "characters", "a ": "characters", "å": "characters", strings.Repeat("a", 65): "too long",
	} {
		rename := on(connectors.RenameAccount, id)
		rename.Account.Name = name
		for _, change := range []connectors.Change{creation(name, nil), rename} {
			r := results(t, c, change)[0]
			if r.Err != nil || r.Status != connectors.Refused || !strings.Contains(r.Detail, word) {
				t.Errorf("%s %q: %+v, want %q", change.Op, name, r, word)
			}
		}
	}
	for _, r := range s.Requests() {
		if r.Method != http.MethodGet {
			t.Errorf("%s %s was sent", r.Method, r.Path)
		}
	}
	apply(t, c, connectors.Applied, creation("a.n-n_a'", nil))
}

// TestTakenNames checks the names of all users in the tenant, including guests;
// those of deleted users are free.
func TestTakenNames(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{MaxPage: 4, Domains: []string{domain, "skola.kommun.test"}})
	s.AddUser("guest", map[string]any{"userType": "Guest"})
	s.AddUser("O'Hara", nil)
	s.AddUser("x", map[string]any{"userPrincipalName": "x@skola.kommun.test"})
	s.RemoveUser(s.AddUser("gone", nil))
	names := []string{"guest", "GUEST", "guest@kommun.test", "o'hara", "x", "X@skola.kommun.test", "gone", "free", "", "bad..name", "a b"}
	want := map[string]bool{"guest": true, "GUEST": true, "guest@kommun.test": true, "o'hara": true, "X@skola.kommun.test": true}
	for i := range 50 {
		name := fmt.Sprintf("u%d", i)
		names = append(names, name)
		if i%2 == 0 {
			s.AddUser(name, nil)
			want[name] = true
		}
	}
	c := open(t, cfg)
	checker := c.(connectors.NameChecker)
	got, err := checker.TakenNames(t.Context(), names)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	// A name reported as free can be assigned, and one reported as taken cannot.
	apply(t, c, connectors.Applied, creation("gone", nil))
	if r := results(t, c, creation("guest", nil))[0]; r.Status != connectors.Refused || !strings.Contains(r.Detail, "taken") {
		t.Errorf("%+v", r)
	}
	s.Hook(func(r standin.Request) *standin.Fault {
		if strings.Contains(r.Query.Get("$filter"), "'u40@") {
			return &standin.Fault{Status: http.StatusForbidden, Code: "Authorization_RequestDenied", Message: "no"}
		}
		return nil
	})
	if got, err := checker.TakenNames(t.Context(), names); err == nil || got != nil {
		t.Errorf("a look-up failed: %v, %v", got, err)
	}
	if got, err := checker.TakenNames(t.Context(), nil); err != nil || len(got) > 0 {
		t.Errorf("of none: %v, %v", got, err)
	}
}

// TestAmbiguousGroups checks that groups with the same name are shown under their
// object IDs, and that the name itself is refused.
func TestAmbiguousGroups(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	id := s.AddUser("anna", nil)
	a, b, lower := s.AddGroup("Staff", nil), s.AddGroup("Staff", nil), s.AddGroup("staff", nil)
	s.AddMembers(a, id)
	c := open(t, cfg)
	got := snapshot(t, c)
	if want := map[string]bool{"Staff": true, a: false, b: false, "staff": false}; fmt.Sprint(got.Entitlements) != fmt.Sprint(want) {
		t.Errorf("entitlements %v, want %v", got.Entitlements, want)
	}
	if len(got.Members) != 1 || got.Members[connectors.Membership{Entitlement: a, AccountID: id}] != 1 {
		t.Errorf("members %v", got.Members)
	}
	if why := detail(t, c, joins(id, "Staff")); !strings.Contains(why, "object ID") {
		t.Errorf("%q", why)
	}
	apply(t, c, connectors.Applied, joins(id, b), joins(id, "staff"))
	if !slices.Equal(s.Members(b), []string{id}) || !slices.Equal(s.Members(lower), []string{id}) {
		t.Error("other groups were changed")
	}
	cfg.GroupNames = "id"
	c = open(t, cfg)
	if got := snapshot(t, c); len(got.Entitlements) != 3 || got.Entitlements[a] {
		t.Errorf("by ID: %v", got.Entitlements)
	}
	detail(t, c, joins(id, "staff"))
}

// TestMembersOfOneRequest checks that members are added twenty at a time, and one
// by one only when Graph refuses the request.
func TestMembersOfOneRequest(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	g := s.AddGroup("staff", nil)
	var changes []connectors.Change
	var ids []string
	for i := range 61 {
		ids = append(ids, s.AddUser(fmt.Sprintf("u%d", i), nil))
		changes = append(changes, joins(ids[i], "staff"))
	}
	s.AddMembers(g, ids[25])
	got := results(t, open(t, cfg), changes...)
	count := map[string]int{}
	for _, r := range s.Requests() {
		count[r.Method+" "+objectID.ReplaceAllString(r.Path, "{}")]++
	}
	if count["PATCH /groups/{}"] != 3 || count["POST /groups/{}/members/$ref"] != 21 {
		t.Errorf("requests %v, want 3 PATCH and 21 POST", count)
	}
	for i, r := range got {
		if want := map[bool]connectors.Status{false: connectors.Applied, true: connectors.AlreadyApplied}[i == 25]; r.Status != want {
			t.Errorf("change %d: %+v, want %s", i, r, want)
		}
	}
	if len(s.Members(g)) != 61 {
		t.Errorf("%d members", len(s.Members(g)))
	}
}

// TestTenThousandMembers checks that all members of a large group are read.
func TestTenThousandMembers(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	g := s.AddGroup("all", nil)
	const n = 10_000
	for i := range n {
		s.AddMembers(g, s.AddUser(fmt.Sprintf("u%d", i), nil))
	}
	began := time.Now()
	got := snapshot(t, open(t, cfg))
	t.Logf("%d users and members in %s, %d requests", n, time.Since(began).Round(time.Millisecond), len(s.Requests()))
	if len(got.Accounts) != n || len(got.Members) != n {
		t.Errorf("%d accounts, %d members", len(got.Accounts), len(got.Members))
	}
	// A page in the middle fails.
	pages := 0
	s.Hook(func(r standin.Request) *standin.Fault {
		if strings.HasSuffix(r.Path, "/members") {
			if pages++; pages == 5 {
				return &standin.Fault{Truncate: true}
			}
		}
		return nil
	})
	half := &seen{map[string]connectors.Account{}, map[string]bool{}, map[connectors.Membership]int{}}
	if done, err := open(t, cfg).Snapshot(t.Context(), half); connectors.ClassOf(err) != connectors.TargetDown || done.Complete || pages != 5 {
		t.Errorf("%v, complete %t after %d pages", err, done.Complete, pages)
	}
}
