package scim

import (
	"context"
	"net/http"
	"net/url"

	"github.com/behov/behov/connectors"
)

// ChangeGroup implements connectors.GroupManager. The mark is a group's externalId (RFC 7643
// §3.1), which is the client's own; the purpose has no attribute (§4.2).
func (c *Connector) ChangeGroup(ctx context.Context, change connectors.GroupChange) (connectors.Outcome, error) {
	r := &run{c: c, lookup: lookup{c: c}, exists: map[string]bool{}, groups: map[string]*group{}}
	var result connectors.Result
	switch change.Op {
	case connectors.CreateGroup:
		result = r.createGroup(ctx, change)
	case connectors.RenameGroup:
		result = r.renameGroup(ctx, change)
	case connectors.DeleteGroup:
		result = r.deleteGroup(ctx, change)
	default:
		result = failed(connectors.Errorf(connectors.Permanent, "scim: unknown change %q", change.Op))
	}
	return result.Outcome, result.Err
}

const groupNameTaken = "another group has that name"

// nameTaken reports whether another group than the one with the ID has the name.
func (r *run) nameTaken(ctx context.Context, name, id string) (taken bool, err error) {
	found, why, err := r.find(ctx, name)
	if err != nil {
		return false, err
	}
	return found == nil && why != noGroup || found != nil && found.id != id, nil
}

func (r *run) createGroup(ctx context.Context, change connectors.GroupChange) connectors.Result {
	if change.Name == "" || change.Mark == "" {
		return refused("the group has no name or no mark; both are required")
	}
	existing, why, err := r.find(ctx, change.Name)
	switch {
	case err != nil:
		return failed(err)
	case existing == nil && why != noGroup:
		return refused("%s", why)
	case existing != nil:
		return r.created(ctx, existing.id, change, connectors.AlreadyApplied)
	}
	body := resource{"schemas": []any{groupURN}, "displayName": change.Name, "externalId": change.Mark}
	a, err := r.c.send(ctx, request{doing: "create a group", method: http.MethodPost, path: groups, body: body})
	switch {
	case err != nil:
		return failed(err)
	case a.status == http.StatusConflict:
		return refused(groupNameTaken)
	case !a.ok():
		return a.refusal("displayName", "externalId")
	}
	id := a.body.id()
	if id == "" { // a service may answer without the group
		found, _, err := r.find(ctx, change.Name)
		if err != nil {
			return failed(err)
		}
		if found == nil {
			return failed(connectors.Errorf(connectors.RetryLater, "scim: create a group: the service confirmed it and does not return the group"))
		}
		id = found.id
	}
	return r.created(ctx, id, change, connectors.Applied)
}

// created returns the result of a creation for a group that is there: it has to have the
// mark. A group that was created now and shows none is deleted again: behov could not tell
// it from another's.
func (r *run) created(ctx context.Context, id string, change connectors.GroupChange, status connectors.Status) connectors.Result {
	g, err := r.c.byID(ctx, groups, id)
	switch {
	case err != nil:
		return failed(err)
	case g != nil && g.anchor() == change.Mark:
		return connectors.Result{Outcome: connectors.Outcome{Status: status, GroupID: id}}
	case status == connectors.AlreadyApplied:
		return refused(groupNameTaken)
	}
	if _, err := r.c.send(ctx, request{doing: "delete a group", method: http.MethodDelete, path: groups + "/" + url.PathEscape(id)}); err != nil {
		return failed(err)
	}
	return refused("the service does not store externalId of groups, so that behov cannot tell the groups that it creates")
}

func (r *run) renameGroup(ctx context.Context, change connectors.GroupChange) connectors.Result {
	now, err := r.c.byID(ctx, groups, change.ID)
	switch {
	case err != nil:
		return failed(err)
	case now == nil:
		return refused(noGroup)
	case change.Name == "":
		return refused("the group has no name")
	case text(now.field("displayName")) == change.Name:
		return alreadySo()
	}
	taken, err := r.nameTaken(ctx, change.Name, change.ID)
	switch {
	case err != nil:
		return failed(err)
	case taken:
		return refused(groupNameTaken)
	}
	version, err := r.c.version(ctx, now)
	if err != nil {
		return failed(err)
	}
	const doing = "rename a group"
	a, err := r.c.patch(ctx, doing, groups, change.ID, version, []operation{{Op: "replace", Path: "displayName", Value: change.Name}})
	if a == nil && err == nil {
		next := now.clone()
		next[next.key("displayName")] = change.Name
		a, err = r.c.put(ctx, doing, groups, now, next)
	}
	switch {
	case err != nil:
		return failed(err)
	case a.status == http.StatusConflict:
		return refused(groupNameTaken)
	case !a.ok():
		return a.refusal("displayName")
	}
	after, err := r.c.byID(ctx, groups, change.ID)
	switch {
	case err != nil:
		return failed(err)
	case after == nil || text(after.field("displayName")) != change.Name:
		return refused("the service confirmed the new name and has not stored it")
	}
	return applied()
}

func (r *run) deleteGroup(ctx context.Context, change connectors.GroupChange) connectors.Result {
	now, err := r.c.byID(ctx, groups, change.ID)
	if err != nil {
		return failed(err)
	}
	if now == nil {
		return alreadySo()
	}
	members, _, err := now.members()
	switch {
	case err != nil:
		return failed(connectors.Errorf(connectors.Permanent, "scim: group %s: %w", change.ID, err))
	case len(members) > 0:
		return refused("the group has members")
	}
	a, err := r.c.send(ctx, request{doing: "delete a group", method: http.MethodDelete, path: groups + "/" + url.PathEscape(change.ID)})
	switch {
	case err != nil:
		return failed(err)
	case !a.ok() && !a.isNotFound():
		return a.refusal()
	}
	left, err := r.c.byID(ctx, groups, change.ID)
	switch {
	case err != nil:
		return failed(err)
	case left != nil:
		return refused("the service confirmed the deletion and still returns the group")
	}
	return applied()
}
