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

// list calls each with every resource of a type, once, and says whether it got
// them all. It asks for pages until one has nothing new, whatever totalResults
// says: some services count too few, and of those that count too many nobody
// can tell from here which resources are missing. An account that was added or
// deleted meanwhile may be missed by a service that numbers its results anew;
// when it is, fewer come than were announced. A service that pages by cursor
// (RFC 9865) is asked for that: its pages do not move.
func (c *Connector) list(ctx context.Context, kind string, query url.Values, each func(resource) error) (connectors.Completeness, error) {
	known, err := c.ask(ctx)
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

// listing is a list on its way.
type listing struct {
	c         *Connector
	kind      string
	query     url.Values
	each      func(resource) error
	seen      map[string]bool
	announced int
	start     int    // where the next page begins
	byCursor  bool   // pages are asked for by cursor
	cursor    string // the next page's, empty for the first
	restarts  int
}

// next reads a page and passes it on, and says whether there may be more.
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
	if p.next != "" || l.cursor != "" { // whichever way it was asked
		if p.next != "" && p.next == l.cursor {
			return false, connectors.Errorf(connectors.Permanent, "scim: read %s: %s goes in a circle: the next page is the one that was read", l.kind, l.c.cfg.URL)
		}
		l.byCursor, l.cursor = true, p.next
		return p.next != "", nil
	}
	// Without a cursor the service pages by index after all.
	l.byCursor = false
	return fresh > 0, nil
}

// page reads one page. end is true when the service refuses to look beyond
// the last result, all of which have come.
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
		// From the beginning: what has come already is not passed on again.
		l.cursor = ""
		l.restarts++
		return l.page(ctx)
	case l.start > 1 && !l.byCursor && len(l.seen) >= l.announced && (a.gone() || a.status == http.StatusBadRequest):
		return page{}, true, nil
	case a.status != http.StatusOK:
		return page{}, false, l.c.unexpected(doing, a)
	}
	p, err = parsePage(a.body)
	if err != nil {
		return page{}, false, connectors.Errorf(connectors.Permanent, "scim: %s: the answer of %s is not a SCIM list: %w", doing, l.c.cfg.URL, err)
	}
	if l.start == 1 && l.query.Get("filter") == "" {
		l.c.saw(l.kind, p)
	}
	return p, false, nil
}

// saw takes note of what a first page has to tell.
func (c *Connector) saw(kind string, p page) {
	if kind == users {
		c.filters.saw(p)
	} else {
		c.bundles.saw(p)
	}
}

// first reads so many of the first resources of a type.
func (c *Connector) first(ctx context.Context, kind string, count int) (page, error) {
	known, err := c.ask(ctx)
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

// byID reads one resource; nil when there is none with that ID.
func (c *Connector) byID(ctx context.Context, kind, id string) (resource, error) {
	if !isID(id) {
		return nil, nil
	}
	doing := "read one of " + kind
	a, err := c.send(ctx, request{doing: doing, path: kind + "/" + url.PathEscape(id)})
	switch {
	case err != nil:
		return nil, err
	case a.gone():
		return nil, nil
	case a.status != http.StatusOK:
		return nil, c.unexpected(doing, a)
	case a.body.id() != id:
		// A service that takes a name for an ID, or that answered for
		// somebody else: never act on it.
		return nil, connectors.Errorf(connectors.Permanent, "scim: %s: %s answered with another resource than the one asked for", doing, c.cfg.URL)
	}
	return a.body, nil
}

// isID says whether a service can have given a resource that ID. Those that
// it cannot would change which URL is meant, or be cut off on the way.
func isID(id string) bool {
	const longest = 1024
	return id != "" && id != "." && id != ".." && len(id) <= longest &&
		!strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' })
}
