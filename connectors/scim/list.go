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
// when it is, fewer come than were announced.
func (c *Connector) list(ctx context.Context, kind string, query url.Values, each func(resource) error) (connectors.Completeness, error) {
	seen := map[string]bool{}
	start, announced := 1, 0
	for {
		p, end, err := c.page(ctx, kind, query, start, len(seen) >= announced)
		if err != nil {
			return connectors.Completeness{Why: kind + " could not be read to the end"}, err
		}
		if end {
			break
		}
		announced = max(announced, p.total)
		before := len(seen)
		for _, r := range p.resources {
			if seen[r.id()] {
				continue
			}
			seen[r.id()] = true
			if err := each(r); err != nil {
				return connectors.Completeness{Why: kind + " were not read to the end"}, err
			}
		}
		if len(seen) == before {
			break
		}
		start += len(p.resources)
	}
	if len(seen) < announced {
		return connectors.Completeness{Why: fmt.Sprintf("the service announced %d %s and sent %d", announced, kind, len(seen))}, nil
	}
	return connectors.Completeness{Complete: true}, nil
}

// page reads one page. end is true when the service refuses to look beyond
// the last result, all of which have come.
func (c *Connector) page(ctx context.Context, kind string, query url.Values, start int, all bool) (p page, end bool, err error) {
	q := maps.Clone(query)
	if q == nil {
		q = url.Values{}
	}
	q.Set("startIndex", strconv.Itoa(start))
	q.Set("count", strconv.Itoa(c.cfg.PageSize))
	doing := "read " + kind
	a, err := c.send(ctx, request{doing: doing, path: kind, query: q})
	if err != nil {
		return page{}, false, err
	}
	if start > 1 && all && (a.gone() || a.status == http.StatusBadRequest) {
		return page{}, true, nil
	}
	if a.status != http.StatusOK {
		return page{}, false, c.unexpected(doing, a)
	}
	p, err = parsePage(a.body)
	if err != nil {
		return page{}, false, connectors.Errorf(connectors.Permanent, "scim: %s: the answer of %s is not a SCIM list: %w", doing, c.cfg.URL, err)
	}
	if start == 1 && kind == users {
		c.filters.saw(p)
	}
	return p, false, nil
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
