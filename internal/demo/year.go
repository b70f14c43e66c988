package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
)

// yearDays is how long before today the story begins.
const yearDays = 364

// year plays what happens in the municipality between the first load and today: people come,
// move and go every month, and once an operator gives by hand what no rule gives.
func (s *Story) year(ctx context.Context) error {
	s.title("A year goes by: every month people come, move and go")
	rng := rand.New(rand.NewPCG(5, 7)) //nolint:gosec // made-up people need no secrecy
	joined, moved, left := 0, 0, 0
	for days := yearDays - 27; days > 20; days -= 28 {
		s.behind = time.Duration(days) * 24 * time.Hour
		c := s.m.month(rng, s.today())
		joined, moved, left = joined+c.joined, moved+c.moved, left+c.left
		content, err := s.m.export()
		if err != nil {
			return err
		}
		if _, err := s.read(ctx, fmt.Sprintf("year-%03d", yearDays-days), content); err != nil {
			return err
		}
		if days < yearDays/2 && days+28 >= yearDays/2 {
			if err := s.probe.slipIn(s.login(s.m.first("5100", 1)), "library-desk"); err != nil {
				return err
			}
		}
		r, err := s.engine.Run(ctx, reconcile.Scope{})
		if err != nil {
			return err
		}
		if err := r.Err(); err != nil {
			return err
		}
		var enrol []string
		for _, w := range r.Plan.GatedGrants {
			p, err := s.db.Person(ctx, w.Person)
			if err != nil {
				return err
			}
			if slices.Contains(c.people, p.Keys[0].Key) {
				enrol = append(enrol, p.Login)
			}
		}
		slices.Sort(enrol)
		if enrol = slices.Compact(enrol); len(enrol) > 0 {
			if err := s.probe.enrol(enrol, true); err != nil {
				return err
			}
		}
	}
	s.behind = 0
	s.tell("   %d people were hired, %d moved, %d left.", joined, moved, left)
	if _, err := s.apply(ctx); err != nil {
		return err
	}
	n, err := s.probe.accounts()
	s.check(err == nil && n > 0, err, "the directory has %d accounts: those of people who left are closed, and deleted when their time is over", n)
	return nil
}

// waits leaves something on the pages that a person has to decide.
func (s *Story) waits(ctx context.Context) error {
	s.title("The last export of the day breaks off, too")
	content, err := s.m.export()
	if err != nil {
		return err
	}
	third := content[:strings.LastIndexByte(string(content[:len(content)/3]), '\n')+1]
	r, err := s.read(ctx, "truncated", third)
	if err != nil {
		return err
	}
	s.check(r.Held != nil, nil, "it is held, and waits for a person")
	return nil
}

// monthOf is what happened in a month.
type monthOf struct {
	joined, moved, left int
	people              []string // those who were hired or moved, by person_id
}

// settled are those of whom the story tells nothing: of every kind of work the last third.
func (m *municipality) settled(code string) []employment {
	var all []employment
	for _, r := range m.rows {
		if r["job_code"] == code && r["protected"] == "no" && r["end_date"] == "" && len(m.of(r["person_id"])) == 1 {
			all = append(all, r)
		}
	}
	return all[len(all)*2/3:]
}

// month changes the rows as HR would in a month.
func (m *municipality) month(rng *rand.Rand, day identity.Date) (c monthOf) {
	pick := func(code string) employment {
		all := m.settled(code)
		return all[rng.IntN(len(all))]
	}
	for range 1 + rng.IntN(3) {
		r := pick([]string{"2120", "3310", "3300", "1820"}[rng.IntN(4)])
		r["end_date"] = string(day.AddDays(-1))
		c.left++
	}
	for range 1 + rng.IntN(2) {
		r := pick([]string{"2120", "3310"}[rng.IntN(2)])
		switch r["unit"] {
		case "north-school":
			r["unit"] = "south-school"
		case "south-school":
			r["unit"] = "north-school"
		case "home-care":
			r["unit"], r["job_code"], r["job_title"] = "care", "3400", "Therapist"
		default:
			r["unit"] = "home-care"
		}
		c.moved++
		c.people = append(c.people, r["person_id"])
	}
	if rng.IntN(2) == 0 { // a parent at home for some months
		r := pick("2120")
		r["leave_start"], r["leave_end"] = string(day), string(day.AddDays(60+rng.IntN(90)))
	}
	for range 1 + rng.IntN(3) {
		j := jobs[[]int{14, 18, 19, 10}[rng.IntN(4)]]
		m.hired++
		id := fmt.Sprint(2000 + m.hired)
		given, family := givenNames[rng.IntN(len(givenNames))], familyName[rng.IntN(len(familyName))]
		row := employment{"person_id": id, "given_name": given, "family_name": family, "protected": "no",
			"national_id": number(fmt.Sprintf("19%02d%02d%02d-%03d", 70+rng.IntN(29), 1+rng.IntN(12), 1+rng.IntN(28), rng.IntN(1000))),
			"email":       fmt.Sprintf("%s.%s.%s@solvik.example", strings.ToLower(identity.ASCII(given)), strings.ToLower(identity.ASCII(family)), id)}
		m.employ(row, j, j.units[rng.IntN(len(j.units))], "100", string(day))
		c.joined++
		c.people = append(c.people, id)
	}
	return c
}
