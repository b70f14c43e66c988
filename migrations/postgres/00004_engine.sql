-- +goose Up
-- Steps that a target refused or failed to do, until they are done: key names
-- exactly this change, body is the plan's step. Parked ones wait for a person.
CREATE TABLE failing_step (
    key       TEXT PRIMARY KEY,
    target    TEXT NOT NULL,
    person_id TEXT NOT NULL,
    body      TEXT NOT NULL,
    tries     BIGINT NOT NULL,
    first_us  BIGINT NOT NULL,
    last_us   BIGINT NOT NULL,
    next_us   BIGINT NOT NULL,
    outcome   TEXT NOT NULL,
    detail    TEXT NOT NULL,
    state     TEXT NOT NULL
);
CREATE INDEX failing_step_person ON failing_step (target, person_id);

-- What the last run over everybody saw of a target: how many people have a
-- usable account there, when it began and what of HR and of decisions it knew,
-- and what was missed (empty for nothing). The target * is all of them in one
-- run.
CREATE TABLE target_state (
    target       TEXT PRIMARY KEY,
    enabled      BIGINT NOT NULL,
    read_us      BIGINT NOT NULL,
    event_seq    BIGINT NOT NULL,
    decision_seq BIGINT NOT NULL,
    missed       TEXT NOT NULL
);

-- What was done in a target of late and counts against its limits: whose
-- something was taken away (kind 'loss'), whose account was changed ('change').
CREATE TABLE counted_step (
    target    TEXT NOT NULL,
    kind      TEXT NOT NULL,
    person_id TEXT NOT NULL,
    at_us     BIGINT NOT NULL,
    PRIMARY KEY (target, kind, person_id)
);

-- The versions that are in use: of the rules, of the configuration.
CREATE TABLE version_in_use (
    kind   TEXT PRIMARY KEY,
    digest TEXT NOT NULL
);

-- By which master key what is sealed here is sealed: a keyed hash of it.
CREATE TABLE master_key (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    print TEXT NOT NULL
);

-- What somebody was told last of what alerts are about, and when.
CREATE TABLE alert_told (
    about   TEXT NOT NULL,
    subject TEXT NOT NULL,
    at_us   BIGINT NOT NULL,
    PRIMARY KEY (about, subject)
);

-- What a hold would do, as JSON without personal values; and the steps of it,
-- by person.
ALTER TABLE hold ADD COLUMN body TEXT NOT NULL DEFAULT '';
CREATE TABLE hold_step (
    digest    TEXT NOT NULL,
    key       TEXT NOT NULL,
    person_id TEXT NOT NULL,
    PRIMARY KEY (digest, key)
);
CREATE INDEX hold_step_person ON hold_step (person_id);

-- The newest decision on what is no person.
CREATE INDEX decision_subject ON decision (kind, subject, seq);

-- Whose an account is, asked by the account.
CREATE INDEX account_native ON account (target, native_id);
CREATE INDEX open_step_person ON open_step (target, person_id);
CREATE INDEX employment_sponsor ON employment (sponsor_key);

-- +goose Down
DROP INDEX employment_sponsor;
DROP INDEX open_step_person;
DROP INDEX account_native;
DROP INDEX decision_subject;
DROP TABLE hold_step;
ALTER TABLE hold DROP COLUMN body;
DROP TABLE alert_told;
DROP TABLE master_key;
DROP TABLE version_in_use;
DROP TABLE counted_step;
DROP TABLE target_state;
DROP TABLE failing_step;
