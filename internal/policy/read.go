package policy

import (
	"errors"

	"github.com/behov/behov/internal/identity"
)

// reader reads each condition once, however many rules use it.
type reader struct {
	schema schema
	units  *identity.Units
	trees  []*identity.Tree
	before map[[2]string]readResult
}

// readResult is a parsed and compiled condition.
type readResult struct {
	root     *node
	err      *syntaxError
	constant string // a warning: the condition always or never holds
}

func newReader(s schema, units *identity.Units, trees []*identity.Tree) *reader {
	return &reader{schema: s, units: units, trees: trees, before: map[[2]string]readResult{}}
}

// read reads a condition whose rule gives nothing while the attribute leave is
// true.
func (r *reader) read(text, leave string) readResult {
	key := [2]string{text, leave}
	if result, ok := r.before[key]; ok {
		return result
	}
	root, err := readCondition(text, r.schema, r.units)
	result := readResult{root: root}
	switch {
	case errors.As(err, &result.err):
	case err != nil:
		result.err = &syntaxError{text: err.Error()}
	default:
		result.constant = constant(newCondition(text, root, leave, r.schema), root, r.schema, r.trees)
	}
	r.before[key] = result
	return result
}
