-- Records copied from other stores. `origin` is the other store's installation number, `source` (and `part`, of seats)
-- its key there, `owner` the customer there; `version` is the one it had there, 0 when it has to be read again, -1
-- when it is there no more.
CREATE TABLE copies (
  origin BIGINT NOT NULL,
  object TEXT NOT NULL,
  source BIGINT NOT NULL,
--sqlite   part TEXT NOT NULL,
--postgres   part TEXT COLLATE "C" NOT NULL,
  owner BIGINT NOT NULL,
  local BIGINT NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY (origin, object, source, part)
--sqlite ) WITHOUT ROWID;
--postgres );
CREATE INDEX copies_owner ON copies (origin, object, owner);

-- How far a row that copies has come, as JSON.
CREATE TABLE copying (
  job BIGINT NOT NULL,
  row BIGINT NOT NULL,
  progress TEXT NOT NULL,
  PRIMARY KEY (job, row)
);

-- Since when a copied record is no longer where it was copied from.
ALTER TABLE customers ADD COLUMN missing_since BIGINT;
ALTER TABLE users ADD COLUMN missing_since BIGINT;
ALTER TABLE subscriptions ADD COLUMN missing_since BIGINT;
