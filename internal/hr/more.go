package hr

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/reason"
)

// IncompleteError is returned for a feed that announces more than it sent.
// Nothing of it is imported: taken as complete, it would end the employments it
// lacks.
type IncompleteError struct{ Reason reason.Reason }

func (e *IncompleteError) Error() string { return e.Reason.JSON() }

// Because returns the reason.
func (e *IncompleteError) Because() reason.Reason { return e.Reason }

func incomplete(k reason.Kind) error {
	return &IncompleteError{reason.Of(reason.FeedIncomplete{Because: reason.Of(k)})}
}

// pageInfo is what a page announces about other pages.
type pageInfo struct {
	next     string // a URL, or a token when isToken
	isToken  bool
	nextName string // of the field or the header that has it
	flag     string // of the field that announces more without a link
	total    int    // of all records, on all pages
	pages    int
}

// The names by which feeds announce more: of links, of tokens, of booleans, and
// of numbers; in lower case, without _ and -, and without OData's prefix.
var (
	nextNames    = []string{"next", "nextlink", "nextpage", "nexturl", "nexturi", "nexthref", "nextpagelink", "nextpageurl", "nextpageuri"}
	tokenNames   = []string{"nextpagetoken", "nextcursor", "nexttoken", "nextpagecursor", "continuationtoken", "continuation", "nextoffset", "nextstart", "nextstartindex"}
	moreNames    = []string{"hasmore", "more", "moreresults", "moreavailable", "hasnext", "hasnextpage", "hasmoreresults", "hasmorepages", "incomplete", "incompleteresults", "truncated", "istruncated"}
	wholeNames   = []string{"complete", "iscomplete", "last", "islast", "islastpage", "lastpage", "endofrecords"} // when false
	totalNames   = []string{"total", "totalcount", "totalresults", "count", "totalrecords", "totalelements", "totalitems", "totalrows", "totalsize", "totalhits", "recordcount", "resultcount"}
	pagesNames   = []string{"totalpages", "pagecount", "pages", "numberofpages", "lastpage"}
	containers   = []string{"links", "link", "paging", "pagination", "page", "pageinfo", "meta", "metadata", "responsemetadata"}
	addressNames = []string{"href", "url", "uri", "link", "$ref"}
)

var nameSeparators = strings.NewReplacer("_", "", "-", "")

func plainName(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(name), "@"), "odata.")
	return nameSeparators.Replace(name)
}

// read reads a page's own fields, and those of its nested paging objects. The
// first link to the next page wins.
func (m *pageInfo) read(fields map[string]json.RawMessage, configured string, deep int) {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if (a == configured) != (b == configured) {
			return map[bool]int{true: -1, false: 1}[a == configured]
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		m.field(name, fields[name], configured, deep)
	}
}

func (m *pageInfo) field(name string, raw json.RawMessage, configured string, deep int) {
	plain := plainName(name)
	if raw = bytes.TrimSpace(raw); len(raw) > 0 && raw[0] == '[' && !slices.Contains(containers, plain) {
		return // the records
	}
	number, isNumber := integer(raw)
	is, isTruth := parseJSONBool(raw)
	switch {
	case name == configured || slices.Contains(nextNames, plain):
		m.link(name, raw)
	case slices.Contains(tokenNames, plain):
		if text := textIn(raw); text != "" && m.next == "" {
			m.next, m.isToken, m.nextName = text, true, name
		}
	}
	switch {
	case isTruth && (is && slices.Contains(moreNames, plain) || !is && slices.Contains(wholeNames, plain)):
		m.flag = name
	case isNumber && slices.Contains(totalNames, plain):
		m.total = max(m.total, number)
	case isNumber && slices.Contains(pagesNames, plain):
		m.pages = max(m.pages, number)
	case deep > 0 && slices.Contains(containers, plain):
		m.container(name, raw, deep)
	}
}

