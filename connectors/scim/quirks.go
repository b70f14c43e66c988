package scim

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Quirk is a deviation of a service from the standard, and how the connector
// handles it.
type Quirk string

// The quirks. The connector detects those that it can without harm. A quirk is
// configured where detection would cost a refused request each time, or where an
// operator has to accept its consequences.
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

// QuirkInfo describes a quirk to the operator.
type QuirkInfo struct {
	Quirk    Quirk
	Detected bool // the connector detects it
	Text     string
}

// Quirks returns all quirks.
func Quirks() []QuirkInfo {
	return []QuirkInfo{
		{NoPatch, true, "PATCH is missing or does not work: whole resources are sent with PUT"},
		{NoGroupPatch, true, "PATCH does not work on groups: whole groups are sent with PUT"},
		{NoFilter, true, "filters are ignored, or find no users: all users are read instead"},
		{NoBulk, true, "Bulk is offered and does not work: changes are sent one by one"},
		{StringBooleans, true, "active is written as the text \"True\" or \"False\""},
		{URNPaths, true, "PATCH paths are prefixed with the schema's URN"},
		{PathlessPatch, true, "PATCH has no paths: the value is an object that holds the attribute"},
		{ValueArrays, false, "members are removed by a list of values; a service that follows the standard would empty the group, so this must be configured"},
		{MemberlessPut, true, "PUT does not change a group's members, as in django-scim2: it is not tried when PATCH answers 501"},
		{SoftDelete, false, "DELETE deactivates and keeps the account; configure it to accept that as deleted"},
	}
}

// traits are the quirks that a service is known to have.
type traits struct {
	mu  sync.Mutex
	has map[Quirk]bool
	// puts holds the PATCH requests, by patchShape, that the service does not
	// support and PUT replaces, until PUT turns out not to work either.
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

// putInstead records whether PUT replaces a PATCH with the operations, or,
// without operations, every PATCH of that kind of resource.
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

// patchAgain makes the connector use PATCH again for a kind of resource.
func (t *traits) patchAgain(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.puts, func(shape string, _ bool) bool { return strings.HasPrefix(shape, kind+":") })
}

// patchShape returns what PATCH requests that a service supports or rejects alike
// have in common: the kind of resource, and the operations without their values.
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

// unknownQuirk returns the error for a quirk's name; empty when it is known.
func unknownQuirk(q Quirk) string {
	var names []string
	for _, info := range Quirks() {
		names = append(names, string(info.Quirk))
	}
	if slices.Contains(names, string(q)) {
		return ""
	}
	return "unknown quirk " + string(q) + ": use one of " + strings.Join(names, ", ")
}

// boolean returns a boolean in the form that the service requires.
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

// paths returns the spellings of PATCH paths: first the one that the service is
// known to understand. The empty one is the standard's.
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

// rewritePaths returns PATCH operations in one of these spellings.
func rewritePaths(operations []operation, how Quirk, urn string) []operation {
	out := slices.Clone(operations)
	for i, o := range out {
		extension := strings.HasPrefix(strings.ToLower(o.Path), "urn:")
		switch {
		case how == PathlessPatch && o.Op != "remove" && o.Path != "":
			out[i] = withoutPath(o)
		case how == URNPaths && !extension && o.Path != "":
			out[i].Path = urn + ":" + o.Path
		}
	}
	return out
}

// withoutPath moves an operation's path into its value. An extension's attributes
// are in an object named after the extension (RFC 7644 §3.5.2.1).
func withoutPath(o operation) operation {
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
