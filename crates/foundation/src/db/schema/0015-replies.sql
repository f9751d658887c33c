-- Who is told how a job ended: every document that asked for it, whichever of them the job was made of. `jobs.replied_at` is
-- set while all of a job's are told.
CREATE TABLE replies (
  job BIGINT NOT NULL,
  entry TEXT NOT NULL,
  reply_to TEXT NOT NULL,
  idempotency_key TEXT,
  with_rows BIGINT NOT NULL,
  told_at BIGINT,
  PRIMARY KEY (job, entry)
);
INSERT INTO replies (job, entry, reply_to, idempotency_key, with_rows)
  SELECT j.seq, i.name, j.reply_to, NULLIF(j.idempotency_key, i.name),
    CASE WHEN j.parameters LIKE '%"reply_rows":true%' THEN 1 ELSE 0 END
  FROM jobs j JOIN inputs i ON i.id = j.input
  WHERE j.reply_to IS NOT NULL AND j.replied_at IS NULL;
