package graph

import (
	"context"
	"slices"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// group holds the properties of a group.
type group struct {
	ID      string   `json:"id"`
	Name    string   `json:"name,omitempty"` // displayName
	Types   []string `json:"types,omitempty"`
	Synced  bool     `json:"synced,omitempty"`
	Mail    bool     `json:"mail,omitempty"`
	Mark    string   `json:"mark,omitempty"` // in its description
	natives []string // the names of the entitlements it is, in a reading
	hidden  bool     // the membership is hidden (visibility), where requested
}

func groupOf(g models.Groupable) group {
	out := group{Types: g.GetGroupTypes(), Synced: yes(g.GetOnPremisesSyncEnabled()), Mail: yes(g.GetMailEnabled())}
	if v := g.GetVisibility(); v != nil {
		out.hidden = strings.EqualFold(*v, "HiddenMembership")
	}
	if id := g.GetId(); id != nil {
		out.ID = *id
	}
	if v := g.GetDescription(); v != nil {
		out.Mark = connectors.MarkIn(*v)
	}
	if name := g.GetDisplayName(); name != nil {
		out.Name = *name
	}
	return out
}

func yes(b *bool) bool { return b != nil && *b }

func (g group) is(kind string) bool {
	return slices.ContainsFunc(g.Types, func(t string) bool { return strings.EqualFold(t, kind) })
}

// membersReadOnly returns why a group's members cannot be changed, or "".
func (g group) membersReadOnly() string {
	switch {
	case g.is("DynamicMembership"):
		return dynamic
	case g.Synced:
		return groupSynced
	case g.Mail && !g.is("Unified"):
		return mailEnabled
	}
	return ""
}

// groups reads all groups, without their members.
func (c *Connector) groups(ctx context.Context) ([]group, error) {
	var all []group
	seen := map[string]bool{}
	err := pages[models.GroupCollectionResponseable](ctx, c, c.build.listGroups(pageSize), models.CreateGroupCollectionResponseFromDiscriminatorValue, func(g models.Groupable) error {
		one := groupOf(g)
		if !isID(one.ID) {
			return connectors.Errorf(connectors.Permanent, "graph: read groups: a group in the answer has no ID")
		}
		if !seen[one.ID] {
			seen[one.ID] = true
			all = append(all, one)
		}
		return nil
	})
	return all, err
}

// name gives every group its entitlement name: its own name, or the object ID
// when it has none, another group has the same, or configuration names groups by
// ID. It returns the names that several groups have.
func (c *Connector) name(list []group) (ambiguous []string) {
	count := map[string]int{}
	for _, g := range list {
		count[g.Name]++
	}
	for i, g := range list {
		if c.cfg.GroupNames == byID || g.Name == "" || count[g.Name] > 1 || isID(g.Name) || strings.HasPrefix(g.Name, licencePrefix) {
			list[i].natives = []string{g.ID}
		} else {
			list[i].natives = []string{g.Name}
		}
	}
	if c.cfg.GroupNames == byID {
		return nil
	}
	for _, g := range list {
		if count[g.Name] > 1 && g.Name != "" && !isID(g.Name) {
			ambiguous = append(ambiguous, g.Name)
			count[g.Name] = 0
		}
	}
	return ambiguous
}

// emitGroups emits the entitlements.
func (s *reading) emitGroups(list []group) error {
	for _, name := range s.c.name(list) {
		if err := s.sink.Entitlement(connectors.Entitlement{Name: name, Ambiguous: true}); err != nil {
			return err
		}
	}
	for _, g := range list {
		for _, name := range g.natives {
			if err := s.sink.Entitlement(connectors.Entitlement{Name: name, ID: g.ID, Mark: g.Mark}); err != nil {
				return err
			}
		}
	}
	return nil
}

// batchOfGroups is how many groups' first pages are read at a time.
const batchOfGroups = 10 * maxBatch

// members reads the members of all groups, the first pages in batches.
func (s *reading) members(ctx context.Context, list []group) error {
	return s.c.membersOf(ctx, list, func(g group, members []member, err error) error {
		if err != nil {
			if !unreadable(err) {
				return err
			}
			s.missed = append(s.missed, g.ID)
			return nil
		}
		return s.emit(g, members)
	})
}

// unreadable reports whether an error concerns one group only.
func unreadable(err error) bool {
	return connectors.ClassOf(err) == connectors.Permanent && !isStop(err)
}

func (s *reading) emit(g group, members []member) error {
	for _, m := range members {
		id := m.id
		switch {
		case !m.user || s.guests[id]:
			id = ""
		case !s.accounts[id]:
			continue // created or deleted during the reading
		}
		for _, name := range g.natives {
			if err := s.sink.Membership(connectors.Membership{Entitlement: name, AccountID: id}); err != nil {
				return err
			}
		}
	}
	return nil
}

// member is a group's member: a user or another object.
type member struct {
	id   string
	user bool
}

// membersOf calls each with the members of every group, or with the error why
// they cannot be read. A group that was deleted meanwhile has none.
func (c *Connector) membersOf(ctx context.Context, list []group, each func(group, []member, error) error) error {
	for part := range slices.Chunk(list, batchOfGroups) {
		requests := make([]request, len(part))
		for i, g := range part {
			requests[i] = c.build.listMembers(g.ID)
		}
		for i, r := range c.all(ctx, requests) {
			var members []member
			err := r.err
			if err == nil && !r.gone() {
				members, err = c.allMembers(ctx, requests[i], r.answer)
			}
			if err := each(part[i], members, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Connector) allMembers(ctx context.Context, first request, a *answer) ([]member, error) {
	var members []member
	seen := map[string]bool{}
	err := continued[models.DirectoryObjectCollectionResponseable](ctx, c, first, a, models.CreateDirectoryObjectCollectionResponseFromDiscriminatorValue, func(o models.DirectoryObjectable) error {
		if o.GetId() == nil || *o.GetId() == "" {
			return connectors.Errorf(connectors.Permanent, "graph: %s: a member in the answer has no ID", first.doing)
		}
		_, user := o.(models.Userable)
		if !seen[*o.GetId()] {
			seen[*o.GetId()] = true
			members = append(members, member{*o.GetId(), user})
		}
		return nil
	})
	return members, err
}
