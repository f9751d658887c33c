-- Jobs of a kind that are at work, or ended lately: who gave a password, what was made a moment ago.
CREATE INDEX jobs_lately ON jobs (kind, finished_at);
