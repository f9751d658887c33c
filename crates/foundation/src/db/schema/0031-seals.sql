-- What is approved of a job: a hash over all that decides what it does, and of each of its chunks what that one is to do. Jobs that need no
-- approval have none.
ALTER TABLE jobs ADD COLUMN seal TEXT;
ALTER TABLE chunks ADD COLUMN seal TEXT;
