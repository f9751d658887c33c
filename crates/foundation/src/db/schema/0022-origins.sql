-- Files of drop folders, each taken once. `fence` grows whenever another worker takes over; `job` is set by the transaction that
-- records the job.
CREATE TABLE drops (
  seq @serial,
  id TEXT NOT NULL UNIQUE,
  folder TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  fence BIGINT NOT NULL,
  sha256 TEXT,
  job BIGINT,
  seen_at BIGINT NOT NULL
);
CREATE INDEX drops_job ON drops (job) WHERE job IS NOT NULL;
-- Due times of schedules, each fired once. `nominal` is the time as the schedule says it, for zones can change.
CREATE TABLE fires (
  seq @serial,
  schedule TEXT NOT NULL,
  revision BIGINT NOT NULL,
  nominal TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  due BIGINT NOT NULL,
  cause TEXT NOT NULL,
  state TEXT NOT NULL,
  fence BIGINT NOT NULL,
  sha256 TEXT,
  job BIGINT,
  UNIQUE (schedule, revision, nominal, attempt)
);
CREATE INDEX fires_job ON fires (job) WHERE job IS NOT NULL;
