package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
)

// drawing is a person's employments and access over time, as a picture: a row for each
// employment and each entitlement, and a column for each month, which leads to its first
// day. Lengths are in units of the picture.
type drawing struct {
	Width, Height, Left, Bottom int
	Years, Months               []mark
	Rows                        []drawnRow
	Rule                        int  // the height between employments and access
	Day                         mark // the chosen day
	From, To                    identity.Date
	More                        int // rows that are not drawn
}

// mark is an upright line of the picture.
type mark struct {
	X, Width int
	Text     string
	Day      identity.Date
	Label    string // for those who do not see it
}

type drawnRow struct {
	Y     int
	Name  string
	Bars  []bar
	Quiet bool
}

// bar is a stretch of a row: "job", "leave", "has" or "gone".
type bar struct {
	X, Width int
	Kind     string
	Label    string
}

const (
	drawnWidth = 760
	drawnLeft  = 190
	rowHeight  = 24
	barHeight  = 12
	firstRow   = 34
	rowsDrawn  = 18
	leastBar   = 4 // how wide a bar is at least, to be seen
	// spanBefore and spanAfter are how many days the picture has before and after today.
	spanBefore = 2 * 366
	spanAfter  = 122
)

// draw makes the picture, with a day chosen.
func (b *book) draw(spells []access.Spell, had []access.Access, today, day identity.Date) drawing {
	first := today
	for _, s := range spells {
		first = min(first, s.From)
	}
	for _, a := range had {
		first = min(first, identity.DateOf(a.Since, b.config.Zone))
	}
	from := max(first, today.AddDays(-spanBefore))
	if day < from {
		from = max(first, day)
	}
	from = firstOfMonth(from)
	d := drawing{Width: drawnWidth, Left: drawnLeft, From: from, To: max(today.AddDays(spanAfter), day.AddDays(31))}
	scale := newScale(from, d.To)
	d.markMonths(b, scale)
	y := firstRow
	add := func(r drawnRow) {
		if len(d.Rows) >= rowsDrawn || len(r.Bars) == 0 {
			d.More += min(1, len(r.Bars))
			return
		}
		r.Y = y
		d.Rows, y = append(d.Rows, r), y+rowHeight
	}
	for _, s := range spells {
		r := drawnRow{Name: short(cmp.Or(s.JobTitle, b.T("employment")))}
		r.Bars = scale.stretch(r.Bars, "job", s.From, s.To, b.T("timeline.job", "title", cmp.Or(s.JobTitle, b.T("employment")), "from", b.Date(s.From), "to", b.Date(s.To)))
		for _, l := range s.Leaves {
			r.Bars = scale.stretch(r.Bars, "leave", max(l.From, s.From), l.To, b.T("timeline.leave", "from", b.Date(l.From), "to", b.Date(l.To)))
		}
		add(r)
	}
	d.Rule = y
	y += 10
	for _, e := range entitlementsOf(had) {
		r := drawnRow{Name: short(b.Entitlement(e)), Quiet: true}
		for _, a := range had {
			if a.Entitlement != e {
				continue
			}
			since, until := identity.DateOf(a.Since, b.config.Zone), identity.Date("")
			if a.Until != nil {
				until = identity.DateOf(*a.Until, b.config.Zone)
			}
			if until == "" {
				until = today // what comes is not known yet
			}
			r.Bars = scale.stretch(r.Bars, "has", since, until, b.T("timeline.had", "what", b.Entitlement(e), "from", b.Instant(a.Since), "to", b.Instant(a.Until)))
		}
		add(r)
	}
	d.Bottom, d.Height = y, y+22
	d.Day = mark{X: scale.at(day), Text: b.Date(day), Day: day}
	return d
}

