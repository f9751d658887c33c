-- What the results of a job are written as, where that was asked for.
ALTER TABLE jobs ADD COLUMN out_format TEXT;
