package queue

import (
	"fmt"
	"hash/fnv"
	"io"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/behov/behov/internal/identity"
)

// Job is one of the kinds of job in this file.
type Job interface {
	river.JobArgs
	river.JobArgsWithInsertOpts
}

// The queues of jobs.
const (
	peopleQueue = "people" // what should be in the targets within a second
	runsQueue   = "runs"
	hrQueue     = "hr"
	alertsQueue = "alerts"
)

// OfTarget returns the name of the queue of a target's own: a slow target delays no other.
func OfTarget(target string) string {
	h := fnv.New64a()
	_, _ = io.WriteString(h, target) // which never fails
	return fmt.Sprintf("target-%016x", h.Sum64())
}

// unfinished are the states of a job that is not done.
var unfinished = []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled}

// once makes jobs with the same arguments one as long as it is not done.
var once = river.UniqueOpts{ByArgs: true, ByState: unfinished}

// due returns when a job is due that is inserted now, by the clock that River has; the zero
// time for at once.
func due(after time.Duration) time.Time {
	if after <= 0 {
		return time.Time{}
	}
	return time.Now().Add(after)
}

// People reconciles some people, in a target or in all.
type People struct {
	People []identity.PersonID `json:"people"`
	Target string              `json:"target,omitempty"`
	// GroupSize is how many people the state change is about, where several jobs
	// reconcile them: a limit that all of them would exceed holds for each job.
	GroupSize int `json:"group_size,omitempty"`
	// Asked is set when an operator waits: the job runs at once, also in a target that
	// did not answer.
	Asked bool `json:"asked,omitempty"`
	// Try counts how often reconciling them failed, and not how often it was put
	// off; After is how long after its insertion the job is due.
	Try   int           `json:"try,omitempty"`
	After time.Duration `json:"-"`
}

// In is the job once more, for one target and after a time.
func (j People) In(target string, after time.Duration) People {
	j.Target, j.After, j.Asked = target, after, false
	return j
}

// Kind implements river.JobArgs.
func (People) Kind() string { return "people" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (j People) InsertOpts() river.InsertOpts {
	queue := peopleQueue
	if j.Target != "" {
		queue = OfTarget(j.Target)
	}
	return river.InsertOpts{Queue: queue, ScheduledAt: due(j.After)}
}

// Run reconciles everyone, in a target, or in each by itself.
type Run struct {
	Target string `json:"target,omitempty"`
	// Whole reads all targets together and changes nothing in them: only then it shows
	// who has moved, and who has no account anywhere.
	Whole bool `json:"whole,omitempty"`
	// Because is why; of waiting jobs that differ in nothing one is kept.
	Because string `json:"because"`
	// Day, when set, is the day on which it was due: a process whose clock is behind
	// waits. Last is when the run began that made this one due, as
	// store.TargetState.ReadUS: a later run has done the job.
	Day  identity.Date `json:"day,omitempty"`
	Last int64         `json:"last,omitempty"`
	// Events and Decisions, when set, are what it is about: a run that knew of
	// them has done it.
	Events    int64         `json:"events,omitempty"`
	Decisions int64         `json:"decisions,omitempty"`
	After     time.Duration `json:"-"` // as People.After
}

// Kind implements river.JobArgs.
func (Run) Kind() string { return "run" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (j Run) InsertOpts() river.InsertOpts {
	queue := runsQueue
	if j.Target != "" {
		queue = OfTarget(j.Target)
	}
	return river.InsertOpts{Queue: queue, ScheduledAt: due(j.After), UniqueOpts: once}
}

// Pull reads an HR source.
type Pull struct {
	Source string `json:"source"`
}

// Kind implements river.JobArgs.
func (Pull) Kind() string { return "pull" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (Pull) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: hrQueue, UniqueOpts: once}
}

// Alert sends an alert about something that a person should look at soon. Its text is
// worked out when it is sent.
type Alert struct {
	// About is an alert.About, and Subject what it says there.
	About   string `json:"about"`
	Subject string `json:"subject"`
	// Channel is how the alert is sent; empty before the channels are chosen.
	Channel string `json:"channel,omitempty"`
	// ID is the same however often it is sent.
	ID    string        `json:"id,omitempty"`
	After time.Duration `json:"-"` // as People.After
}

// Kind implements river.JobArgs.
func (Alert) Kind() string { return "alert" }

// InsertOpts implements river.JobArgsWithInsertOpts. The job is retried until the alert
// is sent or has no cause any more: a mail server may be away for a night.
func (j Alert) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: alertsQueue, ScheduledAt: due(j.After), UniqueOpts: once}
}

// Notice sends a person what they are told at a time: the notices are in the store, and the mail
// is written when it is sent.
type Notice struct {
	Person  string `json:"person,omitempty"`
	Mailbox string `json:"mailbox,omitempty"` // that is told, where no person is
	At      int64  `json:"at"`                // microseconds since 1970
}

// Kind implements river.JobArgs.
func (Notice) Kind() string { return "notice" }

// InsertOpts implements river.JobArgsWithInsertOpts. The job is retried as an Alert is.
func (Notice) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: alertsQueue, UniqueOpts: once}
}

// Watch checks whether an HR source has been silent for too long, and whether tokens
// expire.
type Watch struct{}

// Kind implements river.JobArgs.
func (Watch) Kind() string { return "watch" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (Watch) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: alertsQueue, UniqueOpts: once}
}
