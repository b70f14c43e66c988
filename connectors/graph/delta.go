package graph

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// fullEvery is after how long everything is read anew even though the changes
// could be followed: what a replica that lagged behind left out comes back.
const fullEvery = 24 * time.Hour

// errResync says that what was remembered cannot be continued from.
var errResync = errors.New("read everything anew")

// remembered is Snapshot with a memory. It continues from the last reading by
// delta queries (https://learn.microsoft.com/graph/delta-query-overview), and
// reads everything when Graph no longer knows from where (410), when what was
// remembered does not fit the configuration, and once a day.
//
// The delta of users carries neither their manager nor, dependably, their
// licences. When either is configured all users are read each time, which is
// one request for 999 of them, and only groups and their members, which are a
// request or more each, come from the delta.
func (c *Connector) remembered(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	c.delta.Lock()
	defer c.delta.Unlock()
	now := time.Now()
	s := c.recall(ctx, now)
	if s != nil {
		switch err := c.follow(ctx, s); {
		case errors.Is(err, errResync):
			s = nil
		case err != nil:
			return connectors.Completeness{}, err
		}
	}
	out := &reading{c: c, sink: sink, accounts: map[string]bool{}}
	if s == nil {
		var err error
		if s, err = c.begin(ctx, out, now); err != nil {
			return connectors.Completeness{}, err
		}
	}
	if c.readsAllUsers() {
		if err := out.users(ctx); err != nil {
			return connectors.Completeness{}, err
		}
		if err := c.newcomers(ctx, s, out.accounts); err != nil {
			return connectors.Completeness{}, err
		}
	}
	if err := out.licences(ctx); err != nil {
		return connectors.Completeness{}, err
	}
	if err := out.replay(s); err != nil {
		return connectors.Completeness{}, err
	}
	if len(out.missed) == 0 {
		// Without it the next reading is dearer, and no worse.
		_ = c.keep(ctx, s)
	}
	return out.completeness(), nil
}

func (c *Connector) readsAllUsers() bool { return c.manager || c.cfg.Licences }

// begin reads everything. The links come first: what changes meanwhile comes
// again.
func (c *Connector) begin(ctx context.Context, out *reading, now time.Time) (*state, error) {
	s := &state{Fit: c.fit(), Full: now, Users: map[string]connectors.Account{}, Groups: map[string]*knownGroup{}}
	var err error
	ignore := func(json.RawMessage) error { return nil }
	if s.GroupsLink, err = c.changes(ctx, c.build.deltaGroups(append(slices.Clone(groupSelection), "members")), ignore); err != nil {
		return nil, err
	}
	if !c.readsAllUsers() {
		if s.UsersLink, err = c.changes(ctx, c.build.deltaUsers(c.userSelection()), ignore); err != nil {
			return nil, err
		}
		if err := c.everybody(ctx, s); err != nil {
			return nil, err
		}
	}
	list, err := c.groups(ctx)
	if err != nil {
		return nil, err
	}
	return s, c.membersOf(ctx, list, func(g group, members []member, err error) error {
		if err != nil {
			if !unreadable(err) {
				return err
			}
			out.missed = append(out.missed, g.ID)
		}
		k := &knownGroup{group: g, Known: true, Members: map[string]bool{}}
		for _, m := range members {
			k.Members[m.id] = m.user
		}
		s.Groups[g.ID] = k
		return nil
	})
}

func (c *Connector) everybody(ctx context.Context, s *state) error {
	return pages[models.UserCollectionResponseable](ctx, c, c.build.listUsers(c.userSelection(), nil),
		models.CreateUserCollectionResponseFromDiscriminatorValue, func(u models.Userable) error {
			a, err := c.account(u)
			if err == nil {
				s.Users[a.ID] = a
			}
			return err
		})
}

