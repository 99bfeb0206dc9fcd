-- A message that its broker has not confirmed yet; rows are short-lived.
CREATE TABLE outbox (
    id UUID PRIMARY KEY,
    message_id UUID NOT NULL,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    headers TEXT NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    attempts INTEGER NOT NULL,
    claims INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
-- What a sweep asks, four times a second in every process: what is due, oldest first.
CREATE INDEX outbox_due_at ON outbox (due_at);
-- Vacuuming by a share of the table would never start on a table that is nearly empty, and dead index entries would
-- slow every sweep.
--postgres: ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE inbox (
    consumer TEXT NOT NULL,
    message_id UUID NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (consumer, message_id)
);
CREATE INDEX inbox_seen_at ON inbox (seen_at);

CREATE TABLE dead_letters (
    id UUID PRIMARY KEY,
    -- One death of one outbox row is one letter, however often it is reported.
    outbox_id UUID NOT NULL UNIQUE,
    message_id UUID NOT NULL,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    origin TEXT NOT NULL,
    body TEXT NOT NULL,
    body_encoding TEXT NOT NULL,
    headers TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    error_code TEXT NOT NULL,
    error_message TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    payment_id UUID,
    node_id UUID,
    first_at TIMESTAMPTZ NOT NULL,
    last_at TIMESTAMPTZ NOT NULL,
    replay_of UUID,
    replay_no INTEGER NOT NULL,
    replayed_at TIMESTAMPTZ,
    replayed_as UUID
);
-- Lists run newest first by id (version 7, so by time), narrowed by one of these.
CREATE INDEX dead_letters_message_id ON dead_letters (message_id, id);
CREATE INDEX dead_letters_queue ON dead_letters (queue, id);
CREATE INDEX dead_letters_fingerprint ON dead_letters (fingerprint, id);
CREATE INDEX dead_letters_payment_id ON dead_letters (payment_id, id);
CREATE INDEX dead_letters_node_id ON dead_letters (node_id, id);
