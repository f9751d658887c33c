-- Jobs that were removed because they ended long ago, as long as something of them is still to be removed.
CREATE TABLE removals (
  job BIGINT PRIMARY KEY,
  input BIGINT,
  rows BIGINT NOT NULL
);
-- What people look for among the jobs of years, and is rare.
CREATE INDEX jobs_unwell ON jobs (seq) WHERE state IN ('failed', 'cancelled');
