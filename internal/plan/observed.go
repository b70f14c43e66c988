package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/connectors"
)

// Observed is a target as a snapshot showed it. It is a connectors.Sink: call Done when
// the snapshot has ended, and read it only then.
//
// A target may have hundreds of thousands of accounts, of which no more than one is read
// at a time, so each is kept packed in one string.
type Observed struct {
	Completeness connectors.Completeness
	Digest       string
	// Names is how the target compares the names of entitlements. Set it before
	// Done.
	Names connectors.Matching

	accounts []packed // sorted by ID
	byAnchor []int32  // those with an anchor, sorted by it
	byName   []int32  // sorted by name, in lower case

	attributes   table[string] // names
	natives      table[string] // names of entitlements that accounts are members of; from Done on in canonical form
	entitlements map[string]bool
	ambiguous    map[string]bool
	keys         map[string]string // by name of an entitlement, its canonical form; from Done on
	spelling     map[string]string // by canonical form, the name of an entitlement as the target has it
	unreadable   map[string]string // why the members of an entitlement cannot be read
	caseless     map[string]string // by the form without case, the same; empty when several have it
	memberships  []membership      // until Done
	former       map[formerName]bool
	dangling     map[string]int    // members that name nothing, by the entitlement's name
	outside      map[string]bool   // entitlements with members that are no accounts in the managed scope
	named        map[string]string // by the stable ID of a group, its name
	marked       map[string]string // by the mark in a group, its stable ID
	members      []int32           // natives, of one account after another
	membersOf    []int32           // where an account's begin in members; one more than accounts
}

// packed is an account: all strings are parts of one.
type packed struct {
	id, anchor, name   string
	attributes         string // see pack
	enabled, elsewhere bool
}

type membership struct {
	account string
	native  int32
}

// formerName says that an entitlement holds an earlier name of an account.
type formerName struct{ account, native string }

// table numbers values in the order in which they come.
type table[T comparable] struct {
	names  []T
	number map[T]int32
}

func (t *table[T]) of(name T) int32 {
	n, ok := t.number[name]
	if !ok {
		if t.number == nil {
			t.number = map[T]int32{}
		}
		n = int32(len(t.names))
		t.names = append(t.names, name)
		t.number[name] = n
	}
	return n
}

// numberOf is table.of for a string that may be a part of a longer one, which it does not
// keep.
func numberOf(t *table[string], name string) int32 {
	if n, ok := t.number[name]; ok {
		return n
	}
	return t.of(strings.Clone(name))
}

// NewObserved returns an Observed that has seen nothing.
func NewObserved() *Observed {
	return &Observed{entitlements: map[string]bool{}, ambiguous: map[string]bool{}}
}

// Account implements connectors.Sink.
func (o *Observed) Account(a connectors.Account) error {
	if a.ID == "" {
		return fmt.Errorf("the target gave an account without an ID")
	}
	o.accounts = append(o.accounts, o.pack(a))
	return nil
}

// pack writes an account into one string: ID, anchor, name, and of each
// attribute its number, how many values it has, and each with its length.
func (o *Observed) pack(a connectors.Account) packed {
	b := make([]byte, 0, 256)
	b = append(append(append(b, a.ID...), a.Anchor...), a.Name...)
	for _, name := range slices.Sorted(maps.Keys(a.Attributes)) {
		values := a.Attributes[name]
		b = binary.AppendUvarint(b, uint64(numberOf(&o.attributes, name)))
		b = binary.AppendUvarint(b, uint64(len(values)))
		for _, v := range values {
			b = binary.AppendUvarint(b, uint64(len(v)))
			b = append(b, v...)
		}
	}
	s := string(b)
	i, j := len(a.ID), len(a.ID)+len(a.Anchor)
	k := j + len(a.Name)
	return packed{id: s[:i], anchor: s[i:j], name: s[j:k], attributes: s[k:], enabled: a.Enabled, elsewhere: a.MasteredExternally}
}

