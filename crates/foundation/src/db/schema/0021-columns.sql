-- The columns of the kind that a row's outcome is for, separated by `;`.
ALTER TABLE row_outcomes ADD COLUMN columns TEXT;
