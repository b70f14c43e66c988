package graph

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	abstractions "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/groupswithuniquename"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// newGroups holds groups that this connector created recently, by name: a filter may not
// find them yet.
type newGroups struct {
	mu sync.Mutex
	m  map[string]newGroup
}

type newGroup struct {
	id string
	at time.Time
}

func (n *newGroups) set(name, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.m == nil {
		n.m = map[string]newGroup{}
	}
	for old, g := range n.m {
		if time.Since(g.at) > propagationTime || g.id == id {
			delete(n.m, old)
		}
	}
	if name != "" {
		n.m[name] = newGroup{id, time.Now()}
	}
}

// id returns the ID of a recently created group; empty without any.
func (n *newGroups) id(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if g, ok := n.m[name]; ok && time.Since(g.at) <= propagationTime {
		return g.id
	}
	return ""
}

// ChangeGroup implements connectors.GroupManager. A group is created by its uniqueName, which
// Graph lets no second group have, so that a repeated creation makes no second one
// (https://learn.microsoft.com/graph/api/group-upsert). The mark is in the description too,
// which lists and deltas are known to return.
func (c *Connector) ChangeGroup(ctx context.Context, change connectors.GroupChange) (connectors.Outcome, error) {
	r := &run{c: c}
	var result connectors.Result
	switch change.Op {
	case connectors.CreateGroup:
		result = r.createGroup(ctx, change)
	case connectors.RenameGroup:
		result = r.renameGroup(ctx, change)
	case connectors.DeleteGroup:
		result = r.deleteGroup(ctx, change)
	default:
		result = failed(connectors.Errorf(connectors.Permanent, "graph: unknown change %q", change.Op))
	}
	return result.Outcome, result.Err
}

const groupNameTaken = "another group has that name"

// nameTaken reports whether a group has the name, in any case.
func (r *run) nameTaken(ctx context.Context, name, except string) (taken bool, err error) {
	q := r.c.build.findGroups(name)
	a, err := r.c.send(ctx, q)
	if err != nil {
		return false, err
	}
	err = continued[models.GroupCollectionResponseable](ctx, r.c, q, a, models.CreateGroupCollectionResponseFromDiscriminatorValue, func(g models.Groupable) error {
		one := groupOf(g)
		taken = taken || strings.EqualFold(one.Name, name) && !strings.EqualFold(one.ID, except)
		return nil
	})
	return taken, err
}

func (r *run) createGroup(ctx context.Context, change connectors.GroupChange) connectors.Result {
	if !canBeName(change.Name) || isID(change.Name) || strings.HasPrefix(change.Name, licencePrefix) || change.Mark == "" {
		return refused("the group has no name that a group can have, or no mark")
	}
	g, err := r.one(ctx, r.c.build.groupMarked(change.Mark))
	switch {
	case err != nil:
		return failed(err)
	case g != nil:
		r.c.created.set(change.Name, g.ID)
		return connectors.Result{Outcome: connectors.Outcome{Status: connectors.AlreadyApplied, GroupID: g.ID}}
	}
	taken, err := r.nameTaken(ctx, change.Name, "")
	switch {
	case err != nil:
		return failed(err)
	case taken:
		return refused(groupNameTaken)
	}
	q := r.c.build.createGroup(change)
	a, err := r.c.send(ctx, q)
	switch {
	case err != nil:
		return failed(err)
	case !a.ok():
		return a.refusal("displayName", "description", "mailNickname", "uniqueName")
	}
	if g, err = r.one(ctx, r.c.build.groupMarked(change.Mark)); err != nil {
		return failed(err)
	}
	if g == nil {
		return failed(connectors.Errorf(connectors.RetryLater, "graph: %s: Graph confirmed it and does not show the group yet", q.doing))
	}
	r.c.created.set(change.Name, g.ID)
	return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Applied, GroupID: g.ID}}
}

// one returns the one group that a request reads, or nil.
func (r *run) one(ctx context.Context, q request) (*group, error) {
	a, err := r.c.send(ctx, q)
	switch {
	case err != nil:
		return nil, err
	case a.status == http.StatusNotFound:
		return nil, nil
	case !a.ok():
		return nil, r.c.unexpected(q.doing, a)
	}
	g, err := decode[models.Groupable](a, models.CreateGroupFromDiscriminatorValue)
	if err != nil {
		return nil, connectors.Errorf(connectors.RetryLater, "graph: %s: %w", q.doing, err)
	}
	one := groupOf(g)
	if !isID(one.ID) {
		return nil, connectors.Errorf(connectors.Permanent, "graph: %s: the group in the answer has no ID", q.doing)
	}
	return &one, nil
}

