-- Who works on the jobs of this ledger, as of the last sign of life. A worker that ends takes its row away; what the others leave
-- is shown as lost, and goes after a day. `every` is how often it means to give a sign, in milliseconds.
CREATE TABLE workers (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  pid BIGINT NOT NULL,
  version TEXT NOT NULL,
  store TEXT NOT NULL,
  concurrency BIGINT NOT NULL,
  every BIGINT NOT NULL,
  started_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  chunks BIGINT NOT NULL
);
-- The only open jobs that no other index holds by themselves.
CREATE INDEX jobs_paused ON jobs (seq) WHERE state = 'paused';
