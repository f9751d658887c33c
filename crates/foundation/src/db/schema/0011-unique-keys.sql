CREATE UNIQUE INDEX customers_external_key ON customers (external_key, twin);
CREATE UNIQUE INDEX domains_key ON domains (domain_key, twin);
-- Led by the customer, as before: files come sorted by customer.
CREATE UNIQUE INDEX users_name ON users (customer, name_key);
CREATE INDEX deleted_users_name ON deleted_users (customer, name_key);
