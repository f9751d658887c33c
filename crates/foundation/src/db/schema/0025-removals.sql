-- Jobs that were removed because they ended long ago, as long as something of them is still to be removed.
CREATE TABLE removals (
  job BIGINT PRIMARY KEY,
  input BIGINT,
  rows BIGINT NOT NULL
);
