package testenv

import (
	"sync"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/wording"
)

// Words returns the English sentence of a reason, with people by their IDs, for tests
// about what a person reads.
func Words(r reason.Reason) string { return printer().Reason(r) }

// ErrorText is Words of an error; empty for nil.
func ErrorText(err error) string {
	if err == nil {
		return ""
	}
	return printer().Error(err)
}

// ProblemText is Words of a problem in a file, without its place.
func ProblemText(p diagnostic.Problem) string {
	if p.Text != "" {
		return p.Text
	}
	return printer().Reason(p.Reason)
}

var printer = sync.OnceValue(func() *wording.Printer {
	p, err := wording.New(wording.Reader{Language: wording.English, Place: wording.Shell})
	if err != nil {
		panic(err)
	}
	return p
})
