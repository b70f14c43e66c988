package manual

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/behov/behov/connectors"
)

// Apply implements connectors.Connector. It compares each change with what the application
// is known to hold when those before it in the same call are made, and says which have to be
// ordered.
func (c *Connector) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	s := newState()
	refs := make([]connectors.AccountRef, len(changes))
	for i, change := range changes {
		refs[i] = change.Account
	}
	if err := c.cfg.Records.Some(ctx, refs, s.account, s.addMember); err != nil {
		return slices.Repeat([]connectors.Result{{Err: connectors.Errorf(connectors.TargetDown, "manual target: %w", err)}}, len(changes))
	}
	return connectors.OneByOne(ctx, changes, func(ctx context.Context, change connectors.Change) (connectors.Outcome, error) {
		if err := ctx.Err(); err != nil {
			return connectors.Outcome{}, err
		}
		return c.apply(ctx, s, change)
	})
}

var (
	ordered = connectors.Outcome{Status: connectors.Ordered}
	already = connectors.Outcome{Status: connectors.AlreadyApplied}
)

func refused(why string) connectors.Outcome {
	return connectors.Outcome{Status: connectors.Refused, Detail: why}
}

func (c *Connector) apply(ctx context.Context, s *state, change connectors.Change) (connectors.Outcome, error) {
	switch change.Op {
	case connectors.CreateAccount:
		return s.create(change), nil
	case connectors.AddMember, connectors.RemoveMember:
		return c.member(s, change), nil
	case connectors.RemoveFormerMember:
		return already, nil // a list has no names that no account has
	case connectors.UpdateAccount, connectors.RenameAccount:
		return refused("a manual target takes no values"), nil
	}
	a, there := s.accounts[change.Account.ID]
	switch change.Op {
	case connectors.DeleteAccount:
		if !there {
			return already, nil
		}
		delete(s.accounts, a.ID)
		return ordered, nil
	case connectors.AdoptAccount:
		if !there {
			return refused("no such account"), nil
		}
		return c.adopt(ctx, s, a, change)
	case connectors.EnableAccount, connectors.DisableAccount:
		if !there {
			return refused("no such account"), nil
		}
		want := change.Op == connectors.EnableAccount
		if a.Enabled == want {
			return already, nil
		}
		a.Enabled = want
		s.accounts[a.ID] = a
		return ordered, nil
	}
	return connectors.Outcome{}, connectors.Errorf(connectors.Permanent, "manual target: unknown change %q", change.Op)
}

func (s *state) create(change connectors.Change) connectors.Outcome {
	if change.Account.Name == "" || change.Account.Anchor == "" {
		return refused("the account has no login name or no anchor; both are required")
	}
	if strings.Contains(change.Account.Name+change.Account.Anchor, "\x00") || !utf8.ValidString(change.Account.Name) {
		return refused("the login name is no text")
	}
	if id, there := s.byAnchor[change.Account.Anchor]; there {
		return connectors.Outcome{Status: connectors.AlreadyApplied, AccountID: id}
	}
	if _, there := s.byName[strings.ToLower(change.Account.Name)]; there {
		return refused("the login name is taken")
	}
	s.byName[strings.ToLower(change.Account.Name)] = ""
	return ordered
}

func (c *Connector) member(s *state, change connectors.Change) connectors.Outcome {
	id := change.Account.ID
	_, there := s.accounts[id]
	// The account of a person without one is ordered before.
	coming := id == "" && change.Account.Anchor != ""
	is := s.members[change.Entitlement][id]
	switch {
	case change.Op == connectors.RemoveMember && !is:
		return already
	case change.Op == connectors.RemoveMember:
		s.member(id, change.Entitlement, false)
		return ordered
	case !there && !coming:
		return refused("no such account")
	case is:
		return already
	case !slices.Contains(c.cfg.Entitlements, change.Entitlement):
		return refused("the catalogue has no such entitlement in this target")
	}
	if there {
		s.member(id, change.Entitlement, true)
	}
	return ordered
}

func (c *Connector) adopt(ctx context.Context, s *state, a connectors.Account, change connectors.Change) (connectors.Outcome, error) {
	owner, taken := s.byAnchor[change.Account.Anchor]
	switch {
	case change.Account.Anchor == "":
		return refused("the change to adopt an account has no anchor"), nil
	case a.Anchor == change.Account.Anchor:
		return already, nil
	case a.Anchor != "":
		return refused("the account has the anchor of another person"), nil
	case taken && owner != a.ID:
		return refused("another account has this anchor"), nil
	}
	if err := c.cfg.Records.Adopt(ctx, a.ID, change.Account.Anchor); err != nil {
		return connectors.Outcome{}, connectors.Errorf(connectors.TargetDown, "manual target: %w", err)
	}
	a.Anchor = change.Account.Anchor
	return connectors.Outcome{Status: connectors.Applied}, s.account(a)
}
