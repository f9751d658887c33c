-- A job that is carried out as it comes in keeps its rows with itself, as a block of the spool, and has no chunk: all its rows are over, and
-- what became of them stands where it does for any other job. All other jobs have NULL in both.
ALTER TABLE jobs ADD COLUMN carried_out BIGINT;
ALTER TABLE jobs ADD COLUMN block @blob;
--postgres ALTER TABLE jobs ALTER COLUMN block SET STORAGE EXTERNAL;

-- Chunks and blocks as readers of jobs that have ended see them.
CREATE VIEW every_chunk AS
  SELECT job, chunk, first_row, rows, state, message FROM chunks
  UNION ALL SELECT seq, CAST(0 AS BIGINT), CAST(1 AS BIGINT), total, CAST('done' AS TEXT), CAST(NULL AS TEXT) FROM jobs WHERE carried_out = 1;
CREATE VIEW every_block AS
  SELECT input, block, data FROM spool
  UNION ALL SELECT input, CAST(0 AS BIGINT), block FROM jobs WHERE block IS NOT NULL;

-- One index of the ids does for both: whole ones, and how they begin.
--postgres DROP INDEX IF EXISTS jobs_id_bytes;
--postgres ALTER TABLE jobs ALTER COLUMN id TYPE TEXT COLLATE "C";
