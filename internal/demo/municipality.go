package demo

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
)

// employment is a row of the made-up HR system.
type employment map[string]string

// municipality is the made-up HR system: what an export has.
type municipality struct {
	rows  []employment
	next  int // number of the next employment
	hired int // in the year
}

// job is a kind of work, and how many do it where.
type job struct {
	code, title string
	units       []string
	people      int
	kind        string
	percents    []string
}

var full = []string{"100", "100", "100", "80"}

var jobs = []job{
	{"1100", "Chief executive", []string{"office"}, 1, "permanent", full[:1]},
	{"1110", "Head of department", []string{"education", "care", "office"}, 3, "permanent", full[:1]},
	{"1120", "Head of unit", []string{"finance", "personnel", "it", "north-school", "south-school", "home-care", "nursing-home"}, 7, "permanent", full[:1]},
	{"1510", "Senior accountant", []string{"finance"}, 3, "permanent", full},
	{"1520", "Accountant", []string{"finance"}, 8, "permanent", full},
	{"1610", "Payroll officer", []string{"personnel"}, 5, "permanent", full},
	{"1620", "Personnel partner", []string{"personnel"}, 5, "permanent", full},
	{"1710", "Helpdesk technician", []string{"it"}, 5, "permanent", full[:1]},
	{"1720", "Systems engineer", []string{"it"}, 5, "permanent", full[:1]},
	{"1810", "Registrar", []string{"office"}, 4, "permanent", full},
	{"1820", "Case officer", []string{"office"}, 14, "permanent", full},
	{"1830", "Board secretary", []string{"office"}, 3, "permanent", full},
	{"1840", "Communicator", []string{"office"}, 4, "permanent", full},
	{"1850", "Project leader", []string{"office", "it"}, 4, "permanent", full[:1]},
	{"2120", "Teacher", []string{"north-school", "south-school"}, 64, "permanent", full},
	{"2130", "School assistant", []string{"north-school", "south-school"}, 16, "permanent", []string{"75", "100"}},
	{"2140", "School secretary", []string{"north-school", "south-school"}, 4, "permanent", full[:1]},
	{"2150", "School nurse", []string{"north-school", "south-school"}, 4, "permanent", full},
	{"3300", "Nurse", []string{"home-care", "nursing-home"}, 26, "permanent", full},
	{"3310", "Assistant nurse", []string{"home-care", "nursing-home"}, 44, "permanent", []string{"75", "80", "100"}},
	{"3320", "Care assistant", []string{"home-care", "nursing-home"}, 44, "hourly", []string{"0"}},
	{"3400", "Therapist", []string{"care"}, 6, "permanent", full},
	{"4400", "Head librarian", []string{"library"}, 1, "permanent", full[:1]},
	{"4410", "Library assistant", []string{"library"}, 10, "permanent", []string{"40", "60", "100"}},
	{"5100", "Caretaker", []string{"north-school", "south-school", "care"}, 10, "permanent", full[:1]},
}

var (
	givenNames = strings.Fields("Anna Erik Maria Lars Karin Johan Åsa Anders Eva Per Lena Fatima Ali Amira Yusuf Björn Örjan Łucja Zoë Noor Sven Ingrid Mats Elin Olof Märta Gösta Linnéa Tove Hassan Leila Dragan Milica José Chloé")
	familyName = strings.Fields("Andersson Åkerblom Öberg Lindqvist Sjögren Nyström Bergström Haddad Karimi Yusuf Łukasik Müller O'Brien Nguyen Petrović Söderlund Hägglund Björklund Wallin Ek Falk Ström Núñez Svärd Lundgren Holm Dahl Forsberg Engström Åström")
)

// newMunicipality makes the same 300 people every time.
func newMunicipality() *municipality {
	rng := rand.New(rand.NewPCG(11, 23)) //nolint:gosec // made-up people need no secrecy
	m := &municipality{next: 1}
	person := 1000
	for _, j := range jobs {
		for i := range j.people {
			person++
			given, family := givenNames[rng.IntN(len(givenNames))], familyName[rng.IntN(len(familyName))]
			row := employment{
				"person_id": fmt.Sprint(person), "given_name": given, "family_name": family,
				"national_id": number(fmt.Sprintf("19%02d%02d%02d-%03d", 55+rng.IntN(45), 1+rng.IntN(12), 1+rng.IntN(28), rng.IntN(1000))),
				"email":       fmt.Sprintf("%s.%s.%d@solvik.example", strings.ToLower(identity.ASCII(given)), strings.ToLower(identity.ASCII(family)), person),
				"protected":   "no",
			}
			if rng.IntN(60) == 0 {
				row["protected"] = "yes"
			}
			m.employ(row, j, j.units[i%len(j.units)], j.percents[rng.IntN(len(j.percents))], fmt.Sprintf("20%02d-%02d-01", 5+rng.IntN(20), 1+rng.IntN(12)))
		}
	}
	// Some have more than one employment at once, as in life.
	library, caretaker := jobs[23], jobs[24]
	for i := 60; i < len(m.rows) && i < 240; i += 9 {
		m.employ(m.personal(i), library, "library", "40", "2024-03-01")
		if i%2 == 0 {
			m.employ(m.personal(i), caretaker, "care", "20", "2025-01-01")
		}
	}
	return m
}

// number puts the check digit behind a personal identity number without one.
func number(without string) string {
	for digit := range 10 {
		if n := fmt.Sprint(without, digit); valid(n) {
			return n
		}
	}
	return without
}

func valid(number string) bool { _, ok := identity.NationalID(number, "2026-01-01"); return ok }

// personal returns a new row with what is the same in all of a person's.
func (m *municipality) personal(i int) employment {
	row := employment{}
	for _, column := range []string{"person_id", "given_name", "family_name", "national_id", "email", "protected"} {
		row[column] = m.rows[i][column]
	}
	return row
}

// employ adds an employment and returns it.
func (m *municipality) employ(row employment, j job, unit, percent, start string) employment {
	row["employment_id"] = fmt.Sprintf("E%04d", m.next)
	m.next++
	row["unit"], row["job_code"], row["job_title"], row["employment_type"] = unit, j.code, j.title, j.kind
	row["employment_percent"], row["start_date"] = percent, start
	m.rows = append(m.rows, row)
	return row
}

// of returns a person's employments.
func (m *municipality) of(person string) []employment {
	var rows []employment
	for _, r := range m.rows {
		if r["person_id"] == person {
			rows = append(rows, r)
		}
	}
	return rows
}

// first returns the n-th person (from 0) who has only this job.
func (m *municipality) first(code string, n int) employment {
	for _, r := range m.rows {
		if r["job_code"] == code && r["protected"] == "no" && len(m.of(r["person_id"])) == 1 {
			if n == 0 {
				return r
			}
			n--
		}
	}
	return nil
}

// export writes the rows as an HR system would.
func (m *municipality) export() ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(config.Canonical); err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	for _, r := range m.rows {
		fields := make([]string, len(config.Canonical))
		for i, column := range config.Canonical {
			fields[i] = r[column]
		}
		if err := w.Write(fields); err != nil {
			return nil, fmt.Errorf("export: %w", err)
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}
