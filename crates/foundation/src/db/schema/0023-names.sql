-- What stores that are no database called customers and their subscriptions when rows about them were planned, so that it can be
-- said without asking again whom a job is about. `customer` is the key of what a row named it by; an empty `subscription` is the
-- customer itself.
CREATE TABLE store_names (
  store TEXT NOT NULL,
  customer TEXT NOT NULL,
  subscription TEXT NOT NULL,
  domain TEXT NOT NULL,
  name TEXT NOT NULL,
  product TEXT NOT NULL,
  seen_at BIGINT NOT NULL,
  PRIMARY KEY (store, customer, subscription)
);
CREATE INDEX store_names_seen ON store_names (seen_at);
