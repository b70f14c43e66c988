-- +goose Up
-- People whose record may be another person's, and who get nothing in any
-- target until a person decides: why is what joining the records would change
-- of the other person, as names of columns, or that the record is of an erased
-- person (other_id is empty then).
CREATE TABLE held_record (
    person_id TEXT NOT NULL,
    other_id  TEXT NOT NULL,
    columns   TEXT NOT NULL,
    held_us   BIGINT NOT NULL,
    PRIMARY KEY (person_id, other_id)
);
CREATE INDEX held_record_other ON held_record (other_id);

-- Records of people who were erased, as keyed hashes of what the source called
-- the person and of their national identity number.
CREATE TABLE erased_record (
    source           TEXT NOT NULL,
    key_hash         BLOB NOT NULL,
    national_id_hash BLOB,
    erased_us        BIGINT NOT NULL,
    PRIMARY KEY (source, key_hash)
);

-- When a run first saw, in all of the target, that the account is gone; 0 while
-- it is there or nothing shows it.
ALTER TABLE account ADD COLUMN gone_us BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE account DROP COLUMN gone_us;
DROP TABLE erased_record;
DROP TABLE held_record;
