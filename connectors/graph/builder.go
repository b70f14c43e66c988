package graph

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoft/kiota-abstractions-go/authentication"
	"github.com/microsoft/kiota-abstractions-go/serialization"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	core "github.com/microsoftgraph/msgraph-sdk-go-core"
	"github.com/microsoftgraph/msgraph-sdk-go/directory"
	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/organization"
	"github.com/microsoftgraph/msgraph-sdk-go/reports"
	"github.com/microsoftgraph/msgraph-sdk-go/subscribedskus"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"github.com/behov/behov/connectors"
)

// request is one request, sent alone or in a batch.
type request struct {
	doing  string // for errors
	method string
	url    string // absolute
	header http.Header
	body   []byte
	err    error // why it could not be built
}

// builder builds requests with the SDK's request builders and models, which know
// Graph's paths, options and types.
type builder struct {
	base    string
	adapter *core.GraphRequestAdapterBase
}

const (
	mediaType = "application/json"
	pageSize  = 999 // the largest page of users, groups and members
	// lookupSize suffices to detect that there is more than one.
	lookupSize = 2
)

func newBuilder(base string) (*builder, error) {
	// Own factories, so that nothing is registered in the SDK's globals.
	writers := serialization.NewSerializationWriterFactoryRegistry()
	writers.ContentTypeAssociatedFactories[mediaType] = jsonserialization.NewJsonSerializationWriterFactory()
	// The adapter only serialises requests; the connector itself handles tokens,
	// limits and batch answers.
	adapter, err := core.NewGraphRequestAdapterBaseWithParseNodeFactoryAndSerializationWriterFactory(
		&authentication.AnonymousAuthenticationProvider{}, core.GraphClientOptions{}, jsonserialization.NewJsonParseNodeFactory(), writers)
	if err != nil {
		return nil, err
	}
	adapter.SetBaseUrl(base)
	return &builder{base: base, adapter: adapter}, nil
}

func (b *builder) path() map[string]string { return map[string]string{"baseurl": b.base} }

func (b *builder) users() *users.UsersRequestBuilder {
	return users.NewUsersRequestBuilderInternal(b.path(), b.adapter)
}

func (b *builder) user(id string) *users.UserItemRequestBuilder { return b.users().ByUserId(id) }

func (b *builder) groups() *groups.GroupsRequestBuilder {
	return groups.NewGroupsRequestBuilderInternal(b.path(), b.adapter)
}

// request finishes a request of a request builder.
func (b *builder) request(doing string, info *abstractions.RequestInformation, err error) request {
	if err != nil {
		return request{doing: doing, err: connectors.Errorf(connectors.Permanent, "graph: %s: the request cannot be made", doing)}
	}
	uri, err := info.GetUri()
	if err != nil {
		return request{doing: doing, err: connectors.Errorf(connectors.Permanent, "graph: %s: the request cannot be made", doing)}
	}
	r := request{doing: doing, method: info.Method.String(), url: uri.String(), header: http.Header{}, body: info.Content}
	for _, key := range info.Headers.ListKeys() {
		for _, v := range info.Headers.Get(key) {
			r.header.Add(key, v)
		}
	}
	return r
}

// next returns the request for a link from an answer.
func (b *builder) next(doing, link string) request {
	return request{doing: doing, method: http.MethodGet, url: link, header: http.Header{"Accept": {mediaType}}}
}

func ptr[T any](v T) *T { return &v }

// withEventual adds the header of an advanced query.
func (r request) withEventual() request {
	if r.header != nil {
		r.header.Set("ConsistencyLevel", "eventual")
	}
	return r
}

// listUsers reads all users.
func (b *builder) listUsers(sel, expand []string) request {
	info, err := b.users().ToGetRequestInformation(context.Background(), &users.UsersRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UsersRequestBuilderGetQueryParameters{Select: sel, Expand: expand, Top: ptr(int32(pageSize))},
	})
	return b.request("read users", info, err)
}

// signIns lists when users were last signed in. With it a page has 500 users at most.
func (b *builder) signIns() request {
	info, err := b.users().ToGetRequestInformation(context.Background(), &users.UsersRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UsersRequestBuilderGetQueryParameters{Select: []string{"id", "signInActivity"}, Top: ptr(int32(500))},
	})
	return b.request("read last sign-ins", info, err)
}

