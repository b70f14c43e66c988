package store

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// CampaignScope is what a review is about.
type CampaignScope string

// The scopes.
const (
	SystemScope      CampaignScope = "system"
	UnitScope        CampaignScope = "unit" // people who work in a unit or below it
	EntitlementScope CampaignScope = "entitlement"
	PeopleScope      CampaignScope = "people"
	EverythingScope  CampaignScope = "everything"
	// MoverScope is what a person keeps who moved to another unit or job.
	MoverScope CampaignScope = "mover"
)

// CampaignAsks is who answers the questions of a review.
type CampaignAsks string

// Who answers.
const (
	AsksOwner   CampaignAsks = "owner"   // of the system of each question
	AsksManager CampaignAsks = "manager" // of the person of each question
	AsksPerson  CampaignAsks = "person"  // one, about everything
	// AsksManagerThenOwner asks the manager of the person, and when that one says keep the owner
	// of the system, whose answer it is.
	AsksManagerThenOwner CampaignAsks = "manager-then-owner"
)

// Campaign is a review: what it is about, who answers, and until when.
type Campaign struct {
	ID    int64         `db:"id"`
	Scope CampaignScope `db:"scope"`
	Of    string        `db:"scope_of"` // the system, unit, entitlement or person; empty for everything
	// System is the system that the review is about; empty for another scope.
	System string       `db:"system"`
	Asks   CampaignAsks `db:"asks"`
	// Reviewer is who is asked about everything, and Fallback who is asked where no one
	// else can be.
	Reviewer identity.Actor `db:"reviewer"`
	Fallback identity.Actor `db:"fallback"`
	// Series is the name that the configuration gives to a review that it starts, and
	// Occurrence for which day, or at which event.
	Series     string `db:"series"`
	Occurrence string `db:"occurrence"`
	// Due is the last day for answers; empty without one. AfterDue is what becomes of access
	// about which none came: Keep or Revoke.
	Due       identity.Date  `db:"due"`
	AfterDue  Verdict        `db:"after_due"`
	StartedBy identity.Actor `db:"started_by"`
	StartedUS Micros         `db:"started_us"`
	// ClosedUS is when the last day had passed, or the review was signed off.
	ClosedUS *Micros `db:"closed_us"`
	Signed   *int64  `db:"signed"` // the decision that signed it off
	SignedUS *Micros `db:"signed_us"`
}

// ReviewItemKind is what a question is about.
type ReviewItemKind string

// What questions are about.
const (
	AccessItem ReviewItemKind = "access" // a person's
	RuleItem   ReviewItemKind = "rule"   // what a rule gives to all people whom it covers
	// AccountItem is about an account that is no person's. Its ID in the register is in place
	// of the person, and the entitlement is audit.Account.
	AccountItem ReviewItemKind = "account"
)

// ReviewEvidence is what was known when a question was asked.
type ReviewEvidence struct {
	// Since is when the access began; zero when it is not known.
	Since Micros `json:"since,omitempty"`
	// Peers are how many other people work in the same unit and job, and PeersWith how many
	// of them have the access.
	Peers     int `json:"peers,omitempty"`
	PeersWith int `json:"peers_with,omitempty"`
	// SignedIn is the day of the last sign-in to the target, or NeverSignedIn; empty when the
	// target does not tell.
	SignedIn string `json:"signed_in,omitempty"`
	// Together: enough of the peers have the access, and nothing is known against it, that it
	// may be kept along with others by one answer.
	Together bool `json:"together,omitempty"`
	// People are how many a rule gives the access, and Before how many when the rule was
	// last asked about.
	People int  `json:"people,omitempty"`
	Before *int `json:"before,omitempty"`
	// Units are where the people of a rule work, those with the most people first.
	Units []UnitReach `json:"units,omitempty"`
	// Entitlements are what a rule gives in the system.
	Entitlements []string `json:"entitlements,omitempty"`
}

// UnitReach is how many people of a unit a rule covers.
type UnitReach struct {
	Unit   string `json:"unit"`
	People int    `json:"people"`
}

// Value implements driver.Valuer.
func (e ReviewEvidence) Value() (driver.Value, error) {
	text, err := json.Marshal(e)
	return string(text), err
}

