package ldap

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

const (
	// accountPage and groupPage are how many entries come at once, which
	// bounds memory: a group may have many thousand members.
	accountPage = 500
	groupPage   = 20
	// emptyPages is how many pages without an entry may follow one another;
	// a server that sends more is not getting anywhere.
	emptyPages = 100
)

// search is one paged read (RFC 2696).
type search struct {
	doing      string // for errors
	base       string
	filter     string
	attributes []string
	page       uint32
}

// readAll emits every entry below a base. What it could not see it says, or
// returns an error; a missing base is an error.
func (c *Connector) readAll(ctx context.Context, s *session, q search, emit func(*ldap.Entry) error) (connectors.Completeness, error) {
	paging := ldap.NewControlPaging(q.page)
	request := &ldap.SearchRequest{
		BaseDN: q.base, Scope: ldap.ScopeWholeSubtree, Filter: q.filter,
		Attributes: q.attributes, Controls: []ldap.Control{paging},
	}
	done := connectors.Completeness{Complete: true}
	empty := 0
	for {
		if err := ctx.Err(); err != nil {
			return connectors.Completeness{}, err
		}
		result, err := s.search(request)
		cut := is(err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded)
		if err != nil && !cut {
			return connectors.Completeness{}, c.failure(ctx, q.doing, err)
		}
		for _, e := range result.Entries {
			if err := emit(e); err != nil {
				return connectors.Completeness{}, err
			}
		}
		if cut {
			return connectors.Completeness{Why: q.doing + ": the server's limit ended the answer: raise the limit for the account in bind_dn"}, nil
		}
		if len(result.Referrals) > 0 {
			done = connectors.Completeness{Why: q.doing + ": part of it is on another server"}
		}
		// A server that cannot page ignores the control and sends everything.
		answer, ok := ldap.FindControl(result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok || len(answer.Cookie) == 0 {
			return done, nil
		}
		if empty++; len(result.Entries) > 0 {
			empty = 0
		}
		if empty > emptyPages {
			return connectors.Completeness{}, connectors.Errorf(connectors.RetryLater, "ldap: %s: the server sends empty pages without end", q.doing)
		}
		paging.SetCookie(answer.Cookie)
	}
}

// Snapshot implements connectors.Connector. Accounts come first: members are
// known by their DNs.
func (c *Connector) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	s, err := c.dial(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	defer s.close()
	defer s.closeWith(ctx)()
	r := &reading{Connector: c, session: s, sink: sink, ids: map[string]string{}, accounts: map[string]string{}, groups: map[string]string{}, named: map[string]int{}, shared: map[string]bool{}}
	accounts, err := r.readAccounts(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	groups, err := r.readGroups(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	if !accounts.Complete {
		return accounts, nil
	}
	if groups.Complete {
		c.cache.replace(r.accounts, r.groups)
	}
	return groups, nil
}

// reading is one snapshot under way.
type reading struct {
	*Connector
	session *session
	sink    connectors.Sink

	ids      map[string]string // folded DN → native ID
	accounts map[string]string // native ID → DN
	groups   map[string]string // entitlement → DN
	named    map[string]int    // how many groups have a folded cn
	shared   map[string]bool   // names that several groups have, and that were told
	cut      bool              // a group's members did not all come
}

func (r *reading) readAccounts(ctx context.Context) (connectors.Completeness, error) {
	known, err := r.loadSchema(ctx, r.session)
	if err != nil {
		return connectors.Completeness{}, err
	}
	if err := known.mustKnow(r.essentials()...); err != nil {
		return connectors.Completeness{}, err
	}
	names := r.attributeNames(known)
	q := search{"read accounts", r.cfg.PeopleDN, r.accountFilter(), r.accountAttributes(), accountPage}
	return r.readAll(ctx, r.session, q, func(e *ldap.Entry) error {
		a, err := r.account(e, names)
		if err != nil {
			return err
		}
		r.ids[foldDN(e.DN)] = a.ID
		r.accounts[a.ID] = e.DN
		return r.sink.Account(a)
	})
}

// essentials are the names without which a snapshot would not be true.
func (c *Connector) essentials() []string {
	return []string{c.cfg.ObjectClasses[0], c.cfg.NameAttribute, c.cfg.AnchorAttribute, c.cfg.IDAttribute, c.cfg.Disable.Attribute, c.cfg.GroupClass, c.cfg.MemberAttribute}
}

func (c *Connector) accountFilter() string { return equals("objectClass", c.cfg.ObjectClasses[0]) }

func (c *Connector) accountAttributes() []string {
	return append([]string{c.cfg.IDAttribute, c.cfg.NameAttribute, c.cfg.AnchorAttribute, c.cfg.Disable.Attribute}, c.cfg.Attributes...)
}

// account turns an entry into an account. names is from attributeNames.
func (c *Connector) account(e *ldap.Entry, names map[string]string) (connectors.Account, error) {
	id, err := c.idOf(e)
	if err != nil {
		return connectors.Account{}, err
	}
	a := connectors.Account{
		ID:         id,
		Anchor:     e.GetEqualFoldAttributeValue(c.cfg.AnchorAttribute),
		Name:       naming(e, c.cfg.NameAttribute),
		Enabled:    !c.disabled(e),
		Attributes: map[string][]string{},
	}
	for _, attribute := range e.Attributes {
		if name, ok := names[strings.ToLower(attribute.Name)]; ok && len(attribute.Values) > 0 {
			a.Attributes[name] = attribute.Values
		}
	}
	return a, nil
}

// idOf returns an entry's native ID.
func (c *Connector) idOf(e *ldap.Entry) (string, error) {
	id := e.GetEqualFoldAttributeValue(c.cfg.IDAttribute)
	if id == "" {
		return "", connectors.Errorf(connectors.Permanent, "ldap: an account has no %s: let the account in bind_dn read it, or set id_attribute to what the server has", c.cfg.IDAttribute)
	}
	return id, nil
}

// naming returns the value of an attribute that names the entry, and the
// first one when none does.
func naming(e *ldap.Entry, attribute string) string {
	values := e.GetEqualFoldAttributeValues(attribute)
	if len(values) == 0 {
		return ""
	}
	if dn, err := ldap.ParseDN(e.DN); err == nil && len(values) > 1 && len(dn.RDNs) > 0 {
		for _, a := range dn.RDNs[0].Attributes {
			i := slices.IndexFunc(values, func(v string) bool { return strings.EqualFold(a.Type, attribute) && fold(v) == fold(a.Value) })
			if i >= 0 {
				return values[i]
			}
		}
	}
	return values[0]
}

// disabled reads the state from an entry. A lock that the server set itself,
// after too many wrong passwords, is not ours and passes.
func (c *Connector) disabled(e *ldap.Entry) bool {
	return slices.ContainsFunc(e.GetEqualFoldAttributeValues(c.cfg.Disable.Attribute), func(v string) bool {
		return strings.EqualFold(v, c.cfg.Disable.Value)
	})
}

// MFAEnrolled implements connectors.MFAReader. It works when mfa_attribute is
// configured.
func (c *Connector) MFAEnrolled(ctx context.Context, emit func(string) error) (connectors.Completeness, error) {
	if c.cfg.MFAAttribute == "" {
		return connectors.Completeness{}, connectors.Errorf(connectors.Permanent, "ldap: mfa_attribute is not configured")
	}
	s, err := c.dial(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	defer s.close()
	defer s.closeWith(ctx)()
	known, err := c.loadSchema(ctx, s)
	if err != nil {
		return connectors.Completeness{}, err
	}
	if err := known.mustKnow(c.cfg.MFAAttribute, c.cfg.IDAttribute); err != nil {
		return connectors.Completeness{}, err
	}
	enrolled := "(" + c.cfg.MFAAttribute + "=*)"
	if c.cfg.MFAValue != "" {
		enrolled = equals(c.cfg.MFAAttribute, c.cfg.MFAValue)
	}
	q := search{"read MFA enrolment", c.cfg.PeopleDN, allOf(c.accountFilter(), enrolled), []string{c.cfg.IDAttribute}, accountPage}
	return c.readAll(ctx, s, q, func(e *ldap.Entry) error {
		id, err := c.idOf(e)
		if err != nil {
			return err
		}
		return emit(id)
	})
}
