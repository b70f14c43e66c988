package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// plan says what a change asks of Graph, or how it ends without.
func (c *Connector) plan(p person, change connectors.Change) (step, *connectors.Result) {
	switch change.Op {
	case connectors.UpdateAccount:
		return c.planUpdate(p, change.Attributes)
	case connectors.RenameAccount:
		return c.planRename(p, change.Account.Name)
	case connectors.AdoptAccount:
		return c.planAdopt(p, change.Account.Anchor)
	}
	return c.planEnabled(p, change.Op == connectors.EnableAccount)
}

func ends(r connectors.Result) (step, *connectors.Result) { return step{}, &r }

func (c *Connector) planEnabled(p person, enabled bool) (step, *connectors.Result) {
	if p.Enabled == enabled {
		return ends(alreadySo())
	}
	u := models.NewUser()
	u.SetAccountEnabled(&enabled)
	return step{requests: []request{c.build.updateUser(p.ID, u)}, sent: []string{"accountEnabled"}}, nil
}

func (c *Connector) planUpdate(p person, attributes map[string][]string) (step, *connectors.Result) {
	u := models.NewUser()
	s := step{}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		values := attributes[name]
		if name == managerAttribute && c.manager {
			if why := c.planManager(p, values, &s); why != "" {
				return ends(refused("%s", why))
			}
			continue
		}
		property, why := c.writable(name)
		if why != "" {
			return ends(refused("%s", why))
		}
		// As Graph would give them back: a date as an instant, True as true.
		next := models.NewUser()
		if err := property.write(next, values); err != nil {
			return ends(refused("%s", err))
		}
		if property.matching.Same(property.get(p.user), property.get(next)) {
			continue
		}
		if property.always && len(values) == 0 {
			s.left = append(s.left, name)
			continue
		}
		if err := property.write(u, values); err != nil {
			return ends(refused("%s", err))
		}
		s.sent = append(s.sent, name)
	}
	if len(s.sent) > 0 {
		s.requests = append(s.requests, c.build.updateUser(p.ID, u))
	}
	switch {
	case len(s.requests) > 0:
		return s, nil
	case len(s.left) > 0:
		return ends(refused("%s", leftAsIs(s.left)))
	}
	return ends(alreadySo())
}

// leftAsIs says which properties stay as they are, since Graph takes no null for
// them (https://learn.microsoft.com/graph/api/resources/user, "Not nullable").
func leftAsIs(names []string) string {
	return strings.Join(names, ", ") + ": Graph takes no empty value for it, and it stays as it is: give it a value, or manage it no more"
}

// writable finds a property that a change may set.
func (c *Connector) writable(name string) (property, string) {
	i := slices.IndexFunc(c.attributes, func(p property) bool { return p.name == name })
	switch {
	case i < 0:
		return property{}, fmt.Sprintf("attribute %q is not a managed one", name)
	case c.attributes[i].readOnly != "":
		return property{}, fmt.Sprintf("attribute %s can only be read: %s", name, c.attributes[i].readOnly)
	}
	return c.attributes[i], ""
}

func (c *Connector) planManager(p person, values []string, s *step) (why string) {
	now := managerOf(p.user)
	switch {
	case len(values) > 1:
		return "manager takes one value"
	case len(values) == 0 && now == "", len(values) == 1 && strings.EqualFold(values[0], now):
		return ""
	case len(values) == 0:
		s.requests = append(s.requests, c.build.removeManager(p.ID))
	case !isID(values[0]):
		return "manager: " + noAccount
	default:
		s.manager = values[0]
		s.requests = append(s.requests, c.build.setManager(p.ID, values[0]))
	}
	return ""
}

// planRename changes the user principal name, and mailNickname with it unless
// that is an attribute of its own.
func (c *Connector) planRename(p person, name string) (step, *connectors.Result) {
	upn, why := c.upn(name)
	if why != "" {
		return ends(refused("%s", why))
	}
	u := models.NewUser()
	if *p.user.GetUserPrincipalName() == upn {
		return ends(alreadySo())
	}
	u.SetUserPrincipalName(&upn)
	if !c.manages("mailNickname") {
		u.SetMailNickname(ptr(nickname(upn)))
	}
	return step{requests: []request{c.build.updateUser(p.ID, u)}, sent: []string{"userPrincipalName", "mailNickname"}}, nil
}

func (c *Connector) manages(name string) bool {
	return slices.ContainsFunc(c.attributes, func(p property) bool { return p.name == name })
}

func (c *Connector) planAdopt(p person, anchor string) (step, *connectors.Result) {
	switch {
	case p.Anchor == anchor:
		return ends(alreadySo())
	case p.Anchor != "":
		return ends(refused("the account belongs to somebody else: its %s is another person's", c.anchor.name))
	}
	u := models.NewUser()
	if err := c.anchor.write(u, []string{anchor}); err != nil {
		return ends(refused("%s", err))
	}
	return step{requests: []request{c.build.updateUser(p.ID, u)}, sent: []string{c.anchor.name}}, nil
}

// badAnchor says why a person ID cannot be written, or nothing.
func (c *Connector) badAnchor(anchor string) string {
	switch {
	case anchor == "":
		return "an account needs a person ID"
	case !utf8.ValidString(anchor):
		return "the person ID is not text (UTF-8)"
	case len([]rune(anchor)) > c.anchor.anchorMax:
		return fmt.Sprintf("%s takes %d characters, and the person ID has %d: choose another anchor_attribute", c.anchor.name, c.anchor.anchorMax, len([]rune(anchor)))
	}
	return ""
}