// existing returns the group with the ID, or nil.
func (r *run) existing(ctx context.Context, id string) (*group, error) {
	if !isID(id) {
		return nil, nil
	}
	return r.one(ctx, r.c.build.getGroup(id))
}

func (r *run) renameGroup(ctx context.Context, change connectors.GroupChange) connectors.Result {
	now, err := r.existing(ctx, change.ID)
	switch {
	case err != nil:
		return failed(err)
	case now == nil:
		return refused(noGroup)
	case !canBeName(change.Name) || isID(change.Name) || strings.HasPrefix(change.Name, licencePrefix):
		return refused("no group can have that name")
	case now.Name == change.Name:
		return alreadySo()
	case now.Synced:
		return refused(groupSynced)
	}
	taken, err := r.nameTaken(ctx, change.Name, change.ID)
	switch {
	case err != nil:
		return failed(err)
	case taken:
		return refused(groupNameTaken)
	}
	a, err := r.c.send(ctx, r.c.build.renameGroup(change.ID, change.Name))
	switch {
	case err != nil:
		return failed(err)
	case !a.ok():
		return a.refusal("displayName")
	}
	r.c.created.set(change.Name, now.ID)
	return applied()
}

func (r *run) deleteGroup(ctx context.Context, change connectors.GroupChange) connectors.Result {
	now, err := r.existing(ctx, change.ID)
	switch {
	case err != nil:
		return failed(err)
	case now == nil:
		return alreadySo()
	}
	var failure error
	empty := true
	err = r.c.membersOf(ctx, []group{*now}, func(_ group, members []member, err error) error {
		failure, empty = err, len(members) == 0
		return nil
	})
	switch {
	case err != nil || failure != nil:
		if err == nil {
			err = failure
		}
		return failed(err)
	case !empty:
		return refused("the group has members")
	}
	a, err := r.c.send(ctx, r.c.build.deleteGroup(change.ID))
	switch {
	case err != nil:
		return failed(err)
	case a.status == http.StatusNotFound:
		return alreadySo()
	case !a.ok():
		return a.refusal()
	}
	r.c.created.set("", now.ID)
	return applied()
}

func (b *builder) uniqueGroup(mark string) *groupswithuniquename.GroupsWithUniqueNameRequestBuilder {
	return groupswithuniquename.NewGroupsWithUniqueNameRequestBuilderInternal(b.path(), b.adapter, &mark)
}

func (b *builder) groupMarked(mark string) request {
	info, err := b.uniqueGroup(mark).ToGetRequestInformation(context.Background(), &groupswithuniquename.GroupsWithUniqueNameRequestBuilderGetRequestConfiguration{
		QueryParameters: &groupswithuniquename.GroupsWithUniqueNameRequestBuilderGetQueryParameters{Select: groupSelection},
	})
	return b.request("look up a group", info, err)
}

// createGroup creates a security group, whose mail nickname no one uses.
func (b *builder) createGroup(change connectors.GroupChange) request {
	g := models.NewGroup()
	g.SetDisplayName(&change.Name)
	g.SetDescription(ptr(connectors.MarkedPurpose(change.Purpose, change.Mark)))
	g.SetMailEnabled(ptr(false))
	g.SetSecurityEnabled(ptr(true))
	g.SetMailNickname(ptr("behov-" + change.Mark))
	headers := abstractions.NewRequestHeaders()
	headers.Add("Prefer", "create-if-missing")
	info, err := b.uniqueGroup(change.Mark).ToPatchRequestInformation(context.Background(), g, &groupswithuniquename.GroupsWithUniqueNameRequestBuilderPatchRequestConfiguration{Headers: headers})
	return b.request("create a group", info, err)
}

func (b *builder) renameGroup(id, name string) request {
	g := models.NewGroup()
	g.SetDisplayName(&name)
	info, err := b.groups().ByGroupId(id).ToPatchRequestInformation(context.Background(), g, nil)
	return b.request("rename a group", info, err)
}

func (b *builder) deleteGroup(id string) request {
	info, err := b.groups().ByGroupId(id).ToDeleteRequestInformation(context.Background(), nil)
	return b.request("delete a group", info, err)
}
