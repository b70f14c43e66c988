package ldap

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// schema is what the server says it knows (RFC 4512 §4.2). A server need not
// say: known is then empty.
type schema struct {
	// known maps the names of attribute types and object classes, folded, to
	// the first name of the same thing, which is the one the server uses.
	known map[string]string
}

var (
	oneName   = regexp.MustCompile(`\bNAME\s+'([^']+)'`)
	manyNames = regexp.MustCompile(`\bNAME\s+\(([^)]*)\)`)
)

// namesOf returns the names in a definition such as
// ( 2.5.4.4 NAME ( 'sn' 'surname' ) SUP name ).
func namesOf(definition string) []string {
	if m := manyNames.FindStringSubmatch(definition); m != nil {
		return strings.Fields(strings.ReplaceAll(m[1], "'", ""))
	}
	if m := oneName.FindStringSubmatch(definition); m != nil {
		return []string{m[1]}
	}
	return nil
}

// loadSchema reads the schema once.
func (c *Connector) loadSchema(ctx context.Context, s *session) (*schema, error) {
	c.schemaMu.Lock()
	defer c.schemaMu.Unlock()
	if c.schema != nil {
		return c.schema, nil
	}
	loaded := &schema{known: map[string]string{}}
	root, err := s.search(&ldap.SearchRequest{
		Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"subschemaSubentry"},
	})
	if err != nil {
		return nil, c.failure(ctx, "read the root DSE", err)
	}
	if len(root.Entries) == 0 || root.Entries[0].GetEqualFoldAttributeValue("subschemaSubentry") == "" {
		c.schema = loaded
		return loaded, nil
	}
	sub, err := s.search(&ldap.SearchRequest{
		BaseDN: root.Entries[0].GetEqualFoldAttributeValue("subschemaSubentry"),
		Scope:  ldap.ScopeBaseObject, Filter: "(objectClass=subschema)", Attributes: []string{"attributeTypes", "objectClasses"},
	})
	if err != nil && !is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights) {
		return nil, c.failure(ctx, "read the schema", err)
	}
	if err == nil {
		for _, e := range sub.Entries {
			for _, definition := range append(e.GetEqualFoldAttributeValues("attributeTypes"), e.GetEqualFoldAttributeValues("objectClasses")...) {
				names := namesOf(definition)
				for _, n := range names {
					loaded.known[strings.ToLower(n)] = names[0]
				}
			}
		}
	}
	c.schema = loaded
	return loaded, nil
}

// mustKnow says which of the names the server does not know. It answers a
// search for them as if no entry had a value, which looks like nobody has
// access, or an anchor, or MFA.
func (s *schema) mustKnow(names ...string) error {
	if len(s.known) == 0 {
		return nil
	}
	var unknown []string
	for _, n := range names {
		n, _, _ = strings.Cut(n, ";") // options such as ;lang-sv
		if n != "" && s.known[strings.ToLower(n)] == "" && !slices.Contains(unknown, n) {
			unknown = append(unknown, n)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	hint := ""
	if slices.Contains(unknown, lockedAttribute) {
		hint = " (load the ppolicy overlay, or configure disable)"
	}
	return connectors.Errorf(connectors.Permanent, "ldap: the server's schema does not have %s%s: correct the configuration or add it", strings.Join(unknown, ", "), hint)
}

// isSchemaName says whether a word is one of the schema's or of ours.
func (c *Connector) isSchemaName(word string) bool {
	c.schemaMu.Lock()
	defer c.schemaMu.Unlock()
	if c.schema != nil && c.schema.known[strings.ToLower(word)] != "" {
		return true
	}
	return slices.ContainsFunc(c.configuredNames(), func(n string) bool { return strings.EqualFold(n, word) })
}

// configuredNames are all names of attributes and classes in use.
func (c *Connector) configuredNames() []string {
	names := []string{
		c.cfg.NameAttribute, c.cfg.AnchorAttribute, c.cfg.IDAttribute, c.cfg.Disable.Attribute,
		c.cfg.MemberAttribute, c.cfg.GroupClass, c.cfg.MFAAttribute,
	}
	return append(append(names, c.cfg.ObjectClasses...), c.cfg.Attributes...)
}

// attributeNames maps each name under which the server may return a managed
// attribute, folded, to the name configuration has for it.
func (c *Connector) attributeNames(s *schema) map[string]string {
	names := map[string]string{}
	for _, n := range c.cfg.Attributes {
		names[strings.ToLower(n)] = n
		if first := s.known[strings.ToLower(n)]; first != "" {
			names[strings.ToLower(first)] = n
		}
	}
	return names
}
