-- +goose Up
-- Open questions of reviews are counted without reading the decided ones.
CREATE INDEX review_item_open ON review_item (campaign_id) WHERE decision IS NULL;

-- +goose Down
DROP INDEX review_item_open;
