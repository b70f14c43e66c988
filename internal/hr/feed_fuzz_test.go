package hr

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/testenv"
)

// pages answers the first request with one page, and every other with another.
type pages struct {
	t           *testing.T
	first, next []byte
	link        string
	asked       int
}

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "feed.invalid" || r.URL.Scheme != "https" {
		p.t.Errorf("asked %s", r.URL)
	}
	body, header := p.next, http.Header{}
	if p.asked++; p.asked == 1 {
		body = p.first
		header.Set("Link", p.link)
	}
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// FuzzFeedPage checks that any answer is read completely, followed on its own
// server only, or refused; an answer that announces more is never taken as
// complete.
func FuzzFeedPage(f *testing.F) {
	const row = `{"person_id": "1", "employment_id": "E1", "given_name": "A", "family_name": "B", "start_date": "2020-01-01"}`
	for _, seed := range []string{
		`{"value": [` + row + `], "@odata.nextLink": "/2"}`, `{"items": [` + row + `], "_links": {"next": {"href": "https://elsewhere.invalid/2"}}}`, `{"items": [` + row + `], "total": 11}`,
		`{"items": [` + row + `], "hasMore": true}`, `{"data": [` + row + `], "meta": {"pagination": {"links": {"next": "?page=2"}}}}`, `{"items": [` + row + `], "nextPageToken": "2"}`,
		`{"items": [` + row + `], "links": [{"rel": "next", "href": 7}], "next": {"$ref": []}}`, `{"items": [` + row + `], "next": "//elsewhere.invalid"}`, `{"items": [` + row + `], "next": "/"}`,
		row + "\n" + row, "[" + row + "]", "person_id;employment_id\n1;2\n", "", "\xff", `{"more": true, "value": []}`, `{"items": [` + row + `], "page": {"totalPages": 2, "totalElements": "11"}, "last": false}`,
	} {
		f.Add([]byte(seed), `</2>; rel="next"`)
		f.Add([]byte(seed), "")
	}
	f.Fuzz(func(t *testing.T, body []byte, link string) {
		server := &pages{t: t, first: body, next: []byte(`{"items": [` + row + `]}`), link: link}
		feed := &feed{
			Importer: &Importer{Config: &config.Config{Zone: time.UTC, Rules: &policy.Rules{Units: &identity.Units{}}}, Now: time.Now},
			source:   config.Source{Name: "hr", HTTP: &config.Feed{URL: "https://feed.invalid/", Next: "next", Position: "cursor", Page: "token", Timeout: time.Second}},
			client:   &http.Client{Transport: server},
		}
		begun := time.Now()
		_, err := feed.read(context.Background())
		var export *Export
		if err == nil {
			export, err = feed.export("feed")
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Fatalf("it took %s", took)
		}
		if err != nil {
			if len(testenv.ErrorText(err)) > 8192 || errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%.200v", err)
			}
			return
		}
		if server.asked > 3 {
			t.Fatalf("%d pages of two", server.asked)
		}
		var said struct {
			HasMore bool `json:"hasMore"`
			Total   int  `json:"total"`
		}
		if json.Unmarshal(body, &said) != nil || strings.Contains(strings.ToLower(string(body)), `"hasmore"`) != strings.Contains(string(body), `"hasMore"`) {
			return
		}
		if server.asked == 1 && said.HasMore && bytes.HasPrefix(body, []byte("{")) && feed.pages[0].format == "json" || said.Total > export.Read && feed.pages[0].format == "json" {
			t.Fatalf("%d records were taken as all of %s", export.Read, body)
		}
	})
}