// findUsers looks up users by a property.
func (b *builder) findUsers(p property, value string, sel []string) request {
	q := &users.UsersRequestBuilderGetQueryParameters{Select: sel, Filter: ptr(p.filter(value)), Top: ptr(int32(lookupSize))}
	if p.advanced {
		q.Count = ptr(true)
	}
	info, err := b.users().ToGetRequestInformation(context.Background(), &users.UsersRequestBuilderGetRequestConfiguration{QueryParameters: q})
	r := b.request("look up a user", info, err)
	if p.advanced {
		r = r.withEventual()
	}
	return r
}

// usersIn looks up users that have one of the values, at most maxIn.
func (b *builder) usersIn(name string, values []string) request {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	info, err := b.users().ToGetRequestInformation(context.Background(), &users.UsersRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UsersRequestBuilderGetQueryParameters{
			Select: []string{"id", "userPrincipalName", "userType"}, Filter: ptr(name + " in (" + strings.Join(quoted, ",") + ")"), Top: ptr(int32(pageSize)),
		},
	})
	return b.request("look up users", info, err)
}

// findDeleted looks up deleted users by a property.
func (b *builder) findDeleted(p property, value string, sel []string) request {
	q := &directory.DeletedItemsGraphUserRequestBuilderGetQueryParameters{Select: sel, Filter: ptr(p.filter(value)), Top: ptr(int32(lookupSize))}
	if p.advanced {
		q.Count = ptr(true)
	}
	info, err := directory.NewDeletedItemsGraphUserRequestBuilderInternal(b.path(), b.adapter).ToGetRequestInformation(context.Background(),
		&directory.DeletedItemsGraphUserRequestBuilderGetRequestConfiguration{QueryParameters: q})
	r := b.request("look up a deleted user", info, err)
	if p.advanced {
		r = r.withEventual()
	}
	return r
}

func (b *builder) getUser(id string, sel, expand []string) request {
	info, err := b.user(id).ToGetRequestInformation(context.Background(), &users.UserItemRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.UserItemRequestBuilderGetQueryParameters{Select: sel, Expand: expand},
	})
	return b.request("read a user", info, err)
}

func (b *builder) createUser(u models.Userable) request {
	info, err := b.users().ToPostRequestInformation(context.Background(), u, nil)
	return b.request("create a user", info, err)
}

func (b *builder) updateUser(id string, u models.Userable) request {
	info, err := b.user(id).ToPatchRequestInformation(context.Background(), u, nil)
	return b.request("update a user", info, err)
}

func (b *builder) deleteUser(id string) request {
	info, err := b.user(id).ToDeleteRequestInformation(context.Background(), nil)
	return b.request("delete a user", info, err)
}

func (b *builder) restoreUser(id string) request {
	info, err := directory.NewDeletedItemsRequestBuilderInternal(b.path(), b.adapter).ByDirectoryObjectId(id).Restore().
		ToPostRequestInformation(context.Background(), nil)
	return b.request("restore a user", info, err)
}

func (b *builder) getDeleted(id string) request {
	info, err := directory.NewDeletedItemsRequestBuilderInternal(b.path(), b.adapter).ByDirectoryObjectId(id).
		ToGetRequestInformation(context.Background(), &directory.DeletedItemsDirectoryObjectItemRequestBuilderGetRequestConfiguration{
			QueryParameters: &directory.DeletedItemsDirectoryObjectItemRequestBuilderGetQueryParameters{Select: []string{"id"}},
		})
	return b.request("look up a deleted user", info, err)
}

// object returns a user's URL for a request body.
func (b *builder) object(kind, id string) *string {
	return ptr(b.base + "/" + kind + "/" + url.PathEscape(id))
}

func (b *builder) setManager(id, manager string) request {
	ref := models.NewReferenceUpdate()
	ref.SetOdataId(b.object("users", manager))
	info, err := b.user(id).Manager().Ref().ToPutRequestInformation(context.Background(), ref, nil)
	return b.request("set a manager", info, err)
}

func (b *builder) removeManager(id string) request {
	info, err := b.user(id).Manager().Ref().ToDeleteRequestInformation(context.Background(), nil)
	return b.request("remove a manager", info, err)
}

func (b *builder) revokeSessions(id string) request {
	info, err := b.user(id).RevokeSignInSessions().ToPostRequestInformation(context.Background(), nil)
	return b.request("revoke sessions", info, err)
}

