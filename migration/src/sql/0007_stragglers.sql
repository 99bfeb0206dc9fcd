-- What waits for a message of ours, by the message it waits for. Each index holds the few payments that are on their way
-- at the moment; the conditions stand in the queries word by word, or SQLite would not use them.
CREATE INDEX payments_to_open ON payments (id) WHERE status = 'pending' AND sending_since IS NULL;
CREATE INDEX payments_to_expire ON payments (expires_at, id) WHERE status = 'open';
CREATE INDEX payments_to_release ON payments (id) WHERE status = 'paid' AND release_requested_at IS NOT NULL;
CREATE INDEX payments_to_cancel ON payments (id) WHERE status = 'canceling';
CREATE INDEX payments_to_close ON payments (id)
    WHERE status = 'expired' AND deal_id IS NOT NULL AND cancel_transaction_hash IS NULL;
