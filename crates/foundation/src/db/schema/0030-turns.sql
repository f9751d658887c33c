-- Batches of chunks that workers have in hand, in the order in which their chunks take effect. `job` is that of a batch of one chunk;
-- `chunks` are their numbers as JSON, `[[job, chunk], …]`; `places` what the batch changes, NULL while nobody knows; `deaths` how many
-- workers have died over several of them, which no single one answers for.
CREATE TABLE batches (
  turn @serial,
  owner TEXT NOT NULL,
  lease_until BIGINT NOT NULL,
  lease_length BIGINT NOT NULL,
  job BIGINT,
  chunks TEXT NOT NULL,
  places @blob,
  deaths BIGINT NOT NULL DEFAULT 0
);
-- The turn of the batch with which a chunk was claimed.
ALTER TABLE chunks ADD COLUMN turn BIGINT;
