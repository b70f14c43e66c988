package reason

import (
	"reflect"

	"github.com/behov/behov/internal/identity"
)

// Mentions is whom and what reasons name, so that a caller can read them all at once.
type Mentions struct {
	People    []identity.PersonID
	Decisions []int64
	seen      map[Reason]bool
}

// Add adds what a reason names. What the same reason names is added once.
func (m *Mentions) Add(r Reason) {
	if r.IsZero() || m.seen[r] {
		return
	}
	if m.seen == nil {
		m.seen = map[Reason]bool{}
	}
	m.seen[r] = true
	k, err := r.Kind()
	if err != nil { // of a later version: nothing is known of it
		return
	}
	m.add(reflect.ValueOf(k))
}

func (m *Mentions) add(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		switch value := v.Field(i).Interface().(type) {
		case Reason:
			m.Add(value)
		case []Reason:
			for _, r := range value {
				m.Add(r)
			}
		case identity.PersonID:
			if value != "" {
				m.People = append(m.People, value)
			}
		case []identity.PersonID:
			m.People = append(m.People, value...)
		case identity.Actor:
			if id, ok := value.Person(); ok {
				m.People = append(m.People, id)
			}
		case int64:
			if f.Name == "Decision" {
				m.Decisions = append(m.Decisions, value)
			}
		default:
			if f.Anonymous {
				m.add(v.Field(i))
			}
		}
	}
}
