package access

import (
	"context"
	"iter"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Database is what the answers read. *store.DB implements it.
type Database interface {
	namesReader
	peopleReader
	accountReader
	heldReader
	trailReader
	waitingReader
	orderReader
	reviewReader
	targetReader
	registerReader
	nonHumanReader
	AbsenceReader
	peerReader
	AbsencesOf(ctx context.Context, people []identity.PersonID, day identity.Date) ([]store.Absence, error)
}

// nonHumanReader reads the register of accounts that are no person's.
type nonHumanReader interface {
	NonHumanAccounts(ctx context.Context, target string) ([]store.NonHumanAccount, error)
	NonHumanAccountsAbout(ctx context.Context, ids []identity.PersonID) ([]store.NonHumanAccount, error)
	FindNonHumanAccount(ctx context.Context, ref string) (store.NonHumanAccount, error)
}

// SubjectReader reads a person, what is decided about them, and who else they are.
type SubjectReader interface {
	Person(ctx context.Context, id identity.PersonID) (identity.Person, error)
	PeopleByKeys(ctx context.Context, keys []identity.SourceKey) (map[identity.SourceKey]identity.Person, error)
	ReviewDecisions(ctx context.Context, of store.PersonSet) ([]store.Decision, error)
	NewestDecisionPerPerson(ctx context.Context, kind store.DecisionKind, of store.PersonSet) ([]store.Decision, error)
	ConflictDecisions(ctx context.Context, of store.PersonSet) ([]store.Decision, error)
	GivenRequests(ctx context.Context, of store.PersonSet, day identity.Date) ([]store.GivenRequest, error)
	GatedGrants(ctx context.Context, of store.PersonSet) ([]store.GatedGrant, error)
	EvaluatorDifferences(ctx context.Context, rulesDigest string, of store.PersonSet) ([]store.EvaluatorDifference, error)
	HeldRecords(ctx context.Context, of store.PersonSet) ([]store.HeldRecord, error)
	PeopleByID(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error)
	AbsencesWith(ctx context.Context, deputies []identity.PersonID, day identity.Date) ([]store.Absence, error)
}

// namesReader reads what people and decisions are called.
type namesReader interface {
	PersonNames(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error)
	PeopleByID(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error)
	Decision(ctx context.Context, seq int64) (store.Decision, error)
	DecisionsBySeq(ctx context.Context, numbers []int64) ([]store.Decision, error)
}

// peopleReader finds and lists people.
type peopleReader interface {
	FindPerson(ctx context.Context, ref, first string) (identity.Person, error)
	People(ctx context.Context) iter.Seq2[identity.Person, error]
	NewestChanged(ctx context.Context, ended bool, since time.Time, most int) ([]audit.Interval, error)
	ChangedOf(ctx context.Context, people []identity.PersonID, since time.Time) ([]audit.Interval, error)
	OpenAccess(ctx context.Context) iter.Seq2[store.OpenAccess, error]
	EnrolmentHistory(ctx context.Context, person identity.PersonID) ([]store.Enrolment, error)
	Enrolments(ctx context.Context, of store.PersonSet) (map[identity.PersonID]string, error)
	PeopleAfter(ctx context.Context, after identity.PersonID, most int) ([]identity.Person, error)
	PeopleInUnit(ctx context.Context, unit string, after identity.PersonID, most int) ([]identity.Person, error)
	PeopleUnder(ctx context.Context, source string, keys []string) ([]identity.PersonID, error)
	SearchPeople(ctx context.Context, text string, among store.PersonSet, after store.SearchPlace, most int) (store.Found, error)
	Holders(ctx context.Context, of store.Entitlements, most int) ([]identity.PersonID, bool, error)
	HoldersAmong(ctx context.Context, of store.Entitlements, people []identity.PersonID) ([]identity.PersonID, error)
	Seal(purpose string, value []byte) ([]byte, error)
	Unseal(purpose string, sealed []byte) ([]byte, error)
	LinkedPeople(ctx context.Context, id identity.PersonID) ([]identity.PersonID, error)
	PeopleWithReports(ctx context.Context) ([]identity.Person, error)
	OverruledReports(ctx context.Context, since time.Time) ([]store.Decision, error)
	Duplicates(ctx context.Context) ([]store.Duplicate, error)
}

// accountReader reads whose accounts are whose, and the steps that targets did not do.
type accountReader interface {
	AccountOf(ctx context.Context, target string, person identity.PersonID) (string, error)
	LastSignIns(ctx context.Context, people []identity.PersonID) ([]store.LastSignIn, error)
	HasAccount(ctx context.Context, target string, person identity.PersonID) (bool, error)
	NameRegister(target string) *store.NameRegister
	FailingSteps(ctx context.Context, target string, of store.PersonSet) ([]store.FailingStep, error)
}

// heldReader reads a person's steps that wait for a decision, and what is decided on them.
type heldReader interface {
	HeldStepsOf(ctx context.Context, person identity.PersonID) ([]store.HoldStep, error)
	StepDecisions(ctx context.Context, target string, of store.PersonSet, expired time.Time) ([]store.StepVerdict, error)
}

// trailReader reads the audit trail.
type trailReader interface {
	RulesRecords(ctx context.Context, most int) ([]audit.Record, error)
	NewestDecisionPerSubject(ctx context.Context, kind store.DecisionKind) (map[store.Subject]store.Decision, error)
	OpenIntervalsOf(ctx context.Context, people []identity.PersonID) ([]audit.Interval, error)
	LastReviews(ctx context.Context) (map[string]time.Time, error)
	MayApplyRules(ctx context.Context, digest string) (bool, error)
	RulesDecisions(ctx context.Context, most int) ([]store.Decision, error)
	RulesDecisionsOn(ctx context.Context, digest string) ([]store.Decision, error)
	RulesSource(ctx context.Context, digest string) ([]byte, error)
	VersionTexts(ctx context.Context, digests []string) (map[string]string, error)
	Intervals(ctx context.Context, q store.IntervalQuery) ([]audit.Interval, error)
	RecordReasons(ctx context.Context, numbers []int64) (map[int64]reason.Reason, error)
	Imports(ctx context.Context, source string, most int) ([]store.Import, error)
	AccessChanged(ctx context.Context, q store.ChangeQuery) ([]audit.Interval, error)
	DecryptPayloads(ctx context.Context, records []audit.Record) ([][]byte, error)
	RecordsPage(ctx context.Context, q store.RecordQuery) ([]audit.Record, error)
	EntitlementEverHeld(ctx context.Context, entitlement string) (bool, error)
	HasAuditRecords(ctx context.Context, person identity.PersonID) (bool, error)
}

// waitingReader reads what waits for a person.
type waitingReader interface {
	Holds(ctx context.Context) ([]store.HoldState, error)
	AccessRequest(ctx context.Context, request int64) (store.AccessRequest, error)
	RequestsOf(ctx context.Context, person identity.PersonID, before int64, most int) ([]store.AccessRequest, error)
	NewestRequests(ctx context.Context, before int64, most int) ([]store.AccessRequest, error)
	WaitingRequests(ctx context.Context, day identity.Date) ([]store.AccessRequest, error)
	WaitingRequestsFor(ctx context.Context, entitlements []string, day identity.Date) ([]store.AccessRequest, error)
	RequestHistory(ctx context.Context, requests []int64) ([]store.Decision, []store.Approval, error)
	DecisionsAbout(ctx context.Context, person identity.PersonID, most int) ([]store.Decision, error)
	OpenReviews(ctx context.Context) (reviews, questions int, err error)
	DecryptReasons(ctx context.Context, decisions ...*store.Decision) error
	Pauses(ctx context.Context) (map[string]store.Decision, error)
}

// orderReader reads the work orders of targets without an interface, and the lists of their
// accounts.
type orderReader interface {
	WorkOrder(ctx context.Context, number int64) (store.WorkOrder, error)
	OrdersInState(ctx context.Context, target string, state store.OrderState, before int64, most int) ([]store.WorkOrder, error)
	OrdersDueBefore(ctx context.Context, target string, day identity.Date, most int) ([]store.WorkOrder, error)
	OrdersAbout(ctx context.Context, person identity.PersonID, most int) ([]store.WorkOrder, error)
	CountOrders(ctx context.Context, target string, day identity.Date) (waiting, overdue int, err error)
	AccountList(target string) *store.AccountList
	PersonByKey(ctx context.Context, key identity.SourceKey) (identity.Person, bool, error)
}

// reviewReader reads reviews.
type reviewReader interface {
	ReviewItems(ctx context.Context, campaign int64) ([]store.ReviewItem, map[int64]store.Decision, error)
	OpenReviewItems(ctx context.Context) ([]store.ReviewItem, error)
	OpenQuestions(ctx context.Context, campaigns []int64) ([]store.OpenQuestions, error)
	OpenItemsAbout(ctx context.Context, campaigns []int64, people []identity.PersonID) ([]store.ReviewItem, error)
	ReviewAnswers(ctx context.Context, items []store.ReviewItem) ([]store.Decision, error)
	KnownWrong(ctx context.Context, campaign int64) (map[string]bool, error)
	ReviewsAsking(ctx context.Context, people []identity.PersonID, systems []string) (map[int64]bool, error)
	RuleChangesAsked(ctx context.Context) ([]store.ReviewItem, map[int64]store.Decision, error)
	ReviewSummary(ctx context.Context, campaign int64) (store.ReviewSummary, error)
	NewestReviews(ctx context.Context, most int) ([]store.ReviewSummary, error)
}

// targetReader reads where targets and HR sources stand.
type targetReader interface {
	Stats(ctx context.Context) (store.Stats, error)
	Tokens(ctx context.Context) ([]store.Token, error)
	TargetStates(ctx context.Context) (map[string]store.TargetState, error)
	TargetInventories(ctx context.Context, but []string) ([]store.TargetInventory, error)
	UnseenAccess(ctx context.Context) (map[string]int, error)
	DisabledAccounts(ctx context.Context) (map[string]int, error)
	DisableProof(ctx context.Context, target string) (store.DisableProof, error)
	Jobs() *queue.Jobs
}

// registerReader reads everything that is stored about one person.
type registerReader interface {
	MergedPeople(ctx context.Context, id identity.PersonID) ([]identity.PersonID, error)
	PersonRowOf(ctx context.Context, person identity.PersonID) (store.PersonRow, error)
	SourceRecords(ctx context.Context, person identity.PersonID) ([]store.SourceRecord, error)
	EventsOf(ctx context.Context, person identity.PersonID, most int) ([]identity.Event, error)
	ResourcesOf(ctx context.Context, person identity.PersonID) ([]store.SCIMResource, error)
	AccountsOf(ctx context.Context, person identity.PersonID) ([]store.TargetAccount, error)
	DecisionsNaming(ctx context.Context, person identity.PersonID, most int) ([]store.Decision, error)
	DecisionsBy(ctx context.Context, maker identity.Actor, most int) ([]store.Decision, error)
	ImportsBy(ctx context.Context, actor identity.Actor, most int) ([]store.Import, error)
	ReviewItemsOf(ctx context.Context, person identity.PersonID, most int) ([]store.ReviewItem, error)
	SessionsOf(ctx context.Context, person identity.PersonID, now time.Time) ([]store.Session, error)
	TokensOf(ctx context.Context, owner identity.PersonID) ([]store.Token, error)
	ErasureHold(ctx context.Context, person identity.PersonID) ([]store.Hold, error)
	StepVerdictsOf(ctx context.Context, person identity.PersonID) ([]store.StepVerdict, error)
	OpenSteps(ctx context.Context, target string, of store.PersonSet) ([]store.OpenStep, error)
	FindingsOf(ctx context.Context, person identity.PersonID) ([]store.Finding, error)
}

// instant returns nil for the zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
