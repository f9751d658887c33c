-- The plans of jobs that have to be approved, so that what is approved can be looked at: lines of JSON, compressed, about a
-- megabyte a part. They go with the rows.
CREATE TABLE plan_parts (
  job BIGINT NOT NULL,
  part BIGINT NOT NULL,
  data @blob NOT NULL,
  PRIMARY KEY (job, part)
);
--postgres ALTER TABLE plan_parts ALTER COLUMN data SET STORAGE EXTERNAL;
