-- Ledger. Times are milliseconds since the Unix epoch, UTC.

-- A file as it was submitted. Its rows lie in `spool`.
CREATE TABLE inputs (
  id @serial,
  name TEXT NOT NULL,
  header TEXT NOT NULL,
  sha256 TEXT,
  bytes BIGINT NOT NULL DEFAULT 0,
  rows BIGINT NOT NULL DEFAULT 0
);

-- Compressed blocks of rows; block n holds the rows of chunk n.
CREATE TABLE spool (
  input BIGINT NOT NULL,
  block BIGINT NOT NULL,
  data @blob NOT NULL,
  PRIMARY KEY (input, block)
);

-- The blocks are compressed already; trying again would take longer than all the rest.
--postgres ALTER TABLE spool ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE jobs (
  seq @serial,
  id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  parameters TEXT NOT NULL,
  state TEXT NOT NULL,
  priority BIGINT NOT NULL DEFAULT 0,
  input BIGINT,
  retry_of BIGINT,
  idempotency_key TEXT UNIQUE,
  fingerprint TEXT,
  submitted_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  planning_until BIGINT,
  started_at BIGINT,
  finished_at BIGINT,
  claimed_at BIGINT NOT NULL DEFAULT 0,
  chunks_left BIGINT NOT NULL DEFAULT 0,
  total BIGINT NOT NULL DEFAULT 0,
  applied BIGINT NOT NULL DEFAULT 0,
  unchanged BIGINT NOT NULL DEFAULT 0,
  rejected BIGINT NOT NULL DEFAULT 0,
  failed BIGINT NOT NULL DEFAULT 0,
  cancelled BIGINT NOT NULL DEFAULT 0,
  cancel_requested BIGINT NOT NULL DEFAULT 0,
  message TEXT,
  reply_to TEXT,
  replied_at BIGINT,
  out_dir TEXT,
  out_host TEXT,
  delivered_at BIGINT
);
-- One unfinished job per kind, parameters and content.
CREATE UNIQUE INDEX jobs_unfinished ON jobs (fingerprint)
  WHERE state IN ('queued', 'running', 'retryable', 'paused', 'awaiting-approval');
CREATE INDEX jobs_open ON jobs (state) WHERE state NOT IN ('completed', 'failed', 'cancelled');
CREATE INDEX jobs_unreplied ON jobs (seq) WHERE reply_to IS NOT NULL AND replied_at IS NULL;
CREATE INDEX jobs_undelivered ON jobs (seq) WHERE out_dir IS NOT NULL AND delivered_at IS NULL;

-- A contiguous range of rows, claimed and committed as one.
CREATE TABLE chunks (
  job BIGINT NOT NULL,
  chunk BIGINT NOT NULL,
  first_row BIGINT NOT NULL,
  rows BIGINT NOT NULL,
  pending BIGINT NOT NULL,
  state TEXT NOT NULL,
  attempt BIGINT NOT NULL DEFAULT 0,
  failures BIGINT NOT NULL DEFAULT 0,
  lease_owner TEXT,
  lease_until BIGINT,
  not_before BIGINT NOT NULL DEFAULT 0,
  message TEXT,
  PRIMARY KEY (job, chunk)
);
CREATE INDEX chunks_open ON chunks (job, chunk) WHERE state IN ('queued', 'running');

-- Outcomes of rows that were not applied. An applied row has none: the record it made carries its job
-- and row. A row of a cancelled or failed chunk has none either, the chunk says it.
CREATE TABLE row_outcomes (
  job BIGINT NOT NULL,
  row BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  code TEXT,
  message TEXT,
  target TEXT,
  PRIMARY KEY (job, row)
--sqlite ) WITHOUT ROWID;
--postgres );

-- What a changed record held before, as JSON, per job and row; a created record had nothing before and has no image.
CREATE TABLE before_images (
  job BIGINT NOT NULL,
  row BIGINT NOT NULL,
  object TEXT NOT NULL,
  target BIGINT NOT NULL,
  image TEXT NOT NULL,
  PRIMARY KEY (job, row)
--sqlite ) WITHOUT ROWID;
--postgres );

-- Store. The id of a record made by a job is `job << 32 | row`.

CREATE TABLE customers (
  id @key,
  tenant_id TEXT NOT NULL UNIQUE,
  domain TEXT NOT NULL UNIQUE,
  company_name TEXT,
  first_name TEXT,
  last_name TEXT,
  email TEXT,
  phone TEXT,
  address_line1 TEXT,
  address_line2 TEXT,
  city TEXT,
  state TEXT,
  postal_code TEXT,
  country TEXT,
  culture TEXT,
  language TEXT,
  tags TEXT,
  registration_number TEXT,
  external_id TEXT,
  associated_partner_id TEXT,
  user_count BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX customers_external_id ON customers (lower(external_id));

-- Every domain of a customer, lower case, the primary one included.
CREATE TABLE domains (
  domain TEXT PRIMARY KEY,
  customer BIGINT NOT NULL
);

-- Seats a customer holds of a SKU, and how many are assigned.
CREATE TABLE subscribed_skus (
  customer BIGINT NOT NULL,
  sku_id TEXT NOT NULL,
  part_number TEXT NOT NULL,
  seats BIGINT NOT NULL,
  assigned BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 1,
  PRIMARY KEY (customer, sku_id)
);

-- A domain belongs to one customer, so a name that is unique within its customer is unique. Led by the customer,
-- the index takes in a file's users side by side, since files come sorted by customer; led by the name it would
-- be touched all over for every chunk.
CREATE TABLE users (
  id @key,
  customer BIGINT NOT NULL,
--sqlite   user_principal_name TEXT NOT NULL COLLATE NOCASE,
--postgres   user_principal_name TEXT COLLATE "C" NOT NULL,
  display_name TEXT NOT NULL,
  first_name TEXT,
  last_name TEXT,
  job_title TEXT,
  department TEXT,
  office TEXT,
  office_phone TEXT,
  mobile_phone TEXT,
  fax TEXT,
  alternate_email TEXT,
  street_address TEXT,
  city TEXT,
  state TEXT,
  postal_code TEXT,
  country TEXT,
  usage_location TEXT,
  licenses TEXT,
  roles TEXT,
  flags BIGINT NOT NULL,
  version BIGINT NOT NULL DEFAULT 1
);
--sqlite CREATE UNIQUE INDEX users_name ON users (customer, user_principal_name);
--postgres CREATE UNIQUE INDEX users_name ON users (customer, lower(user_principal_name));
