package scimserver

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// returningUser returns the deactivated user that a POST names; nil when there is
// none. It returns an error when the user is active, or when the name belongs to
// another person.
//
// The source's own key decides: externalId, or the key with which the user was
// first pushed. A userName alone identifies the same person only when a number of
// the two is equal and none differs, or when neither has any and the names are
// equal: a userName may be reused once it is free.
func (u *users) returningUser(r *http.Request, a map[string]any) (*store.SCIMResource, error) {
	ctx, source := r.Context(), u.source.Name
	external, name := view(a).text("externalId"), view(a).text("userName")
	var byID, byName []store.SCIMResource
	var err error
	if external != "" {
		byID, err = u.im.DB.ResourcesByExternalID(ctx, source, external)
	}
	if key := keyOf("", a); err == nil && key != "" && len(byID) == 0 {
		byID, err = u.im.DB.ResourcesByKey(ctx, source, identity.CleanText(key))
	}
	if err == nil && name != "" {
		byName, err = u.im.DB.ResourcesByUserName(ctx, source, name)
	}
	if err != nil {
		return nil, internalError(err)
	}
	switch {
	case len(byID) > 1:
		return nil, uniquenessError("externalId")
	case len(byID) == 1 && len(byName) > 0 && byName[0].ID != byID[0].ID:
		return nil, uniquenessError("userName")
	case len(byID) == 1:
		attribute := "externalId"
		if external == "" {
			attribute = "employeeNumber"
		}
		return deactivated(byID[0], attribute)
	case len(byName) == 0:
		return nil, nil
	}
	d, err := opened(byName[0])
	if err != nil {
		return nil, err
	}
	had, same := false, false
	for _, number := range []func(view) string{
		func(v view) string { return v.text("externalId") },
		func(v view) string { return v.object(enterpriseURN).text("employeeNumber") },
		func(v view) string { return v.object(EmploymentURN).text("nationalId") },
	} {
		if was, is := number(d.Attributes), number(a); was != "" && is != "" && was != is {
			return nil, uniquenessError("userName")
		} else if was != "" {
			had, same = true, same || was == is
		}
	}
	named := func(v view) string {
		return strings.ToLower(v.object("name").text("givenName") + " " + v.object("name").text("familyName"))
	}
	if had && !same || !had && named(d.Attributes) != named(a) {
		return nil, uniquenessError("userName")
	}
	return deactivated(byName[0], "userName")
}

// deactivated returns the user that a POST names by an attribute, or an error
// when the user is active.
func deactivated(kept store.SCIMResource, attribute string) (*store.SCIMResource, error) {
	d, err := opened(kept)
	if err != nil {
		return nil, err
	}
	if d.Ended == "" {
		return nil, uniquenessError(attribute)
	}
	return &kept, nil
}

// uniquenessError returns the error for a value that another user has (RFC 7644
// §3.12).
func uniquenessError(attribute string) error {
	e := scimerrors.ScimErrorUniqueness
	e.Detail = fmt.Sprintf("%s: another user has this value, and is active or another person. Look the user up by it and change that one, or send another value.", attribute)
	return e
}

// reactivate stores a POST for a deactivated user, under the user's earlier ID.
// The POST replaces all attributes, except those that an omission never changes.
// An employment that begins after the deactivation is a new one: the earlier one
// remains ended.
func (u *users) reactivate(r *http.Request, kept store.SCIMResource, a map[string]any) (scim.Resource, error) {
	d, err := opened(kept)
	if err != nil {
		return scim.Resource{}, err
	}
	before := unstatedIn(d.Attributes)
	own, _ := a[EmploymentURN].(map[string]any)
	if own == nil {
		own = map[string]any{}
	}
	employment, active := view(d.Attributes).object(EmploymentURN)["employmentId"], a["active"] == true
	if begins := first(view(own).text("startDate"), string(u.im.Today())); active && begins > string(d.Ended) {
		employment = kept.Key + "-" + begins
	}
	restore(own, "employmentId", employment)
	if len(own) > 0 {
		a[EmploymentURN] = own
	}
	another := identity.CleanText(employmentOf(kept.Key, a)) != identity.CleanText(employmentOf(kept.Key, d.Attributes))
	before.restoreTo(a, !another)
	if another {
		d.Pushed = u.im.Today()
	}
	d.Attributes = a
	if active {
		d.Ended = ""
	}
	return u.storeUser(r, kept, d)
}
