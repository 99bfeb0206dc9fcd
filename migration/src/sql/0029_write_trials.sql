-- What is written and taken away again to find out whether a database takes anything.
CREATE TABLE write_trials (
    id UUID PRIMARY KEY,
    filler {bytes} NOT NULL
);
-- Compressed, it would need next to no room.
--postgres: ALTER TABLE write_trials ALTER COLUMN filler SET STORAGE EXTERNAL;
