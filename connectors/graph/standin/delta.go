package standin

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// token is the state in a delta link or in a next link of one.
type token struct {
	Epoch  int      `json:"e"`
	Since  int64    `json:"s"` // changes after this; -1 for everything
	Until  int64    `json:"u"` // set in a next link: the start of the delta link
	Skip   int      `json:"k"`
	Select []string `json:"p"`
}

func (t token) String() string {
	b, _ := json.Marshal(t)
	return base64.RawURLEncoding.EncodeToString(b)
}

// grave is a deleted group.
type grave struct {
	id  string
	seq int64
}

// deltaQuery answers a delta function
// (https://learn.microsoft.com/graph/delta-query-overview). changes returns the
// changes after a sequence number, as objects with an ID.
func (s *Server) deltaQuery(q call, properties func(string) (property, bool), changes func(since int64, sel []string) []object) answer {
	t := token{Epoch: s.epoch, Since: -1}
	text, given := q.Query.Get("$deltatoken"), q.Query.Has("$deltatoken")
	if q.Query.Has("$skiptoken") {
		text, given = q.Query.Get("$skiptoken"), true
	}
	latest := text == "latest"
	switch {
	case given && !latest:
		for k := range q.Query {
			if k != "$deltatoken" && k != "$skiptoken" {
				return badRequest("The query parameter '%s' is in the token already.", k)
			}
		}
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || json.Unmarshal(b, &t) != nil {
			return fail(http.StatusBadRequest, "Request_BadRequest", "Badly formed token.")
		}
	default:
		for k := range q.Query {
			if k != "$select" && k != "$deltatoken" {
				return fail(http.StatusBadRequest, "BadRequest", "The query parameter '%s' is not supported.", k)
			}
		}
		if sel := q.Query.Get("$select"); sel != "" {
			t.Select = strings.Split(sel, ",")
		}
		if name, bad := unknown(t.Select, properties); bad {
			return badRequest("Could not find a property named '%s'.", name)
		}
	}
	if t.Epoch != s.epoch {
		a := fail(http.StatusGone, "syncStateNotFound", "The sync state generation is not found; continuation token is expired.")
		a.header = map[string]string{"Location": q.base + q.Path + "?$deltatoken="}
		return a
	}
	if latest {
		t.Since = s.seq
	}
	if t.Until == 0 {
		t.Until = s.seq
	}
	return s.deltaPage(q, t, changes(t.Since, t.Select), latest)
}

func (s *Server) deltaPage(q call, t token, all []object, latest bool) answer {
	size := s.opts.PageSize
	if s.opts.MaxPage > 0 {
		size = min(size, s.opts.MaxPage)
	}
	if latest {
		all = nil
	}
	body := object{"@odata.context": q.base + "/$metadata#delta"}
	link := func(name string, option string, t token) {
		body[name] = q.base + (&url.URL{Path: q.Path}).EscapedPath() + "?" + option + "=" + t.String()
	}
	from := min(t.Skip, len(all))
	page := all[from:min(from+size, len(all))]
	if from+len(page) < len(all) {
		t.Skip = from + len(page)
		link("@odata.nextLink", "$skiptoken", t)
	} else {
		link("@odata.deltaLink", "$deltatoken", token{Epoch: t.Epoch, Since: t.Until, Select: t.Select})
	}
	value := []any{}
	for _, o := range page {
		value = append(value, o)
	}
	body["value"] = value
	return ok(body)
}

// usersDelta returns the changed properties of changed users only.
func (s *Server) usersDelta(q call, _ []string) answer {
	return s.deltaQuery(q, userProperty, func(since int64, sel []string) []object {
		if sel == nil {
			sel = usualUser
		}
		var out []object
		for _, u := range append(s.sortedUsers(false), s.sortedUsers(true)...) {
			switch {
			case !u.live():
				if u.gone > since && u.order <= since || since >= 0 && u.gone > since {
					out = append(out, object{"id": u.id, "@removed": object{"reason": "changed"}})
				}
			default:
				o := object{"id": u.id}
				for _, name := range sel {
					if since < 0 && u.props[name] != nil || since >= 0 && u.changed[name] > since {
						o[name] = u.props[name]
					}
				}
				if since < 0 || len(o) > 1 || u.back > since {
					out = append(out, o)
				}
			}
		}
		return out
	})
}

// membersPerPart is the maximum number of a group's members in one object.
const membersPerPart = 50

// groupsDelta returns the changed properties of changed groups, and the members
// that were added and removed: a large group comes in several objects with its
// ID.
func (s *Server) groupsDelta(q call, _ []string) answer {
	known := func(name string) (property, bool) {
		if name == "members" {
			return property{}, true
		}
		return groupProperty(name)
	}
	return s.deltaQuery(q, known, func(since int64, sel []string) []object {
		var out []object
		for _, g := range s.sortedGroups() {
			out = append(out, s.groupChanges(g, since, sel)...)
		}
		for _, dead := range s.graves {
			if since >= 0 && dead.seq > since {
				out = append(out, object{"id": dead.id, "@removed": object{"reason": "deleted"}})
			}
		}
		return out
	})
}

func (s *Server) groupChanges(g *group, since int64, sel []string) []object {
	o := object{"id": g.id}
	for _, name := range sel {
		if name != "members" && (since < 0 && g.props[name] != nil || since >= 0 && g.changed[name] > since) {
			o[name] = g.props[name]
		}
	}
	var out []object
	if since < 0 || len(o) > 1 {
		out = append(out, o)
	}
	if !slices.Contains(sel, "members") {
		return out
	}
	var members []any
	for _, id := range slices.Sorted(maps.Keys(g.log)) {
		if g.log[id] <= since {
			continue
		}
		kind, other := g.others[id]
		if !other {
			kind = "user"
		}
		m := object{"@odata.type": "#microsoft.graph." + kind, "id": id}
		if !other && !g.members[id] {
			if since < 0 {
				continue
			}
			m["@removed"] = object{"reason": "deleted"}
		}
		members = append(members, m)
	}
	for part := range slices.Chunk(members, membersPerPart) {
		out = append(out, object{"id": g.id, "members@delta": part})
	}
	return out
}
