-- Approval, drift, undo: what a job was planned as, who decided on it, what it takes back.
ALTER TABLE jobs ADD COLUMN undo_of BIGINT;
ALTER TABLE jobs ADD COLUMN plan_hash TEXT;
ALTER TABLE jobs ADD COLUMN checks_drift BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN gate TEXT;
ALTER TABLE jobs ADD COLUMN approval_until BIGINT;
ALTER TABLE jobs ADD COLUMN decided_by TEXT;
ALTER TABLE jobs ADD COLUMN decided_at BIGINT;
-- Rows rejected before the job ran, which say nothing about how it runs.
ALTER TABLE jobs ADD COLUMN refused BIGINT NOT NULL DEFAULT 0;

-- A chunk that waits holds rows that wait for somebody else; nobody works on it until the next look is due.
DROP INDEX chunks_open;
CREATE INDEX chunks_open ON chunks (job, chunk) WHERE state IN ('queued', 'running', 'waiting');

-- What the plan expects of each row that it does not expect to create something: row and hash, 24 bytes each.
ALTER TABLE chunks ADD COLUMN expected @blob;

-- What each step of a row changed, as JSON, so that it can be taken back. A record made by a bulk kind has no image:
-- its id says which row made it.
ALTER TABLE before_images RENAME TO before_images_1;
CREATE TABLE before_images (
  job BIGINT NOT NULL,
  row BIGINT NOT NULL,
  step BIGINT NOT NULL,
  object TEXT NOT NULL,
  target BIGINT NOT NULL,
  part TEXT NOT NULL DEFAULT '',
  before TEXT,
  after TEXT,
  PRIMARY KEY (job, row, step)
--sqlite ) WITHOUT ROWID;
--postgres );
INSERT INTO before_images (job, row, step, object, target, before)
  SELECT job, row, 0, object, target, image FROM before_images_1;
DROP TABLE before_images_1;

-- Rows that wait for somebody else: neither a worker nor a lease is held for them.
CREATE TABLE waiting_rows (
  job BIGINT NOT NULL,
  row BIGINT NOT NULL,
  message TEXT NOT NULL,
  target TEXT,
  since BIGINT NOT NULL,
  PRIMARY KEY (job, row)
--sqlite ) WITHOUT ROWID;
--postgres );

-- Passwords handed out by a chunk, encrypted to the recipients; nobody here can open them.
CREATE TABLE sealed_passwords (
  job BIGINT NOT NULL,
  chunk BIGINT NOT NULL,
  accounts BIGINT NOT NULL,
  data @blob NOT NULL,
  PRIMARY KEY (job, chunk)
);

-- Files a row made, in compressed blocks.
CREATE TABLE artifacts (
  job BIGINT NOT NULL,
  row BIGINT NOT NULL,
  name TEXT NOT NULL,
  bytes BIGINT NOT NULL,
  PRIMARY KEY (job, row, name)
);
CREATE TABLE artifact_blocks (
  job BIGINT NOT NULL,
  row BIGINT NOT NULL,
  name TEXT NOT NULL,
  block BIGINT NOT NULL,
  data @blob NOT NULL,
  PRIMARY KEY (job, row, name, block)
);
--postgres ALTER TABLE artifact_blocks ALTER COLUMN data SET STORAGE EXTERNAL;

ALTER TABLE customers ADD COLUMN relationship TEXT NOT NULL DEFAULT 'reseller';
ALTER TABLE customers ADD COLUMN changed_by BIGINT;
ALTER TABLE subscribed_skus ADD COLUMN changed_by BIGINT;
ALTER TABLE users ADD COLUMN changed_by BIGINT;
ALTER TABLE users ADD COLUMN password_set_at BIGINT;

-- Deleted users can be restored for 30 days. They lie apart, so that their names are free and the table of users
-- needs no column that says who is one.
CREATE TABLE deleted_users (
  id @key,
  customer BIGINT NOT NULL,
  user_principal_name TEXT NOT NULL,
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
  version BIGINT NOT NULL,
  changed_by BIGINT,
  password_set_at BIGINT,
  deleted_at BIGINT NOT NULL
);
CREATE INDEX deleted_users_name ON deleted_users (customer, lower(user_principal_name));

CREATE TABLE subscriptions (
  id @key,
  customer BIGINT NOT NULL,
  subscription_id TEXT NOT NULL UNIQUE,
  product TEXT NOT NULL,
  product_type TEXT NOT NULL,
  quantity BIGINT NOT NULL,
  status TEXT NOT NULL,
  suspension_reason TEXT,
  auto_renew TEXT,
  term_ends BIGINT,
  cancellable_until BIGINT,
  partner_id_on_record TEXT,
  version BIGINT NOT NULL DEFAULT 1,
  changed_by BIGINT
);
CREATE INDEX subscriptions_customer ON subscriptions (customer);

CREATE TABLE transfers (
  id @key,
  customer BIGINT NOT NULL,
  subscription_id TEXT NOT NULL,
  direction TEXT NOT NULL,
  flow TEXT NOT NULL,
  partner_tenant_id TEXT,
  partner_name TEXT,
  customer_email TEXT,
  status TEXT NOT NULL,
  message TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  version BIGINT NOT NULL DEFAULT 1,
  changed_by BIGINT
);
CREATE INDEX transfers_subscription ON transfers (subscription_id);
