package hr

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// sortableStamp converts an instant or a sequence number into a sortable form.
func sortableStamp(v string) (stamp string, ok bool) {
	if n, err := strconv.ParseUint(v, 10, 63); err == nil {
		return fmt.Sprintf("n%020d", n), true
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			return t.UTC().Format("t20060102150405.000000000"), true
		}
	}
	return "", false
}

// decimal parses decimal digits, optionally with a comma or a point. The other
// forms of a float (NaN, 1e3, 0x10) are mistakes here.
func decimal(v string) (float64, bool) {
	whole, fraction, parted := strings.Cut(strings.Replace(v, ",", ".", 1), ".")
	if len(v) > 20 || whole == "" || parted && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(whole+"."+defaultString(fraction, "0"), 64)
	return n, err == nil
}

// intern returns the one copy of a text that many rows share.
func (p *parser) intern(v string) string {
	if v == "" {
		return ""
	}
	if same, ok := p.texts[v]; ok {
		return same
	}
	v = strings.Clone(v)
	p.texts[v] = v
	return v
}

func isYes(v string) bool {
	return slices.Contains([]string{"1", "true", "yes", "y", "ja", "j", "sant", "x"}, strings.ToLower(v))
}

func isNo(v string) bool {
	return slices.Contains([]string{"", "0", "false", "no", "n", "nej", "falskt"}, strings.ToLower(v))
}

// parseDate parses a date in the source's formats; for uneven see
// identity.DateReader.Parse.
func parseDate(source config.Source, v string) (d identity.Date, uneven bool, why reason.Reason) {
	d, uneven, err := source.Dates.Parse(v)
	switch {
	case err == nil:
		return d, uneven, reason.Reason{}
	case errors.Is(err, identity.ErrNoSuchDay):
		return "", false, reason.Of(reason.NoSuchDay{})
	case source.SCIM: // a client has no other format to choose
		return "", false, reason.Of(reason.NotADate{Formats: source.Dates.Patterns()})
	case errors.Is(err, identity.ErrSerialDate):
		return "", false, reason.Of(reason.SerialDate{Source: source.Name})
	}
	return "", false, reason.Of(reason.NotADate{Formats: source.Dates.Patterns(), Source: source.Name})
}

// unevenDates are the rows in which a column has a time of day other than
// midnight.
type unevenDates struct{ line, rows int }

func (p *parser) uneven(line int, column string) {
	u := p.unevens[column]
	if u == nil {
		u = &unevenDates{line: line}
		p.unevens[column] = u
	}
	u.rows++
}

// warnUneven warns of such times of day, once for each column.
func (p *parser) warnUneven() {
	for _, column := range config.Canonical {
		if u := p.unevens[column]; u != nil {
			p.warn(u.line, "", inColumn(defaultString(p.names[column], column), reason.TimeNotMidnight{Rows: u.rows}))
		}
	}
}

// fractions are the percent values that can only be fractions of one: 0.25 for
// 25.
type fractions struct {
	line, rows int  // the first one, and their number
	percent    bool // the column has a value that can only be a percentage
}

func (f *fractions) add(line int, v float64, sign bool) {
	switch {
	case sign || v > 1:
		f.percent = true
	case v > 0 && v < 1:
		if f.rows++; f.rows == 1 {
			f.line = line
		}
	}
}

// leaveOutFractions leaves out the rows with a percent value when the column has
// fractions of one: a 1 in it means full time, and would be read as one percent.
func (p *parser) leaveOutFractions() {
	shown := defaultString(p.names["employment_percent"], "employment_percent")
	if p.fractions.percent {
		for _, r := range p.export.Rows {
			if !r.percentShare {
				continue
			}
			p.warnAt(r.Line, r.shareColumn, r.PersonKey, "", inColumn(shown, reason.ShareAmongPercent{}))
		}
		return
	}
	if p.fractions.rows == 0 {
		return
	}
	n := 0
	p.export.Rows = slices.DeleteFunc(p.export.Rows, func(r Row) bool {
		is := r.Terms.Percent > 0
		if is {
			n++
			p.markBadRow(r)
		}
		return is
	})
	column := 0
	if i, ok := p.columns["employment_percent"]; ok && p.sheet.Tab() != "" {
		column = p.sheet.Column(i)
	}
	p.problem(p.fractions.line, column, "", "", inColumn(shown, reason.SharesForPercent{Shares: p.fractions.rows, Rows: n}))
}

func columnsOf(m map[string]int) []int {
	var all []int
	for _, i := range m {
		all = append(all, i)
	}
	return all
}

func defaultString(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
