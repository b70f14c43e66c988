package ldap

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// schema is the server's published schema (RFC 4512 §4.2). It is empty for a
// server that publishes none.
type schema struct {
	// known maps the names of attribute types and object classes, folded, to
	// their first names, which the server uses.
	known map[string]string
	// oids maps the OIDs of attribute types to their first names.
	oids map[string]string
	// types are the definitions of attribute types, by the same names and by
	// their OIDs.
	types map[string]attributeType
	// classes are the definitions of object classes, by their names, folded, and
	// by their OIDs.
	classes map[string]objectClass
}

// objectClass is the part of a definition that lists required attributes, folded.
type objectClass struct{ sup, must []string }

// attributeType is the part of a definition about comparing and writing values.
type attributeType struct {
	sup, equality, syntax string
	readOnly              bool // only the server writes it (RFC 4512 §4.1.2)
}

var (
	described = regexp.MustCompile(`\bDESC\s+'[^']*'`)
	oneName   = regexp.MustCompile(`\bNAME\s+'([^']+)'`)
	manyNames = regexp.MustCompile(`\bNAME\s+\(([^)]*)\)`)
	oid       = regexp.MustCompile(`^\(\s*(\S+)`)
	sup       = regexp.MustCompile(`\bSUP\s+(\S+)`)
	equality  = regexp.MustCompile(`\bEQUALITY\s+(\S+)`)
	syntax    = regexp.MustCompile(`\bSYNTAX\s+'?([0-9.]+)`)
	supClass  = regexp.MustCompile(`\bSUP\s+(\([^)]*\)|\S+)`)
	must      = regexp.MustCompile(`\bMUST\s+(\([^)]*\)|\S+)`)
)

// namesOf returns the names in a definition such as ( 2.5.4.4 NAME ( 'sn'
// 'surname' ) SUP name ).
func namesOf(definition string) []string {
	if m := manyNames.FindStringSubmatch(definition); m != nil {
		return strings.Fields(strings.ReplaceAll(m[1], "'", ""))
	}
	if m := oneName.FindStringSubmatch(definition); m != nil {
		return []string{m[1]}
	}
	return nil
}

func group1(r *regexp.Regexp, s string) string {
	if m := r.FindStringSubmatch(s); m != nil {
		return strings.ToLower(m[1])
	}
	return ""
}

// parseNames returns the names in ( a $ b ), or the single name without
// parentheses (RFC 4512 §4.1), folded.
func parseNames(r *regexp.Regexp, definition string) []string {
	return strings.FieldsFunc(group1(r, definition), func(c rune) bool { return strings.ContainsRune("()$ \t", c) })
}

func newSchema(attributeTypes, objectClasses []string) *schema {
	out := &schema{known: map[string]string{}, oids: map[string]string{}, types: map[string]attributeType{}, classes: map[string]objectClass{}}
	for i, definition := range slices.Concat(attributeTypes, objectClasses) {
		definition = described.ReplaceAllString(definition, "") // the description may contain any of the keywords
		names := namesOf(definition)
		for _, n := range names {
			out.known[strings.ToLower(n)] = names[0]
		}
		if i >= len(attributeTypes) {
			class := objectClass{parseNames(supClass, definition), parseNames(must, definition)}
			for _, n := range append(names, group1(oid, definition)) {
				out.classes[strings.ToLower(n)] = class
			}
			continue
		}
		if len(names) > 0 {
			out.oids[group1(oid, definition)] = names[0]
		}
		t := attributeType{group1(sup, definition), group1(equality, definition), group1(syntax, definition), strings.Contains(definition, "NO-USER-MODIFICATION")}
		for _, n := range append(names, group1(oid, definition)) {
			out.types[strings.ToLower(n)] = t
		}
	}
	return out
}

// loadSchema reads the schema once, and returns an error when it contradicts the
// configuration. A schema that lacks a name is read again, as an administrator
// may have added it.
func (s *session) loadSchema(ctx context.Context) (*schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schema != nil && s.schemaFault == nil {
		return s.schema, nil
	}
	known, err := s.readSchema(ctx)
	if err != nil {
		return nil, err
	}
	amiss, err := s.schemaFaults(ctx, known)
	if err != nil {
		return nil, err
	}
	s.schema, s.schemaFault = known, amiss
	return known, amiss
}

