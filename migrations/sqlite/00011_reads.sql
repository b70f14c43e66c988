-- +goose Up
-- One person's rows and one target's rows are found without reading the others'.
CREATE INDEX person_source_key_key ON person_source_key (key);
CREATE INDEX person_merged ON person (merged_into) WHERE merged_into <> '';
CREATE INDEX account_disabled ON account (target) WHERE disabled_us <> 0;
DROP INDEX access_interval_open;
CREATE UNIQUE INDEX access_interval_open ON access_interval (target, person_id, entitlement) WHERE until_us IS NULL;
DROP INDEX decision_person;
CREATE INDEX decision_person ON decision (person_id, kind, entitlement, seq);

-- +goose Down
DROP INDEX decision_person;
CREATE INDEX decision_person ON decision (person_id, entitlement, seq);
DROP INDEX access_interval_open;
CREATE UNIQUE INDEX access_interval_open ON access_interval (person_id, target, entitlement) WHERE until_us IS NULL;
DROP INDEX account_disabled;
DROP INDEX person_merged;
DROP INDEX person_source_key_key;
