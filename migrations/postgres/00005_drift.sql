-- +goose Up
-- What somebody took away in a target behind our back, that is needed all the
-- same, and that is left so as long as it is (drift: report).
CREATE TABLE left_access (
    target      TEXT NOT NULL,
    person_id   TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    since_us    BIGINT NOT NULL,
    PRIMARY KEY (target, person_id, entitlement)
);

-- +goose Down
DROP TABLE left_access;
