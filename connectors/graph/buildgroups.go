package graph

import (
	"context"

	"github.com/microsoftgraph/msgraph-sdk-go/groups"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"
)

// groupSelection is what is read of a group.
var groupSelection = []string{"id", "displayName", "groupTypes", "onPremisesSyncEnabled", "mailEnabled"}

func (b *builder) listGroups(top int32) request {
	info, err := b.groups().ToGetRequestInformation(context.Background(), &groups.GroupsRequestBuilderGetRequestConfiguration{
		QueryParameters: &groups.GroupsRequestBuilderGetQueryParameters{Select: groupSelection, Top: &top},
	})
	return b.request("read groups", info, err)
}

// findGroups looks for groups of a name, which Graph compares without regard
// to case: there may be several of which one is meant.
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

// listMemberOf reads the groups that a user is in itself.
func (b *builder) listMemberOf(id string) request {
	info, err := b.user(id).MemberOf().GraphGroup().ToGetRequestInformation(context.Background(), &users.ItemMemberOfGraphGroupRequestBuilderGetRequestConfiguration{
		QueryParameters: &users.ItemMemberOfGraphGroupRequestBuilderGetQueryParameters{Select: groupSelection, Top: ptr(int32(pageSize))},
	})
	return b.request("read a user's groups", info, err)
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

// removeMember removes one: the path ends in $ref, without which it would be
// that of the user.
func (b *builder) removeMember(group, id string) request {
	info, err := b.groups().ByGroupId(group).Members().ByDirectoryObjectId(id).Ref().ToDeleteRequestInformation(context.Background(), nil)
	return b.request("remove a member from a group", info, err)
}
