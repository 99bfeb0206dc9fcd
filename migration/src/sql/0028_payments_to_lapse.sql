-- Payments that wait for their rail, by when their time is over. The condition stands in the query word by word, or SQLite
-- would not use the index.
CREATE INDEX payments_to_lapse ON payments (expires_at, id) WHERE status = 'pending';
