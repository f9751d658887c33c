-- What is to be said of the file besides its rows, a JSON array of sentences: what it was read as, and the like.
ALTER TABLE inputs ADD COLUMN notes TEXT;
