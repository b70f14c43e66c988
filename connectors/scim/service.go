package scim

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
)

// service is what the service says of itself, once it has been asked (RFC 7643
// §5). One that does not say is taken to do what the standard has.
type service struct {
	mu     sync.Mutex
	known  bool
	etag   bool
	bulk   bulkLimits
	cursor bool // it can page by cursor (RFC 9865)
	page   int  // the most that it sends at a time; 0 when it does not say
	// matching is how it compares attributes, by their paths; nil until asked.
	matching map[string]rule
}

// facts are a copy of what is known.
type facts struct {
	etag, cursor bool
	bulk         bulkLimits
}

// ask reads once what the service says it can do.
func (c *Connector) ask(ctx context.Context) (facts, error) {
	s := &c.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return facts{s.etag, s.cursor, s.bulk}, nil
	}
	a, err := c.send(ctx, request{doing: "ask what the service can do", path: "ServiceProviderConfig"})
	if err != nil && !errors.Is(err, errForbidden) {
		return facts{}, err
	}
	if err == nil && a.status == http.StatusOK {
		c.hears(a.body)
	}
	s.known = true
	return facts{s.etag, s.cursor, s.bulk}, nil
}

// hears takes what a ServiceProviderConfig says. The caller holds service.mu.
func (c *Connector) hears(config resource) {
	supported := func(feature string) (yes, said bool) {
		return asBool(text(config.object(feature).field("supported")))
	}
	if yes, said := supported("patch"); said && !yes {
		c.traits.set(NoPatch, true)
	}
	c.service.page = number(config.object("filter").field("maxResults"))
	c.service.etag, _ = supported("etag")
	if yes, _ := supported("bulk"); yes {
		c.service.bulk = bulkLimits{operations: number(config.object("bulk").field("maxOperations")), bytes: number(config.object("bulk").field("maxPayloadSize"))}
	}
	c.service.cursor, _ = asBool(text(config.object("pagination").field("cursor")))
}

// pageSize is how many resources are asked for at a time: no more than the service
// says it sends (RFC 7643 §5, filter.maxResults), as some refuse a larger count.
func (c *Connector) pageSize() int {
	c.service.mu.Lock()
	defer c.service.mu.Unlock()
	if most := c.service.page; most > 0 && most < c.cfg.PageSize {
		return most
	}
	return c.cfg.PageSize
}

func number(v any) int {
	n, err := strconv.Atoi(text(v))
	if err != nil {
		return 0
	}
	return n
}
