package graph

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// groupSelection holds the properties to read of a group.
var groupSelection = []string{"id", "displayName", "groupTypes", "onPremisesSyncEnabled", "mailEnabled", "description"}

func (b *builder) listGroups(top int32) request {
	info, err := b.groups().ToGetRequestInformation(context.Background(), &groups.GroupsRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.GroupsRequestBuilderGetQueryParameters{Select: groupSelection, Top: &top},
	})
	return b.request("read groups", info, err)
}

// findGroups looks up groups by name, which Graph compares without case: more
// groups than the one meant may match.
func (b *builder) findGroups(name string) request {
	info, err := b.groups().ToGetRequestInformation(context.Background(), &groups.GroupsRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.GroupsRequestBuilderGetQueryParameters{Select: groupSelection, Filter: ptr("displayName eq " + quote(name)), Top: ptr(int32(pageSize))},
	})
	return b.request("look up a group", info, err)
}

func (b *builder) getGroup(id string) request {
	info, err := b.groups().ByGroupId(id).ToGetRequestInformation(context.Background(), &groups.GroupItemRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.GroupItemRequestBuilderGetQueryParameters{Select: groupSelection},
	})
	return b.request("read a group", info, err)
}

func (b *builder) listMembers(id string) request {
	info, err := b.groups().ByGroupId(id).Members().ToGetRequestInformation(context.Background(), &groups.ItemMembersRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.ItemMembersRequestBuilderGetQueryParameters{Select: []string{"id"}, Top: ptr(int32(pageSize))},
	})
	return b.request("read a group's members", info, err)
}

// groupsWhere looks up groups by IDs or names, in as few requests as Graph's
// limit of maxIn and a URL of reasonable length allow. The operator in is
// supported wherever eq is
// (https://learn.microsoft.com/graph/aad-advanced-queries), but its list is
// parsed: a name with other characters than letters, digits and a few marks gets
// a request of its own.
func (b *builder) groupsWhere(property string, values []string) []request {
	const longest = 1500
	var filters, quoted []string
	length := 0
	flush := func() {
		if len(quoted) > 0 {
			filters = append(filters, property+" in ("+strings.Join(quoted, ",")+")")
		}
		quoted, length = nil, 0
	}
	for _, v := range values {
		if !isPlain(v) {
			filters = append(filters, property+" eq "+quote(v))
			continue
		}
		size := len(url.QueryEscape(v))
		if len(quoted) == maxIn || length+size > longest {
			flush()
		}
		quoted, length = append(quoted, quote(v)), length+size
	}
	flush()
	var requests []request
	for _, filter := range filters {
		info, err := b.groups().ToGetRequestInformation(context.Background(), &groups.GroupsRequestBuilderGetRequestConfiguration{
			QueryParameters: &groups.GroupsRequestBuilderGetQueryParameters{
				Select: append(slices.Clone(groupSelection), "visibility"), Filter: ptr(filter), Top: ptr(int32(pageSize)),
			},
		})
		requests = append(requests, b.request("look up groups", info, err))
	}
	return requests
}

func isPlain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" -_.:", r)
	})
}

// memberOf requests a user's direct memberships: groups, administrative units and
// roles. A cast to groups only would need ConsistencyLevel: eventual and $count,
// and would read a lagging index
// (https://learn.microsoft.com/graph/api/user-list-memberof).
func (b *builder) memberOf(id string) request {
	info, err := b.user(id).MemberOf().ToGetRequestInformation(context.Background(), &users.ItemMemberOfRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.ItemMemberOfRequestBuilderGetQueryParameters{Select: []string{"id"}, Top: ptr(int32(pageSize))},
	})
	return b.request("read a user's memberships", info, err)
}

// addMembers adds up to maxBind users, all or none.
func (b *builder) addMembers(group string, ids []string) request {
	refs := make([]string, len(ids))
	for i, id := range ids {
		refs[i] = *b.object("directoryObjects", id)
	}
	g := models.NewGroup()
	g.GetAdditionalData()["members@odata.bind"] = refs
	info, err := b.groups().ByGroupId(group).ToPatchRequestInformation(context.Background(), g, nil)
	return b.request("add members to a group", info, err)
}

func (b *builder) addMember(group, id string) request {
	ref := models.NewReferenceCreate()
	ref.SetOdataId(b.object("directoryObjects", id))
	info, err := b.groups().ByGroupId(group).Members().Ref().ToPostRequestInformation(context.Background(), ref, nil)
	return b.request("add a member to a group", info, err)
}

// removeMember removes one member: the path ends in $ref, without which the
// request would delete the user.
func (b *builder) removeMember(group, id string) request {
	info, err := b.groups().ByGroupId(group).Members().ByDirectoryObjectId(id).Ref().ToDeleteRequestInformation(context.Background(), nil)
	return b.request("remove a member from a group", info, err)
}
