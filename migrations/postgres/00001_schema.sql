-- Instants are microseconds since 1970, UTC, in columns ending in _us, and 0 where there is
-- none; dates are civil dates as text. Columns ending in _sealed are encrypted with the key
-- of the row's person, those ending in _hash are keyed hashes.

-- +goose Up

-- People: the one home of personal data.
CREATE TABLE person (
    id                 TEXT PRIMARY KEY,
    given_name         TEXT NOT NULL,
    family_name        TEXT NOT NULL,
    email              TEXT NOT NULL,
    phone              TEXT NOT NULL,
    national_id_sealed BYTEA,
    national_id_hash   BYTEA,
    protected          BOOLEAN NOT NULL,
    protected_by_hand  BOOLEAN NOT NULL DEFAULT FALSE, -- by a decision, whatever HR says
    login              TEXT NOT NULL UNIQUE,
    main_employment    TEXT NOT NULL DEFAULT '', -- which employment speaks for the person, by a decision
    merged_into        TEXT NOT NULL DEFAULT '', -- the person whose record this turned out to be
    version            BIGINT NOT NULL
);
CREATE INDEX person_email ON person (email);
CREATE INDEX person_merged ON person (merged_into) WHERE merged_into <> '';
CREATE INDEX person_national_id ON person (national_id_hash);
CREATE INDEX person_protected ON person (national_id_hash) WHERE protected OR protected_by_hand;

-- What each record of a source says of a person. The person's own row is made of them.
CREATE TABLE person_source_key (
    source             TEXT NOT NULL,
    key                TEXT NOT NULL,
    person_id          TEXT NOT NULL REFERENCES person (id),
    given_name         TEXT NOT NULL DEFAULT '',
    family_name        TEXT NOT NULL DEFAULT '',
    email              TEXT NOT NULL DEFAULT '',
    phone              TEXT NOT NULL DEFAULT '',
    national_id_sealed BYTEA,
    protected          BOOLEAN NOT NULL DEFAULT FALSE,
    stamp              TEXT NOT NULL DEFAULT '',
    formerly           TEXT NOT NULL DEFAULT '', -- the person whose record it was before it was moved
    PRIMARY KEY (source, key)
);
CREATE INDEX person_source_key_key ON person_source_key (key);
CREATE INDEX person_source_key_person ON person_source_key (person_id);

-- What a person is found by while somebody types: the first characters of the words of the
-- name, the login and the e-mail address, in small letters. name is the family and the given
-- name: what a search finds is sorted by it. Words that begin alike lie side by side in the
-- order of code points, and in that of no language.
CREATE TABLE person_word (
    word      TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    person_id TEXT NOT NULL REFERENCES person (id),
    PRIMARY KEY (word, name, person_id)
);
CREATE INDEX person_word_person ON person_word (person_id, word);

-- Each person's key, wrapped with the master key. Deleting the row makes everything sealed
-- for the person unreadable.
CREATE TABLE person_key (
    person_id TEXT PRIMARY KEY,
    wrapped   BYTEA NOT NULL
);

-- Where the last run saw each person work: a change is a move.
CREATE TABLE person_position (
    person_id TEXT PRIMARY KEY,
    position  TEXT NOT NULL
);

-- terms and leaves are JSON: what the employment is like from a day on.
CREATE TABLE employment (
    id             TEXT PRIMARY KEY,
    person_id      TEXT NOT NULL REFERENCES person (id),
    source         TEXT NOT NULL,
    key            TEXT NOT NULL,
    person_key     TEXT NOT NULL DEFAULT '', -- what the source calls the person there
    sponsor_key    TEXT NOT NULL DEFAULT '',
    start_date     TEXT NOT NULL,
    end_date       TEXT NOT NULL,
    end_said       TEXT NOT NULL DEFAULT '', -- the day on which the end was learnt
    withdrawn_from TEXT NOT NULL DEFAULT '', -- the day from which the source does not list it
    reported       TEXT NOT NULL DEFAULT '', -- as JSON, what a report says of it and the source does not, yet
    terms          TEXT NOT NULL DEFAULT '[]',
    leaves         TEXT NOT NULL DEFAULT '',
    stamp          TEXT NOT NULL DEFAULT '',
    said           BYTEA, -- a keyed hash of what the source said last
    UNIQUE (source, key)
);
CREATE INDEX employment_person ON employment (person_id);
CREATE INDEX employment_reported ON employment (person_id) WHERE reported <> '';
CREATE INDEX employment_sponsor ON employment (sponsor_key);

-- Whom an employment names as manager, at any time: what the source calls them.
CREATE TABLE employment_manager (
    source        TEXT NOT NULL,
    manager_key   TEXT NOT NULL,
    employment_id TEXT NOT NULL REFERENCES employment (id),
    PRIMARY KEY (source, manager_key, employment_id)
);
CREATE INDEX employment_manager_employment ON employment_manager (employment_id);

