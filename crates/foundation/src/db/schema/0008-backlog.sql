-- What is claimed next, found without looking at jobs that have ended, whatever the planner believes there to be.
DROP INDEX jobs_open;
CREATE INDEX jobs_claim ON jobs (priority DESC, claimed_at, seq)
  WHERE state IN ('queued', 'running', 'retryable') AND cancel_requested = 0;
-- What the sweep looks for: one index for each, since SQLite uses a partial one only for the very condition it has.
CREATE INDEX jobs_planned ON jobs (planning_until) WHERE state = 'planned';
CREATE INDEX jobs_awaiting ON jobs (approval_until) WHERE state = 'awaiting-approval';
CREATE INDEX jobs_cancelling ON jobs (seq) WHERE cancel_requested = 1 AND finished_at IS NULL;
-- Jobs without a fingerprint are none of its business, and so the planner cannot take it for an index of all open jobs.
DROP INDEX jobs_unfinished;
CREATE UNIQUE INDEX jobs_unfinished ON jobs (fingerprint)
  WHERE fingerprint IS NOT NULL AND state IN ('queued', 'running', 'retryable', 'paused', 'awaiting-approval');
DROP INDEX jobs_unreplied;
CREATE INDEX jobs_unreplied ON jobs (seq) WHERE reply_to IS NOT NULL AND replied_at IS NULL AND finished_at IS NOT NULL;
DROP INDEX jobs_undelivered;
CREATE INDEX jobs_undelivered ON jobs (seq)
  WHERE out_dir IS NOT NULL AND delivered_at IS NULL AND finished_at IS NOT NULL;
CREATE INDEX jobs_input ON jobs (input);
CREATE INDEX jobs_retry_of ON jobs (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX jobs_undo_of ON jobs (undo_of) WHERE undo_of IS NOT NULL;
-- Ids are looked up by how they begin, byte by byte.
--postgres CREATE INDEX jobs_id_bytes ON jobs (id COLLATE "C");

-- Whether the rows of a job may still be spooled, so that each ended job is looked at once when they are let go of.
ALTER TABLE jobs ADD COLUMN spooled BIGINT NOT NULL DEFAULT 1;
CREATE INDEX jobs_spooled ON jobs (finished_at) WHERE spooled = 1;
-- Until when a worker is about to tell the submitter, so that another one does not.
ALTER TABLE jobs ADD COLUMN reply_until BIGINT NOT NULL DEFAULT 0;

-- How long the lease was for when it was given. One that ends later than it could if it were given now was given by a
-- clock that has been put back.
ALTER TABLE chunks ADD COLUMN lease_length BIGINT;
-- How many of the rows that come next may be the one that the chunk failed or its worker died over; NULL while none is
-- suspected. They are tried in halves.
ALTER TABLE chunks ADD COLUMN suspects BIGINT;
-- How often in a row the chunk was given back because of something that is away.
ALTER TABLE chunks ADD COLUMN setbacks BIGINT NOT NULL DEFAULT 0;
