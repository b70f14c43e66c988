package plan

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// findings lists what is in the target and not ours, and what should be there
// and is not.
func (b *builder) findings(people []identity.PersonID) {
	known := func(person identity.PersonID) bool {
		_, is := slices.BinarySearch(people, person)
		return is
	}
	for a := range b.t.Observed.All() {
		switch {
		case known(identity.PersonID(a.Anchor)), known(b.t.Bound.person[a.ID]), b.t.adopts(a.ID), b.t.ignored(a.Name):
		case a.Anchor == "":
			b.addFinding(Finding{Kind: Orphan, AccountID: a.ID, Text: "the account belongs to no person behov knows: adopt it by a rule under adopt, or list its name under ignore" + b.memberships(a.ID)})
		case !personID.MatchString(a.Anchor):
			b.addFinding(Finding{Kind: Orphan, AccountID: a.ID, Text: "its anchor attribute holds something that is not behov's, and so it cannot be adopted: choose an anchor_attribute that nobody uses" + b.memberships(a.ID)})
		default:
			b.addFinding(Finding{Kind: Orphan, AccountID: a.ID, Text: "the account says it belongs to a person behov does not know" + b.memberships(a.ID)})
		}
	}
	b.reportUncatalogued()
	if b.t.SignInPossible != "" {
		b.addFinding(Finding{Kind: SignInPossible, Text: "ACCOUNTS CANNOT BE DISABLED HERE: " + b.t.SignInPossible + "; then run behov check. Until then no disabled account counts as closed"})
	} else if b.t.Unproven != "" {
		b.addFinding(Finding{Kind: SignInPossible, Text: "nothing shows that a disabled account cannot sign in here: " + b.t.Unproven})
	}
	if n := b.managers[ManagerUnknown]; n > 0 {
		b.addFinding(Finding{Kind: Managers, Text: fmt.Sprintf("HR names managers whom it does not list, for %d people: behov people managers lists them; what stands in the target stays, unless missing: clear is set beside reference: manager", n)})
	}
	if n := b.managers[ManagerLeft]; n > 0 {
		b.addFinding(Finding{Kind: Managers, Text: fmt.Sprintf("HR names managers who have left, for %d people: behov people managers lists them, for HR to name others; missing: clear beside reference: manager empties the attribute meanwhile", n)})
	}
	native := map[string]bool{}
	for _, e := range b.catalogue {
		native[e.Native] = true
		for _, former := range b.t.FormerGroups[e.ID] {
			native[former] = true
		}
		if b.t.Observed.Ambiguous(e.Native) {
			b.addFinding(Finding{Kind: Ambiguous, Entitlement: e.ID, Text: fmt.Sprintf("several groups in the target are named %q: rename all but one, or name it by its DN; until then no one gets it and no one loses it", e.Native)})
		} else if why := b.t.Observed.Unreadable(e.Native); why != "" {
			b.addFinding(Finding{Kind: Missing, Entitlement: e.ID, Text: fmt.Sprintf("who is in %q is not known: %s; until then no one gets it and no one loses it", e.Native, why)})
		} else if b.t.Observed.Completeness.Complete && !b.t.Observed.Exists(e.Native) {
			b.addFinding(Finding{Kind: Missing, Entitlement: e.ID, Text: fmt.Sprintf("the target has no %q: create it there, or correct the catalogue; until then no one can get it", e.Native)})
		}
	}
	b.dangling()
	for _, name := range b.t.Observed.Entitlements() {
		if !native[name] {
			b.addFinding(Finding{Kind: Unmanaged, Text: fmt.Sprintf("%q is not in the catalogue and is left alone", name)})
		}
	}
}

// dangling reports the members that name nothing in the target. Those that are an
// earlier name of a known account are removed, or reported with that account.
func (b *builder) dangling() {
	counts := b.t.Observed.dangling
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		f := Finding{Kind: Dangling, Text: fmt.Sprintf("%q holds %d members that name nothing in the target, or nothing that behov may see: an account that gets such a name would inherit the membership; remove them", name, counts[name])}
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

// memberships says what of the catalogue a stranger's account has.
func (b *builder) memberships(accountID string) string {
	var has []string
	for _, e := range b.catalogue {
		if b.t.Observed.Member(accountID, e.Native) {
			has = append(has, string(e.ID))
		}
	}
	if len(has) == 0 {
		return ""
	}
	return "; it has " + strings.Join(has, ", ")
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
		b.addFinding(Finding{Kind: Unmanaged, Entitlement: id, Text: fmt.Sprintf("%d people were given it by behov and it is no longer in the catalogue: put it back, let behov take it away, and then remove it", counts[id])})
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
