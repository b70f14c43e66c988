package hr

import (
	"cmp"
	"slices"
	"strings"
)

// indexRows sorts the rows by employment and by person, without copying them.
func (r *run) indexRows() {
	rows := r.Export.Rows
	sorted := func(key func(Row) string) []int32 {
		order := make([]int32, len(rows))
		for i := range order {
			order[i] = int32(i)
		}
		slices.SortFunc(order, func(a, b int32) int { return cmp.Or(strings.Compare(key(rows[a]), key(rows[b])), cmp.Compare(a, b)) })
		return order
	}
	r.byEmployment, r.byPerson = sorted(employmentKey), sorted(personKey)
}

func employmentKey(r Row) string { return r.EmploymentKey }

func personKey(r Row) string { return r.PersonKey }

func (r *run) rowsOfEmployment(key string) []Row {
	return r.rowsWithKey(r.byEmployment, key, employmentKey)
}

func (r *run) rowsOf(person string) []Row { return r.rowsWithKey(r.byPerson, person, personKey) }

// rowsWithKey returns the rows with the key, in the order of the file.
func (r *run) rowsWithKey(order []int32, key string, of func(Row) string) []Row {
	i, _ := slices.BinarySearchFunc(order, key, func(at int32, key string) int { return strings.Compare(of(r.Export.Rows[at]), key) })
	end := i
	for end < len(order) && of(r.Export.Rows[order[end]]) == key {
		end++
	}
	if i == end {
		return nil
	}
	rows := make([]Row, 0, end-i)
	for _, at := range order[i:end] {
		rows = append(rows, r.Export.Rows[at])
	}
	return rows
}

// hashRows returns a hash of everything that the rows state about one employment
// and its person.
func (r *run) hashRows(rows []int32) ([]byte, error) {
	texts := make([]string, len(rows))
	for i, at := range rows {
		texts[i] = r.Export.Rows[at].hashText()
	}
	slices.Sort(texts)
	return r.DB.HashRow(strings.Join(texts, "\n"))
}
