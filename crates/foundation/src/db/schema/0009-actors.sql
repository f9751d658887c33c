-- By which way in something was asked for. Records of before have none.
ALTER TABLE audit ADD COLUMN via TEXT;
ALTER TABLE jobs ADD COLUMN submitted_via TEXT;
