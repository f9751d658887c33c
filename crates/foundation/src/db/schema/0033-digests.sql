-- A hash over what became of rows: of those of a chunk that has ended, and of a job in the record of its end. Nothing to be said of it is NULL.
ALTER TABLE chunks ADD COLUMN digest TEXT;
ALTER TABLE audit ADD COLUMN digest TEXT;
-- Records of before have no such hash.
INSERT INTO meta (key, value) SELECT 'digests_after', CAST(COALESCE(MAX(seq), 0) AS TEXT) FROM audit;
