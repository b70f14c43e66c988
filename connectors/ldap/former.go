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
// had before it was moved, by hand or by behov, and so does behov when it is
// stopped between the two. Whatever gets that DN next is a member then. places
// is how such a value is told as an account's.

const (
	// formerKept is how many earlier DNs of an account are remembered.
	formerKept = 8
	// lookedFor is how many members that are no accounts a snapshot looks for.
	lookedFor = 5000
)

// places remembers which DNs accounts have and had.
type places struct {
	mu     sync.Mutex
	loaded bool
	of     map[string][]string // native ID → DNs, the current one last
}

// load reads what an earlier connector remembered, once.
func (p *places) load(ctx context.Context, memory connectors.StateStore) error {
	if p.loaded {
		return nil
	}
	p.of = map[string][]string{}
	if memory != nil {
		packed, err := memory.Load(ctx)
		if err != nil {
			return connectors.Errorf(connectors.RetryLater, "ldap: remember where accounts were: %w", err)
		}
		// What cannot be read, as of an older version, is as good as nothing.
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

func (p *places) save(ctx context.Context, memory connectors.StateStore) error {
	if memory == nil {
		return nil
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if err := json.NewEncoder(w).Encode(p.of); err != nil {
		return fmt.Errorf("ldap: remember where accounts are: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("ldap: remember where accounts are: %w", err)
	}
	if err := memory.Save(ctx, packed.Bytes()); err != nil {
		return connectors.Errorf(connectors.RetryLater, "ldap: remember where accounts are: %w", err)
	}
	return nil
}

// update notes where accounts are; in a complete reading those that are not there
// are forgotten. It says whether anything is new.
func (p *places) update(accounts map[string]string, taken map[string]string, complete bool) (changed bool) {
	for id, dn := range accounts {
		had := p.of[id]
		if n := len(had); n > 0 && foldDN(had[n-1]) == foldDN(dn) {
			continue
		}
		changed = true
		had = append(slices.DeleteFunc(slices.Clone(had), func(old string) bool { return foldDN(old) == foldDN(dn) }), dn)
		p.of[id] = had[max(0, len(had)-1-formerKept):]
	}
	for id, had := range p.of {
		if _, there := accounts[id]; !there {
			if complete {
				delete(p.of, id)
				changed = true
			}
			continue
		}
		// A name that another account has is nobody's earlier name.
		last := len(had) - 1
		kept := slices.DeleteFunc(slices.Clone(had[:last]), func(old string) bool { return taken[foldDN(old)] != "" })
		if len(kept) < last {
			p.of[id] = append(kept, had[last])
			changed = true
		}
	}
	return changed
}

// keepsFormer says whether groups may hold earlier names of accounts.
func (v *server) keepsFormer() bool { return !v.flavour.keepsNames && !v.membersAreNames() }

// formerNames notes where a snapshot found accounts, and returns the DNs that they
// had before, folded, with whose they were.
func (c *Connector) formerNames(ctx context.Context, s *session, r *reading, complete bool) (map[string]string, error) {
	if !s.keepsFormer() {
		return nil, nil
	}
	p := &c.places
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.load(ctx, c.given.Memory); err != nil {
		return nil, err
	}
	if p.update(r.accounts, r.ids, complete) {
		if err := p.save(ctx, c.given.Memory); err != nil {
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
	if err := p.load(ctx, c.given.Memory); err != nil {
		return nil, err
	}
	had := p.of[id]
	if len(had) < 2 {
		return nil, nil
	}
	return slices.Clone(had[:len(had)-1]), nil
}

// namesNothing reports whether no entry has the DN. What the account in bind_dn
// may not see a server may call missing, too.
func (c *Connector) namesNothing(ctx context.Context, s *session, dn string) (bool, error) {
	_, err := s.search(ctx, &ldap.SearchRequest{BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
	if _, answered := code(err); err != nil && !answered {
		return false, s.failure(ctx, "look for a member of a group", err)
	}
	return is(err, ldap.LDAPResultNoSuchObject), nil
}

// seeksNames says whether members that are no accounts are looked for: in a
// snapshot, as far as there are not too many.
func (r *reading) seeksNames() bool { return r.former != nil && len(r.names) < lookedFor }

// dangle emits which of the members that are no accounts name nothing: earlier
// names of accounts, and how many others.
func (m *membersOf) dangle(ctx context.Context) error {
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
	m.sideBySide(len(fresh), func(i int) { nothing[i], errs[i] = m.namesNothing(ctx, m.session, fresh[i]) })
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

// removeFormer takes earlier DNs of accounts out of groups, as far as nothing has
// them.
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
			continue // it is another entry's by now
		}
		var one connectors.Result
		g.apply(ctx, []membership{{value: old, result: &one}})
		switch {
		case g.gone:
			c.cache.setGroup(w.Entitlement, "")
			return connectors.Result{Err: connectors.Errorf(connectors.RetryLater, "ldap: change a group: it moved while it was being changed")}
		case one.Err != nil, one.Status == connectors.Refused:
			return one
		case one.Status == connectors.Applied:
			r = one
		}
	}
	return r
}