// Scan implements sql.Scanner.
func (e *ReviewEvidence) Scan(from any) error {
	switch text := from.(type) {
	case string:
		return json.Unmarshal([]byte(text), e)
	case []byte:
		return json.Unmarshal(text, e)
	}
	return fmt.Errorf("evidence of a review: %T", from)
}

// ReviewItem is one question of a review: may this person keep this, or is this rule
// right?
type ReviewItem struct {
	Campaign    int64             `db:"campaign_id"`
	Number      int64             `db:"number"`
	Kind        ReviewItemKind    `db:"kind"`
	Person      identity.PersonID `db:"person_id"`   // empty for a rule
	Entitlement string            `db:"entitlement"` // empty for a rule
	System      string            `db:"system"`
	Rule        string            `db:"rule"`  // its ID; empty for access
	Why         reason.Reason     `db:"why"`   // the reasons for the access when the review began
	Asked       reason.Reason     `db:"asked"` // why it is asked
	Evidence    ReviewEvidence    `db:"evidence"`
	// Reviewer is who is asked now; empty for the owner of the system.
	Reviewer identity.Actor `db:"reviewer"`
	Needs    int            `db:"needs"` // how many must say keep
	// Next is who is asked once the reviewer says keep: AsksOwner, or none.
	Next CampaignAsks `db:"next"`
	// KnownWrong is access of which the person who started the review knows that it should not be
	// there. No one who answers is told.
	KnownWrong bool   `db:"known_wrong"`
	Decision   *int64 `db:"decision"`
}

// Ref is how people call the item: campaign-number.
func (i ReviewItem) Ref() string { return fmt.Sprintf("%d-%d", i.Campaign, i.Number) }

// ErrReviewStarted is returned for a review of a series that was started for its occurrence.
var ErrReviewStarted = errors.New("the review was started for this occurrence")

// StartReview records a campaign with its items and returns its number.
func (tx *Tx) StartReview(ctx context.Context, c Campaign, at time.Time, items []ReviewItem) (int64, error) {
	// The head row's lock keeps two campaigns from getting the same number.
	if _, err := tx.tx.ExecContext(ctx, `UPDATE head SET decision_seq = decision_seq + 0 WHERE id = 1`); err != nil {
		return 0, fmt.Errorf("review campaign: %w", err)
	}
	if c.Series != "" { // another process may have started it
		var n int
		if err := tx.tx.GetContext(ctx, &n, `SELECT COUNT(*) FROM review_campaign WHERE series = $1 AND occurrence = $2 AND series <> ''`, c.Series, c.Occurrence); err != nil || n > 0 {
			return 0, cmp.Or(err, ErrReviewStarted)
		}
	}
	var campaign int64
	if c.AfterDue == "" {
		c.AfterDue = Keep
	}
	if err := tx.tx.GetContext(ctx, &campaign, `INSERT INTO review_campaign (id, scope, scope_of, system, asks, reviewer, fallback, series, occurrence, due, after_due, started_by, started_us)
		SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM review_campaign RETURNING id`,
		c.Scope, c.Of, c.System, c.Asks, c.Reviewer, c.Fallback, c.Series, c.Occurrence, c.Due, c.AfterDue, c.StartedBy, micros(at)); err != nil {
		return 0, fmt.Errorf("review campaign: %w", err)
	}
	rows := make([]any, 0, len(items)*len(reviewItemRows.columns))
	for n, i := range items {
		rows = append(rows, campaign, n+1, i.Kind, i.Person, i.Entitlement, i.System, i.Rule, i.Why, i.Asked, i.Evidence, i.Reviewer, max(1, i.Needs), i.Next, i.KnownWrong)
	}
	if err := tx.insert(ctx, reviewItemRows, rows); err != nil {
		return 0, fmt.Errorf("review items: %w", err)
	}
	return campaign, nil
}

// Campaign returns a review.
func (db *DB) Campaign(ctx context.Context, id int64) (Campaign, error) {
	var c Campaign
	err := db.read.GetContext(ctx, &c, `SELECT `+columns[Campaign]("")+` FROM review_campaign WHERE id = $1`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return c, &reason.Refusal{Reason: reason.Of(reason.NoReview{Review: id})}
	}
	return c, err
}

// Occurred reports whether a review that the configuration starts was started for an
// occurrence.
func (db *DB) Occurred(ctx context.Context, series, occurrence string) (bool, error) {
	var n int
	err := db.read.GetContext(ctx, &n, `SELECT COUNT(*) FROM review_campaign WHERE series = $1 AND occurrence = $2 AND series <> ''`, series, occurrence)
	return n > 0, err
}

