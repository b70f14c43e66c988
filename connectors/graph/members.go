package graph

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// changeGroups carries out the changes of groups' members; each list has the
// changes of one group, each of a different account.
func (r *run) changeGroups(ctx context.Context, lists [][]work) {
	var open [][]work
	var names []string
	in := map[*connectors.Result]bool{}
	for _, w := range r.inScope(ctx, slices.Concat(lists...)) {
		in[w.result] = true
	}
	for _, todo := range lists {
		todo = slices.DeleteFunc(slices.Clone(todo), func(w work) bool { return !in[w.result] })
		if len(todo) > 0 && r.canContinue(ctx, todo) {
			open, names = append(open, todo), append(names, todo[0].Entitlement)
		}
	}
	if len(open) == 0 {
		return
	}
	for i, found := range r.groups(ctx, names) {
		switch {
		case found.err != nil:
			r.note(found.err)
			endAll(open[i], failed(found.err))
		case found.why != "":
			endAll(open[i], refused("%s", found.why))
		default:
			r.members(ctx, found.group, open[i])
		}
	}
}

func endAll(todo []work, result connectors.Result) {
	for _, w := range todo {
		w.end(result)
	}
}

// groupLookup is the result of looking up a group: the group, or why there is
// none.
type groupLookup struct {
	group group
	why   string
	err   error
}

// canBeName reports whether a group may have such a name, of at most 256
// characters (https://learn.microsoft.com/graph/api/resources/group).
func canBeName(name string) bool { return name != "" && len(name) <= 256*4 && utf8.ValidString(name) }

const noGroup = "no such group"

// groups looks groups up, by object ID or by name.
func (r *run) groups(ctx context.Context, names []string) []groupLookup {
	out := make([]groupLookup, len(names))
	var requests []request
	var owner []int
	keys := slices.Clone(names) // by which Graph is asked
	for i, name := range names {
		if id := r.c.created.id(name); id != "" {
			keys[i] = id
		}
	}
	for i, name := range keys {
		switch {
		case isID(name):
			requests, owner = append(requests, r.c.build.getGroup(name)), append(owner, i)
		case !canBeName(name) || r.c.cfg.GroupNames == byID:
			out[i].why = noGroup
		default:
			requests, owner = append(requests, r.c.build.findGroups(name)), append(owner, i)
		}
	}
	for n, reply := range r.c.all(ctx, requests) {
		i := owner[n]
		list, err := r.c.groupsIn(ctx, requests[n], reply, keys[i])
		switch {
		case err != nil:
			out[i].err = err
		case len(list) == 0 && keys[i] != names[i]:
			out[i].err = connectors.Errorf(connectors.RetryLater, "graph: look up a group: Graph does not show the group yet that was just created")
		case len(list) == 0:
			out[i].why = noGroup
		case len(list) > 1:
			out[i].why = "several groups have that name: use the group's object ID"
		case list[0].membersReadOnly() != "":
			out[i].why = list[0].membersReadOnly()
		default:
			out[i].group = list[0]
		}
	}
	return out
}

// groupsIn returns the groups in an answer that have exactly that name or ID.
func (c *Connector) groupsIn(ctx context.Context, q request, r reply, name string) ([]group, error) {
	if r.err != nil {
		return nil, r.err
	}
	if isID(name) {
		if r.gone() {
			return nil, nil
		}
		if !r.ok() {
			return nil, c.unexpected(q.doing, r.answer)
		}
		g, err := decode[models.Groupable](r.answer, models.CreateGroupFromDiscriminatorValue)
		if err != nil {
			return nil, connectors.Errorf(connectors.RetryLater, "graph: %s: %w", q.doing, err)
		}
		if one := groupOf(g); strings.EqualFold(one.ID, name) {
			return []group{one}, nil
		}
		return nil, connectors.Errorf(connectors.Permanent, "graph: %s: Graph returned another object than the requested one", q.doing)
	}
	var list []group
	err := continued[models.GroupCollectionResponseable](ctx, c, q, r.answer, models.CreateGroupCollectionResponseFromDiscriminatorValue, func(g models.Groupable) error {
		if one := groupOf(g); one.Name == name && isID(one.ID) {
			list = append(list, one)
		}
		return nil
	})
	return list, err
}

// members carries out changes of one group.
func (r *run) members(ctx context.Context, g group, todo []work) {
	var adds, removals []work
	for _, w := range todo {
		switch {
		case !isID(w.Account.ID) && w.Op == connectors.AddMember:
			w.end(refused(noAccount))
		case !isID(w.Account.ID):
			w.end(alreadySo()) // no member has such an ID
		case w.Op == connectors.AddMember:
			adds = append(adds, w)
		default:
			removals = append(removals, w)
		}
	}
	r.removeMembers(ctx, g, removals)
	r.addMembers(ctx, g, adds)
}

// addMembers adds twenty members at a time. Graph applies all of a request or
// none, so a refused request is repeated member by member.
func (r *run) addMembers(ctx context.Context, g group, todo []work) {
	if len(todo) == 0 || !r.canContinue(ctx, todo) {
		return
	}
	var parts [][]work
	var requests []request
	for part := range slices.Chunk(todo, maxBind) {
		if len(part) == 1 {
			continue
		}
		ids := make([]string, len(part))
		for i, w := range part {
			ids[i] = w.Account.ID
		}
		parts, requests = append(parts, part), append(requests, r.c.build.addMembers(g.ID, ids))
	}
	single := todo[len(todo)-len(todo)%maxBind:]
	if len(todo)%maxBind != 1 {
		single = nil
	}
	single = slices.Clone(single)
	for i, reply := range r.c.all(ctx, requests) {
		r.note(reply.err)
		switch {
		case reply.err != nil:
			endAll(parts[i], failed(reply.err))
		case reply.ok():
			endAll(parts[i], applied())
		default:
			single = append(single, parts[i]...)
		}
	}
	if len(single) > 0 && r.canContinue(ctx, single) {
		r.addOneByOne(ctx, g, single)
	}
}