func (o *Observed) account(i int32) connectors.Account {
	p := o.accounts[i]
	a := connectors.Account{ID: p.id, Anchor: p.anchor, Name: p.name, Enabled: p.enabled, MasteredExternally: p.elsewhere, Attributes: map[string][]string{}}
	for name, values := range o.unpack(p) {
		a.Attributes[name] = values
	}
	return a
}

// unpack returns the attributes of an account with their values, sorted by name.
func (o *Observed) unpack(p packed) iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		rest := p.attributes
		next := func() int {
			n, shift := uint64(0), 0
			for i := range len(rest) {
				n |= uint64(rest[i]&0x7f) << shift
				shift += 7
				if rest[i] < 0x80 {
					rest = rest[i+1:]
					break
				}
			}
			return int(n)
		}
		for rest != "" {
			name := o.attributes.names[next()]
			values := make([]string, next())
			for i := range values {
				n := next()
				values[i], rest = rest[:n], rest[n:]
			}
			if !yield(name, values) {
				return
			}
		}
	}
}

// Entitlement implements connectors.Sink.
func (o *Observed) Entitlement(e connectors.Entitlement) error {
	if e.Ambiguous {
		o.ambiguous[e.Name] = true
		return nil
	}
	o.noteGroup(e)
	if e.Unreadable != "" {
		if o.unreadable == nil {
			o.unreadable = map[string]string{}
		}
		o.unreadable[e.Name] = e.Unreadable
	}
	o.entitlements[e.Name] = true
	return nil
}

// Membership implements connectors.Sink.
func (o *Observed) Membership(m connectors.Membership) error {
	switch {
	case m.FormerName != "":
		if o.former == nil {
			o.former = map[formerName]bool{}
		}
		o.former[formerName{m.FormerName, m.Entitlement}] = true
	case m.DanglingMembers > 0:
		if o.dangling == nil {
			o.dangling = map[string]int{}
		}
		o.dangling[m.Entitlement] += m.DanglingMembers
	}
	if m.AccountID == "" { // not one of our accounts
		if o.outside == nil {
			o.outside = map[string]bool{}
		}
		o.outside[m.Entitlement] = true
		return nil
	}
	o.memberships = append(o.memberships, membership{account: m.AccountID, native: numberOf(&o.natives, m.Entitlement)})
	return nil
}

// Done ends the snapshot: it sorts what came and computes the digest.
func (o *Observed) Done(c connectors.Completeness) {
	o.Completeness = c
	o.canonicalizeNames()
	slices.SortStableFunc(o.accounts, func(a, b packed) int { return strings.Compare(a.id, b.id) })
	for i, a := range o.accounts {
		if a.anchor != "" {
			o.byAnchor = append(o.byAnchor, int32(i))
		}
		o.byName = append(o.byName, int32(i))
	}
	slices.SortStableFunc(o.byAnchor, func(i, j int32) int { return strings.Compare(o.accounts[i].anchor, o.accounts[j].anchor) })
	slices.SortStableFunc(o.byName, func(i, j int32) int { return compareFold(o.accounts[i].name, o.accounts[j].name) })
	o.attachMemberships()
	o.Digest = o.digest()
}

// canonicalizeNames brings the names of entitlements to the form in which the target compares
// them. Two entitlements whose names it holds equal are ambiguous.
func (o *Observed) canonicalizeNames() {
	o.spelling, o.caseless = make(map[string]string, len(o.entitlements)), make(map[string]string, len(o.entitlements))
	for _, name := range slices.Sorted(maps.Keys(o.entitlements)) {
		key := o.canonicalName(name)
		if other, there := o.spelling[key]; there && other != name {
			o.ambiguous[name] = true
		}
		o.spelling[key] = name
		lower := connectors.MatchIgnoreCase.Canonical([]string{name})[0]
		if _, several := o.caseless[lower]; several {
			name = ""
		}
		o.caseless[lower] = name
	}
	ambiguous := make(map[string]bool, len(o.ambiguous))
	for name := range o.ambiguous {
		ambiguous[o.canonicalName(name)] = true
	}
	o.ambiguous = ambiguous
	keys := make(map[string]string, len(o.entitlements))
	for name := range o.entitlements {
		keys[name] = o.canonicalName(name)
	}
	o.keys = keys
	var unified table[string]
	numbers := make([]int32, len(o.natives.names))
	for i, name := range o.natives.names {
		numbers[i] = numberOf(&unified, o.canonicalName(name))
	}
	for i := range o.memberships {
		o.memberships[i].native = numbers[o.memberships[i].native]
	}
	o.natives = unified
}

