package scim

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/behov/behov/connectors"
)

// list calls each with every resource of a type, once, and returns whether it
// received them all. It requests pages until one has nothing new, whatever
// totalResults says: some services count too few, and of those that count too
// many the missing resources are unknown. A service that pages by index may miss
// a resource when others are added or deleted meanwhile; fewer than announced
// then arrive. A service that supports cursors (RFC 9865) is asked for them, as
// its pages do not move.
func (c *Connector) list(ctx context.Context, kind string, query url.Values, each func(resource) error) (connectors.Completeness, error) {
	known, err := c.discover(ctx)
	if err != nil {
		return connectors.Completeness{Why: kind + " could not be read"}, err
	}
	l := listing{c: c, kind: kind, query: query, each: each, seen: map[string]bool{}, start: 1, byCursor: known.cursor}
	for {
		more, err := l.next(ctx)
		if err != nil {
			return connectors.Completeness{Why: kind + " could not be read to the end"}, err
		}
		if !more {
			break
		}
	}
	if len(l.seen) < l.announced {
		return connectors.Completeness{Why: fmt.Sprintf("the service announced %d %s and sent %d", l.announced, kind, len(l.seen))}, nil
	}
	return connectors.Completeness{Complete: true}, nil
}

// listing is a list in progress.
type listing struct {
	c         *Connector
	kind      string
	query     url.Values
	each      func(resource) error
	seen      map[string]bool
	announced int
	start     int    // the index of the next page
	byCursor  bool   // pages are requested by cursor
	cursor    string // of the next page, empty for the first
	restarts  int
}

// next reads a page, emits its resources, and returns whether there may be more.
func (l *listing) next(ctx context.Context) (more bool, err error) {
	p, end, err := l.page(ctx)
	if err != nil || end {
		return false, err
	}
	l.announced = max(l.announced, p.total)
	fresh := 0
	for _, r := range p.resources {
		if l.seen[r.id()] {
			continue
		}
		l.seen[r.id()] = true
		fresh++
		if err := l.each(r); err != nil {
			return false, err
		}
	}
	l.start += len(p.resources)
	if p.next != "" || l.cursor != "" { // with index or cursor
		if p.next != "" && p.next == l.cursor {
			return false, connectors.Errorf(connectors.Permanent, "scim: read %s: %s repeats a page: its cursor does not advance", l.kind, l.c.cfg.URL)
		}
		l.byCursor, l.cursor = true, p.next
		return p.next != "", nil
	}
	// The service pages by index after all.
	l.byCursor = false
	return fresh > 0, nil
}

// page reads one page. end is true when the service refuses to look beyond the
// last result, all of which have been read.
func (l *listing) page(ctx context.Context) (p page, end bool, err error) {
	q := maps.Clone(l.query)
	if q == nil {
		q = url.Values{}
	}
	if l.byCursor {
		q.Set("cursor", l.cursor)
	} else {
		q.Set("startIndex", strconv.Itoa(l.start))
	}
	q.Set("count", strconv.Itoa(l.c.pageSize()))
	doing := "read " + l.kind
	a, err := l.c.send(ctx, request{doing: doing, path: l.kind, query: q})
	if err != nil {
		return page{}, false, err
	}
	switch {
	case a.status == http.StatusBadRequest && l.byCursor && l.cursor != "" && a.scimType == "expiredCursor" && l.restarts < 2:
		// From the beginning; resources that were emitted are skipped.
		l.cursor = ""
		l.restarts++
		return l.page(ctx)
	case l.start > 1 && !l.byCursor && len(l.seen) >= l.announced && (a.isNotFound() || a.status == http.StatusBadRequest):
		return page{}, true, nil
	case a.status != http.StatusOK:
		return page{}, false, l.c.unexpected(doing, a)
	}
	p, err = parsePage(a.body)
	if err != nil {
		return page{}, false, connectors.Errorf(connectors.Permanent, "scim: %s: the answer of %s is not a SCIM list: %w", doing, l.c.cfg.URL, err)
	}
	if l.start == 1 && l.query.Get("filter") == "" {
		l.c.noteFirstPage(l.kind, p)
	}
	return p, false, nil
}

// noteFirstPage records what a first page shows about the service.
func (c *Connector) noteFirstPage(kind string, p page) {
	if kind == users {
		c.filters.notePage(p)
	} else {
		c.bundles.notePage(p)
	}
}

// first reads the first count resources of a type.
func (c *Connector) first(ctx context.Context, kind string, count int) (page, error) {
	known, err := c.discover(ctx)
	if err != nil {
		return page{}, err
	}
	query := url.Values{"count": {strconv.Itoa(min(count, c.pageSize()))}}
	if known.cursor {
		query.Set("cursor", "")
	} else {
		query.Set("startIndex", "1")
	}
	doing := "read " + kind
	a, err := c.send(ctx, request{doing: doing, path: kind, query: query})
	if err != nil {
		return page{}, err
	}
	if a.status != http.StatusOK {
		return page{}, c.unexpected(doing, a)
	}
	p, err := parsePage(a.body)
	if err != nil {
		return page{}, connectors.Errorf(connectors.Permanent, "scim: %s: the answer of %s is not a SCIM list: %w", doing, c.cfg.URL, err)
	}
	return p, nil
}

// byID reads one resource; nil when none has that ID.
func (c *Connector) byID(ctx context.Context, kind, id string) (resource, error) {
	if !isID(id) {
		return nil, nil
	}
	doing := "read one of " + kind
	a, err := c.send(ctx, request{doing: doing, path: kind + "/" + url.PathEscape(id)})
	switch {
	case err != nil:
		return nil, err
	case a.isNotFound():
		return nil, nil
	case a.status != http.StatusOK:
		return nil, c.unexpected(doing, a)
	case a.body.id() != id:
		// Some services take a name for an ID. Never act on another resource.
		return nil, connectors.Errorf(connectors.Permanent, "scim: %s: %s returned another resource than the requested one", doing, c.cfg.URL)
	}
	return a.body, nil
}

// isID reports whether a service can have given a resource that ID. Other values
// would change the URL, or be truncated.
func isID(id string) bool {
	const longest = 1024
	return id != "" && id != "." && id != ".." && len(id) <= longest &&
		!strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}
