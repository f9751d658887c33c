-- What a step found and what it left, for an undo to take it back; and the order in which a row's steps were begun.
ALTER TABLE intents ADD COLUMN image TEXT;
ALTER TABLE intents ADD COLUMN place BIGINT NOT NULL DEFAULT 0;

-- When users of a store that does not say so itself were last given a password.
CREATE TABLE passwords_set (
  account TEXT PRIMARY KEY,
  set_at BIGINT NOT NULL
);