-- In which units an employment is, at any time.
CREATE TABLE employment_unit (
    unit          TEXT NOT NULL,
    employment_id TEXT NOT NULL REFERENCES employment (id),
    PRIMARY KEY (unit, employment_id)
);
CREATE INDEX employment_unit_employment ON employment_unit (employment_id);

-- A login is never given to another person, even after its owner is erased.
CREATE TABLE login_register (
    login_hash BYTEA PRIMARY KEY,
    person_id  TEXT NOT NULL
);

-- People whose record may be another person's, and who get nothing in any target until it
-- is decided: the columns that joining the records would change of the other person, or
-- that the record is of an erased person, and other_id is empty.
CREATE TABLE held_record (
    person_id TEXT NOT NULL,
    other_id  TEXT NOT NULL,
    columns   TEXT NOT NULL,
    held_us   BIGINT NOT NULL,
    PRIMARY KEY (person_id, other_id)
);
CREATE INDEX held_record_other ON held_record (other_id);

-- Records of people who were erased: of what the source called the person, and of the
-- national identity number.
CREATE TABLE erased_record (
    source           TEXT NOT NULL,
    key_hash         BYTEA NOT NULL,
    national_id_hash BYTEA,
    erased_us        BIGINT NOT NULL,
    PRIMARY KEY (source, key_hash)
);

-- HR. made_us is when the source made what was imported, as far as is known; filled says
-- which columns had values, as JSON; problems are JSON without personal values.
CREATE TABLE hr_import (
    id          TEXT PRIMARY KEY,
    source      TEXT NOT NULL,
    file_hash   TEXT NOT NULL,
    rows        BIGINT NOT NULL,
    bad_rows    BIGINT NOT NULL,
    events      BIGINT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('done', 'endings-held', 'held', 'refused')),
    recorded_us BIGINT NOT NULL,
    made_us     BIGINT NOT NULL DEFAULT 0,
    filled      TEXT NOT NULL DEFAULT '',
    problems    TEXT NOT NULL DEFAULT '',
    actor       TEXT NOT NULL DEFAULT '' -- who chose a file that was imported by hand
);
CREATE INDEX hr_import_actor ON hr_import (actor, recorded_us) WHERE actor <> '';
CREATE INDEX hr_import_recorded ON hr_import (recorded_us, id);
CREATE INDEX hr_import_source ON hr_import (source, recorded_us);

CREATE TABLE hr_event (
    seq            BIGINT PRIMARY KEY,
    import_id      TEXT NOT NULL,
    source         TEXT NOT NULL,
    kind           TEXT NOT NULL CHECK (kind IN ('person-added', 'person-joined', 'person-changed', 'employment-added', 'employment-changed', 'employment-withdrawn', 'employment-reported')),
    person_id      TEXT NOT NULL,
    employment_id  TEXT NOT NULL,
    effective      TEXT NOT NULL,
    recorded_us    BIGINT NOT NULL,
    payload_sealed BYTEA NOT NULL
);
CREATE INDEX hr_event_import ON hr_event (import_id);
CREATE INDEX hr_event_person ON hr_event (person_id, seq);

-- How far a source that gives changes has been read.
CREATE TABLE hr_position (
    source   TEXT PRIMARY KEY,
    position TEXT NOT NULL,
    etag     TEXT NOT NULL,
    moved_us BIGINT NOT NULL
);

