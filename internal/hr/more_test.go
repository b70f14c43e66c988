package hr_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// records are the rows of asJSON.
func records() []string {
	return strings.Split(strings.Trim(asJSON, "[]"), ",\n")
}

// feedOf is a source with full exports and one configured parameter.
func feedOf(url string) config.Source {
	s := detecting
	s.HTTP = &config.Feed{URL: url, Next: "next", Position: "cursor", Page: "token", Timeout: 5 * time.Second}
	return s
}

// TestFeedIsFollowedToItsLastPage checks, for the common shapes of next links,
// that all pages are read and no person on them is ended.
func TestFeedIsFollowedToItsLastPage(t *testing.T) {
	first, rest := records()[0], strings.Join(records()[1:], ",")
	for name, c := range map[string]struct {
		page   string
		header [2]string
	}{
		"@odata.nextLink":               {page: `{"@odata.context": "x", "value": [%s], "@odata.nextLink": "%s/?token=2"}`},
		"odata.nextLink, before":        {page: `{"odata.nextLink": "%[2]s/?token=2", "value": [%[1]s]}`},
		"next, as a URL":                {page: `{"results": [%s], "count": 3, "next": "%s/?token=2"}`},
		"next, as a path":               {page: `{"results": [%s], "x": "%s", "next": "/?token=2"}`},
		"next, as a query":              {page: `{"results": [%s], "x": "%s", "next": "?token=2"}`},
		"next, as an object":            {page: `{"items": [%s], "next": {"$ref": "%s/?token=2"}}`},
		"nextPage, as a number":         {page: `{"items": [%s], "x": "%s", "nextPage": 2}`},
		"links.next":                    {page: `{"data": [%s], "links": {"self": "%[2]s/", "next": "%[2]s/?token=2"}}`},
		"_links.next.href":              {page: `{"items": [%s], "_links": {"next": {"href": "%s/?token=2"}}}`},
		"a list of links":               {page: `{"items": [%s], "links": [{"rel": "self", "href": "%[2]s/"}, {"rel": "next", "href": "%[2]s/?token=2"}]}`},
		"paging.next":                   {page: `{"data": [%s], "paging": {"next": "%s/?token=2"}}`},
		"meta.next":                     {page: `{"data": [%s], "meta": {"next": "%s/?token=2"}}`},
		"meta.pagination.links.next":    {page: `{"data": [%s], "meta": {"pagination": {"total": 3, "links": {"next": "%s/?token=2"}}}}`},
		"nextPageToken":                 {page: `{"items": [%s], "x": "%s", "nextPageToken": "2"}`},
		"response_metadata.next_cursor": {page: `{"items": [%s], "x": "%s", "response_metadata": {"next_cursor": "2"}}`},
		"a cursor":                      {page: `{"items": [%s], "x": "%s", "cursor": "2"}`},
		"hasMore beside a link":         {page: `{"items": [%s], "hasMore": true, "next_page_url": "%s/?token=2"}`},
		"the Link header":               {page: `[%s]`, header: [2]string{"Link", `</>; rel="first", </?token=2>; rel="prefetch next"`}},
		"the Link header, JSON Lines":   {page: "%s\n", header: [2]string{"Link", `</?token=2>; rel=next`}},
		"X-Next-Page":                   {page: `[%s]`, header: [2]string{"X-Next-Page", "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.load(twoPeople)
			var url string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Query().Get("token") == "2" && strings.HasPrefix(c.page, "["):
					fmt.Fprint(w, "["+rest+"]")
				case r.URL.Query().Get("token") == "2" && c.page[0] == '%':
					fmt.Fprint(w, strings.Join(records()[1:], "\n"))
				case r.URL.Query().Get("token") == "2":
					fmt.Fprint(w, `{"items": [`+rest+`], "next": null, "hasMore": false, "last": true}`)
				default:
					if c.header[0] != "" {
						w.Header().Set(c.header[0], c.header[1])
						fmt.Fprintf(w, c.page, first)
						return
					}
					fmt.Fprintf(w, c.page, first, url)
				}
			}))
			defer server.Close()
			url = server.URL
			if r := f.pulled(feedOf(url), 1); r[0].Refused != nil || r[0].Rows != 3 || f.state() != twoPeopleState {
				t.Errorf("%+v, %s", r[0], f.state())
			}
		})
	}
}

