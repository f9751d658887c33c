-- The sheet that was read, where the file was a workbook.
ALTER TABLE inputs ADD COLUMN sheet TEXT;
