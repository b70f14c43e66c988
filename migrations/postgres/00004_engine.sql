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
-- usable account there, when it was read, and what was missed (empty for
-- nothing).
CREATE TABLE target_state (
    target  TEXT PRIMARY KEY,
    enabled BIGINT NOT NULL,
    read_us BIGINT NOT NULL,
    missed  TEXT NOT NULL
);

-- Who lost something lately.
CREATE INDEX access_interval_until ON access_interval (target, until_us);

-- What a hold would do, as JSON without personal values.
ALTER TABLE hold ADD COLUMN body TEXT NOT NULL DEFAULT '';

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
ALTER TABLE hold DROP COLUMN body;
DROP INDEX access_interval_until;
DROP TABLE target_state;
DROP TABLE failing_step;
