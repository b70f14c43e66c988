package scim

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
)

// service is what the service publishes about itself (RFC 7643 §5). A service
// that publishes nothing is assumed to have what the standard requires.
type service struct {
	mu     sync.Mutex
	known  bool
	etag   bool
	bulk   bulkCapacity
	cursor bool // it supports cursors (RFC 9865)
	page   int  // its largest page; 0 when unknown
	// matching is how it compares attributes, by their paths; nil until read.
	matching map[string]rule
}

// serviceFacts is a copy of what is known.
type serviceFacts struct {
	etag, cursor bool
	bulk         bulkCapacity
}

// discover reads the ServiceProviderConfig, once.
func (c *Connector) discover(ctx context.Context) (serviceFacts, error) {
	s := &c.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return serviceFacts{s.etag, s.cursor, s.bulk}, nil
	}
	a, err := c.send(ctx, request{doing: "ask what the service can do", path: "ServiceProviderConfig"})
	if err != nil && !errors.Is(err, errForbidden) {
		return serviceFacts{}, err
	}
	if err == nil && a.status == http.StatusOK {
		c.noteProviderConfig(a.body)
	}
	s.known = true
	return serviceFacts{s.etag, s.cursor, s.bulk}, nil
}

// noteProviderConfig records a ServiceProviderConfig. The caller holds
// service.mu.
func (c *Connector) noteProviderConfig(config resource) {
	supported := func(feature string) (yes, said bool) {
		return asBool(text(config.object(feature).field("supported")))
	}
	if yes, said := supported("patch"); said && !yes {
		c.traits.set(NoPatch, true)
	}
	c.service.page = number(config.object("filter").field("maxResults"))
	c.service.etag, _ = supported("etag")
	if yes, _ := supported("bulk"); yes {
		c.service.bulk = bulkCapacity{operations: number(config.object("bulk").field("maxOperations")), bytes: number(config.object("bulk").field("maxPayloadSize"))}
	}
	c.service.cursor, _ = asBool(text(config.object("pagination").field("cursor")))
}

// pageSize returns how many resources to request: no more than the service says
// it sends (RFC 7643 §5, filter.maxResults), as some refuse a larger count.
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
