package ldap

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// A server without referential integrity leaves in groups the DN that an account
// had before it was moved, by an administrator or by behov; behov does so too
// when it stops between the move and the correction of groups. The next entry
// with that DN would then be a member. dnHistory lets the connector recognise
// such a value as an account's earlier DN.

const (
	// formerDNLimit is how many earlier DNs of an account are remembered.
	formerDNLimit = 8
	// maxDanglingLookups is how many members that are no accounts a snapshot
	// looks up.
	maxDanglingLookups = 5000
)

// dnHistory remembers the current and earlier DNs of accounts.
type dnHistory struct {
	mu     sync.Mutex
	loaded bool
	of     map[string][]string // native ID → DNs, the current one last
}

// load reads the history that an earlier connector saved, once.
func (p *dnHistory) load(ctx context.Context, memory connectors.StateStore) error {
	if p.loaded {
		return nil
	}
	p.of = map[string][]string{}
	if memory != nil {
		packed, err := memory.Load(ctx)
		if err != nil {
			return connectors.Errorf(connectors.RetryLater, "ldap: load the DN history of accounts: %w", err)
		}
		// Data that cannot be read, such as that of an older version, counts as
		// none.
		if of, ok := unpackPlaces(packed); ok {
			p.of = of
		}
	}
	p.loaded = true
	return nil
}

func unpackPlaces(packed []byte) (of map[string][]string, ok bool) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, false
	}
	plain, err := io.ReadAll(r)
	return of, err == nil && json.Unmarshal(plain, &of) == nil && of != nil
}

