package outbound

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// sharedTexts are the parameters of reasons that are text and that events have: opaque
// IDs, codes, digests, and names of the configuration. Any other text is left out, for
// what a person or a target wrote, and what HR calls a person, may name somebody.
var sharedTexts = map[string]bool{
	"hold": true, "import": true, "token": true, "step": true, "digest": true, "sha256": true, "hash": true, // IDs and digests
	"of": true, "subject": true, "verdict": true, "limit": true, // codes, and what a decision is about
	"rule": true, "version": true, "via": true, "entitlement": true, "system": true, "target": true, "source": true, "service": true,
	"attribute": true, "attributes": true, "columns": true, "unit": true,
}

// sharedTypes are the types of parameters that hold nothing but IDs, codes, numbers and
// times.
var sharedTypes = map[reflect.Type]bool{
	reflect.TypeFor[identity.PersonID](): true, reflect.TypeFor[[]identity.PersonID](): true, reflect.TypeFor[identity.Actor](): true,
	reflect.TypeFor[identity.EmploymentID](): true, reflect.TypeFor[identity.Date](): true, reflect.TypeFor[time.Time](): true,
	reflect.TypeFor[int](): true, reflect.TypeFor[int64](): true, reflect.TypeFor[bool](): true, reflect.TypeFor[[]reason.Likeness](): true,
}

// shared returns a reason as events have it: its code, and those of its parameters that
// are shared; none without a reason.
func shared(r reason.Reason) (json.RawMessage, error) {
	if r.IsZero() {
		return nil, nil
	}
	text, err := json.Marshal(sharedReason(r))
	if err != nil {
		return nil, fmt.Errorf("reason: %w", err)
	}
	return text, nil
}

// sharedReason returns the code alone of a reason that this version does not know.
func sharedReason(r reason.Reason) map[string]any {
	out := map[string]any{"code": r.Code()}
	if k, err := r.Kind(); err == nil && k != nil {
		addShared(out, reflect.ValueOf(k))
	}
	return out
}

func addShared(out map[string]any, v reflect.Value) {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if field.Anonymous && value.Kind() == reflect.Struct && field.IsExported() {
			addShared(out, value)
			continue
		}
		if !field.IsExported() || value.IsZero() {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch x := value.Interface().(type) {
		case reason.Reason:
			out[name] = sharedReason(x)
		case []reason.Reason:
			all := make([]any, len(x))
			for i, r := range x {
				all[i] = sharedReason(r)
			}
			out[name] = all
		default:
			if sharesParameter(name, field.Type) {
				out[name] = x
			}
		}
	}
}

func sharesParameter(name string, t reflect.Type) bool {
	text := t == reflect.TypeFor[string]() || t == reflect.TypeFor[[]string]()
	return sharedTypes[t] || text && sharedTexts[name]
}
