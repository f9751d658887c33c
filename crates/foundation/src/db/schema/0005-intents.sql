-- What a row is about to have done, or has had done, in a store that is no database: committed before the call. An intent
-- that is not done is of a call whose outcome nobody knows.
CREATE TABLE intents (
  job BIGINT NOT NULL,
  row BIGINT NOT NULL,
  step TEXT NOT NULL,
  generation BIGINT NOT NULL,
  state TEXT NOT NULL,
  result TEXT,
  PRIMARY KEY (job, row, step)
--sqlite ) WITHOUT ROWID;
--postgres );

-- A chunk whose rows are recorded as they end hands passwords out in several parts.
ALTER TABLE sealed_passwords RENAME TO sealed_passwords_1;
CREATE TABLE sealed_passwords (
  job BIGINT NOT NULL,
  chunk BIGINT NOT NULL,
  part BIGINT NOT NULL,
  accounts BIGINT NOT NULL,
  data @blob NOT NULL,
  PRIMARY KEY (job, chunk, part)
);
INSERT INTO sealed_passwords (job, chunk, part, accounts, data)
  SELECT job, chunk, 0, accounts, data FROM sealed_passwords_1;
DROP TABLE sealed_passwords_1;
