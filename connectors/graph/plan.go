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

// plan returns the requests of a change, or its result when none is needed.
func (c *Connector) plan(p userState, change connectors.Change) (operation, *connectors.Result) {
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

func ends(r connectors.Result) (operation, *connectors.Result) { return operation{}, &r }

func (c *Connector) planEnabled(p userState, enabled bool) (operation, *connectors.Result) {
	if p.Enabled == enabled {
		return ends(alreadySo())
	}
	u := models.NewUser()
	u.SetAccountEnabled(&enabled)
	return operation{requests: []request{c.build.updateUser(p.ID, u)}, sent: []string{"accountEnabled"}}, nil
}

func (c *Connector) planUpdate(p userState, attributes map[string][]string) (operation, *connectors.Result) {
	u := models.NewUser()
	s := operation{}
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
		// In the form in which Graph returns them: a date as an instant, True as
		// true.
		next := models.NewUser()
		if err := property.write(next, values); err != nil {
			return ends(refused("%s", err))
		}
		if property.matching.Same(property.get(p.user), property.get(next)) {
			continue
		}
		if property.required && len(values) == 0 {
			s.notNullable = append(s.notNullable, name)
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
	case len(s.notNullable) > 0:
		return ends(refused("%s", notNullableText(s.notNullable)))
	}
	return ends(alreadySo())
}

// notNullableText lists the properties that cannot be cleared, as Graph accepts
// no null for them (https://learn.microsoft.com/graph/api/resources/user, "Not
// nullable").
func notNullableText(names []string) string {
	return strings.Join(names, ", ") + ": Graph does not accept an empty value, and the old value remains: map a value, or remove the attribute from the mapping"
}

// writable returns a property that a change may set, or why it may not.
func (c *Connector) writable(name string) (property, string) {
	i := slices.IndexFunc(c.attributes, func(p property) bool { return p.name == name })
	switch {
	case i < 0:
		return property{}, fmt.Sprintf("attribute %q is not managed", name)
	case c.attributes[i].readOnly != "":
		return property{}, fmt.Sprintf("attribute %s is read-only: %s", name, c.attributes[i].readOnly)
	}
	return c.attributes[i], ""
}

func (c *Connector) planManager(p userState, values []string, s *operation) (why string) {
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
// that is a managed attribute.
func (c *Connector) planRename(p userState, name string) (operation, *connectors.Result) {
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
	return operation{requests: []request{c.build.updateUser(p.ID, u)}, sent: []string{"userPrincipalName", "mailNickname"}}, nil
}

func (c *Connector) manages(name string) bool {
	return slices.ContainsFunc(c.attributes, func(p property) bool { return p.name == name })
}

func (c *Connector) planAdopt(p userState, anchor string) (operation, *connectors.Result) {
	switch {
	case p.Anchor == anchor:
		return ends(alreadySo())
	case p.Anchor != "":
		return ends(refused("the account belongs to another person: its %s holds another person's ID", c.anchor.name))
	}
	u := models.NewUser()
	if err := c.anchor.write(u, []string{anchor}); err != nil {
		return ends(refused("%s", err))
	}
	return operation{requests: []request{c.build.updateUser(p.ID, u)}, sent: []string{c.anchor.name}}, nil
}

// invalidAnchor returns why a person ID cannot be written, or "".
func (c *Connector) invalidAnchor(anchor string) string {
	switch {
	case anchor == "":
		return "the change has no person ID"
	case !utf8.ValidString(anchor):
		return "the person ID is not text (UTF-8)"
	case len([]rune(anchor)) > c.anchor.anchorMax:
		return fmt.Sprintf("%s takes %d characters, and the person ID has %d: choose another anchor_attribute", c.anchor.name, c.anchor.anchorMax, len([]rune(anchor)))
	}
	return ""
}