// ReviewTrigger is what a review begins at when it changes.
type ReviewTrigger struct {
	Event  string `db:"event"`
	System string `db:"system"`
	Value  string `db:"value"`
}

// ReviewTriggers returns what reviews begin at when it changes, as it was last seen, by the event
// and the system.
func (db *DB) ReviewTriggers(ctx context.Context) (map[ReviewTrigger]string, error) {
	var all []ReviewTrigger
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[ReviewTrigger]("")+` FROM review_trigger`); err != nil {
		return nil, fmt.Errorf("read what reviews begin at: %w", err)
	}
	seen := make(map[ReviewTrigger]string, len(all))
	for _, t := range all {
		seen[ReviewTrigger{Event: t.Event, System: t.System}] = t.Value
	}
	return seen, nil
}

// PutReviewTrigger notes what was seen.
func (tx *Tx) PutReviewTrigger(ctx context.Context, t ReviewTrigger) error {
	if err := tx.exec(ctx, `INSERT INTO review_trigger (event, system, value) VALUES ($1, $2, $3) ON CONFLICT (event, system) DO UPDATE SET value = excluded.value`, t.Event, t.System, t.Value); err != nil {
		return fmt.Errorf("note what reviews begin at: %w", err)
	}
	return nil
}

// OpenCampaigns returns the reviews that are not closed, the oldest first.
func (db *DB) OpenCampaigns(ctx context.Context) ([]Campaign, error) {
	var all []Campaign
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Campaign]("")+` FROM review_campaign WHERE closed_us IS NULL ORDER BY id`); err != nil {
		return nil, fmt.Errorf("read reviews: %w", err)
	}
	return all, nil
}

