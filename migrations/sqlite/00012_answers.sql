-- +goose Up
-- Open questions of reviews are counted without reading the decided ones.
CREATE INDEX review_item_open ON review_item (campaign_id) WHERE decision IS NULL;
-- Access says why it was given, and whether behov gave it, without its record.
ALTER TABLE access_interval ADD COLUMN given BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE access_interval ADD COLUMN reason TEXT NOT NULL DEFAULT '';
UPDATE access_interval SET
    reason = (SELECT r.reason FROM audit_record r WHERE r.idx = access_interval.since_record),
    given = (SELECT r.action IN ('step.ended', 'access.adopted') FROM audit_record r WHERE r.idx = access_interval.since_record)
    WHERE EXISTS (SELECT 1 FROM audit_record r WHERE r.idx = access_interval.since_record);

-- +goose Down
ALTER TABLE access_interval DROP COLUMN reason;
ALTER TABLE access_interval DROP COLUMN given;
DROP INDEX review_item_open;
