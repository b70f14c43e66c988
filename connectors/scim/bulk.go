package scim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/behov/behov/connectors"
)

// bulkCapacity is what a service accepts in one Bulk request (RFC 7644 §3.7);
// zero operations means no Bulk.
type bulkCapacity struct{ operations, bytes int }

const (
	bulkURN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	// minBulkChanges is how many changes make a Bulk request worthwhile, as their
	// results have to be read back.
	minBulkChanges = 8
	// maxBulkOperations is how many operations a request has at most, whatever
	// the service accepts: after a failure they are repeated one by one.
	maxBulkOperations = 200
)

// bulkOperation is one operation of a Bulk request.
type bulkOperation struct {
	Method  string `json:"method"`
	BulkID  string `json:"bulkId"`
	Path    string `json:"path"`
	Version string `json:"version,omitempty"`
	Data    any    `json:"data,omitempty"`
}

// sendBulk sends operations together and returns the answer to each; nil where no
// answer can be attributed to the operation.
func (c *Connector) sendBulk(ctx context.Context, doing string, operations []bulkOperation) ([]*answer, error) {
	answers := make([]*answer, len(operations))
	for from := 0; from < len(operations); {
		n, err := c.countThatFit(ctx, operations[from:])
		if err != nil || n == 0 {
			return answers, err
		}
		chunk := operations[from : from+n]
		a, err := c.send(ctx, request{doing: doing, method: http.MethodPost, path: "Bulk", body: map[string]any{"schemas": []string{bulkURN}, "Operations": chunk}})
		switch {
		case errors.Is(err, errForbidden):
			c.traits.set(NoBulk, true)
			return answers, nil
		case err != nil:
			return answers, err
		case a.status == http.StatusRequestEntityTooLarge && n > 1:
			c.service.mu.Lock()
			c.service.bulk.operations = n / 2
			c.service.mu.Unlock()
			continue
		case a.status != http.StatusOK:
			c.traits.set(NoBulk, true)
			return answers, nil
		}
		if err := c.matchAnswers(doing, a.body, chunk, answers[from:]); err != nil {
			return answers, err
		}
		from += n
	}
	return answers, nil
}

// countThatFit returns how many of the operations fit into one request.
func (c *Connector) countThatFit(ctx context.Context, operations []bulkOperation) (int, error) {
	known, err := c.discover(ctx)
	if err != nil || c.traits.is(NoBulk) {
		return 0, err
	}
	const envelope = 200
	size := envelope
	for i, o := range operations {
		b, err := json.Marshal(o)
		if err != nil {
			return 0, connectors.Errorf(connectors.Permanent, "scim: bulk: %w", err)
		}
		if size += len(b) + 1; i == min(known.bulk.operations, maxBulkOperations) || i > 0 && known.bulk.bytes > 0 && size > known.bulk.bytes {
			return i, nil
		}
	}
	return len(operations), nil
}

// matchAnswers assigns the answers of one request to its operations: by bulkId,
// or, when the service omits it from operations other than creations, by the
// resource's location.
func (c *Connector) matchAnswers(doing string, body resource, operations []bulkOperation, answers []*answer) error {
	at := map[string]int{}
	for i, o := range operations {
		at[o.BulkID] = i
		if o.Method != http.MethodPost {
			at[o.Path] = i
		}
	}
	list, _ := body.field("Operations").([]any)
	for _, e := range list {
		o := asObject(e)
		location := text(o.field("location"))
		i, ok := at[text(o.field("bulkId"))]
		if !ok {
			i, ok = at["/"+users+"/"+location[strings.LastIndex(location, "/")+1:]]
		}
		status := statusOf(o)
		if !ok || status == 0 {
			continue
		}
		if err := c.failure(doing, status, nil, errorType(o.object("response"))); err != nil && !errors.Is(err, errConflict) {
			return err // every other operation would get it too
		}
		response := o.object("response")
		a := &answer{status: status, location: location, scimType: errorType(response), detail: text(response.field("detail"))}
		if a.ok() {
			a.body = response
		}
		answers[i] = a
	}
	return nil
}

// statusOf parses an operation's status: text, a number, or, as in an early
// draft, an object with a code.
func statusOf(o resource) int {
	v := o.field("status")
	if object := asObject(v); object != nil {
		v = object.field("code")
	}
	status, err := strconv.Atoi(text(v))
	if err != nil {
		return 0
	}
	return status
}

