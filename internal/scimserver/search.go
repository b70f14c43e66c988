package scimserver

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/schema"
	"github.com/scim2/filter-parser/v2"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/scimtype"
	"github.com/behov/behov/internal/store"
)

// GetAll implements scim.ResourceHandler (RFC 7644 §3.4.2). It looks up users by
// id, userName or externalId in the database; for all users, or those created or
// changed in a period, it reads only the requested page. Other filters are
// evaluated on each user that these conditions leave, once for all pages (see
// scans).
func (u *users) GetAll(r *http.Request, params scim.ListRequestParams) (scim.Page, error) {
	e := exchangeOf(r)
	page := scim.Page{Resources: []scim.Resource{}}
	start, count := max(params.StartIndex, 1), min(params.Count, maxPage)
	within, exact := rangeOf(e.filter)
	if exact {
		total, err := u.im.DB.CountResources(r.Context(), u.source.Name, within)
		if err != nil {
			return page, internalError(err)
		}
		page.TotalResults = total
		kept, err := u.im.DB.ResourcePage(r.Context(), u.source.Name, within, start-1, count)
		if err != nil {
			return page, internalError(err)
		}
		for _, kept := range kept {
			d, err := opened(kept)
			if err != nil {
				return page, err
			}
			page.Resources = append(page.Resources, toResource(r, kept, d))
		}
		return page, nil
	}
	candidates, indexed, err := u.candidates(r, e.filter)
	if err != nil {
		return page, internalError(err)
	}
	var ids []string
	if indexed {
		for _, kept := range candidates {
			if ids, err = u.appendMatching(ids, e.filter, kept); err != nil {
				return page, err
			}
		}
	} else if ids, err = u.scan(r, e, within); err != nil {
		return page, err
	}
	page.TotalResults = len(ids)
	ids = ids[min(start-1, len(ids)):]
	ids = ids[:min(count, len(ids))]
	shown := candidates
	if !indexed {
		if shown, err = u.im.DB.ResourcesByID(r.Context(), u.source.Name, ids); err != nil {
			return page, internalError(err)
		}
	}
	for _, kept := range shown {
		if !slices.Contains(ids, kept.ID) {
			continue
		}
		d, err := opened(kept)
		if err != nil {
			return page, err
		}
		page.Resources = append(page.Resources, toResource(r, kept, d))
	}
	return page, nil
}

// appendMatching appends the ID of a user that matches a filter.
func (u *users) appendMatching(ids []string, e filter.Expression, kept store.SCIMResource) ([]string, error) {
	d, err := opened(kept)
	if err != nil {
		return ids, err
	}
	is, err := scimtype.Matches(e, u.filterable(kept, d))
	if err != nil {
		return ids, scimtype.Plain(err)
	}
	if is {
		ids = append(ids, kept.ID)
	}
	return ids, nil
}

// maxScans is how many results of filters are kept for each source.
const maxScans = 4

// scans keeps the IDs of the users that filters without an index matched, newest
// last: a client that reads all pages of a filter makes the server read all users
// once, and not once for each page. Channel turn has room for one: one request
// scans at a time, and another with the same filter gets its result.
type scans struct {
	turn chan struct{}
	kept []scanResult
}

type scanResult struct {
	filter string
	state  store.ResourcesState // before the scan: a later change makes the result stale
	ids    []string             // in the order in which the users were made
}

// scan returns the IDs of the users that match the filter, in the order in which
// they were made.
func (u *users) scan(r *http.Request, e *exchange, within store.ResourceRange) ([]string, error) {
	select {
	case u.scans.turn <- struct{}{}:
		defer func() { <-u.scans.turn }()
	case <-r.Context().Done():
		return nil, internalError(r.Context().Err())
	}
	state, err := u.im.DB.ResourcesState(r.Context(), u.source.Name)
	if err != nil {
		return nil, internalError(err)
	}
	for _, s := range u.scans.kept {
		if s.filter == e.filterText && s.state == state {
			return s.ids, nil
		}
	}
	var ids []string
	var refused error // an answer to the client, unlike an error of the database
	err = u.im.DB.EachResource(r.Context(), u.source.Name, within, func(kept store.SCIMResource) error {
		ids, refused = u.appendMatching(ids, e.filter, kept)
		return refused
	})
	switch {
	case refused != nil:
		return nil, refused
	case err != nil:
		return nil, internalError(err)
	}
	u.scans.kept = slices.DeleteFunc(u.scans.kept, func(s scanResult) bool { return s.filter == e.filterText || s.state != state })
	if len(u.scans.kept) == maxScans {
		u.scans.kept = slices.Delete(u.scans.kept, 0, 1)
	}
	u.scans.kept = append(u.scans.kept, scanResult{filter: e.filterText, state: state, ids: ids})
	return ids, nil
}