func (m *pageInfo) container(name string, raw json.RawMessage, deep int) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) == nil {
		m.read(fields, "", deep-1)
		return
	}
	var links []map[string]json.RawMessage // [{"rel": "next", "href": …}]
	if json.Unmarshal(raw, &links) != nil {
		return
	}
	for _, link := range links {
		if strings.EqualFold(textIn(link["rel"]), "next") {
			m.address(name, link)
		}
	}
}

// link records the next page: from a text, a number, or an object that contains
// the address.
func (m *pageInfo) link(name string, raw json.RawMessage) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) == nil {
		if len(fields) > 0 {
			m.address(name, fields)
		}
		return
	}
	if is, isTruth := parseJSONBool(raw); isTruth {
		if is {
			m.flag = name
		}
		return
	}
	text := textIn(raw)
	if text == "" || m.next != "" {
		return
	}
	linked := strings.HasPrefix(text, "/") || strings.ContainsAny(text, "?") || strings.Contains(text, "://") || slices.Contains([]string{"nextlink", "nexturl", "nexturi", "nexthref"}, plainName(name))
	m.next, m.isToken, m.nextName = text, !linked, name
}

func (m *pageInfo) address(name string, fields map[string]json.RawMessage) {
	for _, address := range addressNames {
		if text := textIn(fields[address]); text != "" {
			if m.next == "" {
				m.next, m.isToken, m.nextName = text, false, name
			}
			return
		}
	}
	m.flag = name // there is one, without an address
}

// header reads the Link header (RFC 8288).
func (m *pageInfo) header(h http.Header) {
	if next := nextLink(h.Values("Link")); next != "" && m.next == "" {
		m.next, m.nextName = next, "Link"
	}
	for _, name := range []string{"X-Next-Page", "X-Next-Cursor"} {
		if token := h.Get(name); token != "" && m.next == "" {
			m.next, m.isToken, m.nextName = token, true, name
		}
	}
	for _, name := range []string{"X-Total-Count", "X-Total", "X-Total-Results"} {
		if n, err := strconv.Atoi(strings.TrimSpace(h.Get(name))); err == nil {
			m.total = max(m.total, n)
		}
	}
	if n, err := strconv.Atoi(strings.TrimSpace(h.Get("X-Total-Pages"))); err == nil {
		m.pages = max(m.pages, n)
	}
	if strings.EqualFold(h.Get("X-Has-More"), "true") {
		m.flag = "X-Has-More"
	}
	if _, total, ok := strings.Cut(h.Get("Content-Range"), "/"); ok {
		if n, err := strconv.Atoi(total); err == nil {
			m.total = max(m.total, n)
		}
	}
}

// nextLink returns the target of the link with rel="next".
func nextLink(headers []string) string {
	for rest := strings.Join(headers, ","); ; {
		_, after, ok := strings.Cut(rest, "<")
		if !ok {
			return ""
		}
		target, parameters, ok := strings.Cut(after, ">")
		if !ok {
			return ""
		}
		own, _, _ := strings.Cut(parameters, "<")
		for _, p := range strings.FieldsFunc(own, func(r rune) bool { return r == ';' || r == ',' }) {
			name, value, _ := strings.Cut(p, "=")
			if strings.EqualFold(strings.TrimSpace(name), "rel") && slices.ContainsFunc(strings.Fields(strings.Trim(strings.TrimSpace(value), `"`)), func(rel string) bool { return strings.EqualFold(rel, "next") }) {
				return target
			}
		}
		rest = parameters
	}
}

// textIn returns a text, or a number as text; empty for null, for zero and for
// everything else.
func textIn(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s)
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil && n != "0" {
		return n.String()
	}
	return ""
}

func integer(raw json.RawMessage) (int, bool) {
	n, err := strconv.Atoi(textIn(raw))
	return n, err == nil
}

func parseJSONBool(raw json.RawMessage) (is, isTruth bool) {
	switch string(bytes.ToLower(bytes.Trim(bytes.TrimSpace(raw), `"`))) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}