-- Tokens: of a source, which pushes people by it, or of a person (owner) or a service
-- account (service, its name), who calls the API by it.
-- scopes says what it may be used for, systems of which systems; both are empty for a
-- source's, and systems for all. factors is "many" when the person signed in so to make it,
-- and signed_us is when they did, 0 for when it was made. how and member_of are of a token
-- that stands for a sign-in on a machine: how the person was identified, and their groups.
-- expires_us is 0 for one that never expires.
CREATE TABLE api_token (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    source     TEXT NOT NULL,
    owner      TEXT NOT NULL DEFAULT '',
    service    TEXT NOT NULL DEFAULT '',
    scopes     TEXT NOT NULL DEFAULT '',
    systems    TEXT NOT NULL DEFAULT '',
    factors    TEXT NOT NULL DEFAULT '',
    signed_us  BIGINT NOT NULL DEFAULT 0,
    how        TEXT NOT NULL DEFAULT '',
    member_of  TEXT NOT NULL DEFAULT '',
    hash       BYTEA NOT NULL UNIQUE,
    made_us    BIGINT NOT NULL,
    used_us    BIGINT NOT NULL DEFAULT 0,
    expires_us BIGINT NOT NULL DEFAULT 0,
    revoked_us BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX api_token_owner ON api_token (owner) WHERE owner <> '';

-- Who is signed in. The hashes are of what the browser shows, and, keyed, of what the
-- identity provider calls the person and the session there. data is JSON without personal
-- values.
CREATE TABLE session (
    token_hash    BYTEA PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    person_id     TEXT NOT NULL,
    subject_hash  BYTEA,
    provider_hash BYTEA,
    data          TEXT NOT NULL,
    began_us      BIGINT NOT NULL,
    used_us       BIGINT NOT NULL,
    expires_us    BIGINT NOT NULL
);
CREATE INDEX session_expires ON session (expires_us);
CREATE INDEX session_person ON session (person_id);
CREATE INDEX session_provider ON session (provider_hash) WHERE provider_hash IS NOT NULL;
CREATE INDEX session_subject ON session (subject_hash) WHERE subject_hash IS NOT NULL;

-- Sign-ins that were begun on a machine without a browser (RFC 8628) and wait for a person
-- to confirm them in one. The hashes are of the device code, and, keyed, of the short code
-- that the person compares. machine is what the machine calls itself.
CREATE TABLE device_sign_in (
    code_hash   BYTEA PRIMARY KEY,
    user_hash   BYTEA NOT NULL UNIQUE,
    machine     TEXT NOT NULL,
    state       TEXT NOT NULL,
    person_id   TEXT NOT NULL DEFAULT '',
    how         TEXT NOT NULL DEFAULT '',
    factors     TEXT NOT NULL DEFAULT '',
    member_of   TEXT NOT NULL DEFAULT '',
    signed_us   BIGINT NOT NULL DEFAULT 0,
    seconds     BIGINT NOT NULL,
    asked_us    BIGINT NOT NULL DEFAULT 0,
    expires_us  BIGINT NOT NULL
);
CREATE INDEX device_sign_in_expires ON device_sign_in (expires_us);

-- Writing requests that had a key of their own, for a day: a second one is answered as the
-- first was. body is empty until the answer is known.
CREATE TABLE idempotent_request (
    key_hash     BYTEA PRIMARY KEY,
    request_hash BYTEA NOT NULL,
    status       INTEGER NOT NULL DEFAULT 0,
    body         BYTEA,
    at_us        BIGINT NOT NULL
);
CREATE INDEX idempotent_request_at ON idempotent_request (at_us);

-- Long work that a client asked for, for an hour after it ended. result is JSON without
-- personal values.
CREATE TABLE task (
    id       TEXT PRIMARY KEY,
    owner    TEXT NOT NULL, -- a person, or service:NAME
    kind     TEXT NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    stage    TEXT NOT NULL DEFAULT '',
    done     BIGINT NOT NULL DEFAULT 0,
    total    BIGINT NOT NULL DEFAULT 0,
    result   TEXT NOT NULL DEFAULT '',
    fault    TEXT NOT NULL DEFAULT '',
    began_us BIGINT NOT NULL,
    seen_us  BIGINT NOT NULL, -- when its process last said that it goes on
    ended_us BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX task_ended ON task (ended_us);

-- What was pushed to a source over SCIM. key is what the source called the person by at
-- first; the hashes are those of userName, which one resource has, and of externalId.
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
CREATE INDEX scim_resource_changed ON scim_resource (source, changed_us);
CREATE INDEX scim_resource_external ON scim_resource (source, external_hash);
CREATE INDEX scim_resource_made ON scim_resource (source, made_us, id);
CREATE UNIQUE INDEX scim_resource_name ON scim_resource (source, name_hash);
CREATE INDEX scim_resource_person ON scim_resource (person_id);

-- Decisions. The newest on a subject holds. reason_sealed is the reason of a decision about
-- a person, whose reason is empty. until is the last day on which a decision holds, empty
-- without an end.
CREATE TABLE decision (
    seq           BIGINT PRIMARY KEY,
    kind          TEXT NOT NULL CHECK (kind IN ('review', 'review-answer', 'hold', 'record', 'suspension', 'protection', 'legal-hold', 'main-employment', 'step', 'pause', 'target', 'enable', 'erasure', 'bind', 'pass', 'token', 'session', 'readmission', 'report', 'screening', 'mfa-exemption', 'revision', 'conflict', 'request', 'rules', 'work-order', 'account-list', 'non-human-account', 'absence')),
    verdict       TEXT NOT NULL CHECK (verdict <> ''),
    person_id     TEXT NOT NULL,
    entitlement   TEXT NOT NULL,
    subject       TEXT NOT NULL,
    maker         TEXT NOT NULL,
    authority     TEXT NOT NULL DEFAULT '',
    reason        TEXT NOT NULL,
    reason_sealed BYTEA,
    because       TEXT NOT NULL DEFAULT '',
    until         TEXT NOT NULL DEFAULT '',
    decided_us    BIGINT NOT NULL
);
CREATE INDEX decision_maker ON decision (maker, seq);
CREATE INDEX decision_report ON decision (decided_us) WHERE kind = 'report' AND verdict = 'overrule';
CREATE INDEX decision_change_rule ON decision (seq) WHERE kind = 'review-answer' AND verdict = 'change-rule';
CREATE INDEX decision_person ON decision (person_id, kind, entitlement, seq);
CREATE INDEX decision_subject ON decision (kind, subject, seq);

-- Requests for access that ends. unit and manager_sealed (a key of HR, sealed with the
-- person's key) are those of the employment on the day since, on which it was asked. given is
-- the decision by which it gives access, 0 while it does not. Who asked, when and why is in
-- the decision asked.
CREATE TABLE access_request (
    id             BIGINT PRIMARY KEY,
    person_id      TEXT NOT NULL,
    entitlement    TEXT NOT NULL,
    employment_id  TEXT NOT NULL,
    unit           TEXT NOT NULL,
    manager_sealed BYTEA,
    since          TEXT NOT NULL,
    until          TEXT NOT NULL, -- the last day
    emergency      BOOLEAN NOT NULL,
    renews         BIGINT NOT NULL, -- the request that it goes on with; 0 for none
    state          TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'refused', 'withdrawn')),
    asked_by       TEXT NOT NULL,
    asked          BIGINT NOT NULL REFERENCES decision (seq),
    given          BIGINT NOT NULL
);
CREATE INDEX access_request_person ON access_request (person_id, id);
CREATE INDEX access_request_asked ON access_request (asked_by, id);
CREATE INDEX access_request_given ON access_request (person_id, until) WHERE given <> 0;
CREATE INDEX access_request_until ON access_request (until) WHERE given <> 0;
CREATE INDEX access_request_waiting ON access_request (entitlement, id) WHERE state = 'waiting';
-- Which of the approvers that the class of the system asks for has approved.
CREATE TABLE access_request_approval (
    request_id BIGINT NOT NULL REFERENCES access_request (id),
    approver   TEXT NOT NULL CHECK (approver IN ('manager', 'owner', 'second-owner')),
    decision   BIGINT NOT NULL REFERENCES decision (seq),
    PRIMARY KEY (request_id, approver)
);

-- Accounts that are no person's: the register. id stands where steps, records and the table
-- account name a person. name is the login name when it was registered. until is the last day.
-- changed is the newest decision about it.
CREATE TABLE non_human_account (
    id        TEXT PRIMARY KEY,
    target    TEXT NOT NULL,
    native_id TEXT NOT NULL,
    name      TEXT NOT NULL,
    kind      TEXT NOT NULL CHECK (kind IN ('service', 'robot', 'agent')),
    system    TEXT NOT NULL,
    owner_id  TEXT NOT NULL,
    purpose   TEXT NOT NULL,
    until     TEXT NOT NULL,
    state     TEXT NOT NULL CHECK (state IN ('registered', 'retired')),
    changed   BIGINT NOT NULL REFERENCES decision (seq),
    UNIQUE (target, native_id)
);
CREATE INDEX non_human_account_name ON non_human_account (name);
CREATE INDEX non_human_account_owner ON non_human_account (owner_id);
CREATE INDEX non_human_account_system ON non_human_account (system);

-- Who is away, and who decides in their place from since until until, both included. decision is
-- the one that says so: another one replaces it.
CREATE TABLE absence (
    person_id TEXT PRIMARY KEY,
    deputy_id TEXT NOT NULL,
    since     TEXT NOT NULL,
    until     TEXT NOT NULL,
    decision  BIGINT NOT NULL REFERENCES decision (seq)
);
CREATE INDEX absence_deputy ON absence (deputy_id);
CREATE INDEX absence_until ON absence (until);

-- When people were seen to be enrolled for MFA, and with which strongest method. A projection
-- of the audit trail.
CREATE TABLE mfa_enrolment (
    person_id TEXT NOT NULL,
    method    TEXT NOT NULL CHECK (method IN ('any', 'strong', 'phishing-resistant')),
    since_us  BIGINT NOT NULL,
    until_us  BIGINT,
    PRIMARY KEY (person_id, since_us)
);
CREATE INDEX mfa_enrolment_open ON mfa_enrolment (person_id) WHERE until_us IS NULL;

-- A campaign asks whether people should keep their access. system is set where scope is one
-- system. reviewer is set where one person is asked about everything. due is the last day for
-- answers, empty without one. series and occurrence are of a campaign that the configuration
-- starts.
CREATE TABLE review_campaign (
    id         BIGINT PRIMARY KEY,
    scope      TEXT NOT NULL CHECK (scope IN ('system', 'unit', 'entitlement', 'people', 'everything', 'mover')),
    scope_of   TEXT NOT NULL,
    system     TEXT NOT NULL,
    asks       TEXT NOT NULL CHECK (asks IN ('owner', 'manager', 'person', 'manager-then-owner')),
    reviewer   TEXT NOT NULL DEFAULT '',
    fallback   TEXT NOT NULL DEFAULT '',
    series     TEXT NOT NULL DEFAULT '',
    occurrence TEXT NOT NULL DEFAULT '',
    due        TEXT NOT NULL DEFAULT '',
    after_due  TEXT NOT NULL CHECK (after_due IN ('keep', 'revoke')),
    started_by TEXT NOT NULL,
    started_us BIGINT NOT NULL,
    closed_us  BIGINT,
    signed     BIGINT REFERENCES decision (seq),
    signed_us  BIGINT
);
CREATE UNIQUE INDEX review_campaign_series ON review_campaign (series, occurrence) WHERE series <> '';
CREATE INDEX review_campaign_signed ON review_campaign (system, signed_us) WHERE scope = 'system' AND signed_us IS NOT NULL;
CREATE INDEX review_campaign_open ON review_campaign (id) WHERE closed_us IS NULL;
-- What a review begins at when it changes: the owner and the class of each system.
CREATE TABLE review_trigger (
    event  TEXT NOT NULL CHECK (event IN ('owner-changed', 'class-raised')),
    system TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (event, system)
);
-- A question about the access of a person, about a rule, which has no person, or about an
-- account that is no person's, whose ID in the register is in place of the person. reviewer is
-- who is asked now, empty for the owner of the system. needs is how many must say keep. next is
-- who is asked after one says keep. known_wrong is access of which who started the review
-- knows that it should not be there: whether it is revoked shows how the reviewer looks.
CREATE TABLE review_item (
    campaign_id BIGINT NOT NULL REFERENCES review_campaign (id),
    number      BIGINT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('access', 'rule', 'account')),
    person_id   TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    system      TEXT NOT NULL,
    rule        TEXT NOT NULL,
    why         TEXT NOT NULL,
    asked       TEXT NOT NULL,
    evidence    TEXT NOT NULL,
    reviewer    TEXT NOT NULL,
    needs       BIGINT NOT NULL,
    next        TEXT NOT NULL DEFAULT '' CHECK (next IN ('', 'owner')),
    known_wrong BOOLEAN NOT NULL DEFAULT FALSE,
    decision    BIGINT REFERENCES decision (seq),
    PRIMARY KEY (campaign_id, number)
);
CREATE INDEX review_item_open ON review_item (campaign_id, number) WHERE decision IS NULL;
CREATE INDEX review_item_decision ON review_item (decision) WHERE decision IS NOT NULL;
CREATE INDEX review_item_person ON review_item (person_id);
CREATE INDEX review_item_asked ON review_item (reviewer, system, campaign_id);
CREATE INDEX review_item_rule ON review_item (rule, system, campaign_id) WHERE kind = 'rule';

