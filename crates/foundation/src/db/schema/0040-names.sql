-- Keys of the policy have the names of the configuration's. Decisions on record keep the names they were made under.
UPDATE policy SET key = 'approval.expires_after' WHERE key = 'approval.within';
UPDATE policy SET key = 'limits.user_percent_min_users' WHERE key = 'limits.user_percent_from';
