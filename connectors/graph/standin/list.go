package standin

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// listing describes how a collection answers query options.
type listing struct {
	resource   string // in messages
	properties func(string) (property, bool)
	expand     []string // the valid names in $expand
	total      int
	item       func(i int, sel []string, expand string) object
	key        func(i int) int64                                    // a stable position
	match      func(i int, path string, values []string) (yes bool) // for $filter
}

// list answers GET on a collection.
func (s *Server) list(q call, l listing) answer {
	top, sel, expand, problem := options(q, l)
	if problem != nil {
		return *problem
	}
	keep, problem := filter(q, l)
	if problem != nil {
		return *problem
	}
	after := int64(-1)
	if token := q.Query.Get("$skiptoken"); token != "" {
		b, err := base64.RawURLEncoding.DecodeString(token)
		n, err2 := strconv.ParseInt(string(b), 10, 64)
		if err != nil || err2 != nil {
			return badRequest("Invalid value specified for '$skiptoken'.")
		}
		after = n
	}
	size := s.opts.PageSize
	if top > 0 {
		size = top
	}
	if s.opts.MaxPage > 0 {
		size = min(size, s.opts.MaxPage)
	}
	value := []any{}
	body := object{"@odata.context": q.base + "/$metadata#" + strings.TrimPrefix(q.Path, "/")}
	count := 0
	for i := range l.total {
		if !keep(i) {
			continue
		}
		count++
		if l.key(i) <= after {
			continue
		}
		if len(value) == size {
			if body["@odata.nextLink"] == nil {
				next := url.Values{}
				for k, v := range q.Query {
					next[k] = v
				}
				next.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(after, 10))))
				body["@odata.nextLink"] = q.base + (&url.URL{Path: q.Path}).EscapedPath() + "?" + next.Encode()
			}
			continue
		}
		value = append(value, l.item(i, sel, expand))
		after = l.key(i)
	}
	if q.Query.Get("$count") == "true" {
		body["@odata.count"] = count
	}
	body["value"] = value
	return ok(body)
}

// options parses $top, $select and $expand, and refuses unknown options.
func options(q call, l listing) (top int, sel []string, expand string, problem *answer) {
	no := func(a answer) (int, []string, string, *answer) { return 0, nil, "", &a }
	for k := range q.Query {
		switch k {
		case "$top", "$select", "$filter", "$count", "$skiptoken", "$expand":
		case "$search", "$orderby":
			if !eventual(q) {
				return no(fail(http.StatusBadRequest, "Request_UnsupportedQuery", "Request with %s query parameter only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'", k))
			}
			return no(fail(http.StatusBadRequest, "Request_UnsupportedQuery", "The stand-in does not know %s.", k))
		default:
			return no(fail(http.StatusBadRequest, "BadRequest", "The query parameter '%s' is not supported.", k))
		}
	}
	if q.Query.Has("$count") && !eventual(q) {
		return no(fail(http.StatusBadRequest, "Request_UnsupportedQuery", "$count is not currently supported."))
	}
	if text := q.Query.Get("$top"); q.Query.Has("$top") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 999 {
			return no(fail(http.StatusBadRequest, "Request_UnsupportedQuery", "Invalid page size specified: '%s'. Must be between 1 and 999 inclusive.", text))
		}
		top = n
	}
	if text := q.Query.Get("$select"); q.Query.Has("$select") {
		sel = strings.Split(text, ",")
		if name, ok := unknown(sel, l.properties); ok {
			return no(badRequest("Could not find a property named '%s' on type 'microsoft.graph.%s'.", name, l.resource))
		}
	}
	if q.Query.Has("$expand") && eventual(q) {
		// https://learn.microsoft.com/graph/aad-advanced-queries
		return no(fail(http.StatusBadRequest, "Request_UnsupportedQuery", "$expand is not supported with ConsistencyLevel: eventual."))
	}
	if expand = q.Query.Get("$expand"); q.Query.Has("$expand") && !slices.Contains(l.expand, expand) {
		return no(badRequest("Parsing OData Select and Expand failed: '%s'.", expand))
	}
	return top, sel, expand, nil
}

