-- What jobs are held to wherever they are submitted, as far as it was decided on record; all else is as usual. `number` grows with each decision.
CREATE TABLE policy (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
);

-- Whose signatures approve: a name, and an OpenSSH public key. One that was revoked stays, for what was approved with it before.
CREATE TABLE approvers (
  id @serial,
  name TEXT NOT NULL,
  key TEXT NOT NULL,
  added_at BIGINT NOT NULL,
  revoked_at BIGINT
);