-- What is held now, as JSON without personal values in body. A hold that went through is
-- deleted: when the same comes up again it is raised, and decided on, once more.
CREATE TABLE hold (
    digest         TEXT PRIMARY KEY,
    kind           TEXT NOT NULL CHECK (kind IN ('plan', 'hr-import', 'hr-endings', 'hr-start', 'account-bind', 'erasure')),
    subject        TEXT NOT NULL,
    why            TEXT NOT NULL,
    body           TEXT NOT NULL DEFAULT '',
    raised_us      BIGINT NOT NULL,
    raised_by      TEXT NOT NULL DEFAULT '', -- who caused it, as audit_record.actor
    superseded_us  BIGINT NOT NULL DEFAULT 0, -- when a plan for everyone no longer had exactly this hold
    after_decision BIGINT NOT NULL
);
CREATE INDEX hold_subject ON hold (kind, subject);
-- The steps of a plan's hold, in the plan's order: what the hold would do.
CREATE TABLE hold_step (
    digest    TEXT NOT NULL,
    n         INTEGER NOT NULL,
    key       TEXT NOT NULL,
    person_id TEXT NOT NULL,
    step      TEXT NOT NULL, -- JSON, without personal values
    PRIMARY KEY (digest, n)
);
CREATE INDEX hold_step_person ON hold_step (person_id);

