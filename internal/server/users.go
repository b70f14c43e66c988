package server

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
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/scimtype"
	"github.com/behov/behov/internal/store"
)

// users answers for the users of one source. What is pushed is kept as it was
// pushed, and becomes an HR event in the same transaction: either both happen
// or neither.
type users struct {
	im     *hr.Importer
	source config.Source
	kind   scimtype.Type
	names  map[string]string // of columns
	log    *slog.Logger

	turn chan struct{} // has room for one: who is alone, among the requests of this process
	last time.Time     // the newest stamp

	sampler sampler
}

// patience is for how long a push waits for those before it.
const patience = 10 * time.Second

// lockSource waits until nobody else changes the source's users, in this process or
// in another that serves the same database: what is read is changed before
// anybody else reads it. Call done afterwards.
func (u *users) lockSource(r *http.Request) (done func(), err error) {
	busy := func() error {
		return tryLater(r, http.StatusServiceUnavailable, time.Second, "Others are at it, or the database does not answer; try again.")
	}
	wait, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	select {
	case u.turn <- struct{}{}:
	case <-wait.Done():
		return nil, busy()
	}
	lock, err := u.im.DB.LockWithin(r.Context(), patience, "scim "+u.source.Name)
	if err == nil {
		var newest time.Time
		if newest, err = u.im.DB.ResourcesChangedAt(r.Context(), u.source.Name); newest.After(u.last) {
			u.last = newest
		}
	}
	if err != nil {
		if lock != nil {
			lock.Unlock()
		}
		<-u.turn
		return nil, busy()
	}
	return func() {
		lock.Unlock()
		<-u.turn
	}, nil
}

// document is what is kept of a user.
type document struct {
	Attributes map[string]any `json:"attributes"`
	// Pushed is the day on which the user first came, and Ended the last day
	// before active became false.
	Pushed identity.Date `json:"pushed"`
	Ended  identity.Date `json:"ended,omitempty"`
}

const (
	maxPage  = 200
	mostName = 500 // as the fields that are HR's
)

func newUsers(im *hr.Importer, source config.Source, log *slog.Logger) (http.Handler, error) {
	u := &users{im: im, source: source, kind: userType(im.Config.Attributes), names: names(im.Config.Attributes), log: log, turn: make(chan struct{}, 1)}
	service, err := scim.NewServer(&scim.ServerArgs{
		ServiceProviderConfig: &scim.ServiceProviderConfig{MaxResults: maxPage, SupportFiltering: true, SupportPatch: true,
			AuthenticationSchemes: []scim.AuthenticationScheme{{Type: scim.AuthenticationTypeOauthBearerToken, Name: "Bearer token", Description: "A token that behov token make made", Primary: true}}},
		ResourceTypes: []scim.ResourceType{{ID: optional.NewString("User"), Name: "User", Endpoint: "/Users", Schema: u.kind.Schema,
			SchemaExtensions: []scim.SchemaExtension{{Schema: u.kind.Extensions[0]}, {Schema: u.kind.Extensions[1]}}, Handler: u}},
	})
	if err != nil {
		return nil, err
	}
	return u.protocol(u.normalizeRequests(u.located(service))), nil
}

// Create implements scim.ResourceHandler (RFC 7644 §3.3). A user who is known and
// deactivated comes back as who they were.
func (u *users) Create(r *http.Request, attributes scim.ResourceAttributes) (scim.Resource, error) {
	done, err := u.lockSource(r)
	if err != nil {
		return scim.Resource{}, err
	}
	defer done()
	a := comparableAttributes(attributes)
	restore(a, "active", true) // silence about active is a yes here only: a POST says that the user is there
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

// checkCreationRate refuses a new user when the source has pushed as many within the
// last hour as it may: who has stolen a token does not fill the database. The
// client tries again later (located says when). The caller is alone.
func (u *users) checkCreationRate(r *http.Request, now time.Time) error {
	most := u.source.NewPeople
	if most == 0 {
		return nil
	}
	made, err := u.im.DB.CountCreatedSince(r.Context(), u.source.Name, now.Add(-time.Hour))
	if err != nil {
		return internal(err)
	}
	if made < most {
		return nil
	}
	if others, ok := u.sampler.allow("new people", time.Now()); ok {
		u.log.Warn("new users are put off: the source pushed as many within an hour as new_people_per_hour allows", "source", u.source.Name, "limit", most, "not_logged_before", others)
	}
	why := fmt.Sprintf("%d new users were pushed within the last hour, and no more are taken (new_people_per_hour): try again later.", made)
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
		return kept, document{}, internal(err)
	}
	d, err := opened(kept)
	return kept, d, err
}

