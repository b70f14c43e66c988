package scim

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/transport"
)

const (
	// defaultConcurrency is how many requests run at the same time, unless the
	// configuration says otherwise.
	defaultConcurrency = 4
	// maxBody bounds an answer: a group with 100,000 members fits.
	maxBody   = 64 << 20
	mediaType = "application/scim+json"

	users  = "Users"
	groups = "Groups"
)

func newClient(cfg Config, t *tls.Config) *http.Client {
	c := transport.Client(t, cfg.Timeout, max(defaultConcurrency, cfg.Limits.Concurrent))
	c.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		// A redirected write would be repeated as a read, whose success proves
		// nothing; and the token is meant for this host only.
		first := via[0]
		if first.Method != http.MethodGet || len(via) > 3 || next.URL.Host != first.URL.Host || next.URL.Scheme != first.URL.Scheme {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return c
}

// request is a request to the service. doing describes it in errors.
type request struct {
	doing  string
	method string // GET when empty
	path   string // below the base URL, escaped
	query  url.Values
	body   any
	match  string // for If-Match, when not empty
}

// answer is a service's answer that is no general failure: success, or the
// refusal of this one request.
type answer struct {
	status   int
	body     resource // nil without one
	scimType string   // of RFC 7644 §3.12; else empty
	detail   string   // may hold personal data
	location string   // of what was created
}

func (a *answer) ok() bool { return a.status < http.StatusMultipleChoices }

// isNotFound reports whether the resource does not exist.
func (a *answer) isNotFound() bool {
	return a.status == http.StatusNotFound || a.status == http.StatusGone
}

// send sends a request. It classifies the error, which holds no personal data.
// When the service rejects a renewable token, send renews it and repeats the
// request once.
func (c *Connector) send(ctx context.Context, q request) (*answer, error) {
	a, err := c.sendOnce(ctx, q)
	if errors.Is(err, errToken) && c.tokens.renewable() {
		return c.sendOnce(ctx, q)
	}
	return a, err
}

func (c *Connector) sendOnce(ctx context.Context, q request) (*answer, error) {
	var body io.Reader
	if q.body != nil {
		b, err := json.Marshal(q.body)
		if err != nil {
			return nil, connectors.Errorf(connectors.Permanent, "scim: %s: %w", q.doing, err)
		}
		body = bytes.NewReader(b)
	}
	target := c.cfg.URL + "/" + q.path
	if len(q.query) > 0 {
		target += "?" + q.query.Encode()
	}
	if q.method == "" {
		q.method = http.MethodGet
	}
	r, err := http.NewRequestWithContext(ctx, q.method, target, body)
	if err != nil {
		return nil, connectors.Errorf(connectors.Permanent, "scim: %s: the request cannot be made", q.doing)
	}
	token, err := c.authorize(ctx, r)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", mediaType+", application/json")
	if body != nil {
		r.Header.Set("Content-Type", mediaType)
	}
	if q.match != "" {
		r.Header.Set("If-Match", q.match)
	}
	done, err := c.limiter.Wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("scim: %s: %w", q.doing, err)
	}
	defer done()
	response, err := c.http.Do(r)
	if err != nil {
		return nil, transport.Broken(ctx, "scim: "+q.doing, c.cfg.URL, c.cfg.Timeout, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusUnauthorized {
		c.tokens.invalidate(token)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return nil, transport.Broken(ctx, "scim: "+q.doing, c.cfg.URL, c.cfg.Timeout, err)
	}
	if len(content) > maxBody {
		return nil, connectors.Errorf(connectors.Permanent, "scim: %s: the answer is larger than %d MB: lower page_size", q.doing, maxBody>>20)
	}
	return c.read(q.doing, response, content)
}

// authorize adds the credentials to a request, and returns the token, if any. A
// client certificate needs no header.
func (c *Connector) authorize(ctx context.Context, r *http.Request) (token string, err error) {
	if key := c.cfg.APIKey; key != nil {
		r.Header.Set(key.Header, key.Value)
	}
	if c.cfg.Token == "" && c.cfg.OAuth == nil {
		return "", nil
	}
	if token, err = c.tokens.get(ctx); err == nil {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return token, err
}

// read parses a response, and returns an error when it is not SCIM.
func (c *Connector) read(doing string, response *http.Response, content []byte) (*answer, error) {
	content = bytes.TrimSpace(content)
	keyword := ""
	if response.StatusCode >= http.StatusBadRequest {
		if body, err := parse(content); err == nil {
			keyword = errorType(body)
		}
	}
	if err := c.failure(doing, response.StatusCode, response.Header, keyword); err != nil {
		return nil, err
	}
	a := &answer{status: response.StatusCode, location: response.Header.Get("Location")}
	if len(content) == 0 {
		return a, nil
	}
	body, err := parse(content)
	switch {
	case err == nil:
	case a.ok() || looksLikeHTML(response, content):
		// Such as a login page, a maintenance page, or a proxy's 404.
		return nil, connectors.Errorf(connectors.TargetDown,
			"scim: %s: %s answered %d with something that is not SCIM: check url, and that the service is available", doing, c.cfg.URL, a.status)
	default:
		return a, nil // plain text with an error status
	}
	if a.ok() {
		a.body = body
		return a, nil
	}
	a.scimType, a.detail = errorType(body), text(body.field("detail"))
	return a, nil
}

func looksLikeHTML(response *http.Response, content []byte) bool {
	return strings.Contains(strings.ToLower(response.Header.Get("Content-Type")), "html") || bytes.HasPrefix(content, []byte("<"))
}
