package ldap

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

const (
	// accountPage and groupPage are the page sizes, which bound memory: a group
	// may have many thousand members.
	accountPage = 500
	groupPage   = 20
	// emptyPages is how many empty pages may follow one another before the read
	// fails: a server that sends more makes no progress.
	emptyPages = 100
)

// search is one paged read (RFC 2696).
type search struct {
	doing      string // for errors, such as "read accounts"
	base       string
	filter     string
	attributes []string
	page       uint32
}

// readAll emits every entry below a base. It returns what it could not see as
// incomplete, or an error; a missing base is an error.
func (c *Connector) readAll(ctx context.Context, s *session, q search, emit func(*ldap.Entry) error) (connectors.Completeness, error) {
	return c.readPages(ctx, s, q, func(page []*ldap.Entry) error {
		for _, e := range page {
			if err := emit(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// readPages is readAll by page. It requests the next page while the caller
// handles one.
func (c *Connector) readPages(ctx context.Context, s *session, q search, emit func([]*ldap.Entry) error) (connectors.Completeness, error) {
	done := connectors.Completeness{Complete: true}
	empty := 0
	next := c.fetch(ctx, s, q, nil)
	for {
		if err := ctx.Err(); err != nil {
			return connectors.Completeness{}, err
		}
		page := <-next
		cut := is(page.err, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultTimeLimitExceeded, ldap.LDAPResultAdminLimitExceeded)
		if page.err != nil && !cut {
			return connectors.Completeness{}, s.failure(ctx, q.doing, page.err)
		}
		// A server without paging ignores the control and sends everything.
		answer, paged := ldap.FindControl(page.result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		more := !cut && paged && len(answer.Cookie) > 0
		if empty++; len(page.result.Entries) > 0 {
			empty = 0
		}
		if more && empty > emptyPages {
			return connectors.Completeness{}, connectors.Errorf(connectors.RetryLater, "ldap: %s: the server sends only empty pages", q.doing)
		}
		if more {
			next = c.fetch(ctx, s, q, answer.Cookie)
		}
		if err := emit(page.result.Entries); err != nil {
			if more {
				<-next
			}
			return connectors.Completeness{}, err
		}
		if cut {
			return connectors.Completeness{Why: q.doing + ": the server's size limit cut the answer short: raise the limit for the account in bind_dn"}, nil
		}
		if slices.ContainsFunc(page.result.Referrals, func(r string) bool { return !s.outsideDirectory(r) }) {
			done = connectors.Completeness{Why: q.doing + ": part of the directory is on another server"}
		}
		if !more {
			return done, nil
		}
	}
}

// page is an answer to one request.
type page struct {
	result *ldap.SearchResult
	err    error
}

// fetch requests a page.
func (c *Connector) fetch(ctx context.Context, s *session, q search, cookie []byte) <-chan page {
	paging := ldap.NewControlPaging(q.page)
	paging.SetCookie(cookie)
	out := make(chan page, 1)
	go func() {
		result, err := s.search(ctx, &ldap.SearchRequest{
			BaseDN: q.base, Scope: ldap.ScopeWholeSubtree, Filter: q.filter,
			Attributes: q.attributes, Controls: []ldap.Control{paging},
		})
		if s.wire != nil {
			result.Entries = append(result.Entries, s.wire.takeEntries()...)
		}
		out <- page{result, err}
	}()
	return out
}

// Snapshot implements connectors.Connector. It reads accounts first, as members
// are resolved by their DNs.
func (c *Connector) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	r, end, err := c.beginReading(ctx, c.dialReading, sink)
	if err != nil {
		return connectors.Completeness{}, err
	}
	defer end()
	accounts, err := r.readAccounts(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	if r.former, err = c.formerNames(ctx, r.session, r, accounts.Complete); err != nil {
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

// reading is one snapshot in progress.
type reading struct {
	*Connector
	session *session
	sink    connectors.Sink
	schema  *schema

	lockouts lockoutPolicy
	ids      map[string]string // folded DN → native ID
	byName   map[string]string // login name → native ID, where groups hold names
	outside  map[string]bool   // folded DNs that references hold and that are no accounts
	accounts map[string]string // native ID → DN
	groups   map[string]string // entitlement → DN
	named    map[string]int    // number of groups by folded name
	shared   map[string]bool   // names that several groups have, already emitted as ambiguous
	primary  map[string]bool   // the primaryGroupIDs of accounts
	numbered []*groupMembers   // groups that are the primary group of an account
	former   map[string]string // folded former DN that no entry has now → native ID of its account
	names    map[string]bool   // folded DNs that were looked up → whether an entry has them
}

func (r *reading) readAccounts(ctx context.Context) (connectors.Completeness, error) {
	s := r.session
	names := s.attributeNames(r.schema)
	all := connectors.Completeness{Complete: true}
	for _, base := range s.accountBases() {
		q := search{"read accounts", base, s.isAccount(), s.accountAttributes(), accountPage}
		done, err := r.readPages(ctx, s, q, func(page []*ldap.Entry) error { return r.accountPage(ctx, page, names) })
		if err != nil {
			return connectors.Completeness{}, err
		}
		if !done.Complete {
			all = done
		}
	}
	return all, nil
}

func (r *reading) accountPage(ctx context.Context, page []*ldap.Entry, names map[string]string) error {
	s := r.session
	for _, e := range page {
		id, err := s.idOf(e)
		if err != nil {
			return err
		}
		id, dn := strings.Clone(id), strings.Clone(e.DN) // Clone, so that the whole entry can be freed
		r.ids[foldDN(dn)] = id
		r.accounts[id] = dn
		if s.membersAreNames() {
			r.byName[strings.Clone(namingValue(e, s.cfg.NameAttribute))] = id
		}
		if number := e.GetEqualFoldAttributeValue(primaryAttribute); s.flavour.primaryGroups && !r.primary[number] {
			r.primary[strings.Clone(number)] = true
		}
	}
	if len(s.cfg.References) > 0 {
		if err := r.referencesToIDs(ctx, page); err != nil {
			return err
		}
	}
	locksEnd, err := r.lockouts.locksExpire(ctx, page...)
	if err != nil {
		return err
	}
	for _, e := range page {
		a, err := s.account(e, names, locksEnd)
		if err != nil {
			return err
		}
		for _, attribute := range s.cfg.References {
			values := a.Attributes[names[strings.ToLower(attribute)]]
			for i, dn := range values {
				if id, ours := r.ids[foldDN(dn)]; ours {
					values[i] = id
				}
			}
		}
		if err := r.sink.Account(a); err != nil {
			return err
		}
	}
	return nil
}

func (v *server) accountAttributes() []string {
	attributes := slices.Concat([]string{v.cfg.IDAttribute, v.cfg.NameAttribute, v.cfg.AnchorAttribute, v.cfg.Disable.Attribute}, v.flavour.attributes, v.cfg.Attributes)
	if v.flavour.primaryGroups {
		attributes = append(attributes, primaryAttribute)
	}
	slices.Sort(attributes)
	return slices.Compact(attributes)
}

// account converts an entry into an account. names comes from attributeNames,
// locksEnd from lockoutPolicy.
func (v *server) account(e *ldap.Entry, names map[string]string, locksEnd bool) (connectors.Account, error) {
	id, err := v.idOf(e)
	if err != nil {
		return connectors.Account{}, err
	}
	a := connectors.Account{
		ID:         id,
		Anchor:     e.GetEqualFoldAttributeValue(v.cfg.AnchorAttribute),
		Name:       namingValue(e, v.cfg.NameAttribute),
		Enabled:    !v.disabled(e, locksEnd) && !v.expired(e),
		Attributes: map[string][]string{},
	}
	for _, attribute := range e.Attributes {
		name, managed := names[strings.ToLower(attribute.Name)]
		if !managed {
			continue
		}
		if values := v.fromServer(e, name, attribute.Values); len(values) > 0 {
			a.Attributes[name] = values
		}
	}
	return a, nil
}

// MFAEnrolled implements connectors.MFAReader. It requires mfa_attribute.
func (c *Connector) MFAEnrolled(ctx context.Context, emit func(string, connectors.MFAMethod) error) (connectors.Completeness, error) {
	if c.given.MFAAttribute == "" {
		return connectors.Completeness{}, connectors.Errorf(connectors.Permanent, "ldap: mfa_attribute is not configured")
	}
	s, err := c.dialReading(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	defer s.close()
	defer s.closeWith(ctx)()
	known, err := s.loadSchema(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	if err := known.requireNames(s.cfg.MFAAttribute, s.cfg.IDAttribute); err != nil {
		return connectors.Completeness{}, err
	}
	enrolled := "(" + s.cfg.MFAAttribute + "=*)"
	if s.cfg.MFAValue != "" {
		enrolled = equals(s.cfg.MFAAttribute, s.cfg.MFAValue)
	}
	all := connectors.Completeness{Complete: true}
	for _, base := range s.accountBases() {
		q := search{"read MFA enrolment", base, allOf(s.isAccount(), enrolled), []string{s.cfg.IDAttribute}, accountPage}
		done, err := c.readAll(ctx, s, q, func(e *ldap.Entry) error {
			id, err := s.idOf(e)
			if err != nil {
				return err
			}
			return emit(id, connectors.UnknownMethod)
		})
		if err != nil {
			return connectors.Completeness{}, err
		}
		if !done.Complete {
			all = done
		}
	}
	return all, nil
}
