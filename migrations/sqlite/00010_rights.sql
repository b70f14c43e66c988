-- +goose Up
-- By which authority a decision was made, and its reason, sealed with the key of
-- the person whom it is about. Reasons of earlier decisions stay as they are.
ALTER TABLE decision ADD COLUMN authority TEXT NOT NULL DEFAULT '';
ALTER TABLE decision ADD COLUMN reason_sealed BLOB;
-- Who caused what is held, as audit_record.actor.
ALTER TABLE hold ADD COLUMN raised_by TEXT NOT NULL DEFAULT '';
-- Which user of the operating system ran the process, and by which authority.
ALTER TABLE audit_record ADD COLUMN operator TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_record ADD COLUMN authority TEXT NOT NULL DEFAULT '';
CREATE INDEX decision_maker ON decision (maker, seq);

-- +goose Down
DROP INDEX decision_maker;
ALTER TABLE audit_record DROP COLUMN authority;
ALTER TABLE audit_record DROP COLUMN operator;
ALTER TABLE hold DROP COLUMN raised_by;
ALTER TABLE decision DROP COLUMN reason_sealed;
ALTER TABLE decision DROP COLUMN authority;
