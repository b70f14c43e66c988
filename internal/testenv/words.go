package testenv

import (
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/wording"
)

// Words returns the English sentence of a reason, with people by their IDs, for tests
// about what a person reads.
func Words(r reason.Reason) string {
	p, err := wording.New(wording.Reader{Language: wording.English, Place: wording.Shell})
	if err != nil {
		return err.Error()
	}
	return p.Reason(r)
}
