-- Since when an operation is on its way, over all of its transactions; null before the first, and when it starts anew.
ALTER TABLE chain_operations ADD COLUMN sending_since TIMESTAMPTZ;
-- When it was told that nobody knows what became of it; null where that was not told since it was last asked for.
ALTER TABLE chain_operations ADD COLUMN unknown_told_at TIMESTAMPTZ;
UPDATE chain_operations SET sending_since = updated_at WHERE status = 'sending' OR sends > 0;
-- What goes into a second transaction is rare, so that this index is nearly empty.
CREATE INDEX chain_operations_again ON chain_operations (network_id, sending_since)
    WHERE status = 'pending' AND sends > 0;
