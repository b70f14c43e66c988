package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
)

const (
	// maxBatch is the maximum of requests in one batch
	// (https://learn.microsoft.com/graph/json-batching).
	maxBatch = 20
	// maxBind is the maximum of members that one PATCH adds.
	maxBind = 20
)

// reply is the result of one request.
type reply struct {
	*answer
	err error
}

// all sends requests that do not depend on one another, in batches, and
// returns their replies in the same order.
func (c *Connector) all(ctx context.Context, requests []request) []reply {
	replies := make([]reply, len(requests))
	var batches [][]int
	for i, q := range requests {
		if q.err != nil {
			replies[i].err = q.err
			continue
		}
		if n := len(batches) - 1; n >= 0 && len(batches[n]) < maxBatch {
			batches[n] = append(batches[n], i)
		} else {
			batches = append(batches, []int{i})
		}
	}
	limit.SideBySide(c.slots.Concurrent(), batches, func(indexes []int) {
		if len(indexes) == 1 {
			a, err := c.send(ctx, requests[indexes[0]])
			replies[indexes[0]] = reply{a, err}
			return
		}
		c.batch(ctx, requests, replies, indexes)
	})
	return replies
}

// batch sends the requests of those indexes, and repeats those that Graph
// throttled after the delay it requested.
func (c *Connector) batch(ctx context.Context, requests []request, replies []reply, indexes []int) {
	var waited time.Duration
	for try := 1; ; try++ {
		c.batchOnce(ctx, requests, replies, indexes)
		var again []int
		var longest time.Duration
		for _, i := range indexes {
			if pause, ok := c.pause(requests[i], replies[i].err, try, waited); ok {
				again, longest = append(again, i), max(longest, pause)
			}
		}
		if len(again) == 0 {
			return
		}
		waited += longest
		if err := c.sleep(ctx, longest); err != nil {
			for _, i := range again {
				replies[i] = reply{err: fmt.Errorf("graph: %s: %w", requests[i].doing, err)}
			}
			return
		}
		indexes = again
	}
}

// batchItem is one request or one answer of a batch.
type batchItem struct {
	ID      string            `json:"id"`
	Method  string            `json:"method,omitempty"`
	URL     string            `json:"url,omitempty"`
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
}

// batchOnce sends one batch. Every request gets the answer with its ID, or an
// error when there is none.
func (c *Connector) batchOnce(ctx context.Context, requests []request, replies []reply, indexes []int) {
	fail := func(err error) {
		for _, i := range indexes {
			replies[i] = reply{err: err}
		}
	}
	outer, writes, err := c.pack(requests, indexes)
	if err != nil {
		fail(err)
		return
	}
	r, err := c.exchange(ctx, outer, writes)
	if err != nil {
		fail(err)
		return
	}
	a, err := c.read(outer, r)
	if err != nil {
		fail(err)
		return
	}
	if !a.ok() {
		fail(c.unexpected(outer.doing, a))
		return
	}
	answers, err := unpack(a.body)
	if err != nil {
		fail(connectors.Errorf(connectors.RetryLater, "graph: %s: %w", outer.doing, err))
		return
	}
	for _, i := range indexes {
		item, ok := answers[strconv.Itoa(i)]
		if !ok {
			replies[i] = reply{err: connectors.Errorf(connectors.RetryLater, "graph: %s: the batch response has no answer to this request", requests[i].doing)}
			continue
		}
		header := http.Header{}
		for k, v := range item.Headers {
			header.Set(k, v)
		}
		answer, err := c.read(requests[i], &raw{status: item.Status, header: header, body: item.Body})
		replies[i] = reply{answer, err}
	}
}

func (c *Connector) pack(requests []request, indexes []int) (outer request, writes int, err error) {
	outer = request{doing: "send a batch", method: http.MethodPost, url: c.cfg.URL + "/$batch",
		header: http.Header{"Content-Type": {mediaType}, "Accept": {mediaType}}}
	var items []batchItem
	for _, i := range indexes {
		q := requests[i]
		outer.doing = q.doing
		relative, ok := strings.CutPrefix(q.url, c.cfg.URL)
		if !ok {
			return outer, 0, connectors.Errorf(connectors.Permanent, "graph: %s: the answer links to another address than %s", q.doing, c.cfg.URL)
		}
		item := batchItem{ID: strconv.Itoa(i), Method: q.method, URL: relative, Headers: map[string]string{}, Body: q.body}
		for k := range q.header {
			item.Headers[k] = q.header.Get(k)
		}
		items = append(items, item)
		writes += c.weight(q)
	}
	outer.body, err = json.Marshal(map[string]any{"requests": items})
	if err != nil {
		return outer, 0, connectors.Errorf(connectors.Permanent, "graph: %s: the request cannot be made", outer.doing)
	}
	return outer, writes, nil
}

// unpack returns a batch's answers by their IDs, each of which may occur once.
func unpack(body []byte) (map[string]batchItem, error) {
	var b struct{ Responses []batchItem }
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, errors.New("the batch response is malformed")
	}
	answers := make(map[string]batchItem, len(b.Responses))
	for _, item := range b.Responses {
		if _, twice := answers[item.ID]; twice || item.Status < 200 || item.Status > 599 {
			return nil, errors.New("the batch response contains an ID twice")
		}
		answers[item.ID] = item
	}
	return answers, nil
}
