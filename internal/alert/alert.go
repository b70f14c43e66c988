// Package alert names what alerts are about, for the packages that notice it and for
// internal/service, which decides when and how an alert is sent and words it.
//
// It must never send anything, and knows nothing of what it names.
package alert

import "github.com/behov/behov/internal/queue"

// About is what an alert is about. Its subject is an ID or a name, never a personal value.
type About string

// What alerts are about.
const (
	HoldRaised          About = "hold-raised"          // Subject is the hold's digest
	EmergencyAccess     About = "emergency-access"     // Subject is the number of the request
	StepsParked         About = "steps-parked"         // Subject is the target
	SourceSilent        About = "source-silent"        // Subject is the HR source
	ImportRefused       About = "import-refused"       // Subject is the HR source
	RowsLeftOut         About = "rows-left-out"        // Subject is the HR source
	TargetUnreachable   About = "target-unreachable"   // Subject is the target
	EvaluatorDifference About = "evaluator-difference" // Subject is the rules' digest
	LogNotPublished     About = "log-not-published"    // Subject is the directory
	TokenExpiring       About = "token-expiring"       //nolint:gosec // no token; Subject is its ID and the stage
)

// Job returns the job that sends the alert about a subject.
func (a About) Job(subject string) queue.Alert {
	return queue.Alert{About: string(a), Subject: subject}
}
