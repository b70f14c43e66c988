package scimserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/elimity-com/scim/optional"
	"github.com/google/uuid"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/scimtype"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/store"
)

// users serves the users of one source. It stores what is pushed, and records it
// as an HR event in the same transaction.
type users struct {
	im     *hr.Importer
	source config.Source
	kind   scimtype.Type
	names  map[string]string // of columns
	log    *slog.Logger

	mutex     chan struct{} // has room for one: the request that holds the lock in this process
	lastStamp time.Time     // the newest stamp

	scans   scans
	sampler server.Sampler
}

// lockTimeout is how long a request waits for earlier ones.
const lockTimeout = 10 * time.Second

// lockSource locks the source's users against other requests of this process and
// of other processes on the same database, so that no other request changes a
// user between reading and writing. The caller calls done afterwards.
func (u *users) lockSource(r *http.Request) (done func(), err error) {
	busy := func() error {
		return tryLater(r, http.StatusServiceUnavailable, time.Second, "Another request is changing users of this source, or the database does not answer; try again.")
	}
	wait, cancel := context.WithTimeout(r.Context(), lockTimeout)
	defer cancel()
	select {
	case u.mutex <- struct{}{}:
	case <-wait.Done():
		return nil, busy()
	}
	lock, err := u.im.DB.Locks().Wait(r.Context(), lockTimeout, "scim "+u.source.Name)
	if err == nil {
		var newest time.Time
		if newest, err = u.im.DB.ResourcesChangedAt(r.Context(), u.source.Name); newest.After(u.lastStamp) {
			u.lastStamp = newest
		}
	}
	if err != nil {
		if lock != nil {
			lock.Unlock()
		}
		<-u.mutex
		return nil, busy()
	}
	return func() {
		lock.Unlock()
		<-u.mutex
	}, nil
}

// document is the stored form of a user.
type document struct {
	Attributes map[string]any `json:"attributes"`
	// Pushed is the day on which the user was first pushed, and Ended the last
	// day before active became false.
	Pushed identity.Date `json:"pushed"`
	Ended  identity.Date `json:"ended,omitempty"`
}

const (
	maxPage       = 200
	maxNameLength = 500 // like HR's fields
)

func newUsers(im *hr.Importer, source config.Source, log *slog.Logger) (http.Handler, error) {
	u := &users{im: im, source: source, kind: userType(im.Config.Attributes), names: scimNames(im.Config.Attributes), log: log, mutex: make(chan struct{}, 1), scans: scans{turn: make(chan struct{}, 1)}}
	service, err := scim.NewServer(&scim.ServerArgs{
		ServiceProviderConfig: &scim.ServiceProviderConfig{MaxResults: maxPage, SupportFiltering: true, SupportPatch: true,
			AuthenticationSchemes: []scim.AuthenticationScheme{{Type: scim.AuthenticationTypeOauthBearerToken, Name: "Bearer token", Description: "A token that an administrator of behov made", Primary: true}}},
		ResourceTypes: []scim.ResourceType{{ID: optional.NewString("User"), Name: "User", Endpoint: "/Users", Schema: u.kind.Schema,
			SchemaExtensions: []scim.SchemaExtension{{Schema: u.kind.Extensions[0]}, {Schema: u.kind.Extensions[1]}}, Handler: u}},
	})
	if err != nil {
		return nil, err
	}
	return u.protocol(u.normalizeRequests(u.completeAnswers(service))), nil
}

// Create implements scim.ResourceHandler (RFC 7644 §3.3). A deactivated user that
// is known is reactivated.
func (u *users) Create(r *http.Request, attributes scim.ResourceAttributes) (scim.Resource, error) {
	done, err := u.lockSource(r)
	if err != nil {
		return scim.Resource{}, err
	}
	defer done()
	a := comparableAttributes(attributes)
	restore(a, "active", true) // only here a missing active means true, as a POST creates an active user
	if before, err := u.returningUser(r, a); err != nil || before != nil {
		if err != nil {
			return scim.Resource{}, err
		}
		return u.reactivate(r, *before, a)
	}
	now := u.im.Now()
	if err := u.checkCreationRate(r, now); err != nil {
		return scim.Resource{}, err
	}
	kept := store.SCIMResource{Source: u.source.Name, ID: uuid.NewString(), Made: now}
	kept.Key = keyOf(kept.ID, a)
	return u.storeUser(r, kept, document{Attributes: a, Pushed: u.im.Today()})
}

// checkCreationRate refuses a new user when the source has pushed the maximum of
// new users within the last hour: a stolen token must not fill the database. The
// client is asked to retry later. The caller holds the lock of the source.
func (u *users) checkCreationRate(r *http.Request, now time.Time) error {
	most := u.source.NewPeople
	if most == 0 {
		return nil
	}
	made, err := u.im.DB.CountCreatedSince(r.Context(), u.source.Name, now.Add(-time.Hour))
	if err != nil {
		return internalError(err)
	}
	if made < most {
		return nil
	}
	if others, ok := u.sampler.Allow("new people", time.Now()); ok {
		u.log.Warn("new users are refused: the source has reached new_people_per_hour", "source", u.source.Name, "limit", most, "not_logged_before", others)
	}
	why := fmt.Sprintf("%d new users were pushed within the last hour, which is the maximum (new_people_per_hour): try again later.", made)
	return tryLater(r, http.StatusTooManyRequests, 10*time.Minute, why)
}

