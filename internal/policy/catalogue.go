// Package policy decides which entitlements a person needs: desired grants, each
// with its reasons; why, why not.
//
// It must never read a database or a target: the caller passes people, decisions
// and MFA state.
package policy

import (
	"slices"
	"strings"
)

// EntitlementID identifies an entitlement in rules and for people, as
// "system:name".
type EntitlementID string

// Entitlement is an entry of the catalogue.
type Entitlement struct {
	ID     EntitlementID
	Name   string // for display
	System string
	Target string
	// Native is the target's own name (a group's cn, a displayName).
	Native string
	// MFA requires MFA enrolment before the entitlement is granted, by whatever method.
	MFA bool
	// Controls are what the class of the system demands. One of them may demand MFA, too:
	// NeedsMFA has both.
	Controls Controls
	// Authoritative reports whether behov revokes access in the target that has
	// no reason. Otherwise it reports access that it did not grant, and leaves
	// it.
	Authoritative bool
	// Purpose is what it is for, in words of who asks for it; empty without any.
	Purpose string
	// Requesting is whether it can be requested.
	Requesting Requesting
	// Group is set when behov creates, renames and retires its group.
	Group *ManagedGroup
}

// ManagedGroup is a group that behov creates, renames and retires.
type ManagedGroup struct {
	// Owner answers for it, as SOURCE/KEY; empty when the system's owner does.
	Owner string
	// Purpose is what it is for, as people who look at the group in the target read it.
	Purpose string
	// Retire: no one has it any more.
	Retire Retirement
}

// Retirement is what becomes of a group that no one is to have any more; empty of one that
// people have.
type Retirement string

// The kinds of retirement.
const (
	RetireEmpty  Retirement = "empty"  // it stays, without members
	RetireDelete Retirement = "delete" // it is deleted once no one is in it
)

// Retired reports whether no one is to have the entitlement any more.
func (e *Entitlement) Retired() bool { return e.Group != nil && e.Group.Retire != "" }

// System is an application that people have access to.
type System struct {
	ID       string
	Name     string
	Owner    string   // the owner's record, as SOURCE/KEY; empty for none
	Deputies []string // the people who decide in the owner's place, in the same form
	// Class is the information class; nil when no one has classified the system.
	Class *Class
	// Note is what else reviewers should know about the information.
	Note string
	// Suppliers provide or run the system.
	Suppliers []Supplier
	// DataIn are the countries in which the data lies, by their two letters (ISO 3166-1).
	DataIn   []string
	Controls Controls
}

// Supplier is a company that provides or runs a system, and who works for it there.
type Supplier struct {
	Name         string     `json:"name"`
	Country      string     `json:"country,omitempty"` // two letters (ISO 3166-1)
	SubSuppliers []Supplier `json:"sub_suppliers,omitempty"`
}

// Catalogue is everything that behov may grant. behov never changes an
// entitlement that is not in it.
type Catalogue struct {
	Systems      []System
	Entitlements []Entitlement // sorted by ID
	// Conflicts are the segregations of duties, sorted by name. One of several pairs is
	// there once for each.
	Conflicts []Conflict
}

// Entitlement returns the entry with the ID.
func (c *Catalogue) Entitlement(id EntitlementID) (Entitlement, bool) {
	i, ok := c.index(id)
	if !ok {
		return Entitlement{}, false
	}
	return c.Entitlements[i], true
}

func (c *Catalogue) index(id EntitlementID) (int, bool) {
	return slices.BinarySearchFunc(c.Entitlements, id, func(e Entitlement, id EntitlementID) int { return strings.Compare(string(e.ID), string(id)) })
}

// System returns the system with the ID.
func (c *Catalogue) System(id string) (System, bool) {
	i := slices.IndexFunc(c.Systems, func(s System) bool { return s.ID == id })
	if i < 0 {
		return System{}, false
	}
	return c.Systems[i], true
}

// Sort sorts the catalogue into its canonical order.
func (c *Catalogue) Sort() {
	slices.SortFunc(c.Entitlements, func(a, b Entitlement) int { return strings.Compare(string(a.ID), string(b.ID)) })
	slices.SortFunc(c.Systems, func(a, b System) int { return strings.Compare(a.ID, b.ID) })
}

// NativesIn returns the entitlements of a target as the target names them.
func (c *Catalogue) NativesIn(target string) []string {
	var names []string
	for _, e := range c.Entitlements {
		if e.Target == target {
			names = append(names, e.Native)
		}
	}
	return names
}

// SystemsIn returns the IDs of the systems that have an entitlement in a target, sorted.
func (c *Catalogue) SystemsIn(target string) []string {
	var ids []string
	for _, e := range c.Entitlements {
		if e.Target == target {
			ids = append(ids, e.System)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
