-- Keys that people type, folded (`tenantry_jobs::key`), beside what was typed: each database folds letters in its own way.
-- They are filled in between this step and the next, which makes them unique.
--sqlite ALTER TABLE customers ADD COLUMN external_key TEXT;
--sqlite ALTER TABLE customers ADD COLUMN name_key TEXT;
--sqlite ALTER TABLE customers ADD COLUMN tags_key TEXT;
--sqlite ALTER TABLE domains ADD COLUMN domain_key TEXT NOT NULL DEFAULT '';
--sqlite ALTER TABLE users ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
--sqlite ALTER TABLE deleted_users ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
--postgres ALTER TABLE customers ADD COLUMN external_key TEXT COLLATE "C";
--postgres ALTER TABLE customers ADD COLUMN name_key TEXT COLLATE "C";
--postgres ALTER TABLE customers ADD COLUMN tags_key TEXT COLLATE "C";
--postgres ALTER TABLE domains ADD COLUMN domain_key TEXT COLLATE "C" NOT NULL DEFAULT '';
--postgres ALTER TABLE users ADD COLUMN name_key TEXT COLLATE "C" NOT NULL DEFAULT '';
--postgres ALTER TABLE deleted_users ADD COLUMN name_key TEXT COLLATE "C" NOT NULL DEFAULT '';
-- Two that were told apart before keys were folded both stay: the second one has a number here, and rows that name them
-- are refused as ambiguous.
ALTER TABLE customers ADD COLUMN twin BIGINT NOT NULL DEFAULT 0;
ALTER TABLE domains ADD COLUMN twin BIGINT NOT NULL DEFAULT 0;
DROP INDEX customers_external_id;
DROP INDEX users_name;
DROP INDEX deleted_users_name;

-- Since when a user has its name, if not since it was made, and whether it has it because it was brought back.
ALTER TABLE users ADD COLUMN named_at BIGINT;
ALTER TABLE users ADD COLUMN restored BIGINT;
