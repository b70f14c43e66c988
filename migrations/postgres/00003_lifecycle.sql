-- +goose Up
-- What each record of a source says of a person. The person's own row holds
-- what is made of them.
ALTER TABLE person_source_key ADD COLUMN given_name TEXT NOT NULL DEFAULT '';
ALTER TABLE person_source_key ADD COLUMN family_name TEXT NOT NULL DEFAULT '';
ALTER TABLE person_source_key ADD COLUMN email TEXT NOT NULL DEFAULT '';
ALTER TABLE person_source_key ADD COLUMN phone TEXT NOT NULL DEFAULT '';
ALTER TABLE person_source_key ADD COLUMN national_id_sealed BYTEA;
ALTER TABLE person_source_key ADD COLUMN protected BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE person_source_key ADD COLUMN stamp TEXT NOT NULL DEFAULT '';
ALTER TABLE person_source_key ADD COLUMN formerly TEXT NOT NULL DEFAULT ''; -- whose it was before it was moved
UPDATE person_source_key SET
    given_name = (SELECT p.given_name FROM person p WHERE p.id = person_id), family_name = (SELECT p.family_name FROM person p WHERE p.id = person_id),
    email = (SELECT p.email FROM person p WHERE p.id = person_id), phone = (SELECT p.phone FROM person p WHERE p.id = person_id),
    national_id_sealed = (SELECT p.national_id_sealed FROM person p WHERE p.id = person_id), protected = (SELECT p.protected FROM person p WHERE p.id = person_id);

-- Protected by a decision, whatever HR says; which employment speaks for the
-- person by a decision; and whose record this turned out to be.
ALTER TABLE person ADD COLUMN protected_by_hand BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE person ADD COLUMN main_employment TEXT NOT NULL DEFAULT '';
ALTER TABLE person ADD COLUMN merged_into TEXT NOT NULL DEFAULT '';

-- An employment is what it is like from a day on, and the dates it has: terms
-- and leaves are JSON. end_said is the day on which the end was learnt. said is a keyed hash of what its source said last;
-- withdrawn_from the day from which it does not list the employment; person_key
-- what it calls the person there.
ALTER TABLE employment ADD COLUMN terms TEXT NOT NULL DEFAULT '[]';
ALTER TABLE employment ADD COLUMN leaves TEXT NOT NULL DEFAULT '';
ALTER TABLE employment ADD COLUMN end_said TEXT NOT NULL DEFAULT '';
UPDATE employment SET end_said = COALESCE((SELECT MAX(v.effective) FROM hr_event v WHERE v.employment_id = employment.id), end_date) WHERE end_date <> '';
ALTER TABLE employment ADD COLUMN sponsor_key TEXT NOT NULL DEFAULT '';
ALTER TABLE employment ADD COLUMN stamp TEXT NOT NULL DEFAULT '';
ALTER TABLE employment ADD COLUMN withdrawn_from TEXT NOT NULL DEFAULT '';
ALTER TABLE employment ADD COLUMN said BYTEA;
ALTER TABLE employment ADD COLUMN person_key TEXT NOT NULL DEFAULT '';
UPDATE employment SET person_key = COALESCE((SELECT MIN(k.key) FROM person_source_key k WHERE k.person_id = employment.person_id AND k.source = employment.source), '');
UPDATE employment SET terms = json_build_array(json_build_object('unit', unit, 'job_code', job_code, 'job_title', job_title, 'type', type, 'percent', percent,
        'manager_key', manager_key, 'attributes', CASE WHEN attributes = '' THEN NULL ELSE attributes::json END))::text,
    leaves = CASE WHEN leave_start = '' THEN '' ELSE json_build_array(json_build_object('start', leave_start, 'end', leave_end))::text END,
    withdrawn_from = CASE WHEN withdrawn THEN COALESCE((SELECT MAX(v.effective) FROM hr_event v WHERE v.employment_id = employment.id AND v.kind = 'employment-withdrawn'), start_date) ELSE '' END;
ALTER TABLE employment DROP COLUMN unit;
ALTER TABLE employment DROP COLUMN job_code;
ALTER TABLE employment DROP COLUMN job_title;
ALTER TABLE employment DROP COLUMN type;
ALTER TABLE employment DROP COLUMN percent;
ALTER TABLE employment DROP COLUMN manager_key;
ALTER TABLE employment DROP COLUMN attributes;
ALTER TABLE employment DROP COLUMN leave_start;
ALTER TABLE employment DROP COLUMN leave_end;
ALTER TABLE employment DROP COLUMN withdrawn;

-- When the source made what was imported, as far as is known; which columns
-- had values, as JSON; and the problems that were told, as JSON without
-- personal values.
ALTER TABLE hr_import ADD COLUMN made_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE hr_import ADD COLUMN filled TEXT NOT NULL DEFAULT '';
ALTER TABLE hr_import ADD COLUMN problems TEXT NOT NULL DEFAULT '';
CREATE INDEX hr_import_source ON hr_import (source, recorded_us);

-- How far a source that gives changes has been read.
CREATE TABLE hr_position (
    source   TEXT PRIMARY KEY,
    position TEXT NOT NULL,
    etag     TEXT NOT NULL,
    moved_us BIGINT NOT NULL
);

-- Who may push to a source: tokens, as hashes.
CREATE TABLE api_token (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    source     TEXT NOT NULL,
    hash       BYTEA NOT NULL UNIQUE,
    made_us    BIGINT NOT NULL,
    used_us    BIGINT NOT NULL DEFAULT 0,
    revoked_us BIGINT NOT NULL DEFAULT 0
);

-- What was pushed to a source over SCIM, as it was pushed, sealed. key is what
-- the source called the person by when they came; the hashes are those of
-- userName, which is one resource's only, and of externalId.
CREATE TABLE scim_resource (
    source        TEXT NOT NULL,
    id            TEXT NOT NULL,
    key           TEXT NOT NULL,
    person_id     TEXT NOT NULL,
    name_hash     BYTEA NOT NULL,
    external_hash BYTEA,
    sealed        BYTEA NOT NULL,
    version       BIGINT NOT NULL,
    made_us       BIGINT NOT NULL,
    changed_us    BIGINT NOT NULL,
    PRIMARY KEY (source, id),
    UNIQUE (source, key)
);
CREATE INDEX scim_resource_external ON scim_resource (source, external_hash);
CREATE UNIQUE INDEX scim_resource_name ON scim_resource (source, name_hash);

-- Where each person was seen to work by the last run: a change is a move.
CREATE TABLE person_position (
    person_id TEXT PRIMARY KEY,
    position  TEXT NOT NULL
);

-- Who is asked to answer a review; empty for the system's owner.
ALTER TABLE review_campaign ADD COLUMN reviewer TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE review_campaign DROP COLUMN reviewer;
DROP TABLE person_position;
DROP TABLE scim_resource;
DROP TABLE api_token;
DROP TABLE hr_position;
DROP INDEX hr_import_source;
ALTER TABLE hr_import DROP COLUMN problems;
ALTER TABLE hr_import DROP COLUMN filled;
ALTER TABLE hr_import DROP COLUMN made_us;
