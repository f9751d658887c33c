-- The hash over what the rows of a chunk did in a store that is no database: part of the chunk's `digest`, and kept for when the steps
-- themselves are let go of with the rows.
ALTER TABLE chunks ADD COLUMN steps TEXT;

-- What was decided, and whose keys count, as workers that trust nothing but signatures ask for it again and again.
CREATE INDEX audit_decisions ON audit (seq) WHERE action IN ('decided', 'enrolled', 'revoked');
