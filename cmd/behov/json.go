package main

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// jsonVersion is the version of the shapes that --json prints. A new field does not change
// it; a field that goes, or means something else, does.
const jsonVersion = 1

// list is the shape of a command that lists.
type list[T any] struct {
	Items []T `json:"items"`
}

// itemsOf returns a list that is never null.
func itemsOf[T any](items []T) list[T] { return list[T]{append([]T{}, items...)} }

// printJSON prints an answer as one JSON object, with the version of its shape as its
// first field.
func (a *app) printJSON(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	object, found := bytes.CutPrefix(bytes.TrimSpace(b.Bytes()), []byte("{"))
	if !found {
		return fmt.Errorf("print JSON: %T is no object", v)
	}
	head := fmt.Sprintf(`{"version":%d`, jsonVersion)
	if object[0] != '}' {
		head += ","
	}
	var out bytes.Buffer
	if err := json.Indent(&out, append([]byte(head), object...), "", "  "); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	out.WriteByte('\n')
	_, err := a.stdout.Write(out.Bytes())
	return err
}