// Get implements scim.ResourceHandler (RFC 7644 §3.4.1).
func (u *users) Get(r *http.Request, id string) (scim.Resource, error) {
	kept, d, err := u.read(r, id)
	if err != nil {
		return scim.Resource{}, err
	}
	return toResource(r, kept, d), nil
}

func (u *users) read(r *http.Request, id string) (store.SCIMResource, document, error) {
	kept, err := u.im.DB.Resource(r.Context(), u.source.Name, id)
	if errors.Is(err, store.ErrNoResource) {
		return kept, document{}, scimerrors.ScimErrorResourceNotFound(id)
	}
	if err != nil {
		return kept, document{}, internalError(err)
	}
	d, err := opened(kept)
	return kept, d, err
}

func opened(kept store.SCIMResource) (document, error) {
	var d document
	if err := json.Unmarshal(kept.Body, &d); err != nil {
		return d, internalError(err)
	}
	return d, nil
}

// internalError hides the text of an internal error, which may contain personal
// data.
func internalError(error) error {
	return scimerrors.ScimError{Status: http.StatusInternalServerError, Detail: "Internal server error; nothing was changed."}
}

func toResource(r *http.Request, kept store.SCIMResource, d document) scim.Resource {
	made, changed := kept.Made.UTC(), kept.Changed.UTC()
	meta := scim.Meta{Created: &made, LastModified: &changed, Version: version(kept)}
	exchangeOf(r).meta[kept.ID] = meta
	return scim.Resource{ID: kept.ID, Attributes: d.Attributes, Meta: meta}
}

func version(kept store.SCIMResource) string { return fmt.Sprintf(`W/"%d"`, kept.Version) }

// Replace implements scim.ResourceHandler (RFC 7644 §3.5.1). When a client omits
// a whole extension it does not support it: the extension's values are kept.
func (u *users) Replace(r *http.Request, id string, attributes scim.ResourceAttributes) (scim.Resource, error) {
	return u.change(r, id, func(before map[string]any) (map[string]any, error) {
		after := comparableAttributes(attributes)
		for _, e := range u.kind.Extensions {
			if _, given := attributes[e.ID]; !given && before[e.ID] != nil {
				after[e.ID] = before[e.ID]
			}
		}
		if own, given := after[EmploymentURN].(map[string]any); given {
			restore(own, "employmentId", view(before).object(EmploymentURN)["employmentId"])
		}
		return after, nil
	})
}

// defaults holds values that an omission does not change: no user becomes active,
// starts on another day or is unmasked by an omission.
type defaults struct{ active, start, protected any }

func unstatedIn(attributes map[string]any) defaults {
	own := view(attributes).object(EmploymentURN)
	return defaults{active: attributes["active"], start: own["startDate"], protected: own["protected"]}
}

// restoreTo adds to attributes the values that they omit. The start belongs to an
// employment: another employment has a start of its own.
func (b defaults) restoreTo(attributes map[string]any, sameEmployment bool) {
	restore(attributes, "active", b.active)
	own, _ := attributes[EmploymentURN].(map[string]any)
	if own == nil {
		own = map[string]any{}
	}
	restore(own, "protected", b.protected)
	if sameEmployment {
		restore(own, "startDate", b.start)
	}
	if len(own) > 0 {
		attributes[EmploymentURN] = own
	}
}

// restore sets a missing value to its earlier one, if any.
func restore(in map[string]any, name string, before any) {
	if scimtype.Empty(in[name]) && before != nil {
		in[name] = before
	}
}

// Patch implements scim.ResourceHandler (RFC 7644 §3.5.2).
func (u *users) Patch(r *http.Request, id string, operations []scim.PatchOperation) (scim.Resource, error) {
	return u.change(r, id, func(attributes map[string]any) (map[string]any, error) {
		for _, o := range operations {
			if err := u.kind.Patch(attributes, o); err != nil {
				return nil, err
			}
		}
		return attributes, nil
	})
}

