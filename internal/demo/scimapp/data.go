package scimapp

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
	"github.com/google/uuid"

	"github.com/behov/behov/internal/scimtype"
)

// data is everything the service keeps.
type data struct {
	mu            sync.Mutex
	users, groups *collection
}

// collection is the resources of one type, in the order of their creation, so
// that pages are stable.
type collection struct {
	schema, extension schema.Schema
	unique            string // the attribute that no two may share, in any case
	byID              map[string]*resource
	byName            map[string]string // unique's value in lower case → id
	order             []string
}

type resource struct {
	id                string
	attributes        map[string]any
	created, modified time.Time
}

// kind is what the collection's resources are like.
func (c *collection) kind() scimtype.Type {
	t := scimtype.Type{Schema: c.schema}
	if c.extension.ID != "" {
		t.Extensions = []schema.Schema{c.extension}
	}
	return t
}

func newData() *data {
	collect := func(s schema.Schema, unique string) *collection {
		// The library validates externalId in bodies but knows it in filters
		// only when the schema has it.
		s.Attributes = append(s.Attributes, schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{
			Name: schema.CommonAttributeExternalID, CaseExact: true,
		})))
		// The library appends to this list in every request: with room left at
		// its end, requests would write to the same place at the same time.
		s.Attributes = slices.Clip(s.Attributes)
		return &collection{schema: s, unique: unique, byID: map[string]*resource{}, byName: map[string]string{}}
	}
	d := &data{users: collect(schema.CoreUserSchema(), "userName"), groups: collect(schema.CoreGroupSchema(), "displayName")}
	d.users.extension = schema.ExtensionEnterpriseUser()
	return d
}

// create keeps a new resource.
func (d *data) create(c *collection, attributes map[string]any) (*resource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now().UTC()
	r := &resource{id: uuid.NewString(), created: now}
	if err := d.set(c, r, attributes, now); err != nil {
		return nil, err
	}
	c.byID[r.id] = r
	c.order = append(c.order, r.id)
	return r.copy(), nil
}

// change replaces a resource's attributes by what f makes of a copy of them.
func (d *data) change(c *collection, id string, f func(map[string]any) (map[string]any, error)) (*resource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := c.byID[id]
	if !ok {
		return nil, scimerrors.ScimErrorResourceNotFound(id)
	}
	attributes, err := f(clone(r.attributes).(map[string]any))
	if err != nil {
		return nil, err
	}
	if err := d.set(c, r, attributes, time.Now().UTC()); err != nil {
		return nil, err
	}
	return r.copy(), nil
}

// set gives a resource its attributes when they are allowed. The caller holds
// the lock.
func (d *data) set(c *collection, r *resource, attributes map[string]any, now time.Time) error {
	name, _ := attributes[c.unique].(string)
	if name == "" {
		return fmt.Errorf("%s: %w", c.unique, scimerrors.ScimErrorInvalidValue)
	}
	name = strings.ToLower(name)
	if id, taken := c.byName[name]; taken && id != r.id {
		return fmt.Errorf("%s: %w", c.unique, scimerrors.ScimErrorUniqueness)
	}
	if c == d.groups {
		members, err := d.members(attributes["members"])
		if err != nil {
			return err
		}
		delete(attributes, "members")
		if len(members) > 0 {
			attributes["members"] = members
		}
	}
	if _, set := attributes["active"]; c == d.users && !set {
		attributes["active"] = true
	}
	delete(attributes, "password") // never returned, and no one signs in here
	delete(c.byName, r.name(c.unique))
	c.byName[name] = r.id
	r.attributes, r.modified = attributes, now
	return nil
}

// members returns a group's members, each of which must be a user and is kept
// once.
func (d *data) members(list any) ([]any, error) {
	var members []any
	seen := map[string]bool{}
	given, _ := list.([]any)
	for _, m := range given {
		member, _ := m.(map[string]any)
		id, _ := member["value"].(string)
		if _, ok := d.users.byID[id]; !ok {
			return nil, fmt.Errorf("members: %w", scimerrors.ScimErrorInvalidValue)
		}
		if !seen[id] {
			seen[id] = true
			members = append(members, map[string]any{"value": id, "type": "User"})
		}
	}
	return members, nil
}

// remove deletes a resource, and a user's memberships with it.
func (d *data) remove(c *collection, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := c.byID[id]
	if !ok {
		return scimerrors.ScimErrorResourceNotFound(id)
	}
	delete(c.byID, id)
	delete(c.byName, r.name(c.unique))
	c.order = slices.DeleteFunc(c.order, func(other string) bool { return other == id })
	if c != d.users {
		return nil
	}
	for _, g := range d.groups.byID {
		members, _ := g.attributes["members"].([]any)
		members = slices.DeleteFunc(members, func(m any) bool { return m.(map[string]any)["value"] == id })
		if g.attributes["members"] = members; len(members) == 0 {
			delete(g.attributes, "members")
		}
	}
	return nil
}

func (d *data) get(c *collection, id string) (*resource, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r, ok := c.byID[id]
	if !ok {
		return nil, scimerrors.ScimErrorResourceNotFound(id)
	}
	return r.copy(), nil
}

// list returns how many resources match, and those of one page. An error of
// match ends it.
func (d *data) list(c *collection, start, count int, match func(*resource) (bool, error)) (total int, page []*resource, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range c.order {
		ok, err := match(c.byID[id])
		if err != nil {
			return 0, nil, err
		}
		if !ok {
			continue
		}
		if total++; total >= start && len(page) < count {
			page = append(page, c.byID[id].copy())
		}
	}
	return total, page, nil
}

func (r *resource) name(attribute string) string {
	name, _ := r.attributes[attribute].(string)
	return strings.ToLower(name)
}

// copy returns a resource that shares nothing with r: the library writes into
// what it is given.
func (r *resource) copy() *resource {
	c := *r
	c.attributes = clone(r.attributes).(map[string]any)
	return &c
}

// clone copies a JSON value.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := maps.Clone(v)
		for k := range m {
			m[k] = clone(m[k])
		}
		return m
	case []any:
		l := slices.Clone(v)
		for i := range l {
			l[i] = clone(l[i])
		}
		return l
	}
	return v
}