func (s *session) readSchema(ctx context.Context) (*schema, error) {
	where := s.rootValues("subschemaSubentry")
	if len(where) == 0 {
		return newSchema(nil, nil), nil
	}
	sub, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: where[0], Scope: ldap.ScopeBaseObject, Filter: "(objectClass=subschema)", Attributes: []string{"attributeTypes", "objectClasses"},
	})
	if err != nil && !is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights) {
		return nil, s.failure(ctx, "read the schema", err)
	}
	var attributeTypes, objectClasses []string
	if err == nil {
		for _, e := range sub.Entries {
			attributeTypes = append(attributeTypes, e.GetEqualFoldAttributeValues("attributeTypes")...)
			objectClasses = append(objectClasses, e.GetEqualFoldAttributeValues("objectClasses")...)
		}
	}
	return newSchema(attributeTypes, objectClasses), nil
}

// requireNames returns an error with the names that the server does not know. The
// server answers a search for them as if no entry had a value, which looks as if
// no account had access, an anchor, or MFA.
func (s *schema) requireNames(names ...string) error {
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
		if setting := s.disableSetting(); setting != "" {
			hint = " (under ldap set " + setting + ")"
		}
	}
	return connectors.Errorf(connectors.Permanent, "ldap: the server's schema does not have %s%s: correct the configuration or add it", strings.Join(unknown, ", "), hint)
}

// disableAttributes are the attributes that disable an account: in OpenDJ, and in
// 389 Directory Server.
var disableAttributes = []string{"ds-pwp-account-disabled", "nsAccountLock"}

// disableSetting returns the setting with which an account can be disabled on the
// server when its schema shows one; otherwise "".
func (s *schema) disableSetting() string {
	for _, attribute := range disableAttributes {
		if s.has(attribute) {
			return "disable: {attribute: " + attribute + `, value: "true"}`
		}
	}
	return ""
}

// syntaxOf returns the OID of an attribute's syntax, which it may inherit.
func (s *schema) syntaxOf(attribute string) string {
	name := baseName(attribute)
	for range 10 { // a bound, in case definitions inherit from each other
		t, ok := s.types[name]
		if !ok || t.syntax != "" || t.sup == "" {
			return t.syntax
		}
		name = t.sup
	}
	return ""
}

// has reports whether the server has an attribute or object class.
func (s *schema) has(name string) bool { return s.known[strings.ToLower(name)] != "" }

// requires reports whether an entry of the class must have the attribute, by the
// definition of the class or of a superior one. known is false when the server
// does not show the definition.
func (s *schema) requires(class, attribute string) (requires, known bool) {
	var names []string
	for name, first := range s.known {
		if strings.EqualFold(first, s.known[strings.ToLower(attribute)]) {
			names = append(names, name)
		}
	}
	seen := map[string]bool{}
	for todo := []string{strings.ToLower(class)}; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		c, ok := s.classes[name]
		if !ok || seen[name] {
			continue
		}
		seen[name], known = true, true
		if slices.ContainsFunc(c.must, func(m string) bool { return slices.Contains(names, m) }) {
			return true, true
		}
		todo = append(todo, c.sup...)
	}
	return false, known
}

// isSchemaName reports whether a word is a name of the schema or of the
// configuration.
func (v *server) isSchemaName(word string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.schema != nil && v.schema.has(word) {
		return true
	}
	return slices.ContainsFunc(v.configuredNames(), func(n string) bool { return strings.EqualFold(n, word) })
}

// configuredNames returns all names of attributes and classes in use.
func (v *server) configuredNames() []string {
	return append(slices.Concat(v.requiredNames(), v.cfg.ObjectClasses, v.cfg.Attributes), v.cfg.RDNAttribute, v.cfg.MFAAttribute, v.cfg.SignInAttribute)
}

// requiredNames returns the names without which a snapshot would be wrong.
func (v *server) requiredNames() []string {
	return []string{
		v.cfg.ObjectClasses[0], v.cfg.NameAttribute, v.cfg.AnchorAttribute, v.cfg.IDAttribute,
		v.cfg.Disable.Attribute, v.cfg.GroupClass, v.cfg.MemberAttribute,
	}
}

// attributeNames maps each name under which the server may return a managed
// attribute, folded, to its name in the configuration.
func (v *server) attributeNames(s *schema) map[string]string {
	names := map[string]string{}
	for _, n := range v.cfg.Attributes {
		names[strings.ToLower(n)] = n
		if first := s.known[strings.ToLower(n)]; first != "" {
			names[strings.ToLower(first)] = n
		}
	}
	return names
}
