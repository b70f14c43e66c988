-- Instants are microseconds since 1970, UTC, in columns ending in _us; dates
-- are civil dates as text. Columns ending in _sealed are encrypted with the
-- key of the row's person.

-- +goose Up

-- Identity: the one home of personal data.
CREATE TABLE person (
    id                 TEXT PRIMARY KEY,
    given_name         TEXT NOT NULL,
    family_name        TEXT NOT NULL,
    email              TEXT NOT NULL,
    phone              TEXT NOT NULL,
    national_id_sealed BYTEA,
    national_id_hash   BYTEA,
    protected          BOOLEAN NOT NULL,
    login              TEXT NOT NULL UNIQUE,
    version            BIGINT NOT NULL
);
CREATE INDEX person_email ON person (email);
CREATE INDEX person_national_id ON person (national_id_hash);

CREATE TABLE person_source_key (
    source    TEXT NOT NULL,
    key       TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES person (id),
    PRIMARY KEY (source, key)
);
CREATE INDEX person_source_key_person ON person_source_key (person_id);

CREATE TABLE employment (
    id          TEXT PRIMARY KEY,
    person_id   TEXT NOT NULL REFERENCES person (id),
    source      TEXT NOT NULL,
    key         TEXT NOT NULL,
    unit        TEXT NOT NULL,
    job_code    TEXT NOT NULL,
    job_title   TEXT NOT NULL,
    type        TEXT NOT NULL,
    percent     DOUBLE PRECISION NOT NULL,
    manager_key TEXT NOT NULL,
    start_date  TEXT NOT NULL,
    end_date    TEXT NOT NULL,
    leave_start TEXT NOT NULL,
    leave_end   TEXT NOT NULL,
    attributes  TEXT NOT NULL,
    withdrawn   BOOLEAN NOT NULL,
    UNIQUE (source, key)
);
CREATE INDEX employment_person ON employment (person_id);

-- A login is never given to somebody else, even after its owner is erased.
CREATE TABLE login_register (
    login_hash BYTEA PRIMARY KEY,
    person_id  TEXT NOT NULL
);

-- Each person's key, wrapped with the master key. Deleting the row makes
-- everything sealed for the person unreadable.
CREATE TABLE person_key (
    person_id TEXT PRIMARY KEY,
    wrapped   BYTEA NOT NULL
);

-- HR events, as recorded.
CREATE TABLE hr_import (
    id          TEXT PRIMARY KEY,
    source      TEXT NOT NULL,
    file_hash   TEXT NOT NULL,
    rows        BIGINT NOT NULL,
    bad_rows    BIGINT NOT NULL,
    events      BIGINT NOT NULL,
    status      TEXT NOT NULL,
    recorded_us BIGINT NOT NULL
);
CREATE TABLE hr_event (
    seq            BIGINT PRIMARY KEY,
    import_id      TEXT NOT NULL,
    source         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    person_id      TEXT NOT NULL,
    employment_id  TEXT NOT NULL,
    effective      TEXT NOT NULL,
    recorded_us    BIGINT NOT NULL,
    payload_sealed BYTEA NOT NULL
);
CREATE INDEX hr_event_person ON hr_event (person_id, seq);

-- What people decided. The newest decision on a subject holds.
CREATE TABLE decision (
    seq         BIGINT PRIMARY KEY,
    kind        TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    person_id   TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    subject     TEXT NOT NULL,
    maker       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    decided_us  BIGINT NOT NULL
);
CREATE INDEX decision_person ON decision (person_id, entitlement, seq);

CREATE TABLE review_campaign (
    id         BIGINT PRIMARY KEY,
    system     TEXT NOT NULL,
    started_by TEXT NOT NULL,
    started_us BIGINT NOT NULL
);
CREATE TABLE review_item (
    campaign_id BIGINT NOT NULL REFERENCES review_campaign (id),
    number      BIGINT NOT NULL,
    person_id   TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    why         TEXT NOT NULL,
    decision    BIGINT REFERENCES decision (seq),
    PRIMARY KEY (campaign_id, number)
);

-- What is held now. A hold that went through is gone from here: should the
-- same come up again it is raised, and decided on, anew.
CREATE TABLE hold (
    digest         TEXT PRIMARY KEY,
    kind           TEXT NOT NULL,
    subject        TEXT NOT NULL,
    why            TEXT NOT NULL,
    raised_us      BIGINT NOT NULL,
    after_decision BIGINT NOT NULL
);

-- Which account of a target is whose.
CREATE TABLE account (
    target    TEXT NOT NULL,
    person_id TEXT NOT NULL,
    native_id TEXT NOT NULL,
    PRIMARY KEY (target, person_id)
);

-- Steps that were intended and not yet seen to end.
CREATE TABLE open_step (
    id          TEXT PRIMARY KEY,
    target      TEXT NOT NULL,
    person_id   TEXT NOT NULL,
    body        TEXT NOT NULL,
    plan        TEXT NOT NULL,
    intended_us BIGINT NOT NULL
);

CREATE TABLE rules_version (
    digest      TEXT PRIMARY KEY,
    content     TEXT NOT NULL,
    recorded_us BIGINT NOT NULL
);

-- The audit trail and what is projected from it.
CREATE TABLE audit_record (
    idx         BIGINT PRIMARY KEY,
    at_us       BIGINT NOT NULL,
    began_us    BIGINT NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    person_id   TEXT NOT NULL,
    target      TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    op          TEXT NOT NULL,
    reason      TEXT NOT NULL,
    plan        TEXT NOT NULL,
    step        TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    payload     BYTEA,
    prev        BYTEA,
    hash        BYTEA NOT NULL
);
CREATE INDEX audit_record_person ON audit_record (person_id, idx);

CREATE TABLE access_interval (
    person_id    TEXT NOT NULL,
    target       TEXT NOT NULL,
    entitlement  TEXT NOT NULL,
    since_us     BIGINT NOT NULL,
    since_record BIGINT NOT NULL,
    until_us     BIGINT,
    until_record BIGINT,
    PRIMARY KEY (person_id, target, entitlement, since_record)
);
CREATE INDEX access_interval_entitlement ON access_interval (entitlement, since_us);
CREATE UNIQUE INDEX access_interval_open ON access_interval (person_id, target, entitlement) WHERE until_us IS NULL;

CREATE TABLE waiting_grant (
    person_id   TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    gate        TEXT NOT NULL,
    PRIMARY KEY (person_id, entitlement)
);

-- One row: where the sequences stand, and the head of the audit chain.
CREATE TABLE head (
    id           BIGINT PRIMARY KEY CHECK (id = 1),
    event_seq    BIGINT NOT NULL,
    decision_seq BIGINT NOT NULL,
    audit_idx    BIGINT NOT NULL,
    audit_hash   BYTEA
);
INSERT INTO head (id, event_seq, decision_seq, audit_idx) VALUES (1, 0, 0, 0);

-- +goose Down
DROP TABLE head;
DROP TABLE waiting_grant;
DROP TABLE access_interval;
DROP TABLE audit_record;
DROP TABLE rules_version;
DROP TABLE open_step;
DROP TABLE account;
DROP TABLE hold;
DROP TABLE review_item;
DROP TABLE review_campaign;
DROP TABLE decision;
DROP TABLE hr_event;
DROP TABLE hr_import;
DROP TABLE person_key;
DROP TABLE login_register;
DROP TABLE employment;
DROP TABLE person_source_key;
DROP TABLE person;
