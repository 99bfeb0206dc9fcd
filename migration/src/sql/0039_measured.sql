-- What is counted every few seconds for the metrics: each index holds only what waits at the moment. Their conditions stand
-- in the queries word by word, or SQLite would not use them.
CREATE INDEX payments_submitted ON payments (id) WHERE status = 'submitted';
CREATE INDEX chain_operations_held_back ON chain_operations (network_id, held_back_by)
    WHERE status = 'pending' AND held_back_by IS NOT NULL;
-- Who counts what belongs to all processes alike, so that one does.
CREATE TABLE measuring_leases (
    subject TEXT PRIMARY KEY,
    owner UUID,
    lease_until TIMESTAMPTZ NOT NULL
);
INSERT INTO measuring_leases (subject, owner, lease_until) VALUES ('payments', NULL, '1970-01-01T00:00:00+00:00');