// entitlementsOf returns what a person had, what they have longest first; accounts last.
func entitlementsOf(had []access.Access) []string {
	first := map[string]time.Time{}
	var all []string
	for _, a := range had {
		if t, known := first[a.Entitlement]; !known || a.Since.Before(t) {
			first[a.Entitlement] = a.Since
		}
		if !slices.Contains(all, a.Entitlement) {
			all = append(all, a.Entitlement)
		}
	}
	slices.SortStableFunc(all, func(x, y string) int {
		if (x == audit.Account) != (y == audit.Account) {
			return cmp.Compare(strconv.FormatBool(x == audit.Account), strconv.FormatBool(y == audit.Account))
		}
		return cmp.Or(first[x].Compare(first[y]), cmp.Compare(x, y))
	})
	return all
}

// short returns a name that fits beside its row.
func short(name string) string {
	const most = 27
	letters := []rune(name)
	if len(letters) <= most {
		return name
	}
	return strings.TrimSpace(string(letters[:most-1])) + "…"
}

func firstOfMonth(d identity.Date) identity.Date { return d[:8] + "01" }

// scale turns days into places of the picture.
type scale struct {
	from, to identity.Date
	days     int
}

func newScale(from, to identity.Date) scale { return scale{from, to, max(1, daysBetween(from, to))} }

func daysBetween(from, to identity.Date) int {
	a, err1 := time.Parse(time.DateOnly, string(from))
	b, err2 := time.Parse(time.DateOnly, string(to))
	if err1 != nil || err2 != nil {
		return 0
	}
	return int(b.Sub(a).Hours() / 24)
}

func (s scale) at(d identity.Date) int {
	n := min(max(daysBetween(s.from, d), 0), s.days)
	return drawnLeft + n*(drawnWidth-drawnLeft)/s.days
}

// stretch adds a bar from a day to a last day, or on to the end of the picture. What lies
// outside it is cut off.
func (s scale) stretch(bars []bar, kind string, from, to identity.Date, label string) []bar {
	if to == "" || to > s.to {
		to = s.to
	}
	if to < s.from || from > s.to {
		return bars
	}
	x := min(s.at(from), drawnWidth-leastBar)
	return append(bars, bar{X: x, Width: max(leastBar, s.at(to.AddDays(1))-x), Kind: kind, Label: label})
}

func (d *drawing) markMonths(b *book, s scale) {
	for day := d.From; day < d.To; day = firstOfMonth(day.AddDays(31)) {
		end := min(firstOfMonth(day.AddDays(31)), d.To)
		m := mark{X: s.at(day), Width: s.at(end) - s.at(day), Day: day, Label: b.Date(day)}
		if day[5:7] == "01" || day == d.From && day[5:7] < "11" {
			d.Years = append(d.Years, mark{X: m.X, Text: string(day[:4])})
		}
		d.Months = append(d.Months, m)
	}
}

// drawHad makes the picture of an answer: a row for each person, or for each entitlement of
// one person, over the time that is asked about.
func (b *book) drawHad(p askPage, today identity.Date) *drawing {
	d := drawing{Width: drawnWidth, Left: drawnLeft, From: p.From, To: max(p.To, p.From.AddDays(1)), Day: mark{X: -1}}
	scale := newScale(d.From, d.To)
	if scale.days > 45 {
		d.markMonths(b, scale)
	}
	y := firstRow
	at := map[string]int{}
	for _, a := range p.Had {
		name := b.Entitlement(a.Entitlement)
		key := a.Entitlement
		if p.Person == nil {
			key, name = string(a.Person.ID), b.Who(a.Person)
		}
		since, until := identity.DateOf(a.Since, b.config.Zone), min(today, d.To)
		if a.Until != nil {
			until = identity.DateOf(*a.Until, b.config.Zone)
		}
		bars := scale.stretch(nil, "has", since, max(since, until), b.T("timeline.had", "what", name, "from", b.Instant(a.Since), "to", b.Instant(a.Until)))
		n, there := at[key]
		switch {
		case len(bars) == 0:
		case there:
			d.Rows[n].Bars = append(d.Rows[n].Bars, bars...)
		case len(d.Rows) >= rowsDrawn:
			d.More++
		default:
			at[key] = len(d.Rows)
			d.Rows = append(d.Rows, drawnRow{Y: y, Name: short(name), Bars: bars, Quiet: true})
			y += rowHeight
		}
	}
	d.Bottom, d.Height = y, y+8
	return &d
}
