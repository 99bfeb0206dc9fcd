-- A node's reach is a range of paths, and a range of digits and dots means what it says only where characters are compared by
-- their codes: under many a language's rules dots do not count at all. SQLite compares so by itself.
--postgres: ALTER TABLE nodes ALTER COLUMN path TYPE TEXT COLLATE "C";
SELECT 1;
