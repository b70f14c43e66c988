package config

import (
	"slices"
)

// Notices configures the mails that tell people what waits for them. They go through the mail
// server of alerts.
type Notices struct {
	// Remind are the days before the last one on which people are reminded, the most first.
	Remind []int
	// Escalate is the number of days before the last one, or after something was asked, on which
	// the manager is told of a person who has not answered.
	Escalate int
	// Language is what they are written in: en or sv.
	Language string
}

type noticesYAML struct {
	// Remind are the days before the last day of a review, a request or MFA's patience on
	// which people are reminded. Default: [7, 1].
	Remind []int `yaml:"remind"`
	// Escalate is how many days before the last day of a review, and after a request was made, the
	// manager is told of a person who has not answered. Default: 3.
	Escalate *int `yaml:"escalate"`
	// Language is en or sv. Default: that of alerts.
	Language string `yaml:"language"`
}

// mostMFADays is the longest patience with a person who is not enrolled for MFA.
const mostMFADays = 365

// mostNoticeDays is the largest number of days in a configuration of notices.
const mostNoticeDays = 90

func (l *loader) notices(doc *document, y *noticesYAML, alerts Alerts) *Notices {
	const at = "$.notices"
	if y == nil {
		return nil
	}
	n := &Notices{Remind: y.Remind, Escalate: 3, Language: y.Language}
	if n.Language == "" {
		n.Language = alerts.Language
	}
	if !slices.Contains(alertLanguages, n.Language) {
		doc.report(at+".language", "notices are written in en or sv, not %q", n.Language)
	}
	if n.Remind == nil {
		n.Remind = []int{7, 1}
	}
	if y.Escalate != nil {
		n.Escalate = *y.Escalate
	}
	for _, days := range append(slices.Clone(n.Remind), n.Escalate) {
		if days < 0 || days > mostNoticeDays {
			doc.report(at, "%d days: it must be 0 to %d", days, mostNoticeDays)
		}
	}
	slices.Sort(n.Remind)
	slices.Reverse(n.Remind)
	if alerts.Email == nil {
		doc.report(at, "notices are sent through the mail server of alerts: write alerts.email with from, to and server")
	}
	return n
}