// filterable returns what filters are evaluated on: the pushed attributes, and
// the common ones (RFC 7643 §3.1).
func (u *users) filterable(kept store.SCIMResource, d document) map[string]any {
	in := map[string]any{"id": kept.ID, "meta": map[string]any{"resourceType": "User", "created": kept.Made.Format(time.RFC3339Nano),
		"lastModified": kept.Changed.Format(time.RFC3339Nano), "version": version(kept)}}
	schemas := []any{u.kind.Schema.ID}
	for k, v := range d.Attributes {
		in[k] = v
		if isExtension(k) {
			schemas = append(schemas, k)
		}
	}
	in["schemas"] = schemas
	return in
}

// candidates returns the users among which a filter's matches are, when an index
// finds them.
func (u *users) candidates(r *http.Request, e filter.Expression) (found []store.SCIMResource, indexed bool, err error) {
	ctx, source := r.Context(), u.source.Name
	switch attribute, text := indexedValue(e); attribute {
	case "username":
		found, err = findCleanedOrRaw(text, func(name string) ([]store.SCIMResource, error) { return u.im.DB.ResourcesByUserName(ctx, source, name) })
	case "externalid":
		found, err = findCleanedOrRaw(text, func(id string) ([]store.SCIMResource, error) { return u.im.DB.ResourcesByExternalID(ctx, source, id) })
	case "id":
		found, err = u.im.DB.ResourcesByID(ctx, source, []string{text})
	default:
		return nil, false, nil
	}
	return found, true, err
}

// findCleanedOrRaw finds users by a text that may have been stored before texts
// were cleaned.
func findCleanedOrRaw(text string, find func(string) ([]store.SCIMResource, error)) ([]store.SCIMResource, error) {
	clean := identity.CleanText(text)
	found, err := find(clean)
	if err != nil || len(found) > 0 || clean == text {
		return found, err
	}
	return find(text)
}

// indexedValue returns the attribute, in lower case, and the value by which an
// index finds every match of a filter; empty when there is none.
func indexedValue(e filter.Expression) (attribute, text string) {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		if e.Operator != filter.AND {
			return "", ""
		}
		if attribute, text = indexedValue(e.Left); attribute != "" {
			return attribute, text
		}
		return indexedValue(e.Right)
	case *filter.AttributeExpression:
		value, err := scimtype.CompareValue(e)
		text, is := value.(string)
		if e.Operator != filter.EQ || e.AttributePath.SubAttribute != nil || err != nil || !is {
			return "", ""
		}
		switch attribute := strings.ToLower(e.AttributePath.AttributeName); attribute {
		case "username", "externalid", "id":
			return attribute, text
		}
	}
	return "", ""
}

