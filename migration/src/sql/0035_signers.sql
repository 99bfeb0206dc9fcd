-- Whose key an address is, and what it may sign. The key itself lies in the workers' keystore or with a remote signer.
CREATE TABLE signers (
    id UUID PRIMARY KEY,
    node_id UUID NOT NULL REFERENCES nodes (id),
    -- In lower case.
    address TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- What it may do and on which diamonds, lists; null is no limit.
    actions JSONB,
    diamonds JSONB,
    fee_cap_wei BIGINT CHECK (fee_cap_wei > 0),
    -- On each network, in any 24 hours.
    gas_per_day BIGINT CHECK (gas_per_day > 0),
    spend_per_day_wei TEXT,
    paused_at TIMESTAMPTZ,
    pause_reason TEXT,
    -- The path of the node whose caller paused it: who reaches that node may take it back.
    paused_by TEXT,
    -- Counts what was changed of the policy, so that what was decided by an older one is decided again.
    revision BIGINT NOT NULL DEFAULT 1,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX signers_node_id ON signers (node_id);
-- Keys that are in use belong to the node that used them first, of those that still do.
INSERT INTO signers (id, node_id, address, name, created_at, updated_at)
SELECT w.id, w.node_id, LOWER(w.address), w.name, w.created_at, w.updated_at FROM wallets w
WHERE NOT EXISTS (
    SELECT 1 FROM wallets older WHERE LOWER(older.address) = LOWER(w.address)
    AND (CASE WHEN older.deleted_at IS NULL THEN 0 ELSE 1 END < CASE WHEN w.deleted_at IS NULL THEN 0 ELSE 1 END
        OR ((older.deleted_at IS NULL) = (w.deleted_at IS NULL) AND (older.created_at < w.created_at
            OR (older.created_at = w.created_at AND older.id < w.id))))
);
-- Why an operation that could be sent is held back, a word; null while nothing holds it back.
ALTER TABLE chain_operations ADD COLUMN held_back_by TEXT;
-- What the transactions signed in the 24 hours before the last one may cost at most: gas, and wei.
ALTER TABLE chain_lanes ADD COLUMN gas_of_day BIGINT NOT NULL DEFAULT 0;
ALTER TABLE chain_lanes ADD COLUMN spend_of_day TEXT NOT NULL DEFAULT '0';
CREATE INDEX chain_sends_recent ON chain_sends (network_id, signer, created_at);
-- How far a signer is on each network, for those who may not read the agents' own tables.
CREATE VIEW signer_lanes AS
SELECT l.network_id, l.signer, l.balance, l.paused_reason, l.paused_at, l.gas_of_day, l.spend_of_day,
    (SELECT COUNT(*) FROM chain_operations o
        WHERE o.network_id = l.network_id AND o.signer = l.signer AND o.status = 'pending') AS pending,
    (SELECT COUNT(*) FROM chain_operations o
        WHERE o.network_id = l.network_id AND o.signer = l.signer AND o.status = 'pending'
        AND o.held_back_by IS NOT NULL) AS held_back,
    (SELECT MIN(o.held_back_by) FROM chain_operations o
        WHERE o.network_id = l.network_id AND o.signer = l.signer AND o.status = 'pending') AS held_back_by
FROM chain_lanes l;