// TestIncompleteFeedIsRefused checks that a feed that cannot be followed, or that
// lacks announced records, is not imported, and that the refusal says so.
func TestIncompleteFeedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		page, header, value, want string
	}{
		"hasMore":          {page: `{"items": [%s], "hasMore": true}`, want: `"hasMore"`},
		"has_more":         {page: `{"items": [%s], "has_more": true}`, want: `"has_more"`},
		"more":             {page: `{"more": "true", "items": [%s]}`, want: `"more"`},
		"incomplete":       {page: `{"items": [%s], "incomplete": true}`, want: `"incomplete"`},
		"truncated":        {page: `{"items": [%s], "meta": {"truncated": true}}`, want: `"truncated"`},
		"last":             {page: `{"items": [%s], "last": false}`, want: `"last"`},
		"hasNextPage":      {page: `{"items": [%s], "pageInfo": {"hasNextPage": true}}`, want: `"hasNextPage"`},
		"next is true":     {page: `{"items": [%s], "next": true}`, want: `"next"`},
		"total":            {page: `{"total": 11, "items": [%s]}`, want: "11 records, and gave 2"},
		"totalCount":       {page: `{"items": [%s], "totalCount": 11}`, want: "11 records"},
		"totalResults":     {page: `{"Resources": [%s], "totalResults": 11, "itemsPerPage": 2}`, want: "11 records"},
		"count":            {page: `{"results": [%s], "count": 11}`, want: "11 records"},
		"@odata.count":     {page: `{"value": [%s], "@odata.count": 11}`, want: "11 records"},
		"meta.total":       {page: `{"items": [%s], "meta": {"page": {"total": "11"}}}`, want: "11 records"},
		"totalPages":       {page: `{"items": [%s], "page": {"totalPages": 2}}`, want: "2 pages"},
		"X-Total-Count":    {page: `[%s]`, header: "X-Total-Count", value: "11", want: "11 records"},
		"X-Total-Pages":    {page: `[%s]`, header: "X-Total-Pages", value: "2", want: "2 pages"},
		"Content-Range":    {page: `[%s]`, header: "Content-Range", value: "items 0-1/11", want: "11 records"},
		"a token":          {page: `{"items": [%s], "nextPageToken": "abc"}`, want: "http.page"},
		"pages of CSV":     {page: header + "1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n", header: "Link", value: `</2>; rel="next"`, want: "CSV"},
		"total, and CSV":   {page: header + "1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n", header: "X-Total-Count", value: "2", want: "2 records, and gave 1"},
		"changes, as well": {page: `{"items": [%s], "hasMore": true}`, want: `"hasMore"`},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.load(twoPeople)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.header != "" {
					w.Header().Set(c.header, c.value)
				}
				fmt.Fprint(w, strings.Replace(c.page, "%s", strings.Join(records()[:2], ","), 1))
			}))
			defer server.Close()
			s := feedOf(server.URL)
			s.HTTP.Page = ""
			s.Changes = strings.Contains(name, "changes")
			r := f.pulled(s, 1)
			if !strings.Contains(testenv.ProblemText(*r[0].Refused), c.want) || !strings.Contains(testenv.ProblemText(*r[0].Refused), "http.complete") || f.state() != twoPeopleState {
				t.Errorf("%+v, %s", r[0], f.state())
			}
			f.pulled(s, 1) // recorded once, however often it is read
			all, err := f.db.Imports(t.Context(), "hr", 9)
			if err != nil || len(all) != 2 || all[0].Status != store.ImportRefused {
				t.Errorf("%+v, %v", all, err)
			}
			// Unless the configuration declares the feed complete.
			s.HTTP.Complete = true
			if r := f.pulled(s, 1); r[0].Refused != nil || r[0].Held != nil {
				t.Errorf("complete: %+v", r[0])
			}
		})
	}
}

// TestLinkToAnotherServerIsNotFollowed checks every shape of link.
func TestLinkToAnotherServerIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { t.Error("asked elsewhere"); fmt.Fprint(w, "[]") }))
	defer elsewhere.Close()
	for _, page := range []string{`{"value": [%s], "@odata.nextLink": %q}`, `{"items": [%s], "_links": {"next": {"href": %q}}}`, `{"items": [%s], "next": "//example.invalid/feed", "x": %q}`} {
		f := newFixture(t)
		f.load(twoPeople)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, page, records()[0], elsewhere.URL) }))
		if reports, err := f.im.Pull(t.Context(), feedOf(server.URL)); err == nil || !strings.Contains(testenv.ErrorText(err), "another server") || f.state() != twoPeopleState {
			t.Errorf("%s: %+v, %v, %s", page, reports, err, f.state())
		}
		server.Close()
	}
}

// TestETagOfTheFirstPageIsNotUsedForOthers checks that a feed of several pages is
// read again completely.
func TestETagOfTheFirstPageIsNotUsedForOthers(t *testing.T) {
	f := newFixture(t)
	second := strings.Join(records()[1:], ",")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("If-None-Match") != "":
			w.WriteHeader(http.StatusNotModified)
		case r.URL.Query().Get("token") == "2":
			fmt.Fprintf(w, `{"items": [%s]}`, second)
		default:
			w.Header().Set("ETag", `"v1"`)
			fmt.Fprintf(w, `{"items": [%s], "next": "/?token=2"}`, records()[0])
		}
	}))
	defer server.Close()
	f.pulled(feedOf(server.URL), 1)
	second = strings.Replace(second, "library", "school", 1)
	if f.pulled(feedOf(server.URL), 1); f.state() != "1 Åsa E1 school; 1 Åsa E2 school; 2 Bo E3 library" {
		t.Error(f.state())
	}
}
