-- A job that is carried out as it comes in keeps its input with itself, and one of one row what that was applied to and the one image that it
-- has left, too: there is nothing of it elsewhere. Such a job has no `input`; one that takes it back has the job's number there, negative. `input_name` is
-- NULL where it is the idempotency key.
ALTER TABLE jobs ADD COLUMN input_name TEXT;
ALTER TABLE jobs ADD COLUMN input_header TEXT;
ALTER TABLE jobs ADD COLUMN input_sha256 TEXT;
ALTER TABLE jobs ADD COLUMN input_bytes BIGINT;
ALTER TABLE jobs ADD COLUMN input_notes TEXT;
ALTER TABLE jobs ADD COLUMN input_sheet TEXT;
ALTER TABLE jobs ADD COLUMN target TEXT;
ALTER TABLE jobs ADD COLUMN image_object TEXT;
ALTER TABLE jobs ADD COLUMN image_target BIGINT;
ALTER TABLE jobs ADD COLUMN image_before TEXT;
ALTER TABLE jobs ADD COLUMN image_after TEXT;

DROP INDEX jobs_input;
CREATE INDEX jobs_input ON jobs (input) WHERE input IS NOT NULL;

-- Outcomes and images as readers of jobs that have ended see them.
CREATE VIEW every_outcome AS
  SELECT job, row, outcome, code, message, target, columns FROM row_outcomes
  UNION ALL SELECT seq, CAST(1 AS BIGINT), CAST('applied' AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), target, CAST(NULL AS TEXT)
    FROM jobs WHERE target IS NOT NULL;
CREATE VIEW every_image AS
  SELECT job, row, step, object, target, part, before, after FROM before_images
  UNION ALL SELECT seq, CAST(1 AS BIGINT), CAST(0 AS BIGINT), image_object, image_target, CAST('' AS TEXT), image_before, image_after
    FROM jobs WHERE image_object IS NOT NULL;
