package web

import (
	"cmp"
	"net/url"
	"slices"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
)

// organisationPage is the organisation with what is drawn of it.
type organisationPage struct {
	*access.Organisation
	Chart chart
	// Unexplained is where access without a reason is, and WithoutMFA where access of people
	// who are not enrolled for MFA is; nil when no target says who is.
	Unexplained, WithoutMFA *heatMap
}

// heatMap is how much of something there is, by unit and system.
type heatMap struct {
	Of      string   // what the address of a cell says; empty for unexplained access
	Systems []string // most first
	Rows    []heatRow
}

// heatRow is a unit of a map.
type heatRow struct {
	access.UnitCount
	Cells []heatCell
}

// heatCell is how much there is; Level is 0 to 4.
type heatCell struct {
	System       string
	Count, Level int
	All          int // all access there
}

// withoutMFA stands in an address for the map of people who are not enrolled.
const withoutMFA = "mfa"

// unexplainedPage is who has access that behov neither gave nor adopted, or without MFA.
type unexplainedPage struct {
	Unit, Name, System string
	WithoutMFA         bool
	People             []access.Ref
	More               bool
}

// unitPage is who works in a unit on a day.
type unitPage struct {
	Unit, Name string
	Day        identity.Date
	Today      bool
	Members    []access.UnitMember
	Below      []unitLink
	Next       string
}

type unitLink struct{ Unit, Name string }

// noUnit stands in an address for people without a unit.
const noUnit = "-"

func (s *site) organisation() {
	s.page("/organisation", "organisation", func(v *visit) (any, error) {
		o, err := s.count(v)
		if err != nil || o == nil {
			return organisationPage{}, err
		}
		p := organisationPage{Organisation: o, Chart: v.chart(o.Months)}
		p.Unexplained = heat(o.Units, "", func(c access.SystemCount) int { return c.Unexplained })
		if o.WithoutMFA != nil {
			p.WithoutMFA = heat(o.Units, withoutMFA, func(c access.SystemCount) int { return c.WithoutMFA })
		}
		return p, nil
	})
	s.page("/organisation/{unit}", "unit", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		p := unitPage{Unit: v.request.PathValue("unit"), Day: identity.Date(v.query("on"))}
		if !isDate(p.Day) {
			p.Day = v.Today()
		}
		p.Today = p.Day == v.Today()
		units := s.Config.Rules.Units
		if !units.Has(p.Unit) {
			return nil, &access.CursorError{}
		}
		p.Name = cmp.Or(units.Name(p.Unit), p.Unit)
		for _, id := range units.On(p.Day).Below(p.Unit) {
			p.Below = append(p.Below, unitLink{id, cmp.Or(units.Name(id), id)})
		}
		var next string
		var err error
		p.Members, next, err = v.UnitPage(p.Unit, p.Day, access.Page{After: v.query("after"), Limit: listed})
		if next != "" {
			p.Next = "/organisation/" + url.PathEscape(p.Unit) + "?" + url.Values{"on": {string(p.Day)}, "after": {next}}.Encode()
		}
		return p, err
	})
	s.page("/organisation/{unit}/{system}", "unexplained", func(v *visit) (any, error) {
		o, err := s.count(v)
		if err != nil {
			return nil, err
		}
		p := unexplainedPage{Unit: v.request.PathValue("unit"), System: v.request.PathValue("system"), WithoutMFA: v.query("of") == withoutMFA}
		if o == nil {
			return p, nil
		}
		if p.Unit == noUnit {
			p.Unit = ""
		}
		of := o.Unexplained
		if p.WithoutMFA {
			of = o.WithoutMFA
		}
		ids := of[access.UnitSystem{Unit: p.Unit, System: p.System}]
		if len(ids) == 0 {
			return nil, &access.CursorError{}
		}
		p.Name = cmp.Or(s.Config.Rules.Units.Name(p.Unit), p.Unit)
		if err := v.Load(ids); err != nil {
			return nil, err
		}
		for _, id := range ids {
			p.People = append(p.People, v.Ref(id))
		}
		return p, nil
	})
}

// count returns the organisation for those who may see everyone.
func (s *site) count(v *visit) (*access.Organisation, error) {
	if !v.SeesEveryone() {
		return nil, errEveryone
	}
	return s.Counts.Get(v, s.answers)
}

// heat makes a map of what is counted.
func heat(units []access.UnitCount, of string, count func(access.SystemCount) int) *heatMap {
	m := &heatMap{Of: of}
	total := map[string]int{}
	most := 0
	for _, u := range units {
		for system, c := range u.Systems {
			total[system] += count(c)
			most = max(most, count(c))
		}
	}
	for system, n := range total {
		if n > 0 {
			m.Systems = append(m.Systems, system)
		}
	}
	slices.SortFunc(m.Systems, func(a, b string) int { return cmp.Or(cmp.Compare(total[b], total[a]), cmp.Compare(a, b)) })
	for _, u := range units {
		r, any := heatRow{UnitCount: u}, false
		for _, system := range m.Systems {
			c := u.Systems[system]
			cell := heatCell{System: system, Count: count(c), All: c.Access}
			if cell.Count > 0 {
				any = true
				cell.Level = min(4, 1+3*cell.Count/max(1, most))
			}
			r.Cells = append(r.Cells, cell)
		}
		if any {
			m.Rows = append(m.Rows, r)
		}
	}
	return m
}

// chart is how many people came, moved and left, by month: three bars for each.
type chart struct {
	Width, Height, Floor int
	Months               []chartMonth
	Lines                []mark
}

type chartMonth struct {
	access.MonthCount
	X     int
	Name  string // of the month, short
	Label string
	Bars  []chartBar
}

type chartBar struct {
	X, Y, Height int
	Kind         string
}

const (
	chartWidth  = 760
	chartHeight = 200
	chartFloor  = 170
	chartTop    = 14
	chartLeft   = 36
	chartBarW   = 12
)

func (b *book) chart(months []access.MonthCount) chart {
	c := chart{Width: chartWidth, Height: chartHeight, Floor: chartFloor}
	most := 1
	for _, m := range months {
		most = max(most, m.Joined, m.Moved, m.Left)
	}
	high := func(n int) int { return n * (chartFloor - chartTop) / most }
	for _, n := range []int{most, most / 2} {
		if n > 0 {
			c.Lines = append(c.Lines, mark{X: chartFloor - high(n), Text: b.Number(n)})
		}
	}
	step := (chartWidth - chartLeft) / max(1, len(months))
	for i, m := range months {
		x := chartLeft + i*step
		name := b.monthName(m.First)
		drawn := chartMonth{MonthCount: m, X: x + step/2, Name: string([]rune(name)[:3]), Label: b.T("organisation.month", "month", name+" "+string(m.First[:4]), "joined", m.Joined, "moved", m.Moved, "left", m.Left)}
		for n, value := range []int{m.Joined, m.Moved, m.Left} {
			if h := high(value); value > 0 {
				drawn.Bars = append(drawn.Bars, chartBar{X: x + step/2 - 3*chartBarW/2 + n*chartBarW, Y: chartFloor - max(2, h), Height: max(2, h), Kind: []string{"joined", "moved", "left"}[n]})
			}
		}
		c.Months = append(c.Months, drawn)
	}
	return c
}

func (b *book) monthName(d identity.Date) string {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return string(d)
	}
	return months[b.Language][t.Month()-1]
}
