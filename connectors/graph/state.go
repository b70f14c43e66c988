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

// state is saved between readings, as compressed JSON. It holds personal data:
// the StateStore encrypts it.
type state struct {
	Fit        string // fingerprint of the configuration it was read with
	Full       time.Time
	UsersLink  string
	GroupsLink string
	Users      map[string]knownUser   // by ID, including guests; empty when all are read each time
	People     []string               // the IDs of the users at the last reading, when all are read each time
	Groups     map[string]*knownGroup // by ID
}

// knownUser is a user with the properties that decide whether it is in scope: a
// guest can become a member, and the delta then contains only that.
type knownUser struct {
	connectors.Account
	Type string // userType
}

// knownGroup is a group with its members: by ID, and whether each is a user.
// Deleted users may be among them: their memberships come back with the user.
type knownGroup struct {
	group
	Known   bool // its properties have come
	Members map[string]bool
}

// fingerprint returns a hash of the configuration that decides what a state
// contains.
func (c *Connector) fingerprint() string {
	text := strings.Join(append([]string{
		"3", c.cfg.URL, c.cfg.TenantID, c.cfg.Domain, c.anchor.name, fmt.Sprint(c.manager), fmt.Sprint(c.cfg.Licences),
	}, slices.Sorted(slices.Values(c.cfg.Attributes))...), "\x00")
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// maxState bounds the size of a state that is loaded.
const maxState = 1 << 30

// loadState returns the saved state, or nil when a reading cannot continue from
// it.
func (c *Connector) loadState(ctx context.Context, now time.Time) *state {
	packed, err := c.cfg.StateStore.Load(ctx)
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
	if json.Unmarshal(raw, &s) != nil || s.Fit != c.fingerprint() || s.Groups == nil || s.Users == nil || s.GroupsLink == "" || age() < 0 || age() > fullReadInterval {
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
	return c.cfg.StateStore.Save(ctx, packed.Bytes())
}

// emitState emits the saved state.
func (s *reading) emitState(known *state) error {
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
	if err := s.emitGroups(list); err != nil {
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
