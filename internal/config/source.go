package config

import (
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/sheet"
)

// WrittenYAML describes the format of an HR file, of employments or of units.
type WrittenYAML struct {
	// Columns maps behov's columns to those of the file; only those with another name
	// are needed. A value may join columns, as person_id+LOPNR, or be a template, as
	// '{{.Namn | before ","}}'. Of XML they are XPaths, of fixed width positions, as
	// 1-10.
	Columns map[string]string `yaml:"columns"`
	// Format is csv, json, jsonl, xlsx, ods, xml or fixed. All but xml and fixed are
	// detected.
	Format string `yaml:"format"`
	// Delimiter is the character between two fields of CSV. Without it, it is
	// detected.
	Delimiter string `yaml:"delimiter"`
	// Encoding is utf-8, windows-1252, iso-8859-1, cp850, macintosh or utf-16. Without
	// it, it is detected.
	Encoding string `yaml:"encoding"`
	// DateFormat is a pattern of dates, or several, as [YYYY-MM-DD, "DD.MM.YYYY
	// hh:mm", EXCEL]; EXCEL is day numbers, Z a time zone. Default: YYYY-MM-DD.
	DateFormat namesYAML `yaml:"date_format"`
	// HeaderRow is the line of the column names, from 1. Without it, it is detected.
	HeaderRow int `yaml:"header_row"`
	// Sheet is the sheet of a workbook. Without it, it is the one with the columns.
	Sheet string    `yaml:"sheet"`
	Skip  skipsYAML `yaml:"skip"`
	// Empty says what stands in a column that has no value, as {end_date:
	// [tillsvidare, "-"]}. A list without a column is for the columns with dates.
	Empty emptyYAML `yaml:"empty"`
}

// check reports what is wrong with how a file is written that has the columns.
func (y WrittenYAML) check(doc *document, at string, columns []string) {
	for _, skip := range y.Skip {
		if skip.Column == "" || len(skip.Values) == 0 || slices.ContainsFunc(skip.Values, func(v string) bool { return identity.CleanText(v) == "" }) {
			doc.report(at+".skip", "it names rows that are none by what is in a column, as {column: Anstnr, values: [Total]}; rows without any value are none anyway")
		}
	}
	y.Empty.check(doc, at, columns)
	if y.HeaderRow < 0 {
		doc.report(at+".header_row", "it is the line of the column names, from 1; without it is found by the columns")
	}
}

