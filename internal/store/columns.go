package store

import (
	"reflect"
	"strings"
)

// columns are those that a T is read from, of the table's alias when it has one.
// Statements name them instead of asking for all: a later version of behov may
// have added some, while this one goes on.
func columns[T any](alias string) string {
	var b strings.Builder
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("db")
		if name == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		if alias != "" {
			b.WriteString(alias + ".")
		}
		b.WriteString(name)
	}
	return b.String()
}
