-- +goose Up
-- When a token stops working. 0 is never, for tokens made before tokens expired:
-- an integration that runs goes on, and an alert asks for a new token.
ALTER TABLE api_token ADD COLUMN expires_us BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE api_token DROP COLUMN expires_us;
