-- +goose Up
-- Where the fast evaluator and Casbin did not agree about a person. While rules
-- with the digest are in use nothing of the person's access is changed.
CREATE TABLE evaluator_difference (
    rules_digest TEXT NOT NULL,
    person_id    TEXT NOT NULL,
    entitlement  TEXT NOT NULL,
    detail       TEXT NOT NULL,
    found_us     BIGINT NOT NULL,
    PRIMARY KEY (rules_digest, person_id, entitlement)
);

-- +goose Down
DROP TABLE evaluator_difference;
