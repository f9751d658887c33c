-- Calls whose outcome nobody knows yet, and fires whose results still lie where they were written: few among many, and asked for
-- again and again.
CREATE INDEX intents_open ON intents (job) WHERE state = 'open';
CREATE INDEX fires_results ON fires (schedule, seq) WHERE out_path IS NOT NULL;
