-- Keys in other stores become texts, since not every store has numbers. Those that are numbers are written with 19
-- digits, so that the order of the texts is that of the numbers.
DROP INDEX copies_owner;
ALTER TABLE copies RENAME TO copies_1;
CREATE TABLE copies (
  origin BIGINT NOT NULL,
  object TEXT NOT NULL,
--sqlite   source TEXT NOT NULL,
--sqlite   part TEXT NOT NULL,
--postgres   source TEXT COLLATE "C" NOT NULL,
--postgres   part TEXT COLLATE "C" NOT NULL,
  owner TEXT NOT NULL,
  local BIGINT NOT NULL,
  version BIGINT NOT NULL,
  PRIMARY KEY (origin, object, source, part)
--sqlite ) WITHOUT ROWID;
--postgres );
INSERT INTO copies (origin, object, source, part, owner, local, version)
--sqlite   SELECT origin, object, printf('%019d', source), part, printf('%019d', owner), local, version FROM copies_1;
--postgres   SELECT origin, object, lpad(CAST(source AS TEXT), 19, '0'), part, lpad(CAST(owner AS TEXT), 19, '0'), local, version FROM copies_1;
DROP TABLE copies_1;
CREATE INDEX copies_owner ON copies (origin, object, owner);

-- Rows that are copying begin anew: what they have copied so far they find unchanged.
DELETE FROM copying;
