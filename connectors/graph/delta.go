package graph

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// fullReadInterval is the time after which a snapshot reads everything, even when
// deltas are available: it corrects what a lagging replica left out.
const fullReadInterval = 24 * time.Hour

// errResync means that the saved state cannot be continued from.
var errResync = errors.New("the saved delta state is invalid: everything has to be read")

// incrementalSnapshot is Snapshot with a StateStore. It continues from the last
// reading with delta queries
// (https://learn.microsoft.com/graph/delta-query-overview). It reads everything
// when Graph no longer knows the delta link (410), when the saved state does not
// fit the configuration, and once a day.
//
// The delta of users contains neither their manager nor, reliably, their
// licences. When either is configured all users are read each time, which takes
// one request for 999 of them, and only groups and their members, which take a
// request or more each, come from the delta.
func (c *Connector) incrementalSnapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	c.delta.Lock()
	defer c.delta.Unlock()
	now := time.Now()
	s := c.loadState(ctx, now)
	if s != nil {
		switch err := c.applyDelta(ctx, s); {
		case errors.Is(err, errResync):
			s = nil
		case err != nil:
			return connectors.Completeness{}, err
		}
	}
	out := c.reading(sink)
	if s == nil {
		var err error
		if s, err = c.fullRead(ctx, out, now); err != nil {
			return connectors.Completeness{}, err
		}
	}
	if c.readsAllUsers() {
		if err := out.users(ctx); err != nil {
			return connectors.Completeness{}, err
		}
		// Guests too: a deleted user who came back is a member of groups as well.
		everybody := maps.Clone(out.accounts)
		maps.Copy(everybody, out.guests)
		if err := c.readNewUsers(ctx, s, everybody); err != nil {
			return connectors.Completeness{}, err
		}
	}
	if err := out.licences(ctx); err != nil {
		return connectors.Completeness{}, err
	}
	if err := out.emitState(s); err != nil {
		return connectors.Completeness{}, err
	}
	if len(out.missed) == 0 {
		// Without the saved state the next reading is slower, and correct.
		_ = c.keep(ctx, s)
	}
	return out.completeness(), nil
}

func (c *Connector) readsAllUsers() bool { return c.manager || c.cfg.Licences }

// fullRead reads everything. It requests the delta links first, so that changes
// made meanwhile come again.
func (c *Connector) fullRead(ctx context.Context, out *reading, now time.Time) (*state, error) {
	s := &state{Fit: c.fingerprint(), Full: now, Users: map[string]knownUser{}, Groups: map[string]*knownGroup{}}
	var err error
	ignore := func(json.RawMessage) error { return nil }
	if s.GroupsLink, err = c.readDelta(ctx, c.build.deltaGroups(append(slices.Clone(groupSelection), "members")), ignore); err != nil {
		return nil, err
	}
	if !c.readsAllUsers() {
		if s.UsersLink, err = c.readDelta(ctx, c.build.deltaUsers(c.userSelection()), ignore); err != nil {
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
				s.Users[a.ID] = knownUser{a, typeOf(u)}
			}
			return err
		})
}

// readDelta reads a delta to its end, and returns the link to continue from.
func (c *Connector) readDelta(ctx context.Context, q request, each func(json.RawMessage) error) (string, error) {
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
			return "", connectors.Errorf(connectors.RetryLater, "graph: %s: the answer is malformed", q.doing)
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

// applyDelta brings the saved state up to date.
func (c *Connector) applyDelta(ctx context.Context, s *state) error {
	var back []string
	if !c.readsAllUsers() {
		unknown := map[string]bool{}
		link, err := c.readDelta(ctx, c.build.next("follow users", s.UsersLink), func(item json.RawMessage) error {
			return c.mergeUser(s, item, unknown)
		})
		if err != nil {
			return err
		}
		s.UsersLink = link
		if err := c.readUnknownUsers(ctx, s, unknown); err != nil {
			return err
		}
		back = slices.Collect(maps.Keys(unknown))
	}
	link, err := c.readDelta(ctx, c.build.next("follow groups", s.GroupsLink), func(item json.RawMessage) error { return mergeGroup(s, item) })
	if err != nil {
		return err
	}
	s.GroupsLink = link
	for _, g := range s.Groups {
		if !g.Known {
			return errResync // members of a group whose properties never came
		}
	}
	return c.readMembershipsOf(ctx, s, back)
}

// readNewUsers reads the memberships of users that were not there at the last
// reading, when all users are read each time.
func (c *Connector) readNewUsers(ctx context.Context, s *state, now map[string]bool) error {
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
	// Empty, not nil: nil would mean that the users are unknown.
	s.People = slices.AppendSeq([]string{}, maps.Keys(now))
	slices.Sort(s.People)
	return c.readMembershipsOf(ctx, s, back)
}

// readMembershipsOf reads the groups of new users. A deleted user who came back
// is a member of groups of which no change has come.
func (c *Connector) readMembershipsOf(ctx context.Context, s *state, ids []string) error {
	requests := make([]request, len(ids))
	for i, id := range ids {
		requests[i] = c.build.memberOf(id)
	}
	for i, r := range c.all(ctx, requests) {
		if r.err != nil {
			return r.err
		}
		if r.gone() {
			continue // deleted again: the next delta has it
		}
		in, err := c.allMembers(ctx, requests[i], r.answer)
		if err != nil {
			return err
		}
		for _, g := range in {
			if k := s.Groups[g.id]; k != nil {
				k.Members[ids[i]] = true
			}
		}
	}
	return nil
}