// canonicalName is the form that all names share which the target holds equal.
func (o *Observed) canonicalName(name string) string {
	if o.Names == "" {
		return name
	}
	if key, known := o.keys[name]; known {
		return key
	}
	return o.Names.Canonical([]string{name})[0]
}

// attachMemberships puts memberships with their accounts.
func (o *Observed) attachMemberships() {
	slices.SortFunc(o.memberships, func(a, b membership) int {
		return cmp.Or(strings.Compare(a.account, b.account), strings.Compare(o.natives.names[a.native], o.natives.names[b.native]))
	})
	o.memberships = slices.Compact(o.memberships)
	o.membersOf = make([]int32, 0, len(o.accounts)+1)
	rest := o.memberships
	for _, a := range o.accounts {
		o.membersOf = append(o.membersOf, int32(len(o.members)))
		for len(rest) > 0 && rest[0].account < a.id {
			rest = rest[1:]
		}
		for n := 0; n < len(rest) && rest[n].account == a.id; n++ {
			o.members = append(o.members, rest[n].native)
		}
	}
	o.membersOf = append(o.membersOf, int32(len(o.members)))
	o.memberships = nil
}

func (o *Observed) digest() string {
	h := sha256.New()
	fmt.Fprintf(h, "complete=%t\n", o.Completeness.Complete)
	var line []byte
	for i, p := range o.accounts {
		line = strconv.AppendQuote(append(line[:0], "a "...), p.id)
		line = strconv.AppendQuote(append(line, ' '), p.anchor)
		line = strconv.AppendQuote(append(line, ' '), p.name)
		line = strconv.AppendBool(append(line, ' '), p.enabled)
		line = append(strconv.AppendBool(append(line, ' '), p.elsewhere), '\n')
		for name, values := range o.unpack(p) {
			line = append(strconv.AppendQuote(append(line, ' '), name), " ["...)
			for n, value := range sorted(values) {
				if n > 0 {
					line = append(line, ' ')
				}
				line = strconv.AppendQuote(line, value)
			}
			line = append(line, "]\n"...)
		}
		for _, n := range o.members[o.membersOf[i]:o.membersOf[i+1]] {
			line = append(strconv.AppendQuote(append(line, " m "...), o.natives.names[n]), '\n')
		}
		h.Write(line)
	}
	for _, e := range slices.Sorted(maps.Keys(o.entitlements)) {
		fmt.Fprintf(h, "e %q\n", e)
	}
	for _, e := range slices.Sorted(maps.Keys(o.unreadable)) {
		fmt.Fprintf(h, "unreadable %q\n", e)
	}
	for _, e := range slices.Sorted(maps.Keys(o.ambiguous)) {
		fmt.Fprintf(h, "several %q\n", e)
	}
	for _, f := range slices.SortedFunc(maps.Keys(o.former), func(a, b formerName) int {
		return cmp.Or(strings.Compare(a.account, b.account), strings.Compare(a.native, b.native))
	}) {
		fmt.Fprintf(h, "former %q %q\n", f.account, f.native)
	}
	for _, e := range slices.Sorted(maps.Keys(o.dangling)) {
		fmt.Fprintf(h, "dangling %q %d\n", e, o.dangling[e])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// All returns every account, sorted by ID.
func (o *Observed) All() iter.Seq[connectors.Account] {
	return func(yield func(connectors.Account) bool) {
		for i := range o.accounts {
			if !yield(o.account(int32(i))) {
				return
			}
		}
	}
}

// ByAnchor returns the accounts that carry the anchor.
func (o *Observed) ByAnchor(anchor string) []connectors.Account {
	var accounts []connectors.Account
	for _, i := range o.of(anchor) {
		accounts = append(accounts, o.account(i))
	}
	return accounts
}

// of returns the places of the accounts that carry the anchor.
func (o *Observed) of(anchor string) []int32 {
	i, _ := slices.BinarySearchFunc(o.byAnchor, anchor, func(i int32, anchor string) int { return strings.Compare(o.accounts[i].anchor, anchor) })
	end := i
	for end < len(o.byAnchor) && o.accounts[o.byAnchor[end]].anchor == anchor {
		end++
	}
	return o.byAnchor[i:end]
}

// ByID returns the account with the native ID.
func (o *Observed) ByID(id string) (connectors.Account, bool) {
	i, ok := o.index(id)
	if !ok {
		return connectors.Account{}, false
	}
	return o.account(i), true
}

// State returns whether the account with the native ID is enabled and mastered
// elsewhere, and whether it was seen; it costs one look-up.
func (o *Observed) State(id string) (enabled, elsewhere, seen bool) {
	i, seen := o.index(id)
	if !seen {
		return false, false, false
	}
	return o.accounts[i].enabled, o.accounts[i].elsewhere, true
}

func (o *Observed) index(id string) (int32, bool) {
	i, ok := slices.BinarySearchFunc(o.accounts, id, func(a packed, id string) int { return strings.Compare(a.id, id) })
	return int32(i), ok
}

// ByName returns the account with the login name, however it is capitalised.
func (o *Observed) ByName(name string) (connectors.Account, bool) {
	i, ok := slices.BinarySearchFunc(o.byName, name, func(i int32, name string) int { return compareFold(o.accounts[i].name, name) })
	if !ok {
		return connectors.Account{}, false
	}
	return o.account(o.byName[i]), true
}

// compareFold compares names however they are capitalised.
func compareFold(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }

// Member reports whether the account has the entitlement, by its native name.
func (o *Observed) Member(accountID, native string) bool {
	n, known := o.natives.number[o.canonicalName(o.Spelling(native))]
	i, seen := o.index(accountID)
	return known && seen && slices.Contains(o.members[o.membersOf[i]:o.membersOf[i+1]], n)
}

// HasFormerName reports whether an entitlement holds a former name of the account, which
// no entry has any more.
func (o *Observed) HasFormerName(accountID, native string) bool {
	return o.former[formerName{accountID, o.Spelling(native)}]
}

// Exists reports whether the target has the entitlement.
func (o *Observed) Exists(native string) bool {
	_, there := o.spelling[o.canonicalName(o.Spelling(native))]
	return there
}

// Spelling returns an entitlement's name as the target has it, or as given when the
// target does not have it. In a target that distinguishes case, a name that differs from
// exactly one other in nothing but case is taken for that one: it was renamed.
func (o *Observed) Spelling(native string) string {
	if name := o.spelling[o.canonicalName(native)]; name != "" || native == "" || o.ambiguous[o.canonicalName(native)] {
		return cmp.Or(name, native)
	}
	return cmp.Or(o.caseless[connectors.MatchIgnoreCase.Canonical([]string{native})[0]], native)
}

// Ambiguous reports whether several entitlements in the target have the name.
func (o *Observed) Ambiguous(native string) bool { return o.ambiguous[o.canonicalName(native)] }

// Unreadable says why the members of an entitlement cannot be read: then it is not
// known who has it. It is empty when they can.
func (o *Observed) Unreadable(native string) string { return o.unreadable[o.Spelling(native)] }

// Entitlements returns the native names of all entitlements, sorted.
func (o *Observed) Entitlements() []string { return slices.Sorted(maps.Keys(o.entitlements)) }

// Size returns the number of accounts, and of memberships that accounts have.
func (o *Observed) Size() (accounts, memberships int) { return len(o.accounts), len(o.members) }

func sorted(s []string) []string {
	if slices.IsSorted(s) {
		return s
	}
	return slices.Sorted(slices.Values(s))
}
