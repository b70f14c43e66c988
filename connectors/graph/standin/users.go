package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// pattern is one path with its methods.
type pattern struct {
	path *regexp.Regexp
	verb map[string]func(s *Server, q call, args []string) answer
}

type verbs = map[string]func(s *Server, q call, args []string) answer

// paths are all supported paths. {} is a segment.
var paths = func() []pattern {
	var list []pattern
	add := func(path string, v verbs) {
		list = append(list, pattern{regexp.MustCompile("^" + strings.ReplaceAll(path, "{}", "([^/]+)") + "$"), v})
	}
	add(`/users/delta(?:\(\))?`, verbs{"GET": (*Server).usersDelta})
	add(`/groups/delta(?:\(\))?`, verbs{"GET": (*Server).groupsDelta})
	add(`/users`, verbs{"GET": (*Server).listUsers, "POST": (*Server).createUser})
	add(`/users/{}`, verbs{"GET": (*Server).getUser, "PATCH": (*Server).patchUser, "DELETE": (*Server).deleteUser})
	add(`/users/{}/manager/\$ref`, verbs{"PUT": (*Server).putManager, "DELETE": (*Server).deleteManager})
	add(`/users/{}/revokeSignInSessions`, verbs{"POST": (*Server).revoke})
	add(`/users/{}/assignLicense`, verbs{"POST": (*Server).assignLicense})
	add(`/users/{}/authentication/methods`, verbs{"GET": (*Server).listMethods})
	add(`/users/{}/authentication/temporaryAccessPassMethods`, verbs{"GET": (*Server).listPasses, "POST": (*Server).createPass})
	add(`/users/{}/authentication/temporaryAccessPassMethods/{}`, verbs{"DELETE": (*Server).deletePass})
	add(`/users/{}/memberOf`, verbs{"GET": (*Server).listEveryMemberOf})
	add(`/users/{}/memberOf/(?:microsoft\.)?graph\.group`, verbs{"GET": (*Server).listMemberOf})
	add(`/groups`, verbs{"GET": (*Server).listGroups})
	add(`/groups\(uniqueName='([^']+)'\)`, verbs{"GET": (*Server).getUniqueGroup, "PATCH": (*Server).upsertGroup})
	add(`/groups/{}`, verbs{"GET": (*Server).getGroup, "PATCH": (*Server).patchGroup, "DELETE": (*Server).deleteGroup})
	add(`/groups/{}/members`, verbs{"GET": (*Server).listMembers})
	add(`/groups/{}/members/\$ref`, verbs{"POST": (*Server).addMember})
	add(`/groups/{}/members/{}/\$ref`, verbs{"DELETE": (*Server).removeMember})
	// DELETE without $ref deletes the member itself, as in Graph.
	add(`/groups/{}/members/{}`, verbs{"DELETE": func(s *Server, q call, args []string) answer { return s.deleteUser(q, args[1:]) }})
	add(`/directory/deletedItems/(?:microsoft\.)?graph\.user`, verbs{"GET": (*Server).listDeleted})
	add(`/directory/deletedItems/{}`, verbs{"GET": (*Server).getDeleted})
	add(`/directory/deletedItems/{}/restore`, verbs{"POST": (*Server).restoreUser})
	add(`/subscribedSkus`, verbs{"GET": (*Server).listSKUs})
	add(`/organization`, verbs{"GET": (*Server).organization})
	add(`/reports/authenticationMethods/userRegistrationDetails`, verbs{"GET": (*Server).registrations})
	return list
}()

