package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// table prints rows in columns as wide as their longest cell.
type table struct{ w *tabwriter.Writer }

// newTable begins a table with a header, or without one.
func (a *app) newTable(header ...any) *table {
	t := &table{tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)}
	if len(header) > 0 {
		t.row(header...)
	}
	return t
}

func (t *table) row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			_, _ = io.WriteString(t.w, "\t") // into memory
		}
		fmt.Fprint(t.w, cell)
	}
	fmt.Fprintln(t.w)
}

// print writes the table out.
func (t *table) print() error { return t.w.Flush() }
