// Package reason defines, as data, why behov does something, leaves it, or asks a
// person: reasons of access, outcomes of steps, findings, causes of holds, refusals.
// Each kind is a struct: its code names it, and its fields are its parameters. Package
// wording turns a reason into a sentence.
//
// It must never hold a sentence, and no parameter may be a personal value: people are
// identified by opaque IDs.
package reason

import (
	"bytes"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Code names a kind of reason. It is stored, and never changes its meaning.
type Code string

// Kind is the parameters of one kind of reason: one of the structs of this package that
// embed kind.
type Kind interface{ isKind() }

type kind struct{}

func (kind) isKind() {}

// Reason is one reason, as canonical JSON: the code first, then the parameters in the order
// of the struct, without those that are empty. Two reasons are equal when they say
// the same. The zero value is no reason.
type Reason struct{ text string }

// Of returns the reason with these parameters.
func Of(k Kind) Reason {
	parameters, err := encode(k)
	if err != nil { // a kind has parameters that JSON can hold: TestKinds makes sure
		panic(fmt.Sprintf("reason %T: %v", k, err))
	}
	code := codes[reflect.TypeOf(k)]
	text := make([]byte, 0, len(parameters)+len(code)+12)
	text = append(append(append(text, `{"code":"`...), code...), '"')
	if len(parameters) > len("{}") {
		text = append(append(text, ','), parameters[1:]...)
	} else {
		text = append(text, '}')
	}
	return Reason{string(text)}
}

func encode(k Kind) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // a rule's condition stays readable
	if err := e.Encode(k); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Join returns one reason for several, without repetition: none for none, and the reason
// itself for one.
func Join(reasons ...Reason) Reason {
	var all []Reason
	for _, r := range reasons {
		if !r.IsZero() && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	switch len(all) {
	case 0:
		return Reason{}
	case 1:
		return all[0]
	}
	return Of(Several{Reasons: all})
}

// Each returns the reasons that a reason joins; a reason that joins none is the only one.
func (r Reason) Each() []Reason {
	kind, err := r.Kind()
	if several, ok := kind.(Several); ok && err == nil {
		return several.Reasons
	}
	return []Reason{r}
}

// CodeOf returns the code of a kind.
func CodeOf(k Kind) Code { return codes[reflect.TypeOf(k)] }

// IsZero reports whether there is no reason.
func (r Reason) IsZero() bool { return r.text == "" }

// Equal reports whether two reasons say the same, for packages that compare deeply.
func (r Reason) Equal(other Reason) bool { return r == other }

// Or returns the reason, and the other one when there is none.
func (r Reason) Or(other Reason) Reason {
	if r.IsZero() {
		return other
	}
	return r
}

// JSON returns the canonical form; empty without a reason.
func (r Reason) JSON() string { return r.text }

// Compare orders reasons by their canonical form.
func Compare(a, b Reason) int { return bytes.Compare([]byte(a.text), []byte(b.text)) }

// Code returns the code; empty without a reason.
func (r Reason) Code() Code {
	rest, found := strings.CutPrefix(r.text, `{"code":"`)
	code, _, closed := strings.Cut(rest, `"`)
	if !found || !closed {
		return ""
	}
	return Code(code)
}

// Kind returns the parameters; nil without a reason. It fails on a code that this version
// of behov does not know.
func (r Reason) Kind() (Kind, error) {
	if r.IsZero() {
		return nil, nil
	}
	var head struct {
		Code Code `json:"code"`
	}
	if err := json.Unmarshal([]byte(r.text), &head); err != nil {
		return nil, fmt.Errorf("reason %q: %w", r.text, err)
	}
	kind, known := types[head.Code]
	if !known {
		return nil, fmt.Errorf("reason %q has a code that this version of behov does not know", r.text)
	}
	k := reflect.New(kind)
	if err := json.Unmarshal([]byte(r.text), k.Interface()); err != nil {
		return nil, fmt.Errorf("reason %q: %w", r.text, err)
	}
	return k.Elem().Interface().(Kind), nil
}

var errNotCanonical = errors.New("it is not in canonical form")

// Parse reads a reason from its canonical form, and refuses any other form: what is equal
// must be the same bytes. The empty text is no reason.
func Parse(text string) (Reason, error) {
	r := Reason{text}
	k, err := r.Kind()
	if err != nil || k == nil {
		return Reason{}, err
	}
	if Of(k) != r {
		return Reason{}, fmt.Errorf("reason %q: %w", text, errNotCanonical)
	}
	return r, nil
}

// MarshalJSON implements json.Marshaler.
func (r Reason) MarshalJSON() ([]byte, error) {
	if r.IsZero() {
		return []byte("null"), nil
	}
	return []byte(r.text), nil
}

// UnmarshalJSON implements json.Unmarshaler. It takes any spacing, and keeps the
// canonical form.
func (r *Reason) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*r = Reason{}
		return nil
	}
	k, err := Reason{string(text)}.Kind()
	if err != nil {
		return err
	}
	*r = Of(k)
	return nil
}

// Value implements driver.Valuer: the canonical form.
func (r Reason) Value() (driver.Value, error) { return r.text, nil }

// Scan implements sql.Scanner. It does not check what it reads: Kind does.
func (r *Reason) Scan(from any) error {
	switch text := from.(type) {
	case string:
		r.text = text
	case []byte:
		r.text = string(text)
	case nil:
		r.text = ""
	default:
		return fmt.Errorf("a reason is text, not %T", from)
	}
	return nil
}

// Several is more than one reason.
type Several struct {
	kind
	Reasons []Reason `json:"reasons"`
}