-- Steps that a person released or rejected, by their digests, until they are done, not
-- planned any more, or the hold expires.
CREATE TABLE step_decision (
    step       TEXT PRIMARY KEY,
    hold       TEXT NOT NULL,
    target     TEXT NOT NULL,
    person_id  TEXT NOT NULL,
    verdict    TEXT NOT NULL CHECK (verdict IN ('release', 'reject', 'stays-held')),
    decision   BIGINT NOT NULL,
    decided_us BIGINT NOT NULL
);
CREATE INDEX step_decision_hold ON step_decision (hold);
CREATE INDEX step_decision_target ON step_decision (target, person_id);
CREATE INDEX step_decision_person ON step_decision (person_id);

-- Grants whose gate is not open.
CREATE TABLE gated_grant (
    person_id   TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    gate        TEXT NOT NULL CHECK (gate IN ('awaiting-mfa', 'mfa-unknown')),
    since_us    BIGINT NOT NULL, -- when it was first seen to wait
    PRIMARY KEY (person_id, entitlement)
);

-- The versions of rules, configuration and program, and those that are in use.
CREATE TABLE rules_version (
    digest      TEXT PRIMARY KEY,
    content     TEXT NOT NULL,
    recorded_us BIGINT NOT NULL
);
-- What versions of the rules were made of, sealed: a catalogue may name people.
CREATE TABLE rules_source (
    digest      TEXT PRIMARY KEY,
    sealed      BYTEA NOT NULL,
    recorded_us BIGINT NOT NULL
);
CREATE TABLE version_in_use (
    kind   TEXT PRIMARY KEY CHECK (kind IN ('rules', 'configuration', 'program')),
    digest TEXT NOT NULL
);