func eventual(q call) bool { return strings.EqualFold(q.Header.Get("ConsistencyLevel"), "eventual") }

func unknown(names []string, properties func(string) (property, bool)) (string, bool) {
	for _, n := range names {
		if _, ok := properties(n); !ok {
			return n, true
		}
	}
	return "", false
}

// comparison matches the supported forms of $filter: path eq 'text' or a word,
// and path in ('a','b').
var (
	comparison = regexp.MustCompile(`^([A-Za-z0-9_]+(?:/[A-Za-z0-9_]+)?) eq (?:'((?:[^']|'')*)'|(true|false))$`)
	membership = regexp.MustCompile(`^([A-Za-z0-9_]+(?:/[A-Za-z0-9_]+)?) in \(('(?:[^']|'')*'(?:,\s*'(?:[^']|'')*')*)\)$`)
	quoted     = regexp.MustCompile(`'((?:[^']|'')*)'`)
)

func filter(q call, l listing) (func(int) bool, *answer) {
	text := q.Query.Get("$filter")
	if !q.Query.Has("$filter") {
		return func(int) bool { return true }, nil
	}
	no := func(a answer) (func(int) bool, *answer) { return nil, &a }
	var path string
	var values []string
	if m := comparison.FindStringSubmatch(text); m != nil {
		path, values = m[1], []string{strings.ReplaceAll(m[2], "''", "'") + m[3]}
	} else if m := membership.FindStringSubmatch(text); m != nil {
		path = m[1]
		for _, v := range quoted.FindAllStringSubmatch(m[2], -1) {
			values = append(values, strings.ReplaceAll(v[1], "''", "'"))
		}
		if len(values) > 15 {
			return no(fail(http.StatusBadRequest, "Request_UnsupportedQuery", "Too many child clauses specified in search filter expression. Max allowed: 15."))
		}
	} else {
		return no(fail(http.StatusBadRequest, "Request_UnsupportedQuery", "Invalid filter clause: There is an unterminated string literal or a syntax error in the filter."))
	}
	name, _, _ := strings.Cut(path, "/")
	p, known := l.properties(name)
	switch {
	case !known:
		return no(badRequest("Could not find a property named '%s' on type 'microsoft.graph.%s'.", name, l.resource))
	case !p.filter:
		return no(fail(http.StatusBadRequest, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified for property '%s' of resource '%s'.", name, l.resource))
	case p.advanced && (!eventual(q) || q.Query.Get("$count") != "true"):
		return no(fail(http.StatusBadRequest, "Request_UnsupportedQuery", "Unsupported Query. Property '%s' can be filtered with ConsistencyLevel: eventual and $count=true only.", name))
	}
	return func(i int) bool { return l.match(i, path, values) }, nil
}

// pick returns the selected properties, or Graph's default ones.
func pick(props object, sel []string, usual ...string) object {
	if sel == nil {
		sel = usual
	}
	out := object{"id": props["id"]}
	for _, name := range sel {
		out[name] = props[name]
		if props[name] == nil {
			if p, _ := userProperty(name); p.kind == strs || p.kind == licences {
				out[name] = []any{}
			}
		}
	}
	return out
}

// matches compares as Graph does: without case.
func matches(props object, path string, values []string) bool {
	name, inner, nested := strings.Cut(path, "/")
	v := props[name]
	if nested {
		o, _ := v.(object)
		v = o[inner]
	}
	var have string
	switch v := v.(type) {
	case string:
		have = v
	case bool:
		have = strconv.FormatBool(v)
	default:
		return false
	}
	return slices.ContainsFunc(values, func(want string) bool { return strings.EqualFold(have, want) })
}
