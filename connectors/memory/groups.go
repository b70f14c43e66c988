package memory

import (
	"context"

	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
)

// group is what is known of a group that the connector created.
type group struct {
	ID      string `json:"id"`
	Mark    string `json:"mark"`
	Purpose string `json:"purpose,omitempty"`
}

// ChangeGroup implements connectors.GroupManager. The file is written as a whole.
func (c *Connector) ChangeGroup(ctx context.Context, change connectors.GroupChange) (outcome connectors.Outcome, err error) {
	written := c.write(ctx, func(s *state) {
		outcome, err = s.changeGroup(change)
		if c.file != nil && outcome.Status == connectors.Applied {
			c.file.whole = true
		}
	})
	if written != nil {
		return connectors.Outcome{}, written
	}
	return outcome, err
}

// named returns the name of the group with the ID; false when there is none.
func (s *state) named(id string) (string, bool) {
	for name, g := range s.groups {
		if g.ID == id {
			return name, true
		}
	}
	return "", false
}

func (s *state) changeGroup(change connectors.GroupChange) (connectors.Outcome, error) {
	name, known := s.named(change.ID)
	switch change.Op {
	case connectors.CreateGroup:
		return s.createGroup(change), nil
	case connectors.RenameGroup:
		switch {
		case !known:
			return refused("no such group"), nil
		case name == change.Name:
			return alreadySo(), nil
		case s.members[change.Name] != nil:
			return refused("another group has that name"), nil
		}
		s.members[change.Name], s.groups[change.Name] = s.members[name], s.groups[name]
		delete(s.members, name)
		delete(s.groups, name)
		return applied(), nil
	case connectors.DeleteGroup:
		switch {
		case !known:
			return alreadySo(), nil
		case len(s.members[name]) > 0:
			return refused("the group has members"), nil
		}
		delete(s.members, name)
		delete(s.groups, name)
		return applied(), nil
	}
	return connectors.Outcome{}, connectors.Errorf(connectors.Permanent, "memory target: unknown change %q", change.Op)
}

func (s *state) createGroup(change connectors.GroupChange) connectors.Outcome {
	if change.Name == "" || change.Mark == "" {
		return refused("the group has no name or no mark; both are required")
	}
	if s.members[change.Name] != nil {
		if g := s.groups[change.Name]; g.Mark == change.Mark {
			return connectors.Outcome{Status: connectors.AlreadyApplied, GroupID: g.ID}
		}
		return refused("another group has that name")
	}
	g := group{ID: uuid.NewString(), Mark: change.Mark, Purpose: change.Purpose}
	s.members[change.Name], s.groups[change.Name] = map[string]bool{}, g
	return connectors.Outcome{Status: connectors.Applied, GroupID: g.ID}
}
