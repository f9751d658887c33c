-- Drop folders, by the id that lies in each. One worker at a time serves a folder: `fence` grows whenever another one takes over.
-- `set_up` says that the id lies in the folder; from then on a folder without it is one whose share is away.
CREATE TABLE folders (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  path TEXT NOT NULL,
  set_up BIGINT NOT NULL,
  fence BIGINT NOT NULL,
  lease_owner TEXT,
  lease_until BIGINT NOT NULL,
  held TEXT,
  trouble TEXT,
  looked_at BIGINT,
  ready BIGINT NOT NULL
);
-- Files of drop folders, each taken once. `fence` is that of the worker that serves the folder; `job` is set by the transaction
-- that records the job. `file` is the path below `in/`, byte for byte, and `name` what people are shown. `place` is where the
-- file lies now and `dest` where its directory is being moved to, both from the folder's own directory on.
CREATE TABLE drops (
  seq @serial,
  id TEXT NOT NULL UNIQUE,
  folder TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,
  fence BIGINT NOT NULL,
  sha256 TEXT,
  job BIGINT,
  seen_at BIGINT NOT NULL,
  file @blob,
  size BIGINT,
  modified BIGINT,
  file_id TEXT,
  owner TEXT,
  place TEXT,
  dest TEXT,
  reason TEXT,
  corrects TEXT,
  ended_at BIGINT
);
CREATE INDEX drops_job ON drops (job) WHERE job IS NOT NULL;
CREATE INDEX drops_open ON drops (folder, seq) WHERE ended_at IS NULL;
CREATE INDEX drops_content ON drops (folder, sha256) WHERE sha256 IS NOT NULL;
CREATE UNIQUE INDEX drops_taking ON drops (folder, file) WHERE state = 'taking';
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