const (
	alreadyMember = "added object references already exist"
	groupDeleted  = "the group was deleted meanwhile"
)

func (r *run) addOneByOne(ctx context.Context, g group, todo []work) {
	requests := make([]request, len(todo))
	for i, w := range todo {
		requests[i] = r.c.build.addMember(g.ID, w.Account.ID)
	}
	for i, reply := range r.c.sendWithPropagation(ctx, requests, func(i int) []string { return []string{todo[i].Account.ID} }) {
		r.note(reply.err)
		switch w := todo[i]; {
		case reply.err != nil:
			w.end(failed(reply.err))
		case reply.ok():
			w.end(applied())
		case strings.Contains(reply.message, alreadyMember):
			w.end(alreadySo())
		case reply.gone() && strings.Contains(reply.message, g.ID):
			w.end(refused(groupDeleted))
		case reply.gone():
			w.end(refused(noAccount))
		default:
			w.end(reply.refusal())
		}
	}
}

// removeMembers removes members one by one, as Graph has no other way.
func (r *run) removeMembers(ctx context.Context, g group, todo []work) {
	if len(todo) == 0 || !r.canContinue(ctx, todo) {
		return
	}
	requests := make([]request, len(todo))
	for i, w := range todo {
		requests[i] = r.c.build.removeMember(g.ID, w.Account.ID)
	}
	for i, reply := range r.c.all(ctx, requests) {
		r.note(reply.err)
		switch w := todo[i]; {
		case reply.err != nil:
			w.end(failed(reply.err))
		case reply.ok():
			w.end(applied())
		case reply.gone():
			w.end(alreadySo())
		default:
			w.end(reply.refusal())
		}
	}
}

// licences carries out changes of licences.
func (r *run) licences(ctx context.Context, todo []work) {
	skus, err := r.c.skus(ctx)
	if err != nil {
		r.note(err)
		endAll(todo, failed(err))
		return
	}
	known := slices.DeleteFunc(slices.Clone(todo), func(w work) bool {
		_, ok := skus[strings.TrimPrefix(w.Entitlement, licencePrefix)]
		if !ok {
			w.end(refused("no such licence"))
		}
		return !ok
	})
	// Without an account there is nothing to revoke.
	found, people := r.readUsers(ctx, known, func(w work) connectors.Result {
		if w.Op == connectors.RemoveMember {
			return alreadySo()
		}
		return refused(noAccount)
	})
	found = r.setUsageLocation(ctx, found, people)
	// Licences of one account in sequence: Graph refuses two changes at the same
	// time.
	var rounds [][]operation
	count := map[string]int{}
	for _, w := range found {
		sku, p := skus[strings.TrimPrefix(w.Entitlement, licencePrefix)], people[w.Account.ID]
		give := w.Op == connectors.AddMember
		switch {
		case slices.Contains(skusOf(p.user), sku.String()) == give:
			w.end(alreadySo())
		case give && p.user.GetUsageLocation() == nil: // for synchronised users see setUsageLocation
			w.end(refused(noLocation))
		default:
			n := count[w.Account.ID]
			count[w.Account.ID]++
			if n == len(rounds) {
				rounds = append(rounds, nil)
			}
			rounds[n] = append(rounds[n], operation{work: w, requests: []request{r.c.build.assignLicence(w.Account.ID, sku, give)}})
		}
	}
	for _, steps := range rounds {
		r.perform(ctx, steps, func(s operation, replies []reply) { s.work.end(outcome(s, replies)) })
	}
}

// setUsageLocation gives synchronised users that are to get a licence the
// configured usage location when they have none. The connector writes no other
// attribute of theirs; this one is mastered in the cloud even so
// (https://learn.microsoft.com/graph/api/user-assignlicense).
func (r *run) setUsageLocation(ctx context.Context, todo []work, people map[string]userState) []work {
	if r.c.cfg.UsageLocation == "" {
		return todo
	}
	var ids []string
	var requests []request
	for _, w := range todo {
		p := people[w.Account.ID]
		if w.Op != connectors.AddMember || !p.MasteredExternally || p.user.GetUsageLocation() != nil || slices.Contains(ids, w.Account.ID) {
			continue
		}
		u := models.NewUser()
		u.SetUsageLocation(&r.c.cfg.UsageLocation)
		ids, requests = append(ids, w.Account.ID), append(requests, r.c.build.updateUser(p.ID, u))
	}
	ends := map[string]connectors.Result{}
	for i, reply := range r.c.all(ctx, requests) {
		r.note(reply.err)
		switch {
		case reply.err != nil:
			ends[ids[i]] = failed(reply.err)
		case reply.ok():
			people[ids[i]].user.SetUsageLocation(&r.c.cfg.UsageLocation)
		default:
			ends[ids[i]] = reply.refusal("usageLocation")
		}
	}
	return slices.DeleteFunc(slices.Clone(todo), func(w work) bool {
		end, ended := ends[w.Account.ID]
		if ended && w.Op == connectors.AddMember {
			w.end(end)
		}
		return ended && w.Op == connectors.AddMember
	})
}
