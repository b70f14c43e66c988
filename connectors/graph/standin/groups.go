package standin

import (
	"cmp"
	"net/http"
	"slices"
)

func groupProperty(name string) (property, bool) {
	p, ok := groupProperties[name]
	return p, ok
}

var usualGroup = []string{"id", "description", "displayName", "groupTypes", "mailEnabled", "mailNickname", "securityEnabled", "onPremisesSyncEnabled"}

func (s *Server) groupListing(all []*group) listing {
	return listing{
		resource: "group", properties: groupProperty, total: len(all),
		item:  func(i int, sel []string, _ string) object { return pick(all[i].props, sel, usualGroup...) },
		key:   func(i int) int64 { return all[i].order },
		match: func(i int, path string, values []string) bool { return matches(all[i].props, path, values) },
	}
}

func (s *Server) listGroups(q call, _ []string) answer {
	return s.list(q, s.groupListing(s.sortedGroups()))
}

// listMemberOf is memberOf with an OData cast, which is an advanced query
// (https://learn.microsoft.com/graph/api/user-list-memberof).
func (s *Server) listMemberOf(q call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	if !eventual(q) || q.Query.Get("$count") != "true" {
		return fail(http.StatusBadRequest, "Request_UnsupportedQuery", "The specified segment is only supported with ConsistencyLevel: eventual and $count=true.")
	}
	return s.list(q, s.groupListing(s.groupsOf(u)))
}

// groupsOf returns the groups of a user that the application may see.
func (s *Server) groupsOf(u *user) []*group {
	return slices.DeleteFunc(s.sortedGroups(), func(g *group) bool { return !g.members[u.id] || s.conceals(g) })
}

// conceals reports whether a group's members are hidden from the application.
func (s *Server) conceals(g *group) bool {
	return g.props["visibility"] == "HiddenMembership" && !s.opts.ReadsHidden
}

// entry is an object of any type in a list.
type entry struct {
	id, kind string
	order    int64
}

func objects(all []entry) listing {
	return listing{
		resource: "directoryObject", total: len(all),
		properties: func(n string) (property, bool) { return property{}, n == "id" },
		item: func(i int, _ []string, _ string) object {
			return object{"@odata.type": "#microsoft.graph." + all[i].kind, "id": all[i].id}
		},
		key: func(i int) int64 { return int64(i) },
	}
}

// listEveryMemberOf lists administrative units as well.
func (s *Server) listEveryMemberOf(q call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	var all []entry
	for _, id := range u.units {
		all = append(all, entry{id: id, kind: "administrativeUnit"})
	}
	for _, g := range s.groupsOf(u) {
		all = append(all, entry{id: g.id, kind: "group"})
	}
	return s.list(q, objects(all))
}

func (s *Server) getGroup(q call, args []string) answer {
	g := s.groups[args[0]]
	if g == nil {
		return notFound(args[0])
	}
	_, sel, _, problem := options(q, s.groupListing(nil))
	if problem != nil {
		return *problem
	}
	return ok(pick(g.props, sel, usualGroup...))
}

func (s *Server) listMembers(q call, args []string) answer {
	g := s.groups[args[0]]
	if g == nil {
		return notFound(args[0])
	}
	if s.conceals(g) {
		return fail(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
	}
	var all []entry
	for _, id := range s.liveMembers(g) {
		all = append(all, entry{id, "user", s.users[id].order})
	}
	for id, kind := range g.others {
		all = append(all, entry{id, kind, 0})
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.id, b.id)) })
	return s.list(q, objects(all))
}

// closed returns why a group's members cannot be changed through Graph.
func closed(g *group) *answer {
	types, _ := g.props["groupTypes"].([]any)
	var a answer
	switch {
	case slices.Contains(types, any("DynamicMembership")):
		a = badRequest("Cannot Update a group with dynamic membership.")
	case g.props["onPremisesSyncEnabled"] == true:
		a = badRequest("Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.")
	case g.props["mailEnabled"] == true && !slices.Contains(types, any("Unified")):
		a = badRequest("Cannot Update a mail-enabled security groups and or distribution list.")
	default:
		return nil
	}
	return &a
}

// member finds a user to add.
func (s *Server) member(g *group, id string) (*user, *answer) {
	no := func(a answer) (*user, *answer) { return nil, &a }
	u := s.users[id]
	if u == nil || !u.live() || !s.visible(u) {
		return no(notFound(id))
	}
	if g.members[id] {
		return no(badRequest("One or more added object references already exist for the following modified properties: 'members'."))
	}
	return u, nil
}

func (s *Server) addMember(q call, args []string) answer {
	g := s.groups[args[0]]
	if g == nil {
		return notFound(args[0])
	}
	id, problem := s.reference(q)
	if problem != nil {
		return *problem
	}
	if problem := closed(g); problem != nil {
		return *problem
	}
	if _, problem := s.member(g, id); problem != nil {
		return *problem
	}
	s.setMember(g, id, true)
	return none()
}

// patchGroup adds members, all or none.
func (s *Server) patchGroup(q call, args []string) answer {
	const bind = "members@odata.bind"
	g := s.groups[args[0]]
	if g == nil {
		return notFound(args[0])
	}
	o, problem := read(q, func(name string) bool { _, known := groupProperties[name]; return known || name == bind })
	if problem != nil {
		return *problem
	}
	if _, binds := o[bind]; !binds {
		return s.updateGroup(g, o)
	}
	if len(o) > 1 {
		return badRequest("The request combines 'members@odata.bind' with other properties, which this tenant does not accept.")
	}
	list, isList := o[bind].([]any)
	switch {
	case !isList || len(list) == 0:
		return badRequest("Invalid value specified for property 'members@odata.bind' of resource 'Group'.")
	case len(list) > 20:
		return badRequest("The number of added references exceeds the limit of 20.")
	}
	if problem := closed(g); problem != nil {
		return *problem
	}
	var ids []string
	for _, e := range list {
		text, _ := e.(string)
		id, why := s.target(text)
		if why != "" {
			return badRequest("%s", why)
		}
		if _, problem := s.member(g, id); problem != nil {
			return *problem
		}
		if slices.Contains(ids, id) {
			return badRequest("One or more added object references already exist for the following modified properties: 'members'.")
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		s.setMember(g, id, true)
	}
	return none()
}

func (s *Server) removeMember(_ call, args []string) answer {
	g := s.groups[args[0]]
	if g == nil {
		return notFound(args[0])
	}
	if problem := closed(g); problem != nil {
		return *problem
	}
	u := s.users[args[1]]
	if u == nil || !u.live() || !g.members[args[1]] {
		return fail(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist or one of its queried reference-property objects are not present.", args[1])
	}
	s.setMember(g, args[1], false)
	return none()
}