// rangeOf returns a range that contains all matches, and whether all users in the
// range match.
func rangeOf(e filter.Expression) (within store.ResourceRange, exact bool) {
	switch e := e.(type) {
	case nil:
		return within, true
	case *filter.LogicalExpression:
		if e.Operator != filter.AND {
			return within, false
		}
		left, leftExact := rangeOf(e.Left)
		right, rightExact := rangeOf(e.Right)
		return store.ResourceRange{CreatedFrom: laterOf(left.CreatedFrom, right.CreatedFrom), CreatedUntil: earlierOf(left.CreatedUntil, right.CreatedUntil),
			ChangedFrom: laterOf(left.ChangedFrom, right.ChangedFrom), ChangedUntil: earlierOf(left.ChangedUntil, right.ChangedUntil)}, leftExact && rightExact
	case *filter.AttributeExpression:
		value, err := scimtype.CompareValue(e)
		text, _ := value.(string)
		at, parseErr := time.Parse(time.RFC3339, text)
		if err != nil || parseErr != nil || !scimtype.IsInstant(e.AttributePath) || at.Year() < 2 || at.Year() > 9998 {
			return within, false // the database has no instants beyond these years
		}
		from, until := &within.ChangedFrom, &within.ChangedUntil
		if strings.EqualFold(e.AttributePath.SubAttributeName(), "created") {
			from, until = &within.CreatedFrom, &within.CreatedUntil
		}
		// Stored instants have microseconds.
		floor := at.Truncate(time.Microsecond)
		after, notBefore := floor.Add(time.Microsecond), floor
		if at.After(floor) {
			notBefore = after
		}
		switch e.Operator {
		case filter.GT:
			*from = after
		case filter.GE:
			*from = notBefore
		case filter.LT:
			*until = notBefore
		case filter.LE:
			*until = after
		case filter.EQ:
			*from, *until = notBefore, after
		default:
			return within, false
		}
		return within, true
	}
	return within, false
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlierOf(a, b time.Time) time.Time {
	if b.IsZero() || !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// metaAttributes are the sub-attributes of meta in a filter.
var metaAttributes = map[string]bool{"resourcetype": true, "created": true, "lastmodified": true, "version": true}

// resolve checks that a filter's attributes exist, and adds the extension's URN
// where it is missing, as in manager.value.
func (u *users) resolve(e filter.Expression) error {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		return errors.Join(u.resolve(e.Left), u.resolve(e.Right))
	case *filter.NotExpression:
		return u.resolve(e.Expression)
	case *filter.AttributeExpression:
		_, err := u.resolvePath(&e.AttributePath)
		return err
	case *filter.ValuePath:
		a, err := u.resolvePath(&e.AttributePath)
		if err != nil {
			return err
		}
		return resolveIn(a, e.ValueFilter)
	}
	return scimerrors.ScimErrorInvalidFilter
}

func (u *users) resolvePath(path *filter.AttributePath) (schema.CoreAttribute, error) {
	sub := path.SubAttributeName()
	if urn := path.URI(); urn == "" || strings.EqualFold(urn, u.kind.Schema.ID) {
		switch name := strings.ToLower(path.AttributeName); {
		case (name == "id" || name == "schemas") && sub == "", name == "meta" && (sub == "" || metaAttributes[strings.ToLower(sub)]):
			path.URIPrefix = nil
			return schema.CoreAttribute{}, nil
		}
	}
	a, extension, err := u.kind.Attribute(path.URI(), path.AttributeName)
	for _, e := range u.kind.Extensions {
		if err == nil || path.URI() != "" {
			break
		}
		a, extension, err = u.kind.Attribute(e.ID, path.AttributeName)
	}
	if err != nil {
		return a, unknownInFilter(path.String())
	}
	path.URIPrefix = nil
	if extension != "" {
		path.URIPrefix = &extension
	}
	if _, has := a.SubAttributes().ContainsAttribute(sub); sub != "" && !has {
		return a, unknownInFilter(path.String())
	}
	return a, nil
}

// resolveIn checks the filter on an attribute's values.
func resolveIn(a schema.CoreAttribute, e filter.Expression) error {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		return errors.Join(resolveIn(a, e.Left), resolveIn(a, e.Right))
	case *filter.NotExpression:
		return resolveIn(a, e.Expression)
	case *filter.AttributeExpression:
		if _, has := a.SubAttributes().ContainsAttribute(e.AttributePath.AttributeName); has && e.AttributePath.SubAttribute == nil {
			return nil
		}
		return unknownInFilter(a.Name() + "." + e.AttributePath.String())
	}
	return scimerrors.ScimErrorInvalidFilter
}

func unknownInFilter(path string) error {
	e := scimerrors.ScimErrorInvalidFilter
	e.Detail = "filter: there is no attribute " + pathLabel(path)
	return e
}
