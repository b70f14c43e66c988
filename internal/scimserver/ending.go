package scimserver

import (
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// deactivation marks the context of a request that sets active to false.
type deactivation struct{}

func isDeactivation(r *http.Request) bool {
	is, _ := r.Context().Value(deactivation{}).(bool)
	return is
}

// storeDeactivated stores a deactivated user. An ending must not wait for a
// corrected value: invalid values keep their earlier state, which the log and the
// import report.
func (u *users) storeDeactivated(r *http.Request, kept store.SCIMResource, d document) (scim.Resource, error) {
	resource, err := u.storeUser(r, kept, d)
	var refused scimerrors.ScimError
	if err == nil || !errors.As(err, &refused) || refused.Status >= http.StatusInternalServerError {
		return resource, err
	}
	base, decodeErr := opened(kept)
	if decodeErr != nil {
		return scim.Resource{}, decodeErr
	}
	base.Attributes["active"] = false
	base.Ended = u.lastActiveDay(base)
	for _, less := range []document{u.acceptable(r, kept.Key, base, d), base} {
		ignored := differingAttributes(less.Attributes, d.Attributes)
		warning := diagnostic.Problem{File: "SCIM", Warning: true, Reason: reason.Of(reason.ValuesIgnored{User: kept.ID, Attributes: ignored, Detail: refused.Detail})}
		if resource, lessErr := u.storeUser(r, kept, less, warning); lessErr == nil {
			u.log.Warn("a user was deactivated, and other values of the request were ignored, as they cannot be taken", "source", u.source.Name, "user", kept.ID, "attributes", ignored)
			return resource, nil
		}
	}
	return scim.Resource{}, err
}

// acceptable returns base with each valid attribute of d. The employment remains
// the one that ends.
func (u *users) acceptable(r *http.Request, key string, base, d document) document {
	for range 2 { // of two that depend on each other the second may have to come first
		for _, path := range differingAttributes(base.Attributes, d.Attributes) {
			if path == EmploymentURN+":employmentId" {
				continue
			}
			next := document{Attributes: withAttribute(base.Attributes, path, d.Attributes), Pushed: base.Pushed, Ended: base.Ended}
			if u.accepts(r, key, next) {
				base = next
			}
		}
	}
	return base
}

// accepts reports whether a user's attributes are read without a problem.
func (u *users) accepts(r *http.Request, key string, d document) bool {
	if _, err := userName(d.Attributes); err != nil || checkSinglePrimary(u.kind, d.Attributes) != nil {
		return false
	}
	fields, err := u.fields(r, key, d)
	if err != nil {
		return false
	}
	export, _, err := u.export(fields)
	return err == nil && problemText(export) == ""
}

// differingAttributes returns the names of the attributes in which a and b
// differ, sorted; those of an extension as URN:name.
func differingAttributes(a, b map[string]any) []string {
	var paths []string
	for _, name := range append(keysOf(a), keysOf(b)...) {
		if !isExtension(name) {
			if !reflect.DeepEqual(a[name], b[name]) {
				paths = append(paths, name)
			}
			continue
		}
		in, out := view(a).object(name), view(b).object(name)
		for _, sub := range append(keysOf(in), keysOf(out)...) {
			if !reflect.DeepEqual(in[sub], out[sub]) {
				paths = append(paths, name+":"+sub)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// withAttribute returns attributes with other's value at a path from
// differingAttributes.
func withAttribute(attributes map[string]any, path string, other map[string]any) map[string]any {
	urn, name := "", path
	if isExtension(path) {
		i := strings.LastIndex(path, ":")
		urn, name = path[:i], path[i+1:]
	}
	out := copied(attributes)
	in, from := out, other
	if urn != "" {
		in, from = copied(view(out).object(urn)), view(other).object(urn)
		out[urn] = in
	}
	if v, there := from[name]; there {
		in[name] = v
	} else {
		delete(in, name)
	}
	return out
}

func isExtension(path string) bool { return strings.HasPrefix(path, "urn:") }

func keysOf(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}

func copied(m map[string]any) map[string]any {
	out := make(map[string]any, len(m)+1)
	for key, v := range m {
		out[key] = v
	}
	return out
}
