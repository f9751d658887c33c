-- What jobs that nobody had to approve have taken from a limit on a day (days since 1970-01-01, UTC), by what is limited and by whose the limit is.
CREATE TABLE allowances (
  day BIGINT NOT NULL,
  what TEXT NOT NULL,
  whose TEXT NOT NULL,
  used BIGINT NOT NULL,
  PRIMARY KEY (day, what, whose)
);
