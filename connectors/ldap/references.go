package ldap

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// resolveReferences replaces native IDs by DNs in attributes that refer to
// accounts. A value that is a DN already refers to an entry outside the managed
// scope and is kept. A change that refers to a missing account is refused and
// left out.
func (c *Connector) resolveReferences(ctx context.Context, s *session, todo []work) ([]work, error) {
	var wanted []string
	for _, w := range todo {
		for name, values := range w.Attributes {
			if s.isReference(name) {
				wanted = append(wanted, values...)
			}
		}
	}
	if len(wanted) == 0 {
		return todo, nil
	}
	entries, err := c.resolve(ctx, s, wanted, nil)
	if err != nil {
		return todo, err
	}
	out := todo[:0:0]
	for _, w := range todo {
		w.Attributes = maps.Clone(w.Attributes)
		why := ""
		for name, values := range w.Attributes {
			if !s.isReference(name) {
				continue
			}
			values = slices.Clone(values)
			for i, v := range values {
				switch dn := rdnOf(v); {
				case entries[v] != nil:
					values[i] = entries[v].DN
				case v == "" || dn != nil && len(dn.Attributes) > 0 && strings.Contains(v, "="):
				default:
					why = "the attribute " + name + " refers to an account that does not exist"
				}
			}
			w.Attributes[name] = values
		}
		if why != "" {
			*w.result = refused(why)
			continue
		}
		out = append(out, w)
	}
	return out, nil
}

// referencesToIDs replaces DNs by native IDs in accounts read from the directory.
// A reference to an entry outside the managed scope is kept as it is.
func (r *reading) referencesToIDs(ctx context.Context, page []*ldap.Entry) error {
	s := r.session
	var unknown []string
	for _, e := range page {
		for _, attribute := range s.cfg.References {
			for _, dn := range r.referring(e, attribute) {
				key := foldDN(dn)
				if _, known := r.ids[key]; known || r.outside[key] || !s.inScope(dn) {
					continue
				}
				r.outside[key] = true // until it is found
				unknown = append(unknown, dn)
			}
		}
	}
	// Most refer to accounts that are read later.
	errs := make([]error, len(unknown))
	found := make([]string, len(unknown))
	r.inParallel(len(unknown), func(i int) {
		e, err := r.readOne(ctx, s, unknown[i], "", []string{s.cfg.IDAttribute})
		if errs[i] = err; e != nil {
			found[i], errs[i] = s.idOf(e)
		}
	})
	for i, dn := range unknown {
		if found[i] != "" {
			r.ids[foldDN(dn)] = found[i]
			delete(r.outside, foldDN(dn))
		}
	}
	return first(errs)
}

func (r *reading) referring(e *ldap.Entry, attribute string) []string {
	if canonical := r.schema.known[strings.ToLower(attribute)]; canonical != "" {
		attribute = canonical
	}
	return e.GetEqualFoldAttributeValues(attribute)
}

// inScope reports whether a DN is below a base of accounts.
func (v *server) inScope(dn string) bool {
	return slices.ContainsFunc(v.accountBases(), func(base string) bool { return below(dn, base) })
}
