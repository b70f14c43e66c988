package graph

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// change is one object's entry in a delta.
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

// has reports whether a change contains a property. A missing property did not
// change.
func (c change) has(p property) bool {
	raw, ok := c.present[p.outer()]
	if !ok || p.inner() == "" {
		return ok
	}
	var inner map[string]json.RawMessage
	if json.Unmarshal(raw, &inner) != nil || inner == nil {
		return true // null: all nested properties are removed
	}
	_, ok = inner[p.inner()]
	return ok
}

// mergeUser merges a change of a user. A new user is read as a whole afterwards,
// as the change may contain only a part.
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
	if change.has(properties["userType"]) {
		a.Type = typeOf(u)
	}
	if change.has(properties["onPremisesSyncEnabled"]) {
		a.MasteredExternally = yes(u.GetOnPremisesSyncEnabled()) // null is no
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

// readUnknownUsers reads new users.
func (c *Connector) readUnknownUsers(ctx context.Context, s *state, unknown map[string]bool) error {
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
			return errResync // deleted since, or not propagated yet
		}
		s.Users[ids[i]] = knownUser{p.Account, typeOf(p.user)}
	}
	return nil
}

// mergeGroup merges a change of a group and its members. A large change comes in
// several parts.
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
		About   *string  `json:"description"`
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
	if _, ok := change.present["description"]; ok {
		k.Mark = ""
		if g.About != nil {
			k.Mark = connectors.MarkIn(*g.About)
		}
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
