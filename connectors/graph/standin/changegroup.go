package standin

import (
	"net/http"
	"slices"
	"strings"
)

// byUniqueName returns the group with the alternate key
// (https://learn.microsoft.com/graph/api/resources/group), or nil.
func (s *Server) byUniqueName(name string) *group {
	for _, g := range s.groups {
		if v, _ := g.props["uniqueName"].(string); v == name {
			return g
		}
	}
	return nil
}

func (s *Server) getUniqueGroup(q call, args []string) answer {
	g := s.byUniqueName(args[0])
	if g == nil {
		return notFound(args[0])
	}
	return s.getGroup(q, []string{g.id})
}

// upsertGroup creates a group, with Prefer: create-if-missing, or updates the one that has
// the uniqueName (https://learn.microsoft.com/graph/api/group-upsert).
func (s *Server) upsertGroup(q call, args []string) answer {
	o, problem := read(q, func(name string) bool { _, known := groupProperties[name]; return known })
	if problem != nil {
		return *problem
	}
	if g := s.byUniqueName(args[0]); g != nil {
		return s.updateGroup(g, o)
	}
	if !strings.EqualFold(q.Header.Get("Prefer"), "create-if-missing") {
		return notFound(args[0])
	}
	for _, name := range []string{"displayName", "mailEnabled", "mailNickname", "securityEnabled"} {
		if o[name] == nil {
			return badRequest("A value is required for property '%s' of resource 'Group'.", name)
		}
	}
	if len(args[0]) > 128 {
		return badRequest("Invalid value specified for property 'uniqueName' of resource 'Group'.")
	}
	if problem := checkGroup(o); problem != nil {
		return *problem
	}
	switch {
	case o["mailEnabled"] == true:
		return badRequest("The group type is not supported by this tenant: mailEnabled must be false.")
	case o["securityEnabled"] != true:
		return badRequest("A group must be mail enabled or security enabled.")
	}
	if nickname, _ := o["mailNickname"].(string); strings.ContainsAny(nickname, `@()\[]";:<>, `) || strings.ContainsFunc(nickname, func(r rune) bool { return r > 127 }) {
		return badRequest("Invalid value specified for property 'mailNickname' of resource 'Group'.")
	}
	o["uniqueName"], o["groupTypes"] = args[0], []any{}
	g := s.insertGroup(o)
	return answer{status: http.StatusCreated, body: pick(g.props, nil, usualGroup...)}
}

// checkGroup returns the error in properties to set.
func checkGroup(o object) *answer {
	no := func(a answer) *answer { return &a }
	for name, v := range o {
		p := groupProperties[name]
		if p.readOnly {
			return no(badRequest("Property '%s' is read-only and cannot be set.", name))
		}
		if why := checkValue(name, p, v); why != "" {
			return no(badRequest("%s", why))
		}
	}
	if name, given := o["displayName"]; given && (name == nil || name == "") {
		return no(badRequest("Invalid value specified for property 'displayName' of resource 'Group'."))
	}
	return nil
}

// updateGroup sets properties of a group.
func (s *Server) updateGroup(g *group, o object) answer {
	if len(o) == 0 {
		return badRequest("Specified HTTP method is not allowed for the request target.")
	}
	if problem := checkGroup(o); problem != nil {
		return *problem
	}
	if g.props["onPremisesSyncEnabled"] == true {
		return badRequest("Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.")
	}
	types, _ := g.props["groupTypes"].([]any)
	if g.props["mailEnabled"] == true && !slices.Contains(types, any("Unified")) {
		return badRequest("Cannot Update a mail-enabled security groups and or distribution list.")
	}
	now := s.tick()
	for name, v := range o {
		g.props[name], g.changed[name] = v, now
	}
	return none()
}

// deleteGroup deletes a group; a security group cannot be restored.
func (s *Server) deleteGroup(_ call, args []string) answer {
	g := s.groups[args[0]]
	if g == nil {
		return notFound(args[0])
	}
	if g.props["onPremisesSyncEnabled"] == true {
		return badRequest("Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.")
	}
	s.graves = append(s.graves, grave{id: g.id, seq: s.tick()})
	delete(s.groups, g.id)
	return none()
}