-- Where the fast evaluator and Casbin did not agree about a person. While rules with the
-- digest are in use nothing of the person's access is changed.
CREATE TABLE evaluator_difference (
    rules_digest TEXT NOT NULL,
    person_id    TEXT NOT NULL,
    entitlement  TEXT NOT NULL,
    detail       TEXT NOT NULL,
    found_us     BIGINT NOT NULL,
    PRIMARY KEY (rules_digest, person_id, entitlement)
);
CREATE INDEX evaluator_difference_person ON evaluator_difference (person_id);

-- Targets. What behov knows of an account: whose it is, when it created and when it
-- disabled it, when a run first found it disabled though behov had not disabled it, and
-- when a run first saw, in all of the target, that it is gone. signed_in is the day of the last
-- sign-in, "never", or empty when the target does not tell.
CREATE TABLE account (
    target      TEXT NOT NULL,
    person_id   TEXT NOT NULL,
    native_id   TEXT NOT NULL,
    created_us  BIGINT NOT NULL DEFAULT 0,
    closed_us   BIGINT NOT NULL DEFAULT 0,
    disabled_us BIGINT NOT NULL DEFAULT 0,
    gone_us     BIGINT NOT NULL DEFAULT 0,
    signed_in   TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (target, person_id)
);
CREATE INDEX account_disabled ON account (target) WHERE disabled_us <> 0;
CREATE INDEX account_native ON account (target, native_id);
CREATE INDEX account_person ON account (person_id);

-- Every name that an account of a person ever had in a target: it is never given to another.
CREATE TABLE account_name (
    target    TEXT NOT NULL,
    name_hash BYTEA NOT NULL,
    person_id TEXT NOT NULL,
    PRIMARY KEY (target, name_hash)
);

-- What a connector keeps from one reading to the next.
CREATE TABLE connector_memory (
    target   TEXT PRIMARY KEY,
    sealed   BYTEA NOT NULL,
    saved_us BIGINT NOT NULL
);

-- The groups under which behov gave an entitlement: the one that the catalogue names, and
-- former ones until every person that behov put there has left them.
CREATE TABLE entitlement_group (
    target      TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    native      TEXT NOT NULL,
    PRIMARY KEY (target, entitlement, native)
);

-- Groups that behov creates for entitlements. The mark is written into the group, so that
-- behov knows it when the answer to its creation was lost; native is the target's own stable
-- ID of the group, empty until it is known.
CREATE TABLE managed_group (
    target      TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    mark        TEXT NOT NULL,
    native      TEXT NOT NULL,
    PRIMARY KEY (target, entitlement)
);

-- What the last run over everyone saw of a target: how many people have a usable account
-- there, when it began and what of HR and of decisions it knew, what was missed (empty for
-- nothing), and when a run first brought everything there that belongs there. The target *
-- is all of them in one run.
CREATE TABLE target_state (
    target       TEXT PRIMARY KEY,
    enabled      BIGINT NOT NULL,
    read_us      BIGINT NOT NULL,
    event_seq    BIGINT NOT NULL,
    decision_seq BIGINT NOT NULL,
    missed       TEXT NOT NULL,
    loaded_us    BIGINT NOT NULL DEFAULT 0,
    sign_ins_us  BIGINT NOT NULL DEFAULT 0
);

-- Whether a disabled account can sign in to a target, as it was last tried: by which way of
-- disabling, with what verdict, and why.
CREATE TABLE disable_proof (
    target    TEXT PRIMARY KEY,
    how       TEXT NOT NULL,
    verdict   TEXT NOT NULL,
    why       TEXT NOT NULL,
    proved_us BIGINT NOT NULL
);

-- People whom steps of the last hour concerned in a target, by the kind of limit that
-- counts them.
CREATE TABLE limit_usage (
    target    TEXT NOT NULL,
    kind      TEXT NOT NULL CHECK (kind IN ('disables', 'removals', 'enables', 'creations', 'renames', 'changes', 'grants')),
    person_id TEXT NOT NULL,
    at_us     BIGINT NOT NULL,
    PRIMARY KEY (target, kind, person_id)
);

-- Access that is needed, was taken away in the target by another than behov, and is left so
-- (drift: report).
CREATE TABLE unrepaired_drift (
    target      TEXT NOT NULL,
    person_id   TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    since_us    BIGINT NOT NULL,
    PRIMARY KEY (target, person_id, entitlement)
);
CREATE INDEX unrepaired_drift_person ON unrepaired_drift (person_id);

-- Steps that were intended and whose outcome is not recorded. detail is what a target said
-- when it gave no usable answer.
CREATE TABLE open_step (
    id          TEXT PRIMARY KEY,
    target      TEXT NOT NULL,
    person_id   TEXT NOT NULL,
    body        TEXT NOT NULL,
    plan        TEXT NOT NULL,
    detail      TEXT NOT NULL DEFAULT '',
    intended_us BIGINT NOT NULL
);
CREATE INDEX open_step_person ON open_step (target, person_id);

