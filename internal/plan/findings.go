package plan

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// findings lists what is in the target and not ours, and what should be there
// and is not.
func (b *builder) findings(people []identity.PersonID) {
	known := func(person identity.PersonID) bool {
		_, is := slices.BinarySearch(people, person)
		return is
	}
	registered := make(map[string]bool, len(b.t.NonHuman))
	for _, n := range b.t.NonHuman {
		registered[n.AccountID] = true
	}
	for a := range b.t.Observed.All() {
		switch {
		case registered[a.ID], known(identity.PersonID(a.Anchor)), known(b.t.Bound.person[a.ID]), b.t.adopts(a.ID), b.t.ignored(a.Name):
		case a.Anchor == "":
			b.addFinding(Finding{Kind: Orphan, AccountID: a.ID, Reason: reason.Of(reason.OrphanAccount{Has: b.memberships(a.ID)})})
		case !personID.MatchString(a.Anchor):
			b.addFinding(Finding{Kind: Orphan, AccountID: a.ID, Reason: reason.Of(reason.ForeignAnchor{Has: b.memberships(a.ID)})})
		default:
			b.addFinding(Finding{Kind: Orphan, AccountID: a.ID, Reason: reason.Of(reason.AnchorOfStranger{Has: b.memberships(a.ID)})})
		}
	}
	b.reportUncatalogued()
	if b.t.SignInPossible != "" {
		b.addFinding(Finding{Kind: SignInPossible, Reason: reason.Of(reason.CannotDisable{Detail: b.t.SignInPossible})})
	} else if !b.t.Unproven.IsZero() {
		b.addFinding(Finding{Kind: SignInPossible, Reason: b.t.Unproven})
	}
	if n := b.managers[ManagerUnknown]; n > 0 {
		b.addFinding(Finding{Kind: Managers, Reason: reason.Of(reason.ManagersUnknown{Count: n})})
	}
	if n := b.managers[ManagerLeft]; n > 0 {
		b.addFinding(Finding{Kind: Managers, Reason: reason.Of(reason.ManagersLeft{Count: n})})
	}
	native := map[string]bool{}
	for _, e := range b.catalogue {
		native[e.Native] = true
		for _, former := range b.t.FormerGroups[e.ID] {
			native[former] = true
		}
		if b.t.Observed.Ambiguous(e.Native) {
			b.addFinding(Finding{Kind: Ambiguous, Entitlement: e.ID, Reason: reason.Of(reason.GroupNameShared{Group: e.Native})})
		} else if why := b.t.Observed.Unreadable(e.Native); why != "" {
			b.addFinding(Finding{Kind: Missing, Entitlement: e.ID, Reason: reason.Of(reason.MembersUnreadable{Group: e.Native, Detail: why})})
		} else if b.t.Observed.Completeness.Complete && !b.t.Observed.Exists(e.Native) && e.Group == nil {
			b.addFinding(Finding{Kind: Missing, Entitlement: e.ID, Reason: reason.Of(reason.GroupMissing{Group: e.Native})})
		}
	}
	b.dangling()
	for _, name := range b.t.Observed.Entitlements() {
		if !native[name] {
			b.addFinding(Finding{Kind: Unmanaged, Reason: reason.Of(reason.GroupUnmanaged{Group: name})})
		}
	}
}

// dangling reports the members that name nothing in the target. Those that are an
// earlier name of a known account are removed, or reported with that account.
func (b *builder) dangling() {
	counts := b.t.Observed.dangling
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		f := Finding{Kind: Dangling, Reason: reason.Of(reason.DanglingMembers{Group: name, Count: counts[name]})}
		for _, e := range b.catalogue {
			if b.t.Observed.Spelling(e.Native) == name {
				f.Entitlement = e.ID
			}
		}
		b.addFinding(f)
	}
}

// personID is how behov names people.
var personID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// memberships returns what of the catalogue an account without a known person has.
func (b *builder) memberships(accountID string) (has []string) {
	for _, e := range b.catalogue {
		if b.t.Observed.Member(accountID, e.Native) {
			has = append(has, string(e.ID))
		}
	}
	return has
}

// reportUncatalogued reports what behov gave and can no longer take away, as it is not
// in the catalogue any more.
func (b *builder) reportUncatalogued() {
	counts := map[policy.EntitlementID]int{}
	for access := range b.t.Given.All() {
		if access.Entitlement == AccountAccess || slices.ContainsFunc(b.catalogue, func(e policy.Entitlement) bool { return e.ID == access.Entitlement }) {
			continue
		}
		counts[access.Entitlement]++
	}
	for _, id := range slices.Sorted(maps.Keys(counts)) {
		b.addFinding(Finding{Kind: Unmanaged, Entitlement: id, Reason: reason.Of(reason.GivenUncatalogued{Count: counts[id]})})
	}
}

// AccountAccess stands for the account itself where access is named.
const AccountAccess policy.EntitlementID = "account"

func (t *Target) ignored(name string) bool { return Ignored(t.Ignore, name) }

// Ignored reports whether an account's name matches one of the patterns, as package
// path has them, of accounts that belong to no one on purpose.
func Ignored(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		// Login names are the same however they are capitalised.
		ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(name))
		return ok && err == nil
	})
}
