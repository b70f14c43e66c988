-- +goose Up
-- What a target said when it gave no usable answer; told when the step's end
-- has been found out.
ALTER TABLE open_step ADD COLUMN detail TEXT NOT NULL DEFAULT '';

-- Every name an account of a person ever had in a target, as a keyed hash: it
-- is never given to anybody else.
CREATE TABLE account_name (
    target    TEXT NOT NULL,
    name_hash BYTEA NOT NULL,
    person_id TEXT NOT NULL,
    PRIMARY KEY (target, name_hash)
);

-- What a connector keeps from one reading to the next, sealed.
CREATE TABLE connector_memory (
    target   TEXT PRIMARY KEY,
    sealed   BYTEA NOT NULL,
    saved_us BIGINT NOT NULL
);

-- +goose Down
DROP TABLE connector_memory;
DROP TABLE account_name;
ALTER TABLE open_step DROP COLUMN detail;