// sourceYAML is an HR source.
type sourceYAML struct {
	WrittenYAML `yaml:",inline"`

	// Record is the XPath of one record of XML, as //employment.
	Record    string        `yaml:"record"`
	Protected protectedYAML `yaml:"protected_values"`
	// Constants gives columns that the file lacks a value, or a template of one, as
	// email: '{{col "ANST_NR"}}@example.org'.
	Constants map[string]string `yaml:"constants"`
	// Shrink is how many active employments may be missing from a full export; one
	// that lacks more is held. Default: a number that grows with the square root of
	// the employments.
	Shrink    limitYAML      `yaml:"shrink_limit"`
	Contracts *contractsYAML `yaml:"contracts"`
	// Changes reports that the source delivers what changed, and not everything.
	// Default: false; a source with scim always does.
	Changes bool `yaml:"changes"`
	// Every is how often behov serve reads the source. Default: what its option
	// --every says.
	Every time.Duration `yaml:"every"`
	// File is a file that each reading reads whole.
	File      string        `yaml:"file"`
	Directory directoryYAML `yaml:"directory"`
	// Pattern selects the files of the directory, as *.csv. Default: all.
	Pattern string `yaml:"pattern"`
	// Archive is where files that were read are moved to. Default: archive, below the
	// directory.
	Archive string `yaml:"archive"`
	// Settle is how long a file of the directory must be unchanged to count as
	// complete. Default: 2s.
	Settle time.Duration `yaml:"settle"`
	// HTTP is a feed that is read over HTTP.
	HTTP *struct {
		// URL is https://HOST/…, without a name and a password in it.
		URL string `yaml:"url"`
		// Token is the reference to a bearer token, as env:BEHOV_HR_TOKEN.
		Token string `yaml:"token"`
		// CAFile has certificates, in PEM, to trust instead of the system's.
		CAFile string `yaml:"ca_file"`
		// Cursor is the query parameter of the position of a feed with changes: true.
		// Without it each answer is read from the beginning.
		Cursor string `yaml:"cursor"`
		// Next is the field of an answer that has the next page, a URL or a token.
		// Default: next.
		Next string `yaml:"next"`
		// Position is the field of an answer that has the position for the next reading.
		// Default: cursor.
		Position string `yaml:"position"`
		// Page is the query parameter for the token of the next page. Default: what
		// cursor says.
		Page string `yaml:"page"`
		// Complete reports that each answer is everything, even when it announces more.
		// Default: false.
		Complete bool `yaml:"complete"`
		// Timeout is how long one request may take. Default: 30s.
		Timeout time.Duration `yaml:"timeout"`
	} `yaml:"http"`
	// SQL is a query in a database.
	SQL *struct {
		// Database is postgres://USER@HOST/NAME or sqlite:FILE, or a reference to it, as
		// env:BEHOV_HR_DATABASE.
		Database string `yaml:"database"`
		// Query is one SELECT, with behov's columns or those under columns.
		Query string `yaml:"query"`
		// HighWater is the column that grows, by which only what is new is read; the
		// query has WHERE … >= :high_water, and the source changes: true. Without it
		// everything is read.
		HighWater string `yaml:"high_water"`
		// Start is where high_water begins, as 0 or 1970-01-01.
		Start string `yaml:"start"`
	} `yaml:"sql"`
	// SCIM reports that the source pushes over SCIM 2.0 to behov serve --listen, with
	// a token of behov token make. Default: false.
	SCIM bool `yaml:"scim"`
	// Forms reports that the source is what HR staff report by form, with behov hr report
	// and over the API: an ending or a hire that the HR system does not have yet. Its people
	// are joined with those of every other source. Default: false.
	Forms bool `yaml:"forms"`
	// ConfirmDays is after how many days a report that no other source confirms is shown to
	// those who may report. Default: 14.
	ConfirmDays *int `yaml:"confirm_days"`
	// Joins are other sources; a record that has the same national identity number as
	// one of theirs, and a name in common, is the same person's.
	Joins namesYAML `yaml:"joins"`
	// NewPeople is the maximum of new users that may be pushed within an hour; more
	// get the answer 429. Default: no maximum.
	NewPeople *int `yaml:"new_people_per_hour"`
}

