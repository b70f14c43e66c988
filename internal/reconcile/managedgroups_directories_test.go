package reconcile_test

import (
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/policy"
)

// TestGroupsInDirectories: on OpenLDAP and Active Directory a hire brings a group into being,
// another name in the catalogue renames it with its members in it, and a retired one goes
// when it is empty. A group that was there before stays.
func TestGroupsInDirectories(t *testing.T) {
	for _, name := range []string{"OpenLDAP", "Active Directory"} {
		t.Run(name, func(t *testing.T) {
			r := runDirectory(t, everyDirectory()[name](t))
			manage := func(id policy.EntitlementID, change func(*policy.Entitlement)) {
				all := r.Config.Rules.Catalogue.Entitlements
				i := slices.IndexFunc(all, func(e policy.Entitlement) bool { return e.ID == id })
				change(&all[i])
			}
			manage("dir:library", func(e *policy.Entitlement) {
				e.Native, e.Group = "loans (Åby)", &policy.ManagedGroup{Purpose: "Lend books"}
			})
			manage("dir:school", func(e *policy.Entitlement) { e.Group = &policy.ManagedGroup{} })
			r.people("1,E1,Anna,Berg,Librarian,lib,library,100,2020-01-01,,2")
			anna := r.entry("sn", "Berg")
			if got := r.members("loans (Åby)"); anna == nil || !slices.Contains(got, anna.DN) {
				t.Fatalf("the new group has %v", got)
			}
			if got := r.members("library"); len(got) != 0 {
				t.Errorf("the group of that name that was there has %v", got)
			}

			manage("dir:library", func(e *policy.Entitlement) { e.Native = "lending" })
			done := r.run()
			if len(done.Plan.Groups) != 1 || len(done.Plan.Steps) != 0 {
				t.Errorf("renaming: %+v, %v", done.Plan.Groups, opsOf(done.Plan.Steps))
			}
			if got := r.members("lending"); !slices.Contains(got, anna.DN) {
				t.Errorf("the renamed group has %v", got)
			}

			for _, id := range []policy.EntitlementID{"dir:library", "dir:school"} {
				manage(id, func(e *policy.Entitlement) { e.Group = &policy.ManagedGroup{Retire: policy.RetireDelete} })
			}
			for range 3 {
				r.run()
			}
			found, err := r.Dial().Search(&ldap.SearchRequest{BaseDN: r.GroupsDN, Scope: ldap.ScopeSingleLevel, Filter: "(|(cn=lending)(cn=loans*)(cn=school))", Attributes: []string{"cn"}})
			if err != nil {
				t.Fatal(err)
			}
			if len(found.Entries) != 1 || found.Entries[0].GetAttributeValue("cn") != "school" {
				t.Errorf("what is left: %+v", found.Entries)
			}
		})
	}
}