// changes reads what changed to its end, and returns the link to continue from.
func (c *Connector) changes(ctx context.Context, q request, each func(json.RawMessage) error) (string, error) {
	seen := map[string]bool{}
	for {
		a, err := c.send(ctx, q)
		if err != nil {
			return "", err
		}
		if a.status == http.StatusGone || a.status == http.StatusBadRequest {
			return "", errResync
		}
		if !a.ok() {
			return "", c.unexpected(q.doing, a)
		}
		var p struct {
			Value []json.RawMessage `json:"value"`
			Next  string            `json:"@odata.nextLink"`
			Delta string            `json:"@odata.deltaLink"`
		}
		if err := json.Unmarshal(a.body, &p); err != nil || p.Value == nil || p.Next == "" == (p.Delta == "") || seen[p.Next] {
			return "", connectors.Errorf(connectors.RetryLater, "graph: %s: the answer is not one", q.doing)
		}
		for _, item := range p.Value {
			if err := each(item); err != nil {
				return "", err
			}
		}
		if p.Delta != "" {
			return p.Delta, nil
		}
		seen[p.Next] = true
		q = c.build.next(q.doing, p.Next)
	}
}

// follow brings what was remembered up to date.
func (c *Connector) follow(ctx context.Context, s *state) error {
	var back []string
	if !c.readsAllUsers() {
		unknown := map[string]bool{}
		link, err := c.changes(ctx, c.build.next("follow users", s.UsersLink), func(item json.RawMessage) error {
			return c.mergeUser(s, item, unknown)
		})
		if err != nil {
			return err
		}
		s.UsersLink = link
		if err := c.meet(ctx, s, unknown); err != nil {
			return err
		}
		back = slices.Collect(maps.Keys(unknown))
	}
	link, err := c.changes(ctx, c.build.next("follow groups", s.GroupsLink), func(item json.RawMessage) error { return mergeGroup(s, item) })
	if err != nil {
		return err
	}
	s.GroupsLink = link
	for _, g := range s.Groups {
		if !g.Known {
			return errResync // members of a group that was never shown
		}
	}
	return c.rejoin(ctx, s, back)
}

// newcomers looks after users that were not there at the last reading, when
// all users are read each time.
func (c *Connector) newcomers(ctx context.Context, s *state, now map[string]bool) error {
	before := map[string]bool{}
	for _, id := range s.People {
		before[id] = true
	}
	var back []string
	for id := range now {
		if s.People != nil && !before[id] {
			back = append(back, id)
		}
	}
	s.People = slices.Sorted(maps.Keys(now))
	return c.rejoin(ctx, s, back)
}

