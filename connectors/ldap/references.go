package ldap

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// pointed replaces, in attributes that refer to accounts, native IDs by DNs.
// What is a DN already refers to somebody outside and stays. Changes that
// refer to nobody are refused and left out.
func (c *Connector) pointed(ctx context.Context, s *session, todo []work) ([]work, error) {
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
					why = "the attribute " + name + " refers to an account that is not there"
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

// point replaces, in an account read from the directory, DNs by native IDs.
// What refers to no account in our scope stays as it is.
func (r *reading) point(ctx context.Context, page []*ldap.Entry) error {
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
	// Most point to accounts that are still to come.
	errs := make([]error, len(unknown))
	found := make([]string, len(unknown))
	r.sideBySide(len(unknown), func(i int) {
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

// inScope says whether a DN is where accounts are.
func (v *server) inScope(dn string) bool {
	return slices.ContainsFunc(v.bases(), func(base string) bool { return below(dn, base) })
}