// protectedYAML lists an organisation's words for a protected identity, or, as a
// mapping, also its words for one that is not protected.
type protectedYAML struct {
	// Yes are words that mean yes; any other word that is not known is taken as
	// protected, with a warning.
	Yes namesYAML `yaml:"protected"`
	// No are words that mean no.
	No namesYAML `yaml:"not_protected"`
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (p *protectedYAML) UnmarshalYAML(unmarshal func(any) error) error {
	var kind any
	if err := unmarshal(&kind); err != nil {
		return err
	}
	if _, ok := kind.(map[string]any); ok {
		type full protectedYAML
		return unmarshal((*full)(p))
	}
	return unmarshal(&p.Yes)
}

// check reports words that cannot be told apart, or that are nothing.
func (p protectedYAML) check(doc *document, at string, empty EmptyValues) {
	at += ".protected_values"
	yes, no := cleanTexts(p.Yes), cleanTexts(p.No)
	if slices.Contains(slices.Concat(yes, no), "") {
		doc.report(at, "it lists your words for a protected identity, as [SKYDD], or your words for both, as {protected: [SKYDD], not_protected: [Öppen, \"-\"]}; an empty cell says nothing")
	}
	for _, word := range no {
		if slices.ContainsFunc(yes, func(w string) bool { return strings.EqualFold(w, word) }) {
			doc.report(at, "%q is listed under protected and under not_protected: a word has one meaning", word)
		}
	}
	for _, word := range slices.Concat(yes, no) {
		if word != "" && empty.Has("protected", word) {
			doc.report(at, "%q is also listed under empty, for the column protected: a word has one meaning", word)
		}
	}
}

// directoryYAML is a source's directory: a path, or a mapping with more settings.
type directoryYAML struct {
	// Path is the directory that the source puts its files into.
	Path string `yaml:"path"`
	// Keep is how many days archived and refused files are kept; 0 is for ever.
	// Default: 90.
	Keep *int `yaml:"keep_days"`
}

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (d *directoryYAML) UnmarshalYAML(unmarshal func(any) error) error {
	type full directoryYAML
	return textOr(unmarshal, &d.Path, (*full)(d))
}

// namesYAML is a list of names; a single text is a list of one.
type namesYAML []string

// UnmarshalYAML implements yaml.InterfaceUnmarshaler.
func (n *namesYAML) UnmarshalYAML(unmarshal func(any) error) error {
	var kind any
	if err := unmarshal(&kind); err != nil {
		return err
	}
	if _, list := kind.([]any); list {
		return unmarshal((*[]string)(n))
	}
	var one string
	if err := unmarshal(&one); err != nil {
		return err
	}
	*n = namesYAML{one}
	return nil
}

// cleanTexts returns texts in canonical form (identity.CleanText).
func cleanTexts(names []string) []string {
	var clean []string
	for _, name := range names {
		clean = append(clean, identity.CleanText(name))
	}
	return clean
}

// joins parses the sources with whose records those of a source are joined.
func joins(doc *document, at, name string, y namesYAML, sources map[string]sourceYAML) []string {
	for _, other := range y {
		if _, ok := sources[other]; !ok || other == name {
			doc.report(at, "it names other sources under hr.sources, whose people those of %s may be; %q is none", name, other)
		}
	}
	return y
}

const (
	defaultConfirm = 14 // days
	defaultSettle  = 2 * time.Second
	defaultKeep    = 90 // days
	defaultTimeout = 30 * time.Second
)

func (l *loader) source(doc *document, name string, s sourceYAML, attributes []string) Source {
	at := "$.hr.sources." + quoteKey(name)
	out := Source{Name: name, Columns: s.Columns, Constants: s.Constants, Changes: s.Changes, HeaderRow: s.HeaderRow, Sheet: s.Sheet, Record: s.Record, Skip: s.Skip, Empty: s.Empty.values(), ProtectedValues: cleanTexts(s.Protected.Yes), UnprotectedValues: cleanTexts(s.Protected.No),
		Shrink: s.Shrink.limit(blastradius.Default(blastradius.Disables))}
	s.Protected.check(doc, at, out.Empty)
	out.Every = parseInterval(doc, at+".every", s.Every)
	layout := layoutOf(doc, at, s.Format, s.Encoding, s.Delimiter)
	out.Format, out.Encoding, out.Delimiter = layout.Format, layout.Encoding, layout.Delimiter
	out.Dates = l.dates(doc, at, s.DateFormat)
	for _, column := range append(sortedKeys(s.Columns), sortedKeys(s.Constants)...) {
		if !slices.Contains(Canonical, column) && !slices.Contains(attributes, column) {
			doc.report(at, "there is no column %q to map: there are %s", column, strings.Join(slices.Concat(Canonical, attributes), ", "))
		}
	}
	checkColumns(doc, at, s)
	l.checkLayout(doc, at, s, out, attributes)
	s.Shrink.check(doc, at+".shrink_limit")
	l.origin(doc, at, s, &out)
	forms(doc, at, s, &out)
	if s.NewPeople != nil && !s.SCIM {
		doc.report(at+".new_people_per_hour", "it is for sources that are pushed to (scim: true); exports that shrink are held by shrink_limit, and new accounts by hold_above")
	}
	return out
}

// Layout returns a source's format and columns.
func (s Source) Layout(attributes []string) sheet.Layout {
	return sheet.Layout{Setting: "hr.sources." + s.Name, Format: s.Format, Encoding: s.Encoding, Delimiter: s.Delimiter,
		Columns: s.ColumnNames(attributes), HeaderRow: s.HeaderRow, TabName: s.Sheet, Record: s.Record}
}

// layoutOf returns the format of a file.
func layoutOf(doc *document, at, format, encoding, delimiter string) sheet.Layout {
	out := sheet.Layout{Setting: strings.TrimPrefix(at, "$."), Format: strings.ToLower(format), Encoding: strings.ToLower(encoding)}
	if r := []rune(delimiter); len(r) == 1 && !strings.ContainsRune("\"\r\n", r[0]) {
		out.Delimiter = r[0]
	} else if len(r) > 0 {
		doc.report(at+".delimiter", "%q must be one character and no quotation mark; a tab is written \"\\t\"", delimiter)
	}
	if out.Encoding == "latin-1" || out.Encoding == "latin1" {
		out.Encoding = "iso-8859-1"
	}
	if known := sheet.Encodings(); out.Encoding != "" && !slices.Contains(known, out.Encoding) {
		doc.report(at+".encoding", "%q is not known: %s are; without it is found out", encoding, strings.Join(known, ", "))
	}
	if formats := sheet.Formats(); out.Format != "" && !slices.Contains(formats, out.Format) {
		doc.report(at+".format", "%q is not known: %s are; without it is found out", format, strings.Join(sheet.Formats(), ", "))
	}
	return out
}

// dates parses the date patterns.
func (l *loader) dates(doc *document, at string, patterns namesYAML) identity.DateReader {
	r, err := identity.NewDateReader(patterns, l.zone)
	if err != nil {
		doc.report(at+".date_format", "%v", err)
	}
	return r
}

// forms parses the settings of a source of what people report.
func forms(doc *document, at string, s sourceYAML, out *Source) {
	switch {
	case !s.Forms && s.ConfirmDays != nil:
		doc.report(at+".confirm_days", "it is for a source with forms: true")
		return
	case !s.Forms:
		return
	case s.File != "" || s.Directory.Path != "" || s.HTTP != nil || s.SQL != nil || s.SCIM || s.Contracts != nil || len(s.Joins) > 0 || len(s.Columns) > 0 || len(s.Constants) > 0 || s.Format != "":
		doc.report(at, "a source with forms: true has what people report, and nothing else: leave out all but confirm_days, and name a file or a server under another source")
	}
	out.Forms, out.Changes, out.ConfirmDays = true, true, defaultConfirm
	if s.ConfirmDays != nil {
		if out.ConfirmDays = *s.ConfirmDays; out.ConfirmDays < 1 || out.ConfirmDays > 365 {
			doc.report(at+".confirm_days", "it is a number of days, from 1 to 365")
		}
	}
}

// origin parses where a source is read from.
func (l *loader) origin(doc *document, at string, s sourceYAML, out *Source) {
	origins := 0
	for _, is := range []bool{s.File != "", s.Directory.Path != "", s.HTTP != nil, s.SQL != nil, s.SCIM} {
		if is {
			origins++
		}
	}
	if origins > 1 {
		doc.report(at, "a source has at most one of file, directory, http, sql and scim")
		return
	}
	if s.Directory.Path == "" && s.Directory.Keep != nil {
		doc.report(at+".directory", "path is missing: where the source puts its files")
	}
	if s.Directory.Path == "" && (s.Pattern != "" || s.Archive != "" || s.Settle != 0) {
		doc.report(at, "pattern, archive and settle are set without a directory")
	}
	switch {
	case s.File != "":
		out.File = l.file(s.File)
	case s.Directory.Path != "":
		out.Directory = &Directory{Path: l.file(s.Directory.Path), KeepDays: defaultKeep, Pattern: or(s.Pattern, "*"), Settle: s.Settle, Archive: l.file(s.Archive)}
		if out.Directory.Archive == "" {
			out.Directory.Archive = path.Join(out.Directory.Path, "archive")
		}
		if s.Settle == 0 {
			out.Directory.Settle = defaultSettle
		}
		if keep := s.Directory.Keep; keep != nil {
			if out.Directory.KeepDays = *keep; *keep < 0 || *keep > 36500 {
				doc.report(at+".directory.keep_days", "it is a number of days, from 0 (for ever) to 36500")
			}
		}
		if _, err := path.Match(out.Directory.Pattern, ""); err != nil || s.Settle < 0 {
			doc.report(at, "the pattern %q is not well formed (* stands for anything), or settle is negative", s.Pattern)
		}
	case s.HTTP != nil:
		l.feed(doc, at+".http", s, out)
	case s.SQL != nil:
		l.view(doc, at+".sql", s, out)
	case s.SCIM:
		out.SCIM, out.Changes = true, true
		if n := s.NewPeople; n != nil && *n < 1 {
			doc.report(at+".new_people_per_hour", "it is a number of people, 1 or more; without it any number is taken")
		} else if n != nil {
			out.NewPeople = *n
		}
	}
}

func (l *loader) feed(doc *document, at string, s sourceYAML, out *Source) {
	out.HTTP = &Feed{URL: s.HTTP.URL, Token: s.HTTP.Token, CAFile: l.file(s.HTTP.CAFile), Cursor: s.HTTP.Cursor, Next: or(s.HTTP.Next, "next"), Position: or(s.HTTP.Position, "cursor"), Page: s.HTTP.Page, Complete: s.HTTP.Complete, Timeout: s.HTTP.Timeout}
	u, err := url.Parse(s.HTTP.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) || u.User != nil {
		doc.report(at+".url", "it must be https://HOST/…, without a name and password in it")
	}
	if s.HTTP.Token != "" && !isReference(s.HTTP.Token) {
		doc.report(at+".token", "a secret must not stand in the configuration: write env:NAME or file:PATH")
	}
	if s.HTTP.Timeout < 0 {
		doc.report(at+".timeout", "it must not be negative")
	}
	if s.HTTP.Timeout == 0 {
		out.HTTP.Timeout = defaultTimeout
	}
	if s.HTTP.Complete && (s.HTTP.Next != "" || s.HTTP.Page != "") {
		doc.report(at+".complete", "an answer that is all there is has no next page: leave out next and page, or complete")
	}
	if s.HTTP.Cursor != "" && !s.Changes {
		doc.report(at+".cursor", "a cursor is for a source with deltas: set changes: true, or remove the cursor")
	}
}

// Loopback reports whether a host is the local machine.
func Loopback(host string) bool { return loopback(host) }

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (l *loader) view(doc *document, at string, s sourceYAML, out *Source) {
	out.SQL = &View{Query: strings.TrimSpace(s.SQL.Query), HighWater: s.SQL.HighWater, Start: s.SQL.Start, Database: l.database(doc, at+".database", s.SQL.Database)}
	if first, _, _ := strings.Cut(strings.ToLower(out.SQL.Query), " "); first != "select" && first != "with" {
		doc.report(at+".query", "it must be one SELECT, with a column for each of behov's or those under columns")
	}
	if strings.Contains(strings.TrimSuffix(out.SQL.Query, ";"), ";") {
		doc.report(at+".query", "it must be one statement")
	}
	if named := strings.Contains(out.SQL.Query, ":high_water"); named != (s.SQL.HighWater != "") || named && (!s.Changes || s.SQL.Start == "") {
		doc.report(at, "reading on takes four things: high_water, the column that grows; start, where it begins (0, or 1970-01-01); WHERE … >= :high_water in the query; and changes: true")
	}
}
