package scim

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Quirk is a way in which a service differs from the standard, and what the
// connector does about it.
type Quirk string

// The quirks. Those that can be detected without harm are; they are named in
// the configuration where that would cost a refused request each time, or
// where somebody has to know what it means.
const (
	NoPatch        Quirk = "no-patch"
	NoGroupPatch   Quirk = "no-group-patch"
	NoFilter       Quirk = "no-filter"
	NoBulk         Quirk = "no-bulk"
	StringBooleans Quirk = "string-booleans"
	URNPaths       Quirk = "patch-paths-with-urn"
	PathlessPatch  Quirk = "patch-without-paths"
	ValueArrays    Quirk = "member-removal-by-value-array"
	SoftDelete     Quirk = "soft-delete"
	MemberlessPut  Quirk = "put-without-members"
)

// QuirkInfo says for people what a quirk is about.
type QuirkInfo struct {
	Quirk    Quirk
	Detected bool // found out by itself
	Text     string
}

// Quirks lists all of them.
func Quirks() []QuirkInfo {
	return []QuirkInfo{
		{NoPatch, true, "PATCH is not there or does not work: whole resources are sent with PUT"},
		{NoGroupPatch, true, "PATCH does not work on groups: whole groups are sent with PUT"},
		{NoFilter, true, "filters are ignored, or find nobody: all users are read instead"},
		{NoBulk, true, "Bulk is offered and does not work: changes are sent one by one"},
		{StringBooleans, true, "active is written as the text \"True\" or \"False\""},
		{URNPaths, true, "PATCH paths have the schema's URN before them"},
		{PathlessPatch, true, "PATCH has no paths: the value is an object with the attribute in it"},
		{ValueArrays, false, "members are removed by a list of values; a service that follows the standard would empty the group, and so this has to be said"},
		{MemberlessPut, true, "PUT leaves a group's members as they are, as django-scim2's does: it is not tried for what PATCH answers with 501"},
		{SoftDelete, false, "DELETE deactivates and keeps the account; say so to accept that as deleted"},
	}
}

// traits are the quirks that a service is known to have.
type traits struct {
	mu  sync.Mutex
	has map[Quirk]bool
	// puts are the PATCHes that the service does not offer, as patchShape says
	// them, until PUT turns out to be no other way.
	puts map[string]bool
}

func newTraits(configured []Quirk) *traits {
	t := &traits{has: map[Quirk]bool{}, puts: map[string]bool{}}
	for _, q := range configured {
		t.has[q] = true
	}
	return t
}

func (t *traits) is(q Quirk) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.has[q]
}

func (t *traits) set(q Quirk, yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.has[q] = yes
}

// putInstead notes whether PUT takes the place of a PATCH with the operations, or,
// without any, of each PATCH of that kind of resource.
func (t *traits) putInstead(kind string, operations []operation, yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !yes {
		delete(t.puts, patchShape(kind, nil))
	}
	t.puts[patchShape(kind, operations)] = yes
}

func (t *traits) putsInstead(kind string, operations []operation) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.puts[patchShape(kind, operations)]
}

// patchAgain forgets that PUT takes the place of PATCHes of a kind of resource.
func (t *traits) patchAgain(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.puts, func(shape string, _ bool) bool { return strings.HasPrefix(shape, kind+":") })
}

// patchShape is what PATCHes have in common that a service either offers or does
// not: the kind of resource, and the operations without their values.
func patchShape(kind string, operations []operation) string {
	var shapes []string
	for _, o := range operations {
		before, rest, _ := strings.Cut(o.Path, "[")
		shape := o.Op + " " + before
		if i := strings.LastIndex(rest, "]"); i >= 0 {
			shape += "[]" + rest[i+1:]
		}
		shapes = append(shapes, shape)
	}
	slices.Sort(shapes)
	return kind + ": " + strings.Join(slices.Compact(shapes), ", ")
}

// unknownQuirk says what is wrong with a quirk's name; empty when nothing is.
func unknownQuirk(q Quirk) string {
	var names []string
	for _, info := range Quirks() {
		names = append(names, string(info.Quirk))
	}
	if slices.Contains(names, string(q)) {
		return ""
	}
	return "there is no quirk " + string(q) + ": there are " + strings.Join(names, ", ")
}

// boolean is a truth value as the service wants it.
func (t *traits) boolean(yes bool) any {
	if t.is(StringBooleans) {
		return asText(yes)
	}
	return yes
}

func asText(yes bool) string {
	if yes {
		return "True"
	}
	return "False"
}

// paths returns the ways of writing PATCH paths: first the one that the
// service is known to read. The empty one is the standard's.
func (t *traits) paths() []Quirk {
	all := []Quirk{"", URNPaths, PathlessPatch}
	slices.SortStableFunc(all, func(a, b Quirk) int {
		switch {
		case t.is(a) && !t.is(b):
			return -1
		case t.is(b) && !t.is(a):
			return 1
		}
		return 0
	})
	return all
}

// style writes PATCH operations in one of these ways.
func style(operations []operation, how Quirk, urn string) []operation {
	out := slices.Clone(operations)
	for i, o := range out {
		extension := strings.HasPrefix(strings.ToLower(o.Path), "urn:")
		switch {
		case how == PathlessPatch && o.Op != "remove" && o.Path != "":
			out[i] = pathless(o)
		case how == URNPaths && !extension && o.Path != "":
			out[i].Path = urn + ":" + o.Path
		}
	}
	return out
}

// pathless moves an operation's path into its value. An extension's attributes
// are in an object of the extension's name (RFC 7644 §3.5.2.1).
func pathless(o operation) operation {
	urn, attr := "", o.Path
	if i := strings.LastIndex(attr, ":"); i >= 0 {
		urn, attr = attr[:i], attr[i+1:]
	}
	value := o.Value
	if name, sub, ok := strings.Cut(attr, "."); ok {
		attr, value = name, map[string]any{sub: value}
	}
	object := map[string]any{attr: value}
	if urn != "" {
		object = map[string]any{urn: object}
	}
	return operation{Op: o.Op, Value: object}
}
