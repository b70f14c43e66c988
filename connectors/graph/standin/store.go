package standin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// user is a user, or one that was deleted less than 30 days ago.
type user struct {
	id        string
	order     int64 // of creation
	props     object
	born      time.Time
	deleted   time.Time // zero when not
	upn       string    // when deleted: the earlier one
	manager   string
	mfa       bool
	reported  string // the method in the report of registered methods
	methods   []method
	revoked   int      // how often sessions were revoked
	units     []string // the user's administrative units
	inherited []string // SKUs that come from a group

	changed map[string]int64 // property: when it last changed
	gone    int64            // when it was deleted
	back    int64            // when it was restored
}

// method is an authentication method of a user.
type method struct {
	id   string
	kind string // phone, temporaryAccessPass
	with object
}

type group struct {
	id      string
	order   int64
	props   object
	members map[string]bool   // users, by ID
	others  map[string]string // other members: ID → type
	changed map[string]int64
	log     map[string]int64 // member → when it was last added or removed
}

type sku struct {
	id, part string
	units    int
}

func (s *Server) tick() int64 {
	s.seq++
	return s.seq
}

func (u *user) live() bool { return u.deleted.IsZero() }

// find returns a live user by ID or, as Graph does, by userPrincipalName.
func (s *Server) find(key string) *user {
	if u := s.users[strings.ToLower(key)]; u != nil && u.live() {
		return u
	}
	return s.byUPN(key)
}

func (s *Server) byUPN(upn string) *user {
	for _, u := range s.users {
		if u.live() && strings.EqualFold(u.upnNow(), upn) {
			return u
		}
	}
	return nil
}

func (u *user) upnNow() string {
	upn, _ := u.props["userPrincipalName"].(string)
	return upn
}

// visible reports whether a new user is known to all replicas.
func (s *Server) visible(u *user) bool {
	return s.opts.Lag == 0 || s.opts.Now().Sub(u.born) >= s.opts.Lag
}

func (s *Server) sortedUsers(deleted bool) []*user {
	var list []*user
	for _, u := range s.users {
		if u.live() != deleted {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b *user) int { return cmp.Compare(a.order, b.order) })
	return list
}

func (s *Server) sortedGroups() []*group {
	var list []*group
	for _, g := range s.groups {
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b *group) int { return cmp.Compare(a.order, b.order) })
	return list
}

func (s *Server) insert(props object) *user {
	u := &user{id: uuid.NewString(), order: s.tick(), props: props, born: s.opts.Now(), changed: map[string]int64{}}
	props["id"] = u.id
	props["createdDateTime"] = s.opts.Now().UTC().Format(time.RFC3339)
	if props["userType"] == nil {
		props["userType"] = "Member"
	}
	if props["businessPhones"] == nil {
		props["businessPhones"] = []any{}
	}
	for p := range props {
		u.changed[p] = u.order
	}
	s.users[u.id] = u
	return u
}

// set changes properties; null removes one.
func (s *Server) set(u *user, props object) {
	now := s.tick()
	for name, v := range props {
		if name == "passwordProfile" {
			continue // write-only
		}
		if inner, ok := v.(object); ok {
			if old, ok := u.props[name].(object); ok {
				merged := object{}
				for k, v := range old {
					merged[k] = v
				}
				for k, v := range inner {
					merged[k] = v
				}
				v = merged
			}
		}
		u.props[name] = v
		u.changed[name] = now
	}
}

// remove moves a user to the deleted items, for 30 days. Its name is free at
// once, as Graph prefixes it with the ID.
func (s *Server) remove(u *user) {
	u.gone, u.deleted, u.upn = s.tick(), s.opts.Now(), u.upnNow()
	u.props["userPrincipalName"] = strings.ReplaceAll(u.id, "-", "") + u.upn
	u.props["deletedDateTime"] = u.deleted.UTC().Format(time.RFC3339)
}

// restore restores a user, with its groups.
func (s *Server) restore(u *user) {
	u.back, u.deleted = s.tick(), time.Time{}
	u.props["userPrincipalName"] = u.upn
	delete(u.props, "deletedDateTime")
	for p := range u.props {
		u.changed[p] = u.back
	}
}

func (s *Server) setMember(g *group, id string, member bool) {
	if member {
		g.members[id] = true
	} else {
		delete(g.members, id)
	}
	g.log[id] = s.tick()
}

func (s *Server) insertGroup(props object) *group {
	g := &group{id: uuid.NewString(), order: s.tick(), props: props, members: map[string]bool{}, others: map[string]string{}, changed: map[string]int64{}, log: map[string]int64{}}
	props["id"] = g.id
	for p := range props {
		g.changed[p] = g.order
	}
	s.groups[g.id] = g
	return g
}

// clone returns a deep copy of props.
func clone(props map[string]any) object {
	b, err := json.Marshal(props)
	if err != nil {
		panic(fmt.Sprintf("standin: not JSON: %v", err))
	}
	var out object
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}
