package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/plan"
)

// listed is how many people a plan lists without --all.
const listed = 50

var verbs = map[connectors.Op]struct{ mark, one, many string }{
	connectors.AdoptAccount:       {"=", "account adopted", "accounts adopted"},
	connectors.RenameAccount:      {"~", "account renamed", "accounts renamed"},
	plan.RevokeSessions:           {"-", "account signed out", "accounts signed out"},
	connectors.DisableAccount:     {"-", "account disabled", "accounts disabled"},
	connectors.RemoveMember:       {"-", "entitlement taken away", "entitlements taken away"},
	connectors.RemoveFormerMember: {"-", "earlier name taken out of a group", "earlier names taken out of groups"},
	plan.LeaveFormerGroup:         {"-", "former group left", "former groups left"},
	plan.RemoveFromFormerGroup:    {"-", "former group taken away", "former groups taken away"},
	connectors.CreateAccount:      {"+", "account created", "accounts created"},
	plan.PrepareAccount:           {"+", "account prepared", "accounts prepared"},
	connectors.UpdateAccount:      {"~", "account updated", "accounts updated"},
	connectors.AddMember:          {"+", "entitlement given", "entitlements given"},
	connectors.EnableAccount:      {"+", "account enabled", "accounts enabled"},
	connectors.DeleteAccount:      {"-", "account deleted", "accounts deleted"},
	connectors.CreateGroup:        {"+", "group created", "groups created"},
	connectors.RenameGroup:        {"~", "group renamed", "groups renamed"},
	connectors.DeleteGroup:        {"-", "group deleted", "groups deleted"},
}

var verbOrder = []connectors.Op{connectors.CreateGroup, connectors.RenameGroup, connectors.DeleteGroup, connectors.AdoptAccount, connectors.CreateAccount, plan.PrepareAccount, connectors.EnableAccount, connectors.AddMember, connectors.UpdateAccount, connectors.RenameAccount,
	plan.RevokeSessions, connectors.DisableAccount, connectors.RemoveMember, connectors.RemoveFormerMember, plan.LeaveFormerGroup, plan.RemoveFromFormerGroup, connectors.DeleteAccount}

// stepCounts says "3 accounts created, 7 entitlements given".
func stepCounts(steps []plan.Step) string {
	counts := map[connectors.Op]int{}
	for i := range steps {
		counts[displayOp(&steps[i])]++
	}
	return countsText(counts)
}

// shownCounts is stepCounts of steps with their people.
func shownCounts(steps []access.Step) string {
	counts := map[connectors.Op]int{}
	for _, s := range steps {
		counts[displayOp(s.Step)]++
	}
	return countsText(counts)
}

// groupCounts is shownCounts of changes to groups themselves.
func groupCounts(groups []access.GroupStep) string {
	counts := map[connectors.Op]int{}
	for _, g := range groups {
		counts[connectors.Op(g.Op)]++
	}
	return countsText(counts)
}

func countsText(counts map[connectors.Op]int) string {
	var parts []string
	for _, op := range verbOrder {
		if n := counts[op]; n > 0 {
			parts = append(parts, count(n, verbs[op].one, verbs[op].many))
		}
	}
	return strings.Join(parts, ", ")
}

// people returns those whom steps are about, each once, sorted by ID.
func people(steps []access.Step) []access.Ref {
	var all []access.Ref
	for _, s := range steps {
		if n := len(all); n == 0 || all[n-1].ID != s.Person.ID { // a phase's steps are sorted by person
			all = append(all, s.Person)
		}
	}
	slices.SortFunc(all, func(a, b access.Ref) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return slices.CompactFunc(all, func(a, b access.Ref) bool { return a.ID == b.ID })
}

// displayCount returns how many of a list are shown.
func displayCount(n int, all bool) int {
	if all {
		return n
	}
	return min(n, listed)
}

func listOf(values []string) string {
	if len(values) == 0 {
		return "none"
	}
	return strings.Join(values, ", ")
}

// displayOp is the change as people see it: an update of what names an entry renames it.
func displayOp(s *plan.Step) connectors.Op {
	if s.Op == connectors.UpdateAccount && s.Kind == blastradius.Renames {
		return connectors.RenameAccount
	}
	return s.Op
}

// changesGroup reports whether a change is one of a group itself.
func changesGroup(op connectors.Op) bool {
	return op == connectors.CreateGroup || op == connectors.RenameGroup || op == connectors.DeleteGroup
}

// stepText says what a step does.
func stepText(s *plan.Step) string {
	what := string(s.Entitlement)
	if what == "" {
		what = strings.ReplaceAll(string(displayOp(s)), "-", " ")
	}
	text := what + " in " + s.Target
	if changesGroup(s.Op) {
		return fmt.Sprintf("group %q for %s", s.Native, text)
	}
	if s.Op == connectors.RemoveFormerMember {
		text = "an earlier name in " + text
	}
	if plan.LeavesFormerGroup(s.Op) {
		text = fmt.Sprintf("former group %q of ", s.Native) + text
	}
	if s.Op == connectors.UpdateAccount {
		text += " (" + strings.Join(sortedKeys(s.Attributes), ", ") + ")"
	}
	return text
}