-- Changes that a person makes in a target without an interface. key and body are the step's,
-- attempt and plan those under which it was ordered; due is a day, and so is done_on, on which
-- the change was made. decision is the one that ended it, 0 without one. sealed is the login
-- name, with the key of the person.
CREATE TABLE work_order (
    id          BIGINT PRIMARY KEY,
    target      TEXT NOT NULL,
    person_id   TEXT NOT NULL,
    key         TEXT NOT NULL,
    body        TEXT NOT NULL,
    op          TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    native      TEXT NOT NULL, -- the entitlement as the target names it
    account_id  TEXT NOT NULL, -- empty for an account that is not there yet
    attempt     TEXT NOT NULL,
    plan        TEXT NOT NULL,
    sealed      BYTEA,
    due         TEXT NOT NULL,
    ordered_us  BIGINT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'impossible', 'withdrawn')),
    decision    BIGINT NOT NULL DEFAULT 0,
    done_on     TEXT NOT NULL DEFAULT '',
    ended_us    BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX work_order_waiting ON work_order (target, key) WHERE state = 'waiting';
CREATE INDEX work_order_due ON work_order (target, due, id) WHERE state = 'waiting';
CREATE INDEX work_order_done ON work_order (target, done_on) WHERE state = 'done';
CREATE INDEX work_order_state ON work_order (target, state, id);
CREATE INDEX work_order_person ON work_order (person_id, id);

-- The newest list of accounts of each target without an interface: of which day it is, the
-- decision to use it, and what it has.
CREATE TABLE account_list (
    target      TEXT PRIMARY KEY,
    day         TEXT NOT NULL,
    decision    BIGINT NOT NULL,
    accounts    BIGINT NOT NULL,
    memberships BIGINT NOT NULL
);

-- What a target without an interface is known to hold: its list, and what was confirmed since.
-- sealed is the login name and the attributes.
CREATE TABLE listed_account (
    target    TEXT NOT NULL,
    id        TEXT NOT NULL,
    person_id TEXT NOT NULL, -- whose it is known to be; empty for an account of no known person
    name_hash TEXT NOT NULL, -- keyed, in hexadecimal digits
    enabled   BOOLEAN NOT NULL,
    sealed    BYTEA NOT NULL,
    PRIMARY KEY (target, id),
    UNIQUE (target, name_hash)
);
CREATE UNIQUE INDEX listed_account_person ON listed_account (target, person_id) WHERE person_id <> '';
CREATE INDEX listed_account_of ON listed_account (person_id) WHERE person_id <> '';
CREATE TABLE listed_membership (
    target      TEXT NOT NULL,
    account_id  TEXT NOT NULL,
    entitlement TEXT NOT NULL, -- as the target names it
    PRIMARY KEY (target, account_id, entitlement)
);

-- Steps that a target refused or failed to do, until they are done: key names exactly this
-- change, body is the plan's step.
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
    state     TEXT NOT NULL CHECK (state IN ('trying', 'parked', 'given-up'))
);
CREATE INDEX failing_step_person ON failing_step (target, person_id);
CREATE INDEX failing_step_whose ON failing_step (person_id);

-- When an alert was last sent.
CREATE TABLE alert_sent (
    about   TEXT NOT NULL,
    subject TEXT NOT NULL,
    at_us   BIGINT NOT NULL,
    PRIMARY KEY (about, subject)
);
-- What people were told that waits for them: each once. subject is a number or an ID, and stage
-- how far it had come. mailbox is set where it was told to an address that is no person's.
CREATE TABLE notice (
    about     TEXT NOT NULL CHECK (about IN ('review', 'request', 'access-end', 'revision', 'mfa', 'work-orders', 'account', 'absence')),
    subject   TEXT NOT NULL,
    stage     TEXT NOT NULL,
    person_id TEXT NOT NULL,
    mailbox   TEXT NOT NULL,
    reason    TEXT NOT NULL,
    at_us     BIGINT NOT NULL,
    PRIMARY KEY (about, subject, stage, person_id, mailbox)
);
CREATE INDEX notice_person ON notice (person_id, at_us);