func (b *builder) assignLicence(id string, sku uuid.UUID, give bool) request {
	body := users.NewItemAssignLicensePostRequestBody()
	body.SetAddLicenses([]models.AssignedLicenseable{})
	body.SetRemoveLicenses([]uuid.UUID{})
	if give {
		l := models.NewAssignedLicense()
		l.SetSkuId(&sku)
		body.SetAddLicenses([]models.AssignedLicenseable{l})
	} else {
		body.SetRemoveLicenses([]uuid.UUID{sku})
	}
	info, err := b.user(id).AssignLicense().ToPostRequestInformation(context.Background(), body, nil)
	return b.request("assign a licence", info, err)
}

func (b *builder) listSKUs() request {
	info, err := subscribedskus.NewSubscribedSkusRequestBuilderInternal(b.path(), b.adapter).ToGetRequestInformation(context.Background(),
		&subscribedskus.SubscribedSkusRequestBuilderGetRequestConfiguration{
			QueryParameters: &subscribedskus.SubscribedSkusRequestBuilderGetQueryParameters{Select: []string{"skuId", "skuPartNumber", "capabilityStatus", "appliesTo"}},
		})
	return b.request("read licences", info, err)
}

func (b *builder) organization() request {
	info, err := organization.NewOrganizationRequestBuilderInternal(b.path(), b.adapter).ToGetRequestInformation(context.Background(),
		&organization.OrganizationRequestBuilderGetRequestConfiguration{
			QueryParameters: &organization.OrganizationRequestBuilderGetQueryParameters{Select: []string{"id", "verifiedDomains"}},
		})
	return b.request("read the tenant's domains", info, err)
}

func (b *builder) registrations(top int32) request {
	info, err := reports.NewAuthenticationMethodsUserRegistrationDetailsRequestBuilderInternal(b.path(), b.adapter).ToGetRequestInformation(context.Background(),
		&reports.AuthenticationMethodsUserRegistrationDetailsRequestBuilderGetRequestConfiguration{
			QueryParameters: &reports.AuthenticationMethodsUserRegistrationDetailsRequestBuilderGetQueryParameters{
				Select: []string{"id", "isMfaRegistered", "methodsRegistered"}, Top: &top,
			},
		})
	return b.request("read who is enrolled for multi-factor authentication", info, err)
}

func (b *builder) listMethods(id string) request {
	info, err := b.user(id).Authentication().Methods().ToGetRequestInformation(context.Background(), nil)
	return b.request("read authentication methods", info, err)
}

func (b *builder) listPasses(id string) request {
	info, err := b.user(id).Authentication().TemporaryAccessPassMethods().ToGetRequestInformation(context.Background(), nil)
	return b.request("read temporary access passes", info, err)
}

func (b *builder) createPass(id string, minutes int32) request {
	pass := models.NewTemporaryAccessPassAuthenticationMethod()
	pass.SetLifetimeInMinutes(&minutes)
	pass.SetIsUsableOnce(ptr(true))
	info, err := b.user(id).Authentication().TemporaryAccessPassMethods().ToPostRequestInformation(context.Background(), pass, nil)
	return b.request("issue a temporary access pass", info, err)
}

func (b *builder) deletePass(id, pass string) request {
	info, err := b.user(id).Authentication().TemporaryAccessPassMethods().ByTemporaryAccessPassAuthenticationMethodId(pass).
		ToDeleteRequestInformation(context.Background(), nil)
	return b.request("withdraw a temporary access pass", info, err)
}

// deltaUsers and deltaGroups request a delta link that starts now.
func (b *builder) deltaUsers(sel []string) request {
	info, err := b.users().Delta().ToGetRequestInformation(context.Background(), &users.DeltaRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.DeltaRequestBuilderGetQueryParameters{Select: sel},
	})
	return b.request("begin to follow users", info, err).fromNow()
}

func (b *builder) deltaGroups(sel []string) request {
	info, err := b.groups().Delta().ToGetRequestInformation(context.Background(), &groups.DeltaRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.DeltaRequestBuilderGetQueryParameters{Select: sel},
	})
	return b.request("begin to follow groups", info, err).fromNow()
}

// fromNow adds the option $deltatoken=latest, which the SDK does not know
// (https://learn.microsoft.com/graph/delta-query-overview).
func (r request) fromNow() request {
	if r.err == nil {
		separator := "?"
		if strings.Contains(r.url, "?") {
			separator = "&"
		}
		r.url += separator + fmt.Sprintf("%s=latest", url.QueryEscape("$deltatoken"))
	}
	return r
}
