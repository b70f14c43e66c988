package memory

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
)

type account struct {
	connectors.Account
	mfa connectors.MFAMethod
}

// state is a whole target. byName and byAnchor are indexes of accounts.
type state struct {
	accounts map[string]account // by ID
	byName   map[string]string
	byAnchor map[string]string
	members  map[string]map[string]bool // by entitlement, then account ID
	groups   map[string]group           // by entitlement, those that the connector created
	// references are attributes whose values are other accounts' IDs.
	references []string
	// changed records what is changed; nil when not needed.
	changed *changes
}

func newState(groups []string) *state {
	s := &state{
		accounts: map[string]account{},
		byName:   map[string]string{},
		byAnchor: map[string]string{},
		members:  map[string]map[string]bool{},
		groups:   map[string]group{},
	}
	for _, g := range groups {
		s.members[g] = map[string]bool{}
	}
	return s
}

func (s *state) clone() *state {
	// Accounts are replaced, never modified, so that a shallow copy is
	// sufficient.
	c := &state{accounts: maps.Clone(s.accounts), members: make(map[string]map[string]bool, len(s.members)), groups: maps.Clone(s.groups)}
	for g, m := range s.members {
		c.members[g] = maps.Clone(m)
	}
	return c
}

func (s *state) put(a account) {
	if old, ok := s.accounts[a.ID]; ok {
		s.forget(old)
	}
	a.Attributes = cloneAttributes(a.Attributes)
	s.noteAccount(a.ID)
	s.accounts[a.ID] = a
	s.byName[a.Name] = a.ID
	if a.Anchor != "" {
		s.byAnchor[a.Anchor] = a.ID
	}
}

func (s *state) forget(a account) {
	delete(s.accounts, a.ID)
	if s.byName[a.Name] == a.ID {
		delete(s.byName, a.Name)
	}
	if s.byAnchor[a.Anchor] == a.ID {
		delete(s.byAnchor, a.Anchor)
	}
}

// apply carries out one change.
func (s *state) apply(ctx context.Context, c connectors.Change) (connectors.Outcome, error) {
	if err := ctx.Err(); err != nil {
		return connectors.Outcome{}, err
	}
	switch c.Op {
	case connectors.CreateAccount:
		return s.create(c), nil
	case connectors.DeleteAccount:
		return s.delete(c), nil
	case connectors.AddMember, connectors.RemoveMember:
		return s.member(c), nil
	}
	a, ok := s.accounts[c.Account.ID]
	if !ok {
		return refused("no such account"), nil
	}
	switch c.Op {
	case connectors.AdoptAccount:
		return s.adopt(a, c), nil
	case connectors.RenameAccount:
		return s.rename(a, c), nil
	case connectors.UpdateAccount:
		return s.update(a, c), nil
	case connectors.EnableAccount, connectors.DisableAccount:
		want := c.Op == connectors.EnableAccount
		if a.Enabled == want {
			return alreadySo(), nil
		}
		a.Enabled = want
		s.put(a)
		return applied(), nil
	}
	return connectors.Outcome{}, connectors.Errorf(connectors.Permanent, "memory target: unknown change %q", c.Op)
}

func (s *state) create(c connectors.Change) connectors.Outcome {
	if c.Account.Name == "" || c.Account.Anchor == "" {
		return refused("the account has no login name or no anchor; both are required")
	}
	if id, ok := s.byAnchor[c.Account.Anchor]; ok {
		return connectors.Outcome{Status: connectors.AlreadyApplied, AccountID: id}
	}
	if _, ok := s.byName[c.Account.Name]; ok {
		return refused("the login name is taken")
	}
	a := account{Account: connectors.Account{
		ID:         uuid.NewString(),
		Anchor:     c.Account.Anchor,
		Name:       c.Account.Name,
		Enabled:    c.Enabled,
		Attributes: c.Attributes,
	}}
	s.put(a)
	return connectors.Outcome{Status: connectors.Applied, AccountID: a.ID}
}

func (s *state) adopt(a account, c connectors.Change) connectors.Outcome {
	owner, taken := s.byAnchor[c.Account.Anchor]
	switch {
	case c.Account.Anchor == "":
		return refused("the change to adopt an account has no anchor")
	case a.Anchor == c.Account.Anchor:
		return alreadySo()
	case a.Anchor != "":
		return refused("the account has the anchor of another person")
	case taken && owner != a.ID:
		return refused("another account has this anchor")
	}
	a.Anchor = c.Account.Anchor
	s.put(a)
	return applied()
}

func (s *state) rename(a account, c connectors.Change) connectors.Outcome {
	owner, taken := s.byName[c.Account.Name]
	switch {
	case c.Account.Name == "":
		return refused("the change to rename an account has no login name")
	case a.Name == c.Account.Name:
		return alreadySo()
	case taken && owner != a.ID:
		return refused("the login name is taken")
	}
	a.Name = c.Account.Name
	s.put(a)
	return applied()
}

func (s *state) update(a account, c connectors.Change) connectors.Outcome {
	attributes := cloneAttributes(a.Attributes)
	changed := false
	for name, values := range c.Attributes {
		if slices.Contains(s.references, name) && slices.ContainsFunc(values, func(id string) bool { return s.accounts[id].ID == "" }) {
			return refused(name + " refers to an account that does not exist")
		}
		if sameSet(attributes[name], values) {
			continue
		}
		changed = true
		if len(values) == 0 {
			delete(attributes, name)
			continue
		}
		attributes[name] = values
	}
	if !changed {
		return alreadySo()
	}
	a.Attributes = attributes
	s.put(a)
	return applied()
}

func (s *state) delete(c connectors.Change) connectors.Outcome {
	a, ok := s.accounts[c.Account.ID]
	if !ok {
		return alreadySo()
	}
	s.remove(a)
	return applied()
}

// remove removes an account and its memberships.
func (s *state) remove(a account) {
	s.noteAccount(a.ID)
	s.forget(a)
	for _, m := range s.members {
		delete(m, a.ID)
	}
}

// noteAccount records that an account is changed.
func (s *state) noteAccount(id string) {
	if s.changed != nil {
		s.changed.accounts[id] = true
	}
}

func (s *state) member(c connectors.Change) connectors.Outcome {
	m, ok := s.members[c.Entitlement]
	if !ok {
		return refused("no such group")
	}
	id := c.Account.ID
	if c.Op == connectors.RemoveMember {
		if !m[id] {
			return alreadySo()
		}
		s.noteMember(c.Entitlement, id)
		delete(m, id)
		return applied()
	}
	if _, ok := s.accounts[id]; !ok {
		return refused("no such account")
	}
	if m[id] {
		return alreadySo()
	}
	s.noteMember(c.Entitlement, id)
	m[id] = true
	return applied()
}

// noteMember records that a membership is changed.
func (s *state) noteMember(group, id string) {
	if s.changed != nil {
		s.changed.members[[2]string{group, id}] = true
	}
}

func applied() connectors.Outcome   { return connectors.Outcome{Status: connectors.Applied} }
func alreadySo() connectors.Outcome { return connectors.Outcome{Status: connectors.AlreadyApplied} }
func refused(why string) connectors.Outcome {
	return connectors.Outcome{Status: connectors.Refused, Detail: why}
}

// cloneAttributes copies the attributes that have a value.
func cloneAttributes(attributes map[string][]string) map[string][]string {
	c := make(map[string][]string, len(attributes))
	for name, values := range attributes {
		if len(values) > 0 {
			c[name] = slices.Clone(values)
		}
	}
	return c
}

// sameSet compares without order, as directories do.
func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