func opened(kept store.SCIMResource) (document, error) {
	var d document
	if err := json.Unmarshal(kept.Body, &d); err != nil {
		return d, internal(err)
	}
	return d, nil
}

// internal hides what went wrong with us: it may have a value in it.
func internal(error) error {
	return scimerrors.ScimError{Status: http.StatusInternalServerError, Detail: "Something went wrong here; nothing was changed."}
}

func toResource(r *http.Request, kept store.SCIMResource, d document) scim.Resource {
	made, changed := kept.Made.UTC(), kept.Changed.UTC()
	meta := scim.Meta{Created: &made, LastModified: &changed, Version: version(kept)}
	exchangeOf(r).meta[kept.ID] = meta
	return scim.Resource{ID: kept.ID, Attributes: d.Attributes, Meta: meta}
}

func version(kept store.SCIMResource) string { return fmt.Sprintf(`W/"%d"`, kept.Version) }

// Replace implements scim.ResourceHandler (RFC 7644 §3.5.1). A client that
// leaves a whole extension out does not know it: what the extension said stays.
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

// unstated is what a change leaves as it was when it does not state it: nobody
// becomes active, begins on another day or is unmasked by silence.
type unstated struct{ active, start, protected any }

func unstatedIn(attributes map[string]any) unstated {
	own := view(attributes).object(EmploymentURN)
	return unstated{active: attributes["active"], start: own["startDate"], protected: own["protected"]}
}

// restoreTo puts back into attributes what they do not state. The start belongs
// to an employment: another employment has a start of its own.
func (b unstated) restoreTo(attributes map[string]any, sameEmployment bool) {
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

// restore sets a value that is not there to what it was, if it was anything.
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
	if err := stale(r, kept); err != nil {
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
			// The one before would go on for ever, with nobody to end it.
			e := scimerrors.ScimErrorMutability
			e.Detail = "employmentId: it stays while the user is active; end this employment first (active false), or push another user for another employment"
			return scim.Resource{}, e
		}
		d.Pushed = u.im.Today()
	}
	if active, _ := d.Attributes["active"].(bool); !active && isDeactivation(r) {
		return u.storeDeactivated(r, kept, d)
	}
	return u.storeUser(r, kept, d)
}

// stale refuses a change to a version that is not there any more (RFC 7644 §3.14).
func stale(r *http.Request, kept store.SCIMResource) error {
	if match := r.Header.Values("If-Match"); len(match) > 0 && !matches(match, version(kept)) {
		return scimerrors.ScimError{Status: http.StatusPreconditionFailed, Detail: "The resource was changed meanwhile."}
	}
	return nil
}

// Delete implements scim.ResourceHandler (RFC 7644 §3.6): the source takes the
// employment back.
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
	if err := stale(r, kept); err != nil {
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

// storeUser records what a user's attributes say as HR's word, and keeps them. The
// import has the warnings.
func (u *users) storeUser(r *http.Request, kept store.SCIMResource, d document, warnings ...policy.Problem) (scim.Resource, error) {
	delete(d.Attributes, "password") // never kept, and nobody signs in here
	d.Ended = u.lastActiveDay(d)
	name, err := userName(d.Attributes)
	if err == nil {
		err = onePrimary(u.kind, d.Attributes)
	}
	if err != nil {
		return scim.Resource{}, err
	}
	body, err := json.Marshal(d)
	if err != nil {
		return scim.Resource{}, internal(err)
	}
	fields, err := u.fields(r, kept.Key, d)
	if err != nil {
		return scim.Resource{}, err
	}
	kept.Body, kept.Version, kept.Changed = body, kept.Version+1, u.last // the stamp of fields
	err = u.deliver(r, fields, warnings, func(tx *store.Tx, person identity.PersonID) error {
		kept.Person = person
		return tx.PutResource(r.Context(), kept, name, view(d.Attributes).text("externalId"))
	})
	if err != nil {
		return scim.Resource{}, err
	}
	return toResource(r, kept, d), nil
}

// lastActiveDay is the last day before the user became inactive; empty for an active one.
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
	case utf8.RuneCountInString(name) > mostName:
		return "", invalid(fmt.Sprintf("userName: it is longer than %d characters", mostName))
	}
	return name, nil
}

// onePrimary refuses a list with more than one value that is primary (RFC 7643
// §2.4): which of them is meant is anybody's guess.
func onePrimary(kind scimtype.Type, attributes map[string]any) error {
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

// comparableAttributes leaves out what is nothing, and what behov says itself.
func comparableAttributes(attributes map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range attributes {
		if !scimtype.Empty(v) && !strings.EqualFold(name, "id") && !strings.EqualFold(name, "meta") && !strings.EqualFold(name, "schemas") {
			out[name] = v
		}
	}
	return out
}