// bulk carries out what it can of a wave in Bulk requests. The caller carries out
// the changes that are left without a result one by one, which first reads their
// current state.
func (r *run) bulk(ctx context.Context, names, ids [][]work) {
	known, err := r.c.discover(ctx)
	if err != nil || known.bulk.operations < 2 || r.c.traits.is(NoBulk) || r.stopped(ctx) != nil {
		return
	}
	var creations, edits []work
	for _, q := range names {
		if q[0].Op == connectors.CreateAccount {
			creations = append(creations, q[0])
		}
	}
	for _, q := range ids {
		if q[0].Op != connectors.DeleteAccount {
			edits = append(edits, q[0])
		}
	}
	if len(creations) >= minBulkChanges {
		r.failed(r.createMany(ctx, creations))
	}
	if len(edits) >= minBulkChanges && !r.c.patchUnavailable(users) && r.stopped(ctx) == nil {
		r.failed(r.editMany(ctx, edits))
	}
}

// createMany creates accounts that do not exist.
func (r *run) createMany(ctx context.Context, todo []work) error {
	var asked []work
	var operations []bulkOperation
	for i, w := range todo {
		user, err := r.c.newUser(w.Change)
		if w.Account.Name == "" || w.Account.Anchor == "" || err != nil {
			continue
		}
		if result := r.findExisting(ctx, w.Account.Anchor, w.Account.Name); result != nil {
			*w.result = *result
			continue
		}
		asked = append(asked, w)
		operations = append(operations, bulkOperation{Method: http.MethodPost, Path: "/" + users, BulkID: "b" + strconv.Itoa(i), Data: user})
	}
	if len(asked) == 0 {
		return nil
	}
	answers, err := r.c.sendBulk(ctx, "create accounts", operations)
	// The accounts that exist now decide, whatever the answers say. The others
	// are created one by one.
	r.lookup.refresh()
	if err != nil {
		return err
	}
	made := map[string]resource{}
	_, err = r.c.list(ctx, users, nil, func(u resource) error {
		made[u.anchor()] = u
		return nil
	})
	if err != nil {
		return err
	}
	for i, w := range asked {
		switch user := made[w.Account.Anchor]; {
		case answers[i] == nil || !answers[i].ok():
		case user != nil:
			*w.result = r.confirmCreated(ctx, w.Change, user)
			r.failed(w.result.Err)
		}
	}
	return nil
}

// editMany changes existing accounts.
func (r *run) editMany(ctx context.Context, todo []work) error {
	now, err := r.readMany(ctx, todo)
	if err != nil {
		return err
	}
	var asked []work
	var edits []*edit
	var operations []bulkOperation
	for i, w := range todo {
		user := now[w.Account.ID]
		if user == nil {
			continue
		}
		e, result := r.planEdit(ctx, w.Change, user)
		if e == nil {
			*w.result = result
			continue
		}
		version, err := r.c.version(ctx, user)
		if err != nil {
			return err
		}
		asked, edits = append(asked, w), append(edits, e)
		operations = append(operations, bulkOperation{Method: http.MethodPatch, Path: "/" + users + "/" + url.PathEscape(user.id()), BulkID: "b" + strconv.Itoa(i),
			Version: version, Data: patchBody(rewritePaths(e.operations, r.c.traits.paths()[0], userURN))})
	}
	if len(asked) == 0 {
		return nil
	}
	answers, err := r.c.sendBulk(ctx, "change accounts", operations)
	if err != nil {
		return err
	}
	after, err := r.readMany(ctx, asked)
	if err != nil {
		return err
	}
	for i, w := range asked {
		if answers[i] != nil && answers[i].ok() && after[w.Account.ID] != nil {
			*w.result = edits[i].verifyApplied(after[w.Account.ID])
		}
	}
	return nil
}

// readMany reads accounts: one by one, or all users when that takes fewer
// requests.
func (r *run) readMany(ctx context.Context, todo []work) (map[string]resource, error) {
	r.c.filters.mu.Lock()
	total := r.c.filters.total
	r.c.filters.mu.Unlock()
	found := map[string]resource{}
	if total == 0 || total/r.c.pageSize() < len(todo) {
		wanted := map[string]bool{}
		for _, w := range todo {
			wanted[w.Account.ID] = true
		}
		_, err := r.c.list(ctx, users, nil, func(u resource) error {
			if wanted[u.id()] {
				found[u.id()] = u
			}
			return nil
		})
		return found, err
	}
	for _, w := range todo {
		user, err := r.c.byID(ctx, users, w.Account.ID)
		if err != nil {
			return nil, err
		}
		if user != nil {
			found[w.Account.ID] = user
		}
	}
	return found, nil
}