func (s *Server) route(q call) answer {
	for _, p := range paths {
		m := p.path.FindStringSubmatch(q.Path)
		if m == nil {
			continue
		}
		do := p.verb[q.Method]
		if do == nil {
			return fail(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
		}
		if (q.Method == http.MethodDelete || q.Method == http.MethodGet) && len(q.Body) > 0 {
			return badRequest("A body is not expected.")
		}
		return do(s, q, m[1:])
	}
	return fail(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '%s'.", q.Path[strings.LastIndex(q.Path, "/")+1:])
}

// read parses a body, all of whose properties must be known.
func read(q call, known func(string) bool) (object, *answer) {
	no := func(a answer) (object, *answer) { return nil, &a }
	if !strings.HasPrefix(q.Header.Get("Content-Type"), "application/json") {
		return no(badRequest("A valid Content-Type is required: application/json."))
	}
	var o object
	if err := json.Unmarshal(q.Body, &o); err != nil || o == nil {
		return no(fail(http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload."))
	}
	for name := range o {
		if name != "@odata.type" && !known(name) {
			return no(badRequest("Invalid property '%s'.", name))
		}
	}
	delete(o, "@odata.type")
	return o, nil
}

func anyUser(name string) bool { _, ok := userProperty(name); return ok }

var usualUser = []string{"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage", "surname", "userPrincipalName", "id"}

const expandManager = "manager($select=id)"

func (s *Server) listUsers(q call, _ []string) answer {
	all := slices.DeleteFunc(s.sortedUsers(false), func(u *user) bool { return q.Query.Has("$filter") && !s.visible(u) })
	return s.list(q, s.userListing(all))
}

func (s *Server) userListing(all []*user) listing {
	return listing{
		resource: "user", properties: userProperty, expand: []string{expandManager}, total: len(all),
		item:  func(i int, sel []string, expand string) object { return s.show(all[i], sel, expand) },
		key:   func(i int) int64 { return all[i].order },
		match: func(i int, path string, values []string) bool { return matches(all[i].props, path, values) },
	}
}

// show returns a user as it is sent.
func (s *Server) show(u *user, sel []string, expand string) object {
	o := pick(u.props, sel, usualUser...)
	if m := s.users[u.manager]; expand != "" && m != nil && m.live() {
		o["manager"] = object{"@odata.type": "#microsoft.graph.user", "id": m.id}
	}
	return o
}

func (s *Server) getUser(q call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	_, sel, expand, problem := options(q, s.userListing(nil))
	if problem != nil {
		return *problem
	}
	return ok(s.show(u, sel, expand))
}

func (s *Server) createUser(q call, _ []string) answer {
	o, problem := read(q, anyUser)
	if problem != nil {
		return *problem
	}
	for _, name := range []string{"accountEnabled", "displayName", "passwordProfile", "userPrincipalName", "mailNickname"} {
		if o[name] == nil {
			return badRequest("A value is required for property '%s' of resource 'User'.", name)
		}
	}
	if p, _ := o["passwordProfile"].(object); p["password"] == nil {
		return badRequest("A value is required for property 'password' of resource 'User'.")
	}
	if problem := s.checkUser(o, nil); problem != nil {
		return *problem
	}
	delete(o, "passwordProfile")
	for name, v := range o {
		if v == nil {
			delete(o, name)
		}
	}
	u := s.insert(o)
	return answer{status: http.StatusCreated, body: s.show(u, nil, "")}
}

// checkUser returns the error in properties to set.
func (s *Server) checkUser(o object, u *user) *answer {
	no := func(a answer) *answer { return &a }
	for name, v := range o {
		p, _ := userProperty(name)
		if p.readOnly {
			return no(badRequest("Property '%s' is read-only and cannot be set.", name))
		}
		if u != nil && p.synced && u.props["onPremisesSyncEnabled"] == true {
			return no(badRequest("Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration."))
		}
		if why := checkValue(name, p, v); why != "" {
			return no(badRequest("%s", why))
		}
	}
	if upn, given := o["userPrincipalName"].(string); given {
		if why := s.checkUPN(upn); why != "" {
			return no(badRequest("%s", why))
		}
		if other := s.byUPN(upn); other != nil && other != u {
			return no(badRequest("Another object with the same value for property userPrincipalName already exists."))
		}
	}
	if nick, given := o["mailNickname"].(string); given {
		if why := checkNickname(nick); why != "" {
			return no(badRequest("%s", why))
		}
	}
	return nil
}

func (s *Server) patchUser(q call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	o, problem := read(q, anyUser)
	if problem != nil {
		return *problem
	}
	if len(o) == 0 {
		return badRequest("There are no properties to update.")
	}
	if problem := s.checkUser(o, u); problem != nil {
		return *problem
	}
	s.set(u, o)
	return none()
}

func (s *Server) deleteUser(_ call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	if u.props["onPremisesSyncEnabled"] == true {
		return badRequest("Unable to delete on-premises mastered Directory Sync objects.")
	}
	s.remove(u)
	return none()
}

// reference parses {"@odata.id": "…/users/{id}"}.
func (s *Server) reference(q call) (string, *answer) {
	no := func(a answer) (string, *answer) { return "", &a }
	o, problem := read(q, func(name string) bool { return name == "@odata.id" })
	if problem != nil {
		return "", problem
	}
	text, _ := o["@odata.id"].(string)
	id, why := s.target(text)
	if why != "" {
		return no(badRequest("%s", why))
	}
	return id, nil
}

// target returns the ID in a reference to an object.
func (s *Server) target(text string) (id, why string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", fmt.Sprintf("Invalid URL format specified in the @odata.bind or @odata.id value '%s'.", text)
	}
	for _, prefix := range []string{"/v1.0/directoryObjects/", "/v1.0/users/"} {
		if id, found := strings.CutPrefix(u.Path, prefix); found && id != "" && !strings.Contains(id, "/") {
			return id, ""
		}
	}
	return "", fmt.Sprintf("Unsupported resource type in the @odata.bind or @odata.id value '%s'.", text)
}

func (s *Server) putManager(q call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	id, problem := s.reference(q)
	if problem != nil {
		return *problem
	}
	m := s.users[id]
	switch {
	case m == nil || !m.live() || !s.visible(m):
		return notFound(id)
	case u.props["onPremisesSyncEnabled"] == true:
		return badRequest("Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.")
	}
	u.manager = m.id
	s.tick()
	return none()
}

func (s *Server) deleteManager(_ call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	if m := s.users[u.manager]; m == nil || !m.live() {
		return notFound("manager")
	}
	u.manager = ""
	s.tick()
	return none()
}

func (s *Server) listDeleted(q call, _ []string) answer {
	return s.list(q, s.userListing(s.sortedUsers(true)))
}

func (s *Server) getDeleted(q call, args []string) answer {
	u := s.users[strings.ToLower(args[0])]
	if u == nil || u.live() {
		return notFound(args[0])
	}
	_, sel, _, problem := options(q, s.userListing(nil))
	if problem != nil {
		return *problem
	}
	return ok(s.show(u, sel, ""))
}

func (s *Server) restoreUser(q call, args []string) answer {
	u := s.users[strings.ToLower(args[0])]
	if u == nil || u.live() {
		return notFound(args[0])
	}
	upn := u.upn
	if len(q.Body) > 0 {
		o, problem := read(q, func(name string) bool { return name == "autoReconcileProxyConflict" || name == "newUserPrincipalName" })
		if problem != nil {
			return *problem
		}
		switch given := o["newUserPrincipalName"].(type) {
		case nil:
		case string:
			if why := s.checkUPN(given); why != "" {
				return badRequest("%s", why)
			}
			upn = given
		default:
			return badRequest("Cannot convert a value to target type for property 'newUserPrincipalName'.")
		}
	}
	if s.byUPN(upn) != nil {
		return badRequest("Another object with the same value for property userPrincipalName already exists.")
	}
	u.upn = upn
	s.restore(u)
	return ok(s.show(u, nil, ""))
}

func (s *Server) revoke(_ call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	u.revoked++
	return ok(object{"value": true})
}

func (s *Server) organization(q call, _ []string) answer {
	var domains []any
	for i, d := range s.opts.Domains {
		domains = append(domains, object{"name": d, "isDefault": i == 0, "type": "Managed"})
	}
	org := object{"id": s.opts.TenantID, "displayName": "Kommunen", "verifiedDomains": domains}
	return s.list(q, listing{
		resource: "organization", total: 1,
		properties: func(n string) (property, bool) {
			return property{}, n == "id" || n == "displayName" || n == "verifiedDomains"
		},
		item: func(_ int, sel []string, _ string) object { return pick(org, sel, "displayName", "verifiedDomains") },
		key:  func(i int) int64 { return int64(i) },
	})
}
