// Package client asks a behov server over its API, as the person whose token it shows.
//
// It must never work an answer out, nor decide: what a server does not answer is missing in
// the API. It must never send a token to another host than the server's, nor in the clear
// beyond this machine.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/build"
)

// Client asks one server. It is safe for use by several goroutines.
type Client struct {
	base     *url.URL
	token    string
	language string
	http     *http.Client
	version  string // of the server, once it said so
}

// Options are what a client shows of itself.
type Options struct {
	Token    string
	Language string // of sentences: en or sv
}

const (
	// timeout is for one answer: what takes longer is a task that is asked about again.
	timeout = 2 * time.Minute
	// maxAnswer is how long an answer may be, in bytes.
	maxAnswer = 512 << 20
	// part is how many items of a list are asked for at once.
	part = 1000
)

// New returns a client of the server at an address.
func New(server string, o Options) (*Client, error) {
	base, err := ParseServer(server)
	if err != nil {
		return nil, err
	}
	c := &Client{base: base, token: o.Token, language: o.Language}
	c.http = &http.Client{Timeout: timeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Host != base.Host || r.URL.Scheme != base.Scheme {
			return fmt.Errorf("%s sends to another host, %s, which is not followed", base, r.URL.Host)
		}
		if len(via) >= 5 {
			return fmt.Errorf("%s redirects without an end", base)
		}
		return nil
	}}
	return c, nil
}

// ParseServer returns the address of a server in one form: without a path, and with https
// unless it is on this machine.
func ParseServer(server string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(server))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the server is named by its address, as https://behov.example.org")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return nil, errors.New("the server's address has no user, path or query, as https://behov.example.org")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("http://%s would send the token in the clear: use https", u.Host)
	}
	return &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)}, nil
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Server is the address of the server.
func (c *Client) Server() string { return c.base.String() }

// Error is what a server refuses, as the problem that it answers (RFC 9457).
type Error struct {
	api.Problem
	Server string
}

// Error returns the problem's sentence, and what is wrong place by place.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		text = fmt.Sprintf("%s answers %d %s", e.Server, e.Status, e.Title)
	}
	for _, f := range e.Errors {
		text += "; " + f.Message
		if f.Location != "" {
			text += " (" + f.Location + ")"
		}
	}
	return text
}

// Problem returns an error that is a problem of the API as a client has it.
func Problem(err error) error {
	var p *api.Problem
	if errors.As(err, &p) {
		return &Error{Problem: *p}
	}
	return err
}

// Is reports whether an error is a server's problem with a code.
func Is(err error, code string) bool {
	var e *Error
	return errors.As(err, &e) && strings.HasSuffix(e.Type, ":"+code)
}

// get asks for something, and decodes it into out.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.send(ctx, http.MethodGet, path, query, nil, out)
}

// post asks for a change, and decodes the answer into out unless it is nil.
func (c *Client) post(ctx context.Context, path string, body, out any) error {
	return c.send(ctx, http.MethodPost, path, nil, body, out)
}

// send sends a request. A writing one has a key of its own, so that it can be sent again when
// the connection breaks, and is done once.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body, out any) error {
	u := c.base.JoinPath(api.Path)
	u.RawPath, u.Path = u.Path+path, u.Path+unescaped(path)
	u.RawQuery = query.Encode()
	var content []byte
	header := http.Header{"Prefer": {api.PreferHints}, "Accept-Language": {c.language}, "User-Agent": {"behov/" + build.Read().Version}}
	if c.token != "" {
		header.Set("Authorization", "Bearer "+c.token)
	}
	if method != http.MethodGet {
		header.Set("Idempotency-Key", uuid.NewString())
	}
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return fmt.Errorf("ask %s: %w", c.base, err)
		}
		header.Set("Content-Type", "application/json")
	}
	a, err := c.do(ctx, method, u.String(), header, content)
	if err != nil && ctx.Err() == nil && broken(err) {
		a, err = c.do(ctx, method, u.String(), header, content)
	}
	for range mostWaits {
		wait, busy := a.retryAfter()
		if err != nil || !busy {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		a, err = c.do(ctx, method, u.String(), header, content)
	}
	if err != nil {
		return c.unreachable(err)
	}
	return c.decode(a, out)
}

// answer is an answer that was read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request once.
func (c *Client) do(ctx context.Context, method, address string, header http.Header, content []byte) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(content))
	if err != nil {
		return answer{}, err
	}
	r.Header = header
	res, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return answer{res.StatusCode, res.Header, body}, err
}

// mostWaits is how often a request is sent again that came too soon after others, and
// longestWait how long it waits for that.
const (
	mostWaits   = 5
	longestWait = 20 * time.Second
)

// retryAfter returns how long to wait before a request is sent again that was refused because
// too many came.
func (a answer) retryAfter() (time.Duration, bool) {
	if a.status != http.StatusTooManyRequests {
		return 0, false
	}
	seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
	wait := time.Duration(seconds) * time.Second
	return wait, err == nil && wait <= longestWait
}

// broken reports whether a connection broke on which a request may have been sent.
func broken(err error) bool {
	var dial *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &dial) && dial.Op == "read"
}

// unreachable is the error of a server that gave no answer.
func (c *Client) unreachable(err error) error {
	var of *url.Error
	if errors.As(err, &of) { // which has the address, and with it whom the request is about
		err = of.Err
	}
	return fmt.Errorf("%s does not answer: %w", c.base, err)
}

// decode reads an answer.
func (c *Client) decode(a answer, out any) error {
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch {
	case a.status == http.StatusNoContent:
		return nil
	case kind != "application/json" && kind != "application/problem+json":
		return fmt.Errorf("%s answers %d with %q, which is no answer of behov's API: check the address, and what proxy answers there", c.base, a.status, kind)
	case a.status >= http.StatusMultipleChoices:
		e := &Error{Server: c.base.String()}
		if err := json.Unmarshal(a.body, &e.Problem); err != nil {
			return c.otherVersion(err)
		}
		e.Status = a.status
		return e
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return c.otherVersion(err)
	}
	return nil
}

// otherVersion is the error of an answer that this program cannot read.
func (c *Client) otherVersion(err error) error {
	return fmt.Errorf("the answer of %s cannot be read (%w): it is of another version of behov (%s) than this program (%s)", c.base, err, orUnknown(c.version), build.Read().Version)
}

func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}

// at returns a path below which a thing with a name is, as a person or a target.
func at(parts ...string) string {
	var b strings.Builder
	for i, p := range parts {
		if i%2 == 1 {
			p = "/" + url.PathEscape(p)
		}
		b.WriteString(p)
	}
	return b.String()
}

func unescaped(path string) string {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return plain
}

// all returns every item of a list, part by part.
func all[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	items := []T{}
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", fmt.Sprint(part))
	for {
		var page api.List[T]
		if err := c.get(ctx, path, query, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			return items, nil
		}
		query.Set("cursor", page.Next)
	}
}

// whole returns the items of a list that is answered at once.
func whole[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	var page api.List[T]
	if err := c.get(ctx, path, query, &page); err != nil {
		return nil, err
	}
	return append([]T{}, page.Items...), nil
}
