package graph

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/connectors"
)

// state is what is remembered between readings, as JSON and compressed. It
// holds personal data: whoever keeps it seals it.
type state struct {
	Fit        string // what it was read with
	Full       time.Time
	UsersLink  string
	GroupsLink string
	Users      map[string]knownUser   // by ID, guests too; none when all are read each time
	People     []string               // the IDs of users that were there, when all are read each time
	Groups     map[string]*knownGroup // by ID
}

// knownUser is a user with what decides whether it is in our scope: a guest can
// become a member, and the change says no more than that.
type knownUser struct {
	connectors.Account
	Type string // userType
}

// knownGroup is a group with its members: by ID, and whether each is a user.
// Users that were deleted may be among them: they come back with the user.
type knownGroup struct {
	group
	Known   bool // its properties were shown
	Members map[string]bool
}

// fit is a fingerprint of what decides what a state has in it.
func (c *Connector) fit() string {
	text := strings.Join(append([]string{
		"2", c.cfg.URL, c.cfg.TenantID, c.cfg.Domain, c.anchor.name, fmt.Sprint(c.manager), fmt.Sprint(c.cfg.Licences),
	}, slices.Sorted(slices.Values(c.cfg.Attributes))...), "\x00")
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// maxState bounds a state that is loaded.
const maxState = 1 << 30

// recall returns what can be continued from, nil when nothing can.
func (c *Connector) recall(ctx context.Context, now time.Time) *state {
	packed, err := c.cfg.Memory.Load(ctx)
	if err != nil || len(packed) == 0 {
		return nil
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(r, maxState))
	if err != nil {
		return nil
	}
	var s state
	age := func() time.Duration { return now.Sub(s.Full) }
	if json.Unmarshal(raw, &s) != nil || s.Fit != c.fit() || s.Groups == nil || s.Users == nil || s.GroupsLink == "" || age() < 0 || age() > fullEvery {
		return nil
	}
	if !c.readsAllUsers() && s.UsersLink == "" {
		return nil
	}
	for id, a := range s.Users {
		if a.Attributes == nil {
			a.Attributes = map[string][]string{}
			s.Users[id] = a
		}
	}
	for _, g := range s.Groups {
		if g == nil || g.Members == nil {
			return nil
		}
	}
	return &s
}

func (c *Connector) keep(ctx context.Context, s *state) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(raw); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.cfg.Memory.Save(ctx, packed.Bytes())
}

// replay emits what is remembered.
func (s *reading) replay(known *state) error {
	if !s.c.readsAllUsers() {
		for _, id := range slices.Sorted(maps.Keys(known.Users)) {
			if err := s.user(known.Users[id]); err != nil {
				return err
			}
		}
	}
	var list []group
	for _, id := range slices.Sorted(maps.Keys(known.Groups)) {
		list = append(list, known.Groups[id].group)
	}
	if err := s.announce(list); err != nil {
		return err
	}
	for _, g := range list {
		if slices.Contains(s.missed, g.ID) {
			continue
		}
		var members []member
		for _, id := range slices.Sorted(maps.Keys(known.Groups[g.ID].Members)) {
			members = append(members, member{id, known.Groups[g.ID].Members[id]})
		}
		if err := s.emit(g, members); err != nil {
			return err
		}
	}
	return nil
}
