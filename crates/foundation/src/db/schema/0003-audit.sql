-- The audit record: who did what to which job, hash-chained (see `ledger::audit`). Append-only as far as a
-- database can enforce it; what its owner can switch off, the chain shows.
CREATE TABLE audit (
  seq @key,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  job TEXT,
  kind TEXT,
  plan_hash TEXT,
  counts TEXT,
  note TEXT,
  prev TEXT NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX audit_job ON audit (job, seq);

-- The one row every appending transaction locks, so that the chain never forks.
CREATE TABLE audit_head (
  id @key,
  seq BIGINT NOT NULL,
  hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '');

-- A record comes right after the last one or not at all, and takes the head along.
--sqlite CREATE TRIGGER audit_advance AFTER INSERT ON audit BEGIN
--sqlite   SELECT RAISE(ABORT, 'an audit record must follow on the last one') WHERE NOT EXISTS
--sqlite     (SELECT 1 FROM audit_head WHERE id = 1 AND seq = NEW.seq - 1 AND (seq = 0 OR hash = NEW.prev));
--sqlite   UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash WHERE id = 1;
--sqlite END;
--sqlite CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN
--sqlite   SELECT RAISE(ABORT, 'the audit record is append-only');
--sqlite END;
--sqlite CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN
--sqlite   SELECT RAISE(ABORT, 'the audit record is append-only');
--sqlite END;
--sqlite CREATE TRIGGER audit_head_no_insert BEFORE INSERT ON audit_head BEGIN
--sqlite   SELECT RAISE(ABORT, 'the audit record has one head');
--sqlite END;
--sqlite CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head BEGIN
--sqlite   SELECT RAISE(ABORT, 'the audit record is append-only');
--sqlite END;
--sqlite CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head
--sqlite WHEN NEW.id <> 1 OR NEW.seq <> OLD.seq + 1 BEGIN
--sqlite   SELECT RAISE(ABORT, 'the audit record is append-only');
--sqlite END;

--postgres CREATE FUNCTION audit_advance() RETURNS trigger LANGUAGE plpgsql AS $$
--postgres BEGIN
--postgres   UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash
--postgres   WHERE id = 1 AND seq = NEW.seq - 1 AND (seq = 0 OR hash = NEW.prev);
--postgres   IF NOT FOUND THEN RAISE EXCEPTION 'an audit record must follow on the last one'; END IF;
--postgres   RETURN NULL;
--postgres END $$;
--postgres CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
--postgres BEGIN
--postgres   RAISE EXCEPTION 'the audit record is append-only';
--postgres END $$;
--postgres CREATE TRIGGER audit_advance AFTER INSERT ON audit
--postgres FOR EACH ROW EXECUTE FUNCTION audit_advance();
--postgres CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
--postgres FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
--postgres CREATE TRIGGER audit_head_no_change BEFORE INSERT OR DELETE OR TRUNCATE ON audit_head
--postgres FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
--postgres CREATE TRIGGER audit_head_forward BEFORE UPDATE ON audit_head
--postgres FOR EACH ROW WHEN (NEW.id <> 1 OR NEW.seq <> OLD.seq + 1) EXECUTE FUNCTION audit_refuse();
