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
-- What happens by itself at certain times, by name. Those that were removed stay, for what they did. `timing` is the part of the
-- definition that says when; `revision` counts its changes. `considered_until` is up to when due times have been looked at.
CREATE TABLE schedules (
  name TEXT PRIMARY KEY,
  source TEXT NOT NULL,
  definition TEXT NOT NULL,
  timing TEXT NOT NULL,
  revision BIGINT NOT NULL,
  considered_until BIGINT NOT NULL,
  defined_by TEXT NOT NULL,
  defined_at BIGINT NOT NULL,
  paused_at BIGINT,
  paused_by TEXT,
  paused_because TEXT,
  paused_until BIGINT,
  failures BIGINT NOT NULL,
  succeeded_at BIGINT,
  retired_at BIGINT
);
-- Due times of schedules, each fired once. `nominal` is the time as the schedule says it, for zones can change; `part` numbers the
-- files of one time that make a job each. A row that was passed over can stand for `times` due times in a row, up to `last_due`.
-- `starts` is when it may begin, and `look_at` when it is looked at next. `job` is set by the transaction that records the job.
CREATE TABLE fires (
  seq @serial,
  schedule TEXT NOT NULL,
  revision BIGINT NOT NULL,
  nominal TEXT NOT NULL,
  attempt BIGINT NOT NULL,
  part BIGINT NOT NULL,
  due BIGINT NOT NULL,
  starts BIGINT NOT NULL,
  look_at BIGINT NOT NULL,
  cause TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT,
  detail TEXT,
  last_nominal TEXT,
  last_due BIGINT,
  times BIGINT NOT NULL,
  asked_by TEXT,
  file TEXT,
  out_path TEXT,
  outcome TEXT,
  fence BIGINT NOT NULL,
  lease_owner TEXT,
  lease_until BIGINT,
  sha256 TEXT,
  job BIGINT,
  made_at BIGINT NOT NULL,
  ended_at BIGINT,
  UNIQUE (schedule, revision, nominal, attempt, part)
);
CREATE INDEX fires_job ON fires (job) WHERE job IS NOT NULL;
CREATE INDEX fires_open ON fires (seq) WHERE state IN ('due', 'waiting', 'submitted');
CREATE INDEX fires_history ON fires (schedule, seq);
CREATE INDEX fires_times ON fires (schedule, due);
