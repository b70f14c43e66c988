package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/microsoft/kiota-abstractions-go/serialization"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/transport"
)

const (
	// maxBody bounds an answer: a batch of twenty pages of 999 members fits.
	maxBody = 64 << 20
	// maxRetryWait bounds the total delay of one request that Graph throttles;
	// after that the caller gets RetryLater.
	maxRetryWait = 90 * time.Second
	// maxTries is how often a request is sent that Graph throttles or fails to
	// answer.
	maxTries = 5
)

// answer is Graph's answer to one request that is no general failure: success, or
// the refusal of this one request.
type answer struct {
	status  int
	body    []byte // JSON, or nothing
	code    string // of the error
	message string // of the error: may hold personal data
	request string // Graph's ID of the request, for Microsoft's support
}

func (a *answer) ok() bool   { return a.status < http.StatusMultipleChoices }
func (a *answer) gone() bool { return a.status == http.StatusNotFound }

// raw is an unparsed answer, from its own response or from a batch's.
type raw struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request, and repeats it while Graph requests that. It classifies
// the error, which holds no personal data.
func (c *Connector) send(ctx context.Context, q request) (*answer, error) {
	if q.err != nil {
		return nil, q.err
	}
	var waited time.Duration
	for try := 1; ; try++ {
		a, err := c.sendOnce(ctx, q)
		pause, again := c.pause(q, err, try, waited)
		if !again {
			return a, err
		}
		waited += pause
		if err := c.sleep(ctx, pause); err != nil {
			return nil, fmt.Errorf("graph: %s: %w", q.doing, err)
		}
	}
}

// sendOnce sends a request once.
func (c *Connector) sendOnce(ctx context.Context, q request) (*answer, error) {
	r, err := c.exchange(ctx, q, c.weight(q))
	if err != nil {
		return nil, err
	}
	return c.read(q, r)
}

// weight returns how many writes a request counts as.
func (c *Connector) weight(q request) int {
	if q.method == http.MethodGet {
		return 0
	}
	return 1
}

// pause returns whether and after which delay to repeat a request: when Graph is
// throttling, and when it fails to answer a read. A write that failed otherwise
// may have been applied, and is not repeated.
func (c *Connector) pause(q request, err error, try int, waited time.Duration) (time.Duration, bool) {
	var e *connectors.Error
	if !errors.As(err, &e) || e.Class != connectors.RetryLater || try == maxTries {
		return 0, false
	}
	if !errors.Is(err, errThrottled) && q.method != http.MethodGet {
		return 0, false
	}
	pause := e.RetryAfter
	if pause == 0 {
		pause = time.Second << (try - 1)
	}
	return pause, waited+pause <= maxRetryWait
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exchange sends a request and returns the unparsed answer.
func (c *Connector) exchange(ctx context.Context, q request, writes int) (*raw, error) {
	// A link may come from an answer: the token is meant for Graph only.
	if !c.isGraphURL(q.url) {
		return nil, connectors.Errorf(connectors.Permanent, "graph: %s: the answer links to another address than %s", q.doing, c.cfg.URL)
	}
	for range writes {
		done, err := c.writes.Wait(ctx)
		if err != nil {
			return nil, fmt.Errorf("graph: %s: %w", q.doing, err)
		}
		done()
	}
	done, err := c.slots.Wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("graph: %s: %w", q.doing, err)
	}
	defer done()
	token, err := c.token(ctx, q.doing)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, q.method, q.url, bytes.NewReader(q.body))
	if err != nil {
		return nil, connectors.Errorf(connectors.Permanent, "graph: %s: the request cannot be made", q.doing)
	}
	r.Header = q.header.Clone()
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := c.http.Do(r)
	if err != nil {
		return nil, transport.Broken(ctx, "graph: "+q.doing, c.cfg.URL, c.cfg.Timeout, err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return nil, transport.Broken(ctx, "graph: "+q.doing, c.cfg.URL, c.cfg.Timeout, err)
	}
	if len(content) > maxBody {
		return nil, connectors.Errorf(connectors.Permanent, "graph: %s: the answer is larger than %d MB", q.doing, maxBody>>20)
	}
	return &raw{status: response.StatusCode, header: response.Header, body: bytes.TrimSpace(content)}, nil
}

func (c *Connector) isGraphURL(address string) bool {
	a, err := url.Parse(address)
	b, err2 := url.Parse(c.cfg.URL)
	return err == nil && err2 == nil && a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host) && strings.HasPrefix(a.Path, b.Path+"/")
}

// read parses an answer, and returns an error when it is not Graph's.
func (c *Connector) read(q request, r *raw) (*answer, error) {
	a := &answer{status: r.status, body: r.body}
	if !a.ok() {
		a.code, a.message, a.request = errorOf(r.body)
	}
	if err := c.failure(q, r, a); err != nil {
		return nil, err
	}
	if a.ok() && len(r.body) > 0 && !json.Valid(r.body) || !a.ok() && a.code == "" {
		return nil, connectors.Errorf(connectors.TargetDown,
			"graph: %s: %s answered %d with something that is not Graph's: check url", q.doing, c.cfg.URL, a.status)
	}
	return a, nil
}

// decode parses an answer with the SDK's model.
func decode[T serialization.Parsable](a *answer, factory serialization.ParsableFactory) (T, error) {
	var none T
	if len(a.body) == 0 {
		return none, fmt.Errorf("the answer is empty")
	}
	node, err := jsonserialization.NewJsonParseNode(a.body)
	if err != nil {
		return none, fmt.Errorf("the answer is not JSON")
	}
	v, err := node.GetObjectValue(factory)
	if err != nil {
		return none, fmt.Errorf("the answer has an unexpected type")
	}
	t, ok := v.(T)
	if !ok {
		return none, fmt.Errorf("the answer has an unexpected type")
	}
	return t, nil
}
