package reconcile_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/behov/behov/internal/model"
)

// hrSystem is a municipality's HR system through a year, made from a seed: it
// gives a full export every night, as HR systems do, and knows nothing of
// behov. Days are numbers from the first of January.
type hrSystem struct {
	rng    *rand.Rand
	people int // how many there are to be
	rows   []*hrRow
	next   int
	undo   map[int][]func() // corrections to be made on a day
	facts  map[string][]model.Fact
	said   map[string]hrRow // what the last export said, by employment
	from   map[string]int   // from when the newest terms hold
	order  int
	counts map[string]int
}

type hrRow struct {
	person, job, family string
	unit, code          string
	percent             int
	start, end          int
	away, back          int
}

const (
	forever   = -1 << 20 // long before
	temps     = 10       // a tenth as many summer temps as people
	summer    = 150      // around the end of May
	listedFor = 60       // days for which an employment that ended is in the export
)

var yearUnits = []string{"north-school", "south-school", "home-care", "nursing-home", "library", "museum", "office"}

const yearUnitsCSV = `unit,parent,name
education,,
north-school,education,
south-school,education,
care,,
home-care,care,
nursing-home,care,
culture,,
library,culture,
museum,culture,
office,,
`

func newHRSystem(seed uint64, people int) *hrSystem {
	h := &hrSystem{rng: rand.New(rand.NewPCG(seed, 4)), people: people, undo: map[int][]func(){}, facts: map[string][]model.Fact{}, said: map[string]hrRow{}, from: map[string]int{}, counts: map[string]int{}}
	for range people {
		r := h.hire(-h.rng.IntN(4000) - 1)
		for h.rng.IntN(100) < 23 { // 1.3 employments each
			h.second(r, r.start+h.rng.IntN(-r.start))
		}
	}
	h.counts = map[string]int{}
	return h
}

func (h *hrSystem) pick(of []string) string { return of[h.rng.IntN(len(of))] }

func (h *hrSystem) hire(start int) *hrRow {
	h.next++
	r := &hrRow{person: fmt.Sprint(1000 + h.next), job: fmt.Sprint("E", 1000+h.next), family: "Ek", unit: h.pick(yearUnits), code: h.pick([]string{"teacher", "nurse", "clerk"}),
		percent: []int{100, 100, 75, 50, 0}[h.rng.IntN(5)], start: start, end: model.Never, away: model.Never, back: model.Never}
	h.rows = append(h.rows, r)
	h.counts["hires"]++
	return r
}

func (h *hrSystem) second(of *hrRow, start int) *hrRow {
	h.next++
	r := &hrRow{person: of.person, job: fmt.Sprint("E", 1000+h.next), family: of.family, unit: h.pick(yearUnits), code: of.code, percent: 25, start: start, end: model.Never, away: model.Never, back: model.Never}
	h.rows = append(h.rows, r)
	h.counts["second employments"]++
	return r
}

// often calls f as often as something happens on one day that happens so many
// times a year.
func (h *hrSystem) often(perYear float64, f func()) {
	for n := perYear / 365; n > 0; n-- {
		if h.rng.Float64() < n {
			f()
		}
	}
}

// running picks an employment that runs.
func (h *hrSystem) running(day int, f func(*hrRow)) {
	for range 20 {
		if r := h.rows[h.rng.IntN(len(h.rows))]; r.start <= day && r.end > day+40 {
			f(r)
			return
		}
	}
}

