package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
)

// Observed is a target as a snapshot showed it. It is a connectors.Sink; call
// Done when the snapshot has ended.
type Observed struct {
	Accounts     []connectors.Account // sorted by ID
	Completeness connectors.Completeness
	Digest       string

	byAnchor     map[string][]int
	byName       map[string]int
	entitlements map[string]bool
	ambiguous    map[string]bool
	members      map[string]map[string]bool // account ID → entitlements
	total        int
}

// NewObserved returns an Observed that has seen nothing.
func NewObserved() *Observed {
	return &Observed{entitlements: map[string]bool{}, ambiguous: map[string]bool{}, members: map[string]map[string]bool{}}
}

// Account implements connectors.Sink.
func (o *Observed) Account(a connectors.Account) error {
	if a.ID == "" {
		return fmt.Errorf("the target gave an account without an ID")
	}
	o.Accounts = append(o.Accounts, a)
	return nil
}

// Entitlement implements connectors.Sink.
func (o *Observed) Entitlement(e connectors.Entitlement) error {
	if e.Ambiguous {
		o.ambiguous[e.Name] = true
		return nil
	}
	o.entitlements[e.Name] = true
	return nil
}

// Membership implements connectors.Sink.
func (o *Observed) Membership(m connectors.Membership) error {
	if m.AccountID == "" {
		return nil // not one of our accounts
	}
	if o.members[m.AccountID] == nil {
		o.members[m.AccountID] = map[string]bool{}
	}
	if !o.members[m.AccountID][m.Entitlement] {
		o.total++
	}
	o.members[m.AccountID][m.Entitlement] = true
	return nil
}

// Done ends the snapshot: it sorts what came and computes the digest.
func (o *Observed) Done(c connectors.Completeness) {
	o.Completeness = c
	slices.SortFunc(o.Accounts, func(a, b connectors.Account) int { return strings.Compare(a.ID, b.ID) })
	o.byAnchor, o.byName = make(map[string][]int, len(o.Accounts)), make(map[string]int, len(o.Accounts))
	h := sha256.New()
	fmt.Fprintf(h, "complete=%t\n", c.Complete)
	for i, a := range o.Accounts {
		if a.Anchor != "" {
			o.byAnchor[a.Anchor] = append(o.byAnchor[a.Anchor], i)
		}
		o.byName[strings.ToLower(a.Name)] = i
		fmt.Fprintf(h, "a %q %q %q %t %t\n", a.ID, a.Anchor, a.Name, a.Enabled, a.Elsewhere)
		for _, name := range slices.Sorted(maps.Keys(a.Attributes)) {
			fmt.Fprintf(h, " %q %q\n", name, sorted(a.Attributes[name]))
		}
		for _, e := range slices.Sorted(maps.Keys(o.members[a.ID])) {
			fmt.Fprintf(h, " m %q\n", e)
		}
	}
	for _, e := range slices.Sorted(maps.Keys(o.entitlements)) {
		fmt.Fprintf(h, "e %q\n", e)
	}
	for _, e := range slices.Sorted(maps.Keys(o.ambiguous)) {
		fmt.Fprintf(h, "several %q\n", e)
	}
	o.Digest = hex.EncodeToString(h.Sum(nil))
}

// Of returns the accounts that carry the anchor.
func (o *Observed) Of(anchor string) []connectors.Account {
	var accounts []connectors.Account
	for _, i := range o.byAnchor[anchor] {
		accounts = append(accounts, o.Accounts[i])
	}
	return accounts
}

// ByID returns the account with the native ID.
func (o *Observed) ByID(id string) (connectors.Account, bool) {
	i, ok := slices.BinarySearchFunc(o.Accounts, id, func(a connectors.Account, id string) int { return strings.Compare(a.ID, id) })
	if !ok {
		return connectors.Account{}, false
	}
	return o.Accounts[i], true
}

// Named returns the account with the login name, however it is capitalised.
func (o *Observed) Named(name string) (connectors.Account, bool) {
	i, ok := o.byName[strings.ToLower(name)]
	if !ok {
		return connectors.Account{}, false
	}
	return o.Accounts[i], true
}

// Member says whether the account has the entitlement, by its native name.
func (o *Observed) Member(accountID, native string) bool { return o.members[accountID][native] }

// Exists says whether the target has the entitlement.
func (o *Observed) Exists(native string) bool { return o.entitlements[native] }

// Ambiguous says whether several entitlements in the target have the name.
func (o *Observed) Ambiguous(native string) bool { return o.ambiguous[native] }

// Entitlements returns the native names of all entitlements, sorted.
func (o *Observed) Entitlements() []string { return slices.Sorted(maps.Keys(o.entitlements)) }

// Size returns the number of accounts, and of memberships that accounts have.
func (o *Observed) Size() (accounts, memberships int) { return len(o.Accounts), o.total }

func sorted(s []string) []string {
	if slices.IsSorted(s) {
		return s
	}
	return slices.Sorted(slices.Values(s))
}
