package reconcile_test

import (
	"reflect"
	"testing"

	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// TestReadersTakeWhatTheyNeed: what carries out steps, and what reads a part of the
// database, takes an interface of at most eight methods and not the whole of it.
func TestReadersTakeWhatTheyNeed(t *testing.T) {
	executor, _ := reflect.TypeFor[execute.Executor]().FieldByName("DB")
	takes := map[string]reflect.Type{"execute.Executor.DB": executor.Type}
	for name, f := range map[string]any{"PersonStatusOf": reconcile.PersonStatusOf, "PersonStatuses": reconcile.PersonStatuses, "SamplePeople": reconcile.SamplePeople,
		"UnconfiguredTargets": reconcile.UnconfiguredTargets, "ProveDisable": reconcile.ProveDisable, "ProveDisableIfOlder": reconcile.ProveDisableIfOlder} {
		takes["reconcile."+name] = reflect.TypeOf(f).In(1)
	}
	for name, what := range takes {
		if what.Kind() != reflect.Interface || what.NumMethod() > 8 || !reflect.TypeFor[*store.DB]().Implements(what) {
			t.Errorf("%s takes %s", name, what)
		}
	}
}
