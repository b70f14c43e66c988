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
-- Who chose a file that was imported by hand, and what an import said.
ALTER TABLE hr_import ADD COLUMN actor TEXT NOT NULL DEFAULT '';
CREATE INDEX hr_import_actor ON hr_import (actor, recorded_us) WHERE actor <> '';
CREATE INDEX hr_event_import ON hr_event (import_id);
-- The numbers of people with protected identity: each person with one is protected.
CREATE INDEX person_protected ON person (national_id_hash) WHERE protected OR protected_by_hand;

-- +goose Down
DROP INDEX person_protected;
DROP INDEX hr_event_import;
DROP INDEX hr_import_actor;
ALTER TABLE hr_import DROP COLUMN actor;
DROP INDEX decision_maker;
ALTER TABLE audit_record DROP COLUMN authority;
ALTER TABLE audit_record DROP COLUMN operator;
ALTER TABLE hold DROP COLUMN raised_by;
ALTER TABLE decision DROP COLUMN reason_sealed;
ALTER TABLE decision DROP COLUMN authority;