func (p *dnHistory) save(ctx context.Context, memory connectors.StateStore) error {
	if memory == nil {
		return nil
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if err := json.NewEncoder(w).Encode(p.of); err != nil {
		return fmt.Errorf("ldap: save the DN history of accounts: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("ldap: save the DN history of accounts: %w", err)
	}
	if err := memory.Save(ctx, packed.Bytes()); err != nil {
		return connectors.Errorf(connectors.RetryLater, "ldap: save the DN history of accounts: %w", err)
	}
	return nil
}

// update records the DNs of accounts; after a complete read it forgets accounts
// that no longer exist. It reports whether anything changed.
func (p *dnHistory) update(accounts map[string]string, taken map[string]string, complete bool) (changed bool) {
	for id, dn := range accounts {
		had := p.of[id]
		if n := len(had); n > 0 && foldDN(had[n-1]) == foldDN(dn) {
			continue
		}
		changed = true
		had = append(slices.DeleteFunc(slices.Clone(had), func(old string) bool { return foldDN(old) == foldDN(dn) }), dn)
		p.of[id] = had[max(0, len(had)-1-formerDNLimit):]
	}
	for id, had := range p.of {
		if _, there := accounts[id]; !there {
			if complete {
				delete(p.of, id)
				changed = true
			}
			continue
		}
		// A DN that another account has now is no former name.
		last := len(had) - 1
		kept := slices.DeleteFunc(slices.Clone(had[:last]), func(old string) bool { return taken[foldDN(old)] != "" })
		if len(kept) < last {
			p.of[id] = append(kept, had[last])
			changed = true
		}
	}
	return changed
}

// mayHoldFormerNames reports whether groups may hold earlier names of accounts.
func (v *server) mayHoldFormerNames() bool {
	return !v.flavour.maintainsReferences && !v.membersAreNames()
}

// formerNames records where a snapshot found accounts, and returns their earlier
// DNs, folded, with the account each belonged to.
func (c *Connector) formerNames(ctx context.Context, s *session, r *reading, complete bool) (map[string]string, error) {
	if !s.mayHoldFormerNames() {
		return nil, nil
	}
	p := &c.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.load(ctx, c.given.StateStore); err != nil {
		return nil, err
	}
	if p.update(r.accounts, r.ids, complete) {
		if err := p.save(ctx, c.given.StateStore); err != nil {
			return nil, err
		}
	}
	former := map[string]string{}
	for id, had := range p.of {
		for _, dn := range had[:len(had)-1] {
			former[foldDN(dn)] = id
		}
	}
	return former, nil
}

// formerOf returns the earlier DNs of an account.
func (c *Connector) formerOf(ctx context.Context, id string) ([]string, error) {
	p := &c.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.load(ctx, c.given.StateStore); err != nil {
		return nil, err
	}
	had := p.of[id]
	if len(had) < 2 {
		return nil, nil
	}
	return slices.Clone(had[:len(had)-1]), nil
}

// namesNothing reports whether no entry has the DN. A server may call an entry
// missing that the account in bind_dn may not see.
func (c *Connector) namesNothing(ctx context.Context, s *session, dn string) (bool, error) {
	_, err := s.search(ctx, &ldap.SearchRequest{BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
	if _, answered := code(err); err != nil && !answered {
		return false, s.failure(ctx, "look for a member of a group", err)
	}
	return is(err, ldap.LDAPResultNoSuchObject), nil
}

// looksUpDangling reports whether the reading looks up members that are no
// accounts: in a snapshot, up to maxDanglingLookups.
func (r *reading) looksUpDangling() bool { return r.former != nil && len(r.names) < maxDanglingLookups }

// emitDangling emits those of the members that are no accounts and refer to no
// entry: earlier names of accounts, and the number of others.
func (m *groupMembers) emitDangling(ctx context.Context) error {
	var fresh []string
	for _, dn := range m.unknown {
		key := foldDN(dn)
		if _, sought := m.names[key]; !sought {
			m.names[key] = true
			fresh = append(fresh, dn)
		}
	}
	nothing := make([]bool, len(fresh))
	errs := make([]error, len(fresh))
	m.inParallel(len(fresh), func(i int) { nothing[i], errs[i] = m.namesNothing(ctx, m.session, fresh[i]) })
	if err := first(errs); err != nil {
		return err
	}
	for i, dn := range fresh {
		m.names[foldDN(dn)] = !nothing[i]
	}
	former, dangling := map[string]bool{}, 0
	for _, dn := range m.unknown {
		key := foldDN(dn)
		switch id := m.former[key]; {
		case m.names[key]:
		case id != "":
			former[id] = true
		default:
			dangling++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(former)) {
		if err := m.sink.Membership(connectors.Membership{Entitlement: m.name, FormerName: id}); err != nil {
			return err
		}
	}
	if dangling == 0 {
		return nil
	}
	return m.sink.Membership(connectors.Membership{Entitlement: m.name, DanglingMembers: dangling})
}

// removeFormer removes earlier DNs of accounts from groups, unless another entry
// has the DN now.
func (c *Connector) removeFormer(ctx context.Context, s *session, todo []work) {
	for _, w := range todo {
		*w.result = c.removeFormerOf(ctx, s, w)
	}
}

func (c *Connector) removeFormerOf(ctx context.Context, s *session, w work) connectors.Result {
	had, err := c.formerOf(ctx, w.Account.ID)
	if err != nil {
		return connectors.Result{Err: err}
	}
	dn, why, err := c.findGroup(ctx, s, w.Entitlement)
	if err != nil || why != "" {
		return refusedOr(why, err)
	}
	g := &group{Connector: c, session: s, dn: dn}
	r := alreadySo()
	for _, old := range had {
		nothing, err := c.namesNothing(ctx, s, old)
		if err != nil {
			return connectors.Result{Err: err}
		}
		if !nothing {
			continue // another entry has this DN now
		}
		var one connectors.Result
		g.apply(ctx, []membership{{value: old, result: &one}})
		switch {
		case g.gone:
			c.cache.setGroup(w.Entitlement, "")
			return connectors.Result{Err: connectors.Errorf(connectors.RetryLater, "ldap: change a group: another client moved or deleted it meanwhile")}
		case one.Err != nil, one.Status == connectors.Refused:
			return one
		case one.Status == connectors.Applied:
			r = one
		}
	}
	return r
}
