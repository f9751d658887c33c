-- Folders whose files stay where they are: `stays` is the size and the time of change by which a file is known that was taken so, and
-- the newest record of a name says whether it is to be taken again. `watched` is how the worker that serves a folder learns of new files.
ALTER TABLE drops ADD COLUMN stays TEXT;
CREATE INDEX drops_staying ON drops (folder, file, seq) WHERE stays IS NOT NULL;
ALTER TABLE folders ADD COLUMN watched TEXT;
