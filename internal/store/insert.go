package store

import (
	"context"
	"strconv"
	"strings"
)

// inserts is where rows go: a table's columns, and what happens to a row whose key
// exists, as the ON CONFLICT clause; without one that is an error.
type inserts struct {
	table    string
	columns  []string
	conflict string
}

// insertedParameters is how many parameters a full statement has: enough that the cost
// of a statement, and of the round trip to PostgreSQL, is small beside that of its
// rows.
const insertedParameters = 900

// fullRows is how many rows a full statement inserts.
func (in inserts) fullRows() int { return max(1, insertedParameters/len(in.columns)) }

// statement inserts so many rows. The names are our own. SQLite looks up each
// numbered parameter among all that came before it, which for many takes longer than
// the insertion; of those without a number it knows the place.
func (in inserts) statement(q queryer, rows int) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + in.table + " (" + strings.Join(in.columns, ", ") + ") VALUES ")
	numbered := q.DriverName() != "sqlite"
	for i := range rows * len(in.columns) {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%len(in.columns) == 0:
			b.WriteString("), (")
		default:
			b.WriteString(", ")
		}
		if numbered {
			b.WriteString("$" + strconv.Itoa(i+1))
		} else {
			b.WriteByte('?')
		}
	}
	b.WriteByte(')')
	if in.conflict != "" {
		b.WriteString(" " + in.conflict)
	}
	return b.String()
}

// insert inserts rows, given as one list of values, many with each statement. A table has
// statements of a few sizes, so that both databases keep them prepared.
func (tx *Tx) insert(ctx context.Context, in inserts, values []any) error {
	for len(values) > 0 {
		rows := in.fullRows()
		for rows*len(in.columns) > len(values) {
			rows = max(1, rows/4)
		}
		if tx.statements == nil {
			tx.statements = map[insertKey]string{}
		}
		key := insertKey{in.table, rows}
		if tx.statements[key] == "" {
			tx.statements[key] = in.statement(tx.tx, rows)
		}
		if err := tx.exec(ctx, tx.statements[key], values[:rows*len(in.columns)]...); err != nil {
			return err
		}
		values = values[rows*len(in.columns):]
	}
	return nil
}

// insertKey names a statement of a transaction.
type insertKey struct {
	table string
	rows  int
}
