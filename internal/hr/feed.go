package hr

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/behov/behov/connectors/transport"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/sheet"
	"github.com/behov/behov/internal/store"
)

const (
	maxBody  = 256 << 20
	maxPages = 10_000
	tries    = 4
	// maxWait is the maximum delay that a feed may request before it is left to
	// the next run.
	maxWait = 30 * time.Second
)

// feed is one reading of a source over HTTP.
type feed struct {
	*Importer
	source config.Source
	client *http.Client
	token  string
	before store.Position
	pages  []page
	size   int // of all pages, in bytes
	total  int // the feed's own number of records
	etag   string
	cursor string
}

type page struct {
	content []byte
	format  string // as returned by sheet.LooksLike
	header  http.Header
}

// pullFeed reads a source over HTTP: everything, or the changes since the last
// reading. An interrupted reading has no effect, and is repeated from the same
// position.
func (im *Importer) pullFeed(ctx context.Context, source config.Source) ([]*Report, error) {
	fail := func(err error) ([]*Report, error) { return nil, fmt.Errorf("source %s: %w", source.Name, err) }
	tls, err := transport.TLS(source.HTTP.CAFile)
	if err != nil {
		return fail(err)
	}
	f := &feed{Importer: im, source: source, client: transport.Client(tls, source.HTTP.Timeout, 1)}
	if f.token, err = config.Resolve(im.Config.Dir, source.HTTP.Token); err != nil {
		return fail(fmt.Errorf("http.token: %w", err))
	}
	if f.before, err = im.DB.SourceCursor(ctx, source.Name); err != nil {
		return nil, err
	}
	changed, err := f.read(ctx)
	var partly *IncompleteError
	if err != nil && !errors.As(err, &partly) {
		return fail(err)
	}
	if err == nil && !changed {
		return nil, nil
	}
	sum := sha256.New()
	for _, p := range f.pages {
		sum.Write(p.content)
	}
	hash := hex.EncodeToString(sum.Sum(nil))
	if held, err := im.isHeld(ctx, source, hash); err != nil || held {
		return nil, err
	}
	name := f.server()
	var export *Export
	if partly != nil {
		err = diagnostic.Problem{File: name, Reason: partly.Reason}
	} else {
		export, err = f.export(name)
	}
	if err != nil {
		return im.refuseOnce(ctx, source, name, hash, err)
	}
	if export.Partial && export.Read == 0 && (f.cursor == "" || f.cursor == f.before.Position) && f.etag == f.before.ETag {
		return nil, nil
	}
	if done, err := im.imported(ctx, source, hash); err != nil {
		return nil, err
	} else if done && export.Partial {
		// The same changes come again while a start among them awaits a decision.
		if waits, err := im.startUndecided(ctx, source.Name); err != nil || waits {
			return nil, err
		}
	} else if done {
		return nil, nil
	}
	position := store.Position{Position: f.cursor, ETag: f.etag}
	if position.Position == "" {
		position.Position = f.before.Position
	}
	report, err := im.Deliver(ctx, Delivery{Source: source, Name: name, Hash: hash, ExportedAt: im.Now(), ExportTimeStated: true, Export: export, Position: &position})
	if err != nil {
		return nil, err
	}
	return []*Report{report}, nil
}

// server returns the feed's name in messages: the host only, as the URL may
// contain a secret.
func (f *feed) server() string {
	u, err := url.Parse(f.source.HTTP.URL)
	if err != nil {
		return f.source.Name
	}
	return u.Host
}

// read reads all pages; it returns false when nothing has changed.
func (f *feed) read(ctx context.Context) (bool, error) {
	at, err := url.Parse(f.source.HTTP.URL)
	if err != nil {
		return false, errors.New("http.url is not a valid URL")
	}
	if f.source.HTTP.Cursor != "" && f.before.Position != "" {
		at = withParameter(at, f.source.HTTP.Cursor, f.before.Position)
	}
	seen := map[string]bool{}
	for n := 0; ; n++ {
		if seen[at.String()] || n == maxPages {
			return false, errors.New("the feed's pages link in a loop: nothing of it was read")
		}
		seen[at.String()] = true
		changed, err := f.page(ctx, at, n == 0)
		if err != nil || !changed {
			return false, err
		}
		next, err := f.next(at)
		if err != nil || next == nil {
			if n > 0 {
				f.etag = "" // it is that of the first page only
			}
			return err == nil, err
		}
		at = next
	}
}

func withParameter(u *url.URL, parameter, value string) *url.URL {
	out := *u
	q := out.Query()
	q.Set(parameter, value)
	out.RawQuery = q.Encode()
	return &out
}

// page fetches one page, and repeats the request while the server asks it to.
func (f *feed) page(ctx context.Context, at *url.URL, first bool) (changed bool, err error) {
	for try := 1; ; try++ {
		wait, changed, err := f.fetch(ctx, at, first)
		if err == nil || wait == 0 || try == tries || wait > maxWait {
			return changed, err
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(wait * time.Duration(try)):
		}
	}
}

