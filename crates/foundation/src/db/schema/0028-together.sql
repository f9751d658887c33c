-- Jobs that were carried out together as they came in: who they were and how each ended, as JSON, compressed. Such a record is found by
-- when it was made, which is when its jobs ended.
ALTER TABLE audit ADD COLUMN jobs @blob;
--postgres ALTER TABLE audit ALTER COLUMN jobs SET STORAGE EXTERNAL;
CREATE INDEX audit_together ON audit (at) WHERE jobs IS NOT NULL;
