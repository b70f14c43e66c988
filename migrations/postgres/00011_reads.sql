-- +goose Up
-- One person's rows and one target's rows are found without reading the others'.
CREATE INDEX person_source_key_key ON person_source_key (key);
CREATE INDEX person_merged ON person (merged_into) WHERE merged_into <> '';
CREATE INDEX account_person ON account (person_id);
CREATE INDEX left_access_person ON left_access (person_id);
CREATE INDEX evaluator_difference_person ON evaluator_difference (person_id);
CREATE INDEX scim_resource_person ON scim_resource (person_id);
CREATE INDEX scim_resource_made ON scim_resource (source, made_us, id);
CREATE INDEX scim_resource_changed ON scim_resource (source, changed_us);
CREATE INDEX failing_step_whose ON failing_step (person_id);
CREATE INDEX hold_subject ON hold (kind, subject);
CREATE INDEX hr_import_recorded ON hr_import (recorded_us, id);
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
DROP INDEX hr_import_recorded;
DROP INDEX hold_subject;
DROP INDEX failing_step_whose;
DROP INDEX scim_resource_changed;
DROP INDEX scim_resource_made;
DROP INDEX scim_resource_person;
DROP INDEX evaluator_difference_person;
DROP INDEX left_access_person;
DROP INDEX account_person;
DROP INDEX person_merged;
DROP INDEX person_source_key_key;
