package graph

import (
	"context"
	"fmt"
	"slices"

	"github.com/behov/behov/connectors"
)

// restore restores deleted accounts, which Graph keeps for 30 days, and sets the
// requested properties. It removes their earlier memberships, as no decision
// grants them again
// (https://learn.microsoft.com/graph/api/directory-deleteditems-restore).
func (r *run) restore(ctx context.Context, all []*creation) {
	var back []*creation
	var requests []request
	for _, n := range all {
		if n.deleted == "" {
			continue
		}
		if _, _, why := r.user(n); why != "" {
			n.end(refused("%s", why))
			continue
		}
		back, requests = append(back, n), append(requests, r.c.build.restoreUser(n.deleted))
	}
	var restored []*creation
	for i, reply := range r.c.all(ctx, requests) {
		n := back[i]
		r.note(reply.err)
		switch {
		case reply.err != nil:
			n.end(failed(reply.err))
		case reply.ok():
			n.id = n.deleted
			r.c.remember(n.id, n.Account.Anchor)
			restored = append(restored, n)
		case reply.gone():
			n.deleted = "" // its 30 days are over: a new account is created
		default:
			n.end(refused("the person's deleted account cannot be restored: %s", reply.refusal().Detail))
		}
	}
	r.leaveGroups(ctx, restored)
	r.reset(ctx, restored)
}

// reset sets the requested properties of restored accounts.
func (r *run) reset(ctx context.Context, restored []*creation) {
	var steps []operation
	var open []*creation
	for _, n := range restored {
		if !n.open() {
			continue
		}
		u, sent, why := r.user(n)
		if why != "" {
			n.end(refused("%s", why))
			continue
		}
		w := n.work
		w.Account.ID = n.id
		open, steps = append(open, n), append(steps, operation{work: w, requests: []request{r.c.build.updateUser(n.id, u)}, sent: sent})
	}
	at := 0
	r.perform(ctx, steps, func(s operation, replies []reply) {
		n := open[at]
		at++
		if result := outcome(s, replies); result.Status != connectors.Applied {
			if result.Status == connectors.Refused {
				result.Detail = "the account was restored, but not changed: " + result.Detail
			}
			result.AccountID = n.id
			n.end(result)
		}
	})
}

// leaveGroups removes restored accounts from the groups they were in, where Graph
// allows it.
func (r *run) leaveGroups(ctx context.Context, restored []*creation) {
	fail := func(n *creation, err error) {
		r.note(err)
		n.end(failed(err))
	}
	requests := make([]request, len(restored))
	for i, n := range restored {
		requests[i] = r.c.build.memberOf(n.id)
	}
	in := make([][]member, len(restored)) // includes administrative units and roles
	var ids []string
	for i, reply := range r.c.sendWithPropagation(ctx, requests, func(i int) []string { return []string{restored[i].id} }) {
		err := reply.err
		if err == nil {
			in[i], err = r.c.allMembers(ctx, requests[i], reply.answer)
		}
		if err != nil {
			fail(restored[i], err)
			in[i] = nil
		}
		for _, g := range in[i] {
			ids = append(ids, g.id)
		}
	}
	slices.Sort(ids)
	groups, err := r.c.groupsBy(ctx, r.c.build.groupsWhere("id", slices.Compact(ids)))
	if err != nil {
		for i, n := range restored {
			if len(in[i]) > 0 {
				fail(n, err)
			}
		}
		return
	}
	open := map[string]bool{}
	for _, g := range groups {
		open[g.ID] = g.membersReadOnly() == ""
	}
	var removals []request
	var whose []*creation
	for i, n := range restored {
		for _, g := range in[i] {
			if open[g.id] {
				removals, whose = append(removals, r.c.build.removeMember(g.id, n.id)), append(whose, n)
			}
		}
	}
	for i, reply := range r.c.all(ctx, removals) {
		if reply.err == nil && (reply.ok() || reply.gone()) {
			continue
		}
		err := reply.err
		if err == nil {
			err = r.c.unexpected(removals[i].doing, reply.answer)
		}
		r.note(err)
		whose[i].end(failed(fmt.Errorf("graph: the account was restored, but is still a member of groups: %w", err)))
	}
}
