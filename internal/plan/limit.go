package plan

import (
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/blastradius"
)

// limitKind returns which limit counts the step; empty when none does.
func (b *builder) limitKind(s Step) blastradius.Kind {
	switch {
	case s.Op == connectors.RenameAccount:
		return blastradius.Renames
	case b.renames(s):
		return blastradius.Renames
	case s.Op == connectors.UpdateAccount && s.Destructive:
		return blastradius.Removals
	case s.Op == connectors.UpdateAccount && s.AccountID != "":
		return blastradius.Changes
	case s.Op == connectors.CreateAccount || s.Op == PrepareAccount:
		return blastradius.Creations
	case s.Op == connectors.EnableAccount:
		return blastradius.Enables
	case s.Op == connectors.AddMember && !b.creates[s.Person]:
		return blastradius.Grants
	case s.RevokesAccess() && b.closes[s.Person]:
		return blastradius.Disables
	case s.RevokesAccess():
		return blastradius.Removals
	}
	return ""
}

// renames reports whether an update changes an attribute that is part of where the
// account is.
func (b *builder) renames(s Step) bool {
	return s.Op == connectors.UpdateAccount && s.AccountID != "" && slices.ContainsFunc(b.t.Naming, func(name string) bool {
		for attribute := range s.Attributes {
			if strings.EqualFold(attribute, name) {
				return true
			}
		}
		return false
	})
}

// classify notes on every step which limit counts it.
func (b *builder) classify() {
	for _, s := range b.steps {
		if s.Op == connectors.DisableAccount || s.Op == connectors.DeleteAccount || s.Op == RevokeSessions {
			b.closes[s.Person] = true
		}
		if PhaseOf(s.Op) == PhaseCreate {
			b.creates[s.Person] = true
		}
	}
	for i := range b.steps {
		if b.steps[i].Kind = b.limitKind(b.steps[i]); b.isFirstLoad(b.steps[i]) {
			b.steps[i].Kind = "" // which no limit counts
		}
	}
}
