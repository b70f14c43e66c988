package directory

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

const (
	peopleRDN = "ou=people"
	groupsRDN = "ou=groups"
)

// entry is an entry. One that is in the tree is replaced, never changed.
type entry struct {
	dn         string
	attributes map[string][]string // by canonical name
}

func (e *entry) clone() *entry {
	c := &entry{e.dn, maps.Clone(e.attributes)}
	for name, values := range c.attributes {
		c.attributes[name] = slices.Clone(values)
	}
	return c
}

// tree is the whole directory.
type tree struct {
	base, admin, password string

	mu      sync.RWMutex
	entries map[string]*entry // by folded DN
}

// result is what an operation ends with (RFC 4511 §4.1.9). Its message names
// no value.
type result struct {
	code    int
	message string
}

func (r *result) Error() string { return fmt.Sprintf("%s (%d)", r.message, r.code) }

func no(code int, format string, args ...any) error {
	return &result{code, fmt.Sprintf(format, args...)}
}

func newTree(baseDN, adminDN, password string, groups []string) (*tree, error) {
	if password == "" {
		return nil, errors.New("the administrator needs a password")
	}
	admin, err := foldDN(adminDN)
	if err != nil || admin == "" {
		return nil, errors.New("the administrator's name is not a DN")
	}
	base, err := foldDN(baseDN)
	if err != nil || base == "" {
		return nil, errors.New("the base is not a DN")
	}
	t := &tree{base: base, admin: admin, password: password, entries: map[string]*entry{}}
	add := func(dn string, attributes map[string][]string) {
		if err == nil {
			err = t.add(dn, attributes)
		}
	}
	add(baseDN, map[string][]string{"objectClass": {"organization"}, "o": {"Demo"}})
	for _, rdn := range []string{peopleRDN, groupsRDN} {
		add(rdn+","+baseDN, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	for _, g := range groups {
		dn := "cn=" + ldap.EscapeDN(g) + "," + groupsRDN + "," + baseDN
		add(dn, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {g}, "member": {dn}})
	}
	return t, err
}

// parse splits a DN into its folded self, its parent's and its first RDN.
func parse(dn string) (folded, parent string, rdn *ldap.RelativeDN, err error) {
	d, err := ldap.ParseDN(dn)
	if err != nil || len(d.RDNs) == 0 {
		return "", "", nil, no(ldap.LDAPResultInvalidDNSyntax, "invalid DN")
	}
	parts := make([]string, len(d.RDNs))
	for i, r := range d.RDNs {
		values := make([]string, len(r.Attributes))
		for j, a := range r.Attributes {
			name := a.Type
			if t, ok := attributeType(a.Type); ok {
				name = t.name
			}
			values[j] = strings.ToLower(name) + "=" + ldap.EscapeDN(fold(a.Value))
		}
		slices.Sort(values)
		parts[i] = strings.Join(values, "+")
	}
	return strings.Join(parts, ","), strings.Join(parts[1:], ","), d.RDNs[0], nil
}

func foldDN(dn string) (string, error) {
	if strings.TrimSpace(dn) == "" {
		return "", nil
	}
	folded, _, _, err := parse(dn)
	return folded, err
}

// fold brings a value into the form in which caseIgnoreMatch compares it.
func fold(s string) string {
	return strings.Join(strings.Fields(strings.ToLower(norm.NFKC.String(s))), " ")
}

// authenticate checks a simple bind. It returns who it is, folded.
func (t *tree) authenticate(dn, password string) (string, error) {
	folded, err := foldDN(dn)
	switch {
	case err != nil:
		return "", err
	case folded == "" && password == "":
		return "", nil // anonymous (RFC 4513 §5.1.1)
	case password == "":
		return "", no(ldap.LDAPResultUnwillingToPerform, "unauthenticated bind (DN with no password) disallowed")
	case folded == t.admin && password == t.password:
		return folded, nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.entries[folded]
	if folded == t.admin || e == nil || len(e.attributes[locked.name]) > 0 || !slices.Contains(e.attributes["userPassword"], password) {
		return "", no(ldap.LDAPResultInvalidCredentials, "")
	}
	return folded, nil
}

// add makes an entry.
func (t *tree) add(dn string, attributes map[string][]string) error {
	folded, parent, rdn, err := parse(dn)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries[folded] != nil {
		return no(ldap.LDAPResultEntryAlreadyExists, "")
	}
	if t.entries[parent] == nil && folded != t.base {
		return no(ldap.LDAPResultNoSuchObject, "parent does not exist")
	}
	e := &entry{dn, map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if len(attributes[name]) == 0 {
			return no(ldap.LDAPResultProtocolError, "no values for attribute type")
		}
		if err := e.addValues(name, attributes[name]); err != nil {
			return err
		}
	}
	for _, a := range rdn.Attributes {
		at, ok := attributeType(a.Type)
		if !ok {
			return no(ldap.LDAPResultUndefinedAttributeType, "'%s': attribute type undefined", a.Type)
		}
		if !at.contains(e.attributes[at.name], a.Value) {
			e.attributes[at.name] = append(e.attributes[at.name], a.Value)
		}
	}
	now := time.Now().UTC().Format("20060102150405Z")
	e.attributes["entryUUID"] = []string{uuid.NewString()}
	e.attributes["createTimestamp"], e.attributes["modifyTimestamp"] = []string{now}, []string{now}
	if err := e.valid(); err != nil {
		return err
	}
	t.entries[folded] = e
	return nil
}

// modification is one part of a modify request.
type modification struct {
	op     int64
	name   string
	values []string
}

// modify changes an entry as a whole or not at all.
func (t *tree) modify(dn string, modifications []modification) error {
	folded, _, rdn, err := parse(dn)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.entries[folded]
	if old == nil {
		return no(ldap.LDAPResultNoSuchObject, "")
	}
	e := old.clone()
	for _, m := range modifications {
		if err := e.modify(m); err != nil {
			return err
		}
	}
	for _, a := range rdn.Attributes {
		if at, ok := attributeType(a.Type); ok && !at.contains(e.attributes[at.name], a.Value) {
			return no(ldap.LDAPResultNotAllowedOnRDN, "value of naming attribute '%s' is not present in entry", at.name)
		}
	}
	e.attributes["modifyTimestamp"] = []string{time.Now().UTC().Format("20060102150405Z")}
	if err := e.valid(); err != nil {
		return err
	}
	t.entries[folded] = e
	return nil
}

// delete removes an entry. As with many servers, its DN stays in the groups
// it was in.
func (t *tree) delete(dn string) error {
	folded, _, _, err := parse(dn)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries[folded] == nil {
		return no(ldap.LDAPResultNoSuchObject, "")
	}
	for other := range t.entries {
		if strings.HasSuffix(other, ","+folded) {
			return no(ldap.LDAPResultNotAllowedOnNonLeaf, "subordinate objects must be deleted first")
		}
	}
	delete(t.entries, folded)
	return nil
}
