package standin

import (
	"maps"
	"slices"
	"strings"
)

// AddUser creates a user without a request and returns its ID. Without a
// userPrincipalName it gets name@ and the first domain.
func (s *Server) AddUser(name string, props map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := object{"accountEnabled": true, "displayName": name, "mailNickname": name}
	maps.Copy(o, clone(props))
	if o["userPrincipalName"] == nil {
		o["userPrincipalName"] = name + "@" + s.opts.Domains[0]
	}
	u := s.insert(o)
	u.born = u.born.Add(-s.opts.Lag)
	return u.id
}

// SetUser changes a user without a request, including read-only properties.
func (s *Server) SetUser(id string, props map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(s.users[id], clone(props))
}

// User returns a live user's properties, nil when there is none.
func (s *Server) User(id string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[id]
	if u == nil || !u.live() {
		return nil
	}
	return clone(u.props)
}

// Users returns the IDs of all live users.
func (s *Server) Users() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, u := range s.sortedUsers(false) {
		ids = append(ids, u.id)
	}
	return ids
}

// Manager returns the ID of a user's manager.
func (s *Server) Manager(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[id].manager
}

// SetManager sets the manager of a user.
func (s *Server) SetManager(id, manager string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[id].manager = manager
	s.tick()
}

// RemoveUser moves a user to the deleted items; Purge ends the 30 days of all of
// them.
func (s *Server) RemoveUser(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[id]; u != nil && u.live() {
		s.remove(u)
	}
}

// RestoreUser restores a deleted user.
func (s *Server) RestoreUser(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.users[id]; u != nil && !u.live() {
		s.restore(u)
	}
}

// Purge deletes all deleted users permanently.
func (s *Server) Purge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, u := range s.users {
		if !u.live() {
			for _, g := range s.groups {
				if g.members[id] {
					s.setMember(g, id, false)
				}
			}
			delete(s.users, id)
		}
	}
}

// AddGroup creates a group and returns its ID.
func (s *Server) AddGroup(name string, props map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := object{"displayName": name, "mailEnabled": false, "securityEnabled": true, "mailNickname": "g", "groupTypes": []any{}}
	maps.Copy(o, clone(props))
	return s.insertGroup(o).id
}

// SetGroup changes a group's properties.
func (s *Server) SetGroup(id string, props map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.tick()
	for k, v := range clone(props) {
		s.groups[id].props[k] = v
		s.groups[id].changed[k] = now
	}
}

// RemoveGroup deletes a group; a security group cannot be restored.
func (s *Server) RemoveGroup(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[id] != nil {
		s.graves = append(s.graves, grave{id: id, seq: s.tick()})
		delete(s.groups, id)
	}
}

// AddMembers and RemoveMember change a group's members.
func (s *Server) AddMembers(group string, ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.setMember(s.groups[group], id, true)
	}
}

// RemoveMember removes one member.
func (s *Server) RemoveMember(group, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.groups[group]; g.members[id] {
		s.setMember(g, id, false)
	}
}

// AddOther adds a member that is no user: kind is group, device or
// servicePrincipal.
func (s *Server) AddOther(group, id, kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[group].others[id] = kind
	s.groups[group].log[id] = s.tick()
}

// AddUnit puts a user into an administrative unit.
func (s *Server) AddUnit(user, unit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[user].units = append(s.users[user].units, unit)
}

// Members returns a group's members that are live users.
func (s *Server) Members(group string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.liveMembers(s.groups[group])
}

func (s *Server) liveMembers(g *group) []string {
	var ids []string
	for id := range g.members {
		if u := s.users[id]; u != nil && u.live() {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return int(s.users[a].order - s.users[b].order) })
	return ids
}

// SetMFA registers a phone as authentication method for a user, or removes all methods.
func (s *Server) SetMFA(id string, registered bool) {
	if registered {
		s.Register(id, "phone", "mobilePhone")
	} else {
		s.Register(id, "", "")
	}
}

// Register has a user have one authentication method beside the password, by the name of
// its type and by that in the report of registered methods; none when they are empty.
func (s *Server) Register(id, kind, reported string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[id]
	u.mfa, u.reported = kind != "", reported
	u.methods = slices.DeleteFunc(u.methods, func(m method) bool { return m.kind != "temporaryAccessPass" })
	if kind != "" {
		u.methods = append(u.methods, method{id: "3179e48a-750b-4051-897c-87b9720928f7", kind: kind})
	}
}

// Revoked returns how often a user's sessions were revoked.
func (s *Server) Revoked(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users[id].revoked
}

// Licences returns a user's SKUs, by part number.
func (s *Server) Licences(id string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var parts []string
	for _, k := range s.skus {
		if s.users[id].has(k.id) != nil {
			parts = append(parts, k.part)
		}
	}
	return parts
}

// GiveLicence assigns a SKU to a user; inherited reports that it comes from a
// group.
func (s *Server) GiveLicence(id, part string, inherited bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.skus {
		if strings.EqualFold(k.part, part) {
			s.assign(s.users[id], k.id, inherited)
		}
	}
}

// ExpireDelta invalidates every issued delta token.
func (s *Server) ExpireDelta() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
}
