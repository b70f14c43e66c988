package web

import (
	"github.com/behov/behov/internal/access"
)

// suggestionsPage is which rules are missing, and which are not needed; nil while it is
// counted.
type suggestionsPage struct{ Suggestions *access.Suggestions }

func (s *site) rules() {
	s.page("/administration/rules/suggestions", "suggestions", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		found, err := v.Suggestions(s.Suggestions)
		return suggestionsPage{found}, err
	})
}