// CloseReview notes that the last day of a review has passed. It reports false when that was
// noted before.
func (tx *Tx) CloseReview(ctx context.Context, campaign int64, at time.Time) (bool, error) {
	r, err := tx.tx.ExecContext(ctx, `UPDATE review_campaign SET closed_us = $2 WHERE id = $1 AND closed_us IS NULL`, campaign, micros(at))
	if err != nil {
		return false, fmt.Errorf("close review %d: %w", campaign, err)
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// SignReview notes which decision signed a review off.
func (tx *Tx) SignReview(ctx context.Context, campaign int64, signed Decision) error {
	if _, err := tx.tx.ExecContext(ctx, `UPDATE review_campaign SET closed_us = COALESCE(closed_us, $2), signed = $3, signed_us = $2 WHERE id = $1`, campaign, signed.DecidedUS, signed.Seq); err != nil {
		return fmt.Errorf("sign off review %d: %w", campaign, err)
	}
	return nil
}

// ReviewItems returns the items of a campaign, or of all when campaign is 0,
// with the decision made on each.
func (db *DB) ReviewItems(ctx context.Context, campaign int64) ([]ReviewItem, map[int64]Decision, error) {
	if campaign == 0 {
		return db.reviewItems(ctx, "1 = 1")
	}
	return db.reviewItems(ctx, "i.campaign_id = $1", campaign)
}

// OpenReviewItems returns the items that are not decided.
func (db *DB) OpenReviewItems(ctx context.Context) ([]ReviewItem, error) {
	items, _, err := db.reviewItems(ctx, "i.decision IS NULL")
	return items, err
}

// OpenItemsAbout returns the items of campaigns that are not decided and are about one of the
// people, or of the accounts of the register that are named among them.
func (db *DB) OpenItemsAbout(ctx context.Context, campaigns []int64, people []identity.PersonID) ([]ReviewItem, error) {
	var all []ReviewItem
	for page := range slices.Chunk(people, peoplePage) {
		where, args := in(db.read, "i.person_id", page, nil)
		items, _, err := db.reviewItems(ctx, "i.decision IS NULL AND "+where, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	return slices.DeleteFunc(all, func(i ReviewItem) bool { return !slices.Contains(campaigns, i.Campaign) }), nil
}

func (db *DB) reviewItems(ctx context.Context, where string, args ...any) ([]ReviewItem, map[int64]Decision, error) {
	var items []ReviewItem
	if err := db.read.SelectContext(ctx, &items, `SELECT `+columns[ReviewItem]("i")+` FROM review_item i WHERE `+where+` ORDER BY i.campaign_id, i.number`, args...); err != nil {
		return nil, nil, fmt.Errorf("read review items: %w", err)
	}
	var decisions []Decision
	if slices.ContainsFunc(items, func(i ReviewItem) bool { return i.Decision != nil }) {
		if err := db.read.SelectContext(ctx, &decisions, `SELECT `+columns[Decision]("d")+` FROM decision d JOIN review_item i ON i.decision = d.seq WHERE `+where, args...); err != nil {
			return nil, nil, fmt.Errorf("read decisions: %w", err)
		}
	}
	bySeq := map[int64]Decision{}
	for _, d := range decisions {
		bySeq[d.Seq] = d
	}
	return items, bySeq, nil
}

// ReviewAnswers returns the decisions about a review and its items that decide no access by
// themselves, the oldest first, without their reasons.
func (db *DB) ReviewAnswers(ctx context.Context, items []ReviewItem) ([]Decision, error) {
	subjects := make([]Subject, len(items))
	for n, i := range items {
		subjects[n] = i.Subject()
	}
	var all []Decision
	for page := range slices.Chunk(subjects, peoplePage) {
		where, args := in(db.read, "subject", page, []any{ReviewAnswerDecision})
		var some []Decision
		if err := db.read.SelectContext(ctx, &some, `SELECT `+columns[Decision]("")+` FROM decision WHERE kind = $1 AND `+where, args...); err != nil {
			return nil, fmt.Errorf("read answers: %w", err)
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b Decision) int { return int(a.Seq - b.Seq) })
	return all, nil
}

// ReviewsAsking returns the reviews of which a question asks one of the people, or the owner of one of
// the systems.
func (db *DB) ReviewsAsking(ctx context.Context, people []identity.PersonID, systems []string) (map[int64]bool, error) {
	asked := map[int64]bool{}
	read := func(query string, args ...any) error {
		var ids []int64
		if err := db.read.SelectContext(ctx, &ids, query, args...); err != nil {
			return fmt.Errorf("read reviews: %w", err)
		}
		for _, id := range ids {
			asked[id] = true
		}
		return nil
	}
	for _, person := range people {
		if err := read(`SELECT DISTINCT campaign_id FROM review_item WHERE reviewer = $1`, identity.PersonActor(person)); err != nil {
			return nil, err
		}
	}
	for page := range slices.Chunk(systems, peoplePage) {
		where, args := in(db.read, "system", page, nil)
		if err := read(`SELECT DISTINCT campaign_id FROM review_item WHERE reviewer = '' AND `+where, args...); err != nil {
			return nil, err
		}
	}
	return asked, nil
}

// KnownWrong returns the items of a review, as people call them, that are about access which is
// known to be wrong.
func (db *DB) KnownWrong(ctx context.Context, campaign int64) (map[string]bool, error) {
	var numbers []int64
	if err := db.read.SelectContext(ctx, &numbers, `SELECT number FROM review_item WHERE campaign_id = $1 AND known_wrong`, campaign); err != nil {
		return nil, fmt.Errorf("read review items: %w", err)
	}
	items := map[string]bool{}
	for _, n := range numbers {
		items[ReviewItem{Campaign: campaign, Number: n}.Ref()] = true
	}
	return items, nil
}

// RuleReach is how many people a rule covered in a system when it was last asked about.
func (db *DB) RuleReach(ctx context.Context, rule, system string) (people int, asked bool, err error) {
	var last ReviewEvidence
	err = db.read.GetContext(ctx, &last, `SELECT evidence FROM review_item WHERE kind = 'rule' AND rule = $1 AND system = $2 ORDER BY campaign_id DESC LIMIT 1`, rule, system)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return last.People, err == nil, err
}

// ReviewSummary is a review with how many questions it has.
type ReviewSummary struct {
	Campaign
	Questions int `db:"questions"`
	Answered  int `db:"answered"`
}

// ReviewSummary returns a review with how many questions it has.
func (db *DB) ReviewSummary(ctx context.Context, campaign int64) (ReviewSummary, error) {
	c, err := db.Campaign(ctx, campaign)
	s := ReviewSummary{Campaign: c}
	if err != nil {
		return s, err
	}
	if err := db.read.QueryRowxContext(ctx, `SELECT COUNT(*), COUNT(decision) FROM review_item WHERE campaign_id = $1`, campaign).Scan(&s.Questions, &s.Answered); err != nil {
		return s, fmt.Errorf("review %d: %w", campaign, err)
	}
	return s, nil
}

// RuleChangesAsked returns the items whose answer was that their rule should change, the
// oldest first, with the answers.
func (db *DB) RuleChangesAsked(ctx context.Context) ([]ReviewItem, map[int64]Decision, error) {
	return db.reviewItems(ctx, "i.decision IN (SELECT seq FROM decision WHERE kind = 'review-answer' AND verdict = 'change-rule')")
}

// NewestReviews returns at most so many reviews, the newest first.
func (db *DB) NewestReviews(ctx context.Context, most int) ([]ReviewSummary, error) {
	var all []ReviewSummary
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Campaign]("c")+`, n.questions, n.answered FROM review_campaign c
		JOIN (SELECT i.campaign_id, COUNT(*) AS questions, COUNT(i.decision) AS answered FROM (SELECT id FROM review_campaign ORDER BY id DESC LIMIT $1) x JOIN review_item i ON i.campaign_id = x.id GROUP BY i.campaign_id) n
		ON n.campaign_id = c.id ORDER BY c.id DESC`, most); err != nil {
		return nil, fmt.Errorf("read reviews: %w", err)
	}
	return all, nil
}

// LastReviews returns when the newest review of each system was signed off.
func (db *DB) LastReviews(ctx context.Context) (map[string]time.Time, error) {
	var rows []struct {
		System   string `db:"system"`
		SignedUS Micros `db:"signed_us"`
	}
	if err := db.read.SelectContext(ctx, &rows, `SELECT system, MAX(signed_us) AS signed_us FROM review_campaign WHERE scope = 'system' AND signed_us IS NOT NULL GROUP BY system`); err != nil {
		return nil, fmt.Errorf("read reviews: %w", err)
	}
	last := make(map[string]time.Time, len(rows))
	for _, r := range rows {
		last[r.System] = r.SignedUS.Time()
	}
	return last, nil
}

// OpenReviews returns how many reviews have questions that are not decided, and how many
// questions these are.
func (db *DB) OpenReviews(ctx context.Context) (campaigns, items int, err error) {
	if err := db.read.QueryRowxContext(ctx, `SELECT COUNT(DISTINCT campaign_id), COUNT(*) FROM review_item WHERE decision IS NULL`).Scan(&campaigns, &items); err != nil {
		return 0, 0, fmt.Errorf("read review items: %w", err)
	}
	return campaigns, items, nil
}

// ReviewItem returns one item.
func (db *DB) ReviewItem(ctx context.Context, campaign, number int64) (ReviewItem, error) {
	var item ReviewItem
	err := db.read.GetContext(ctx, &item, `SELECT `+columns[ReviewItem]("")+` FROM review_item WHERE campaign_id = $1 AND number = $2`, campaign, number)
	if errors.Is(err, sql.ErrNoRows) {
		return item, &reason.Refusal{Reason: reason.Of(reason.NoReviewItem{Item: fmt.Sprintf("%d-%d", campaign, number)})}
	}
	return item, err
}

// DecideItem notes which decision answers the item.
func (tx *Tx) DecideItem(ctx context.Context, item ReviewItem, decision int64) error {
	_, err := tx.tx.ExecContext(ctx, `UPDATE review_item SET decision = $3 WHERE campaign_id = $1 AND number = $2`, item.Campaign, item.Number, decision)
	if err != nil {
		return fmt.Errorf("review item %s: %w", item.Ref(), err)
	}
	return nil
}

// AskAnother notes who is asked about the item from now on; empty for the owner of the
// system.
func (tx *Tx) AskAnother(ctx context.Context, item ReviewItem, reviewer identity.Actor) error {
	_, err := tx.tx.ExecContext(ctx, `UPDATE review_item SET reviewer = $3, next = CASE WHEN $3 = '' THEN '' ELSE next END WHERE campaign_id = $1 AND number = $2`, item.Campaign, item.Number, reviewer)
	if err != nil {
		return fmt.Errorf("review item %s: %w", item.Ref(), err)
	}
	return nil
}

var reviewItemRows = inserts{table: "review_item", columns: []string{"campaign_id", "number", "kind", "person_id", "entitlement", "system", "rule", "why", "asked", "evidence", "reviewer", "needs", "next", "known_wrong"}}