// rejoin reads in which groups users are that are new to us. Whoever was
// deleted and came back is in groups that no change has told us about.
func (c *Connector) rejoin(ctx context.Context, s *state, ids []string) error {
	requests := make([]request, len(ids))
	for i, id := range ids {
		requests[i] = c.build.listMemberOf(id)
	}
	for i, r := range c.all(ctx, requests) {
		if r.err != nil {
			return r.err
		}
		if r.gone() {
			continue // deleted again: the next change says so
		}
		err := continued[models.GroupCollectionResponseable](ctx, c, requests[i], r.answer, models.CreateGroupCollectionResponseFromDiscriminatorValue, func(g models.Groupable) error {
			if k := s.Groups[groupOf(g).ID]; k != nil {
				k.Members[ids[i]] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// change is what a delta says of one object.
type change struct {
	id      string
	removed bool
	present map[string]json.RawMessage
}

func changeOf(item json.RawMessage) (change, error) {
	var c change
	if err := json.Unmarshal(item, &c.present); err != nil {
		return c, errResync
	}
	_ = json.Unmarshal(c.present["id"], &c.id)
	if !isID(c.id) {
		return c, errResync
	}
	_, c.removed = c.present["@removed"]
	return c, nil
}

// has says whether a change is about a property. One that is not there did not
// change.
func (c change) has(p property) bool {
	raw, ok := c.present[p.outer()]
	if !ok || p.inner() == "" {
		return ok
	}
	var inner map[string]json.RawMessage
	if json.Unmarshal(raw, &inner) != nil || inner == nil {
		return true // null: all of them are gone
	}
	_, ok = inner[p.inner()]
	return ok
}

// mergeUser takes over what changed of a user. One that is new to us is read
// as a whole afterwards: what its change carries may be a part.
func (c *Connector) mergeUser(s *state, item json.RawMessage, unknown map[string]bool) error {
	change, err := changeOf(item)
	if err != nil {
		return err
	}
	if change.removed {
		delete(s.Users, change.id)
		delete(unknown, change.id)
		return nil
	}
	a, known := s.Users[change.id]
	if !known {
		unknown[change.id] = true
		return nil
	}
	u, err := decode[models.Userable](&answer{body: item}, models.CreateUserFromDiscriminatorValue)
	if err != nil {
		return errResync
	}
	if change.has(properties["userPrincipalName"]) && u.GetUserPrincipalName() != nil {
		a.Name = c.shortName(*u.GetUserPrincipalName())
	}
	if change.has(properties["accountEnabled"]) && u.GetAccountEnabled() != nil {
		a.Enabled = *u.GetAccountEnabled()
	}
	if change.has(c.anchor) {
		a.Anchor = strings.Join(c.anchor.get(u), "")
	}
	for _, p := range c.attributes {
		if !change.has(p) {
			continue
		}
		if values := p.get(u); len(values) > 0 {
			a.Attributes[p.name] = values
		} else {
			delete(a.Attributes, p.name)
		}
	}
	s.Users[change.id] = a
	return nil
}

// meet reads users that are new to us.
func (c *Connector) meet(ctx context.Context, s *state, unknown map[string]bool) error {
	var ids []string
	var requests []request
	for id := range unknown {
		ids, requests = append(ids, id), append(requests, c.build.getUser(id, c.userSelection(), nil))
	}
	for i, r := range c.all(ctx, requests) {
		p, err := c.person(ids[i], r)
		switch {
		case err != nil:
			return err
		case p == nil:
			return errResync // deleted since, or not everywhere yet
		}
		s.Users[ids[i]] = p.Account
	}
	return nil
}

// mergeGroup takes over what changed of a group and its members. A large one
// comes in several parts.
func mergeGroup(s *state, item json.RawMessage) error {
	change, err := changeOf(item)
	if err != nil {
		return err
	}
	if change.removed {
		delete(s.Groups, change.id)
		return nil
	}
	k := s.Groups[change.id]
	if k == nil {
		k = &knownGroup{group: group{ID: change.id}, Members: map[string]bool{}}
		s.Groups[change.id] = k
	}
	var g struct {
		Name    *string  `json:"displayName"`
		Types   []string `json:"groupTypes"`
		Synced  *bool    `json:"onPremisesSyncEnabled"`
		Mail    *bool    `json:"mailEnabled"`
		Members []struct {
			ID      string          `json:"id"`
			Type    string          `json:"@odata.type"`
			Removed json.RawMessage `json:"@removed"`
		} `json:"members@delta"`
	}
	if err := json.Unmarshal(item, &g); err != nil {
		return errResync
	}
	if _, ok := change.present["displayName"]; ok {
		k.Known, k.Name = true, ""
		if g.Name != nil {
			k.Name = *g.Name
		}
	}
	if _, ok := change.present["groupTypes"]; ok {
		k.Types = g.Types
	}
	if _, ok := change.present["onPremisesSyncEnabled"]; ok {
		k.Synced = yes(g.Synced)
	}
	if _, ok := change.present["mailEnabled"]; ok {
		k.Mail = yes(g.Mail)
	}
	for _, m := range g.Members {
		switch {
		case !isID(m.ID):
			return errResync
		case m.Removed != nil:
			delete(k.Members, m.ID)
		default:
			k.Members[m.ID] = strings.EqualFold(m.Type, "#microsoft.graph.user")
		}
	}
	return nil
}
