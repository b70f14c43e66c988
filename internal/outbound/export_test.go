package outbound

import (
	"context"
	"reflect"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// TypeOf is typeOf.
func TypeOf(r audit.Record) string { return typeOf(r) }

// Shared is shared.
func Shared(r reason.Reason) (string, error) {
	text, err := shared(r)
	return string(text), err
}

// SharesParameter is sharesParameter.
func SharesParameter(name string, t reflect.Type) bool { return sharesParameter(name, t) }

// SignalsOf is signalsOf.
func SignalsOf(ctx context.Context, db *store.DB, r audit.Record) ([]string, reason.Reason, error) {
	return signalsOf(ctx, db, r)
}