// live lets a day pass in the HR system.
func (h *hrSystem) live(day int) {
	for _, correct := range h.undo[day] {
		correct()
	}
	n := float64(h.people)
	h.often(n*0.10, func() { // most are known before, some only afterwards
		start := day + h.rng.IntN(30)
		if h.rng.IntN(10) == 0 {
			start = day - h.rng.IntN(7)
			h.counts["late hires"]++
		}
		r := h.hire(start)
		if start > day+3 && h.rng.IntN(12) == 0 {
			h.undo[start-2] = append(h.undo[start-2], func() { h.drop(r); h.counts["cancelled hires"]++ })
		}
	})
	h.often(n*0.10, func() {
		h.running(day, func(r *hrRow) {
			r.end = day + h.rng.IntN(30)
			h.counts["endings"]++
			switch h.rng.IntN(10) {
			case 0:
				r.end = max(r.start, day-h.rng.IntN(6))
				h.counts["late endings"]++
			case 1:
				back := day + 1 + h.rng.IntN(10)
				h.undo[back] = append(h.undo[back], func() { r.end = model.Never; h.counts["endings withdrawn"]++ })
			case 2:
				h.undo[r.end+40] = append(h.undo[r.end+40], func() { // a rehire of the same person
					h.second(r, r.end+41).percent = 100
					h.counts["rehires"]++
				})
			}
		})
	})
	h.often(n*0.12, func() {
		h.running(day, func(r *hrRow) {
			was := *r
			r.unit, r.code = h.pick(yearUnits), h.pick([]string{"teacher", "nurse", "clerk"})
			h.counts["moves"]++
			if h.rng.IntN(10) == 0 {
				h.undo[day+1] = append(h.undo[day+1], func() { r.unit, r.code = was.unit, was.code; h.counts["moves corrected"]++ })
			}
		})
	})
	h.often(n*0.10, func() {
		h.running(day, func(r *hrRow) {
			r.away = day + h.rng.IntN(20) - 3
			r.back = r.away + 5 + h.rng.IntN(60)
			h.counts["leaves"]++
			if h.rng.IntN(4) == 0 {
				early := (r.away + r.back) / 2
				h.undo[early] = append(h.undo[early], func() { r.back = min(r.back, early); h.counts["early returns"]++ })
			}
		})
	})
	h.often(n*0.06, func() { h.running(day, func(r *hrRow) { h.second(r, day+h.rng.IntN(10)) }) })
	h.often(n*0.05, func() { h.running(day, func(r *hrRow) { r.percent = []int{100, 75, 50}[h.rng.IntN(3)] }) })
	h.often(n*0.02, func() {
		h.running(day, func(r *hrRow) {
			for _, other := range h.rows {
				if other.person == r.person {
					other.family = "Ny"
				}
			}
			h.counts["new names"]++
		})
	})
	if day >= summer-20 && day < summer { // the summer temps are entered in twenty days
		for range (h.people/temps + 19) / 20 {
			r := h.hire(summer + 5 + h.rng.IntN(10))
			r.percent, r.end = 0, summer+75+h.rng.IntN(15)
			h.counts["summer temps"]++
		}
	}
	for _, r := range append([]*hrRow{}, h.rows...) {
		if r.end+listedFor < day {
			h.drop(r)
		}
	}
}

func (h *hrSystem) drop(r *hrRow) {
	for i, x := range h.rows {
		if x == r {
			h.rows = append(h.rows[:i], h.rows[i+1:]...)
			return
		}
	}
}

// export writes tonight's export, and tells the model what it says that is new.
func (h *hrSystem) export(day int) string {
	var b strings.Builder
	b.WriteString("person_id,employment_id,given_name,family_name,unit,job_code,employment_percent,start_date,end_date,leave_start,leave_end\n")
	listed := map[string]bool{}
	for _, r := range h.rows {
		listed[r.job] = true
		fmt.Fprintf(&b, "%s,%s,Given%s,%s,%s,%s,%d,%s,%s,%s,%s\n", r.person, r.job, r.person, r.family, r.unit, r.code, r.percent, yearDate(r.start), yearDate(r.end), yearDate(r.away), yearDate(r.back))
		before, known := h.said[r.job]
		if known && before == *r {
			continue
		}
		switch {
		case !known || day <= r.start:
			h.from[r.job] = forever
		case before.unit != r.unit || before.code != r.code || before.percent != r.percent:
			h.from[r.job] = day
		}
		h.said[r.job] = *r
		h.tell(day, *r, h.from[r.job], false)
	}
	for job, r := range h.said {
		if !listed[job] {
			h.tell(day, r, day, true)
			delete(h.said, job)
		}
	}
	return b.String()
}

func (h *hrSystem) tell(day int, r hrRow, from int, gone bool) {
	h.order++
	h.facts[r.person] = append(h.facts[r.person], model.Fact{Learnt: day, Order: h.order, Person: r.person, Job: r.job, Start: r.start, End: r.end, AwayFrom: r.away, AwayUntil: r.back,
		From: from, Unit: r.unit, Code: r.code, Percent: r.percent, Gone: gone})
}

var newYear = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func yearDate(day int) string {
	if day == model.Never {
		return ""
	}
	return newYear.AddDate(0, 0, day).Format(time.DateOnly)
}