// fetch sends one request. An error with a wait may be retried.
func (f *feed) fetch(ctx context.Context, at *url.URL, first bool) (wait time.Duration, changed bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return 0, false, errors.New("http.url is not a valid URL")
	}
	r.Header.Set("Accept", "application/json, application/x-ndjson, text/csv, application/xml;q=0.9, application/vnd.openxmlformats-officedocument.spreadsheetml.sheet;q=0.8")
	if f.token != "" {
		r.Header.Set("Authorization", "Bearer "+f.token)
	}
	if first && f.before.ETag != "" {
		r.Header.Set("If-None-Match", f.before.ETag)
	}
	res, err := f.client.Do(r)
	if err != nil {
		return time.Second, false, transport.Broken(ctx, "reading HR's feed", f.server(), f.source.HTTP.Timeout, err)
	}
	defer res.Body.Close() //nolint:errcheck // reading
	switch {
	case res.StatusCode == http.StatusNotModified && first:
		return 0, false, nil
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500:
		return max(time.Second, transport.RetryAfter(res.Header.Get("Retry-After"), f.Now())), false, fmt.Errorf("%s answered %s", f.server(), res.Status)
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return 0, false, fmt.Errorf("%s answered %s: check http.token", f.server(), res.Status)
	case res.StatusCode != http.StatusOK:
		return 0, false, fmt.Errorf("%s answered %s", f.server(), res.Status)
	}
	content, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err != nil {
		return time.Second, false, transport.Broken(ctx, "reading HR's feed", f.server(), f.source.HTTP.Timeout, err)
	}
	if f.size += len(content); f.size > maxBody {
		return 0, false, fmt.Errorf("%s answered with more than %d MB", f.server(), maxBody>>20)
	}
	if first {
		f.etag = res.Header.Get("ETag")
	}
	start := bytes.TrimLeft(content, " \t\r\n\xef\xbb\xbf")
	if f.source.Format == "" && sheet.LooksLike(start) == "html" {
		return 0, false, fmt.Errorf("%s answered with a web page: check http.url and http.token", f.server())
	}
	format := f.source.Format
	if format == "" {
		format = sheet.LooksLike(start)
	}
	f.pages = append(f.pages, page{content, format, res.Header})
	return 0, true, nil
}

// next returns the URL of the next page, nil when there is none, and records the
// cursor. When a page announces more without a usable link, the error is an
// *IncompleteError.
func (f *feed) next(at *url.URL) (*url.URL, error) {
	last := f.pages[len(f.pages)-1]
	before := f.cursor
	m := f.readMore(last)
	if f.source.HTTP.Complete {
		return nil, nil
	}
	f.total = max(f.total, m.total)
	parameter := defaultString(f.source.HTTP.Page, f.source.HTTP.Cursor)
	switch {
	case m.next != "" && last.format == "csv":
		return nil, incomplete(reason.FeedPagesOfCSV{Name: m.nextName})
	case m.next != "" && !m.isToken:
		u, err := at.Parse(m.next)
		if err != nil || u.Host != at.Host || u.Scheme != at.Scheme {
			return nil, fmt.Errorf("the feed's next page is on another server than %s: nothing of it was read", f.server())
		}
		return u, nil
	case m.next != "" && f.isEmpty(last):
		return nil, nil // a token without further pages
	case m.next != "" && parameter == "":
		return nil, incomplete(reason.FeedToken{Name: m.nextName})
	case m.next != "":
		if f.source.HTTP.Page == "" {
			f.cursor = m.next
		}
		return withParameter(at, parameter, m.next), nil
	case m.flag != "" && f.source.HTTP.Cursor != "" && f.cursor != "" && f.cursor != before:
		return withParameter(at, f.source.HTTP.Cursor, f.cursor), nil
	case m.flag != "":
		return nil, incomplete(reason.FeedMore{Name: m.flag})
	case m.pages > len(f.pages):
		return nil, incomplete(reason.FeedPages{Pages: m.pages, Given: len(f.pages)})
	}
	return nil, nil
}

// readMore returns what a page announces about other pages.
func (f *feed) readMore(p page) *pageInfo {
	m := &pageInfo{}
	var fields map[string]json.RawMessage
	// An array has no fields; malformed JSON is reported when it is parsed.
	if p.format == "json" && json.Unmarshal(bytes.TrimPrefix(p.content, []byte("\xef\xbb\xbf")), &fields) == nil {
		if position := textIn(fields[f.source.HTTP.Position]); position != "" && f.source.HTTP.Cursor != "" {
			f.cursor = position
		}
		m.read(fields, f.source.HTTP.Next, 3)
		if cursor := textIn(fields["cursor"]); cursor != "" && m.next == "" && !f.source.Changes {
			m.next, m.isToken, m.nextName = cursor, true, "cursor"
		}
	}
	m.header(p.header)
	return m
}

// isEmpty reports whether a page has no record.
func (f *feed) isEmpty(p page) bool {
	s := sheet.NewRecords()
	return p.format == "json" && s.AddJSON("", p.content, f.source.Layout(f.Config.Attributes)) == nil && s.Most() == 0
}

// export joins all pages into one export.
func (f *feed) export(name string) (*Export, error) {
	export, err := f.joined(name)
	if err == nil && f.total > export.Read {
		return nil, diagnostic.Problem{File: name, Reason: reason.Of(reason.FeedIncomplete{Because: reason.Of(reason.FeedRecords{Records: f.total, Given: export.Read})})}
	}
	return export, err
}

func (f *feed) joined(name string) (*Export, error) {
	if len(f.pages) == 1 {
		return Read(name, f.pages[0].content, f.source, f.Config.Attributes, f.Config.Rules.Units, f.Today())
	}
	if f.pages[0].format == "jsonl" {
		var all []byte
		for _, p := range f.pages {
			all = append(append(all, p.content...), '\n')
		}
		return Read(name, all, f.source, f.Config.Attributes, f.Config.Rules.Units, f.Today())
	}
	all := sheet.NewRecords()
	for n, p := range f.pages {
		if err := all.AddJSON(fmt.Sprintf("%s, page %d", name, n+1), p.content, f.source.Layout(f.Config.Attributes)); err != nil {
			return nil, err
		}
	}
	return read(name, all, f.source, f.Config.Attributes, f.Config.Rules.Units, f.Today())
}