-- The audit trail, and access as it follows from it: when a person had which entitlement,
-- since when no reading of the target has shown it, whether behov gave it, and why.
CREATE TABLE audit_record (
    idx         BIGINT PRIMARY KEY,
    at_us       BIGINT NOT NULL,
    began_us    BIGINT NOT NULL,
    actor       TEXT NOT NULL,
    operator    TEXT NOT NULL DEFAULT '',
    authority   TEXT NOT NULL DEFAULT '',
    action      TEXT NOT NULL CHECK (action <> ''),
    person_id   TEXT NOT NULL,
    target      TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    op          TEXT NOT NULL,
    reason      TEXT NOT NULL,
    plan        TEXT NOT NULL,
    attempt     TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    payload     BYTEA,
    prev        BYTEA,
    hash        BYTEA NOT NULL,
    leaf        BYTEA NOT NULL -- the hash of its leaf in the log (RFC 6962 §2.1)
);
CREATE INDEX audit_record_person ON audit_record (person_id, idx);
CREATE INDEX audit_record_at ON audit_record (at_us);
CREATE INDEX audit_record_rules ON audit_record (idx) WHERE action = 'rules.in-use';
-- Hashes of full subtrees of the log, of 256 records and of powers of it: those that tiles have
-- besides the leaves (https://c2sp.org/tlog-tiles).
CREATE TABLE audit_node (
    level INTEGER NOT NULL,
    idx   BIGINT NOT NULL,
    hash  BYTEA NOT NULL,
    PRIMARY KEY (level, idx)
);
CREATE TABLE access_interval (
    person_id     TEXT NOT NULL,
    target        TEXT NOT NULL,
    entitlement   TEXT NOT NULL,
    since_us      BIGINT NOT NULL,
    since_record  BIGINT NOT NULL,
    until_us      BIGINT, -- NULL while the access lasts
    until_record  BIGINT,
    unseen_us     BIGINT,
    unseen_record BIGINT,
    given         BOOLEAN NOT NULL,
    reason        TEXT NOT NULL,
    PRIMARY KEY (person_id, target, entitlement, since_record)
);
CREATE INDEX access_interval_entitlement ON access_interval (entitlement, person_id, since_us);
CREATE INDEX access_interval_since ON access_interval (since_us, since_record, person_id);
CREATE INDEX access_interval_until ON access_interval (until_us, until_record, person_id) WHERE until_us IS NOT NULL;
CREATE UNIQUE INDEX access_interval_open ON access_interval (target, person_id, entitlement) WHERE until_us IS NULL;
CREATE INDEX access_interval_unseen ON access_interval (target) WHERE unseen_us IS NOT NULL AND until_us IS NULL;

-- How far each stream of events out is delivered: the number of the last record that its
-- receiver took. pending is JSON without personal values: what the receiver acknowledged
-- beyond it, and the verification events that it asked for.
CREATE TABLE outbound_cursor (
    stream    TEXT PRIMARY KEY,
    audit_idx BIGINT NOT NULL,
    pending   TEXT NOT NULL DEFAULT '',
    moved_us  BIGINT NOT NULL
);

-- One row: the last number of each sequence, the head of the audit chain, and when the
-- database was made of a backup.
CREATE TABLE head (
    id           BIGINT PRIMARY KEY CHECK (id = 1),
    event_seq    BIGINT NOT NULL,
    decision_seq BIGINT NOT NULL,
    audit_idx    BIGINT NOT NULL,
    audit_hash   BYTEA,
    audit_tree   BYTEA, -- the hashes of the full subtrees of the log, one after another
    restored_us  BIGINT NOT NULL DEFAULT 0
);
INSERT INTO head (id, event_seq, decision_seq, audit_idx) VALUES (1, 0, 0, 0);

-- A keyed hash of the master key by which the database is sealed.
CREATE TABLE master_key (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    print TEXT NOT NULL
);

-- +goose Down
DROP TABLE master_key;
DROP TABLE head;
DROP TABLE outbound_cursor;
DROP TABLE access_interval;
DROP TABLE audit_node;
DROP TABLE audit_record;
DROP TABLE alert_sent;
DROP TABLE failing_step;
DROP TABLE listed_membership;
DROP TABLE listed_account;
DROP TABLE account_list;
DROP TABLE work_order;
DROP TABLE open_step;
DROP TABLE unrepaired_drift;
DROP TABLE limit_usage;
DROP TABLE disable_proof;
DROP TABLE target_state;
DROP TABLE managed_group;
DROP TABLE entitlement_group;
DROP TABLE connector_memory;
DROP TABLE account_name;
DROP TABLE account;
DROP TABLE evaluator_difference;
DROP TABLE mfa_enrolment;
DROP TABLE version_in_use;
DROP TABLE rules_source;
DROP TABLE rules_version;
DROP TABLE gated_grant;
DROP TABLE step_decision;
DROP TABLE hold_step;
DROP TABLE hold;
DROP TABLE review_item;
DROP TABLE review_campaign;
DROP TABLE decision;
DROP TABLE scim_resource;
DROP TABLE task;
DROP TABLE idempotent_request;
DROP TABLE device_sign_in;
DROP TABLE session;
DROP TABLE api_token;
DROP TABLE hr_position;
DROP TABLE hr_event;
DROP TABLE hr_import;
DROP TABLE erased_record;
DROP TABLE held_record;
DROP TABLE login_register;
DROP TABLE employment_unit;
DROP TABLE employment_manager;
DROP TABLE employment;
DROP TABLE person_position;
DROP TABLE person_key;
DROP TABLE person_source_key;
DROP TABLE person_word;
DROP TABLE person;
