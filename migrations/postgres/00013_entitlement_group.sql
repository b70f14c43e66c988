-- +goose Up
-- The groups under which behov gave an entitlement: the one that the catalogue names, and
-- former ones until every person that behov put there has left them.
CREATE TABLE entitlement_group (
    target      TEXT NOT NULL,
    entitlement TEXT NOT NULL,
    native      TEXT NOT NULL,
    PRIMARY KEY (target, entitlement, native)
);

-- +goose Down
DROP TABLE entitlement_group;
