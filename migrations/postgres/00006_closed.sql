-- +goose Up
-- What behov knows of an account: when it created it and when it disabled it
-- (0 for neither), and when a run first found it disabled though behov had not
-- disabled it.
ALTER TABLE account ADD COLUMN created_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN closed_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN disabled_us BIGINT NOT NULL DEFAULT 0;
UPDATE account SET
    created_us = COALESCE((SELECT MAX(r.at_us) FROM audit_record r WHERE r.person_id = account.person_id AND r.target = account.target
        AND r.action = 'step.ended' AND r.outcome = 'applied' AND r.op IN ('create-account', 'prepare-account')), 0);
UPDATE account SET
    closed_us = COALESCE((SELECT CASE WHEN r.op IN ('disable-account', 'prepare-account') THEN r.at_us ELSE 0 END FROM audit_record r
        WHERE r.person_id = account.person_id AND r.target = account.target AND r.action = 'step.ended' AND r.outcome IN ('applied', 'already-so')
        AND r.op IN ('create-account', 'prepare-account', 'disable-account', 'enable-account') ORDER BY r.idx DESC LIMIT 1), 0);

-- When a run that saw everything first brought everything to the target that
-- belongs there; 0 until then.
ALTER TABLE target_state ADD COLUMN loaded_us BIGINT NOT NULL DEFAULT 0;
UPDATE target_state SET loaded_us = read_us;

-- Since when access that lasts is not seen in its target any more, though no
-- reading shows that it ended.
ALTER TABLE access_interval ADD COLUMN unseen_us BIGINT;
ALTER TABLE access_interval ADD COLUMN unseen_record BIGINT;
CREATE INDEX access_interval_unseen ON access_interval (target) WHERE unseen_us IS NOT NULL AND until_us IS NULL;

-- When a plan for everybody no longer had exactly this hold; 0 while it has.
ALTER TABLE hold ADD COLUMN superseded_us BIGINT NOT NULL DEFAULT 0;

-- Steps that a person released or rejected, by their digests, until they are
-- done, not planned any more, or the hold expires.
CREATE TABLE step_decision (
    step       TEXT PRIMARY KEY,
    hold       TEXT NOT NULL,
    target     TEXT NOT NULL,
    person_id  TEXT NOT NULL,
    verdict    TEXT NOT NULL,
    decision   BIGINT NOT NULL,
    decided_us BIGINT NOT NULL
);
CREATE INDEX step_decision_person ON step_decision (target, person_id);
CREATE INDEX step_decision_hold ON step_decision (hold);

-- Whether a disabled account is shut out of a target, as it was last tried: by
-- which way of disabling, with what verdict, and why.
CREATE TABLE disable_proof (
    target    TEXT PRIMARY KEY,
    how       TEXT NOT NULL,
    verdict   TEXT NOT NULL,
    why       TEXT NOT NULL,
    proved_us BIGINT NOT NULL
);

-- When this database was made of a backup; 0 when it was not. What behov disabled
-- before that, others may have disabled since.
ALTER TABLE head ADD COLUMN restored_us BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE head DROP COLUMN restored_us;
DROP TABLE disable_proof;
DROP TABLE step_decision;
ALTER TABLE hold DROP COLUMN superseded_us;
DROP INDEX access_interval_unseen;
ALTER TABLE access_interval DROP COLUMN unseen_record;
ALTER TABLE access_interval DROP COLUMN unseen_us;
ALTER TABLE target_state DROP COLUMN loaded_us;
ALTER TABLE account DROP COLUMN disabled_us;
ALTER TABLE account DROP COLUMN closed_us;
ALTER TABLE account DROP COLUMN created_us;