func (u *users) change(r *http.Request, id string, f func(map[string]any) (map[string]any, error)) (scim.Resource, error) {
	done, err := u.lockSource(r)
	if err != nil {
		return scim.Resource{}, err
	}
	defer done()
	kept, d, err := u.read(r, id)
	if err != nil {
		return scim.Resource{}, err
	}
	if err := checkVersion(r, kept); err != nil {
		return scim.Resource{}, err
	}
	employment, before := employmentOf(kept.Key, d.Attributes), unstatedIn(d.Attributes)
	if d.Attributes, err = f(d.Attributes); err != nil {
		return scim.Resource{}, scimtype.Plain(err)
	}
	another := identity.CleanText(employmentOf(kept.Key, d.Attributes)) != identity.CleanText(employment)
	before.restoreTo(d.Attributes, !another)
	if another {
		if d.Ended == "" {
			// The earlier employment would never end.
			e := scimerrors.ScimErrorMutability
			e.Detail = "employmentId: it cannot change while the user is active; end this employment first (active false), or push another user for another employment"
			return scim.Resource{}, e
		}
		d.Pushed = u.im.Today()
	}
	if active, _ := d.Attributes["active"].(bool); !active && isDeactivation(r) {
		return u.storeDeactivated(r, kept, d)
	}
	return u.storeUser(r, kept, d)
}

// checkVersion refuses a change to an outdated version (RFC 7644 §3.14).
func checkVersion(r *http.Request, kept store.SCIMResource) error {
	if match := r.Header.Values("If-Match"); len(match) > 0 && !matches(match, version(kept)) {
		return scimerrors.ScimError{Status: http.StatusPreconditionFailed, Detail: "The resource was changed meanwhile."}
	}
	return nil
}

// Delete implements scim.ResourceHandler (RFC 7644 §3.6): the source withdraws
// the employment.
func (u *users) Delete(r *http.Request, id string) error {
	done, err := u.lockSource(r)
	if err != nil {
		return err
	}
	defer done()
	kept, d, err := u.read(r, id)
	if err != nil {
		return err
	}
	if err := checkVersion(r, kept); err != nil {
		return err
	}
	fields, err := u.fields(r, kept.Key, d)
	if err != nil {
		return err
	}
	fields["removed"], fields["valid_from"] = "yes", string(u.im.Today())
	err = u.deliver(r, fields, nil, func(tx *store.Tx, _ identity.PersonID) error {
		return tx.DeleteResource(r.Context(), kept.Source, kept.ID)
	})
	return err
}

// storeUser records a user's attributes as HR events, and stores them. The import
// records the warnings.
func (u *users) storeUser(r *http.Request, kept store.SCIMResource, d document, warnings ...diagnostic.Problem) (scim.Resource, error) {
	delete(d.Attributes, "password") // never stored, as users do not sign in to behov
	d.Ended = u.lastActiveDay(d)
	name, err := userName(d.Attributes)
	if err == nil {
		err = checkSinglePrimary(u.kind, d.Attributes)
	}
	if err != nil {
		return scim.Resource{}, err
	}
	body, err := json.Marshal(d)
	if err != nil {
		return scim.Resource{}, internalError(err)
	}
	fields, err := u.fields(r, kept.Key, d)
	if err != nil {
		return scim.Resource{}, err
	}
	kept.Body, kept.Version, kept.Changed = body, kept.Version+1, u.lastStamp // the stamp of fields
	err = u.deliver(r, fields, warnings, func(tx *store.Tx, person identity.PersonID) error {
		kept.Person = person
		return tx.PutResource(r.Context(), kept, name, view(d.Attributes).text("externalId"))
	})
	if err != nil {
		return scim.Resource{}, err
	}
	return toResource(r, kept, d), nil
}

// lastActiveDay returns the last day before the user was deactivated; empty for
// an active one.
func (u *users) lastActiveDay(d document) identity.Date {
	if active, _ := d.Attributes["active"].(bool); active {
		return ""
	}
	if d.Ended == "" {
		return u.im.Today().AddDays(-1)
	}
	return d.Ended
}

func userName(attributes map[string]any) (string, error) {
	name, _ := attributes["userName"].(string)
	switch {
	case identity.CleanText(name) == "":
		return "", invalid("userName: it is empty")
	case strings.ContainsFunc(name, unicode.IsControl):
		return "", invalid("userName: it has a line break or another control character in it")
	case utf8.RuneCountInString(name) > maxNameLength:
		return "", invalid(fmt.Sprintf("userName: it is longer than %d characters", maxNameLength))
	}
	return name, nil
}

// checkSinglePrimary refuses a list with more than one primary value (RFC 7643
// §2.4).
func checkSinglePrimary(kind scimtype.Type, attributes map[string]any) error {
	for _, a := range kind.Schema.Attributes {
		list, _ := attributes[a.Name()].([]any)
		if len(scimtype.Primaries(list)) > 1 {
			return invalid(a.Name() + ": more than one value is primary")
		}
	}
	return nil
}

func invalid(detail string) error {
	e := scimerrors.ScimErrorInvalidValue
	e.Detail = detail
	return e
}

// comparableAttributes leaves out empty values and those that behov sets itself.
func comparableAttributes(attributes map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range attributes {
		if !scimtype.Empty(v) && !strings.EqualFold(name, "id") && !strings.EqualFold(name, "meta") && !strings.EqualFold(name, "schemas") {
			out[name] = v
		}
	}
	return out
}
