package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// ReviewItem is one question of a review: may this person keep this?
type ReviewItem struct {
	Campaign    int64             `db:"campaign_id" json:"campaign"`
	Number      int64             `db:"number" json:"number"`
	Person      identity.PersonID `db:"person_id" json:"person"`
	Entitlement string            `db:"entitlement" json:"entitlement"`
	Why         reason.Reason     `db:"why" json:"why"` // the reasons for the access when the review began
	Decision    *int64            `db:"decision" json:"decision,omitempty"`
	// Reviewer is who is asked; empty for the owner of the
	// system.
	Reviewer identity.Actor `db:"reviewer" json:"reviewer,omitempty"`
}

// Ref is how people call the item: campaign-number.
func (i ReviewItem) Ref() string { return fmt.Sprintf("%d-%d", i.Campaign, i.Number) }

// StartReview records a campaign with its items and returns its number. The
// reviewer is who is asked; empty for the owner of the
// system.
func (tx *Tx) StartReview(ctx context.Context, system string, by, reviewer identity.Actor, at time.Time, items []ReviewItem) (int64, error) {
	var campaign int64
	// The head row's lock keeps two campaigns from getting the same number.
	if _, err := tx.tx.ExecContext(ctx, `UPDATE head SET decision_seq = decision_seq + 0 WHERE id = 1`); err != nil {
		return 0, fmt.Errorf("review campaign: %w", err)
	}
	if err := tx.tx.GetContext(ctx, &campaign, `INSERT INTO review_campaign (id, system, started_by, started_us, reviewer)
		SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4 FROM review_campaign RETURNING id`, system, by, micros(at), reviewer); err != nil {
		return 0, fmt.Errorf("review campaign: %w", err)
	}
	rows := make([]any, 0, len(items)*len(reviewItemRows.columns))
	for n, item := range items {
		rows = append(rows, campaign, n+1, item.Person, item.Entitlement, item.Why)
	}
	if err := tx.insert(ctx, reviewItemRows, rows); err != nil {
		return 0, fmt.Errorf("review items: %w", err)
	}
	return campaign, nil
}

// ReviewItems returns the items of a campaign, or of all when campaign is 0,
// with the decision made on each.
func (db *DB) ReviewItems(ctx context.Context, campaign int64) ([]ReviewItem, map[int64]Decision, error) {
	var items []ReviewItem
	where, args := "1 = 1", []any(nil)
	if campaign != 0 {
		where, args = "i.campaign_id = $1", []any{campaign}
	}
	if err := db.read.SelectContext(ctx, &items, `SELECT `+reviewItemColumns+` FROM review_item i JOIN review_campaign c ON c.id = i.campaign_id
		WHERE `+where+` ORDER BY i.campaign_id, i.number`, args...); err != nil {
		return nil, nil, fmt.Errorf("read review items: %w", err)
	}
	var decisions []Decision
	if err := db.read.SelectContext(ctx, &decisions, `SELECT `+columns[Decision]("d")+` FROM decision d JOIN review_item i ON i.decision = d.seq WHERE `+where, args...); err != nil {
		return nil, nil, fmt.Errorf("read decisions: %w", err)
	}
	bySeq := map[int64]Decision{}
	for _, d := range decisions {
		bySeq[d.Seq] = d
	}
	return items, bySeq, nil
}

// ReviewSummary is a review with how many questions it has.
type ReviewSummary struct {
	Campaign  int64          `db:"id"`
	System    string         `db:"system"`
	Reviewer  identity.Actor `db:"reviewer"` // who is asked; empty for the owner of the system
	StartedUS Micros         `db:"started_us"`
	Questions int            `db:"questions"`
	Answered  int            `db:"answered"`
}

// NewestReviews returns at most so many reviews, the newest first.
func (db *DB) NewestReviews(ctx context.Context, most int) ([]ReviewSummary, error) {
	var all []ReviewSummary
	if err := db.read.SelectContext(ctx, &all, `SELECT c.id, c.system, c.reviewer, c.started_us, COUNT(i.number) AS questions, COUNT(i.decision) AS answered
		FROM (SELECT * FROM review_campaign ORDER BY id DESC LIMIT $1) c JOIN review_item i ON i.campaign_id = c.id GROUP BY c.id, c.system, c.reviewer, c.started_us ORDER BY c.id DESC`, most); err != nil {
		return nil, fmt.Errorf("read reviews: %w", err)
	}
	return all, nil
}

// LastReviews returns when the newest review of each system was started.
func (db *DB) LastReviews(ctx context.Context) (map[string]time.Time, error) {
	var rows []struct {
		System    string `db:"system"`
		StartedUS Micros `db:"started_us"`
	}
	if err := db.read.SelectContext(ctx, &rows, `SELECT system, MAX(started_us) AS started_us FROM review_campaign WHERE reviewer = '' GROUP BY system`); err != nil {
		return nil, fmt.Errorf("read reviews: %w", err)
	}
	last := make(map[string]time.Time, len(rows))
	for _, r := range rows {
		last[r.System] = r.StartedUS.Time()
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
	err := db.read.GetContext(ctx, &item, `SELECT `+reviewItemColumns+` FROM review_item i JOIN review_campaign c ON c.id = i.campaign_id WHERE i.campaign_id = $1 AND i.number = $2`, campaign, number)
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
