CREATE TABLE payments (
    id UUID PRIMARY KEY,
    node_id UUID NOT NULL REFERENCES nodes (id),
    external_id TEXT NOT NULL,
    chain_id UUID NOT NULL REFERENCES chains (id),
    network_id UUID NOT NULL REFERENCES networks (id),
    wallet_id UUID REFERENCES wallets (id),
    member_id UUID REFERENCES members (id),
    currency_id UUID NOT NULL REFERENCES currencies (id),
    price {money} NOT NULL,
    paid_price {money} NOT NULL,
    payment_method TEXT NOT NULL,
    payment_group TEXT NOT NULL,
    payment_address TEXT NOT NULL,
    items JSONB NOT NULL,
    metadata TEXT,
    expires_at TIMESTAMPTZ NOT NULL,
    retry BOOLEAN NOT NULL,
    retry_count INTEGER NOT NULL,
    -- Automatic resends already spent of retry_count.
    resends INTEGER NOT NULL,
    client_ip TEXT,
    status TEXT NOT NULL,
    -- Transitions so far; the number of the newest event.
    sequence INTEGER NOT NULL,
    -- Set in the transaction that asks for the deal: from then on a cancel has to go through the chain.
    sending_since TIMESTAMPTZ,
    -- Set when a release was asked for, so that it is asked for once.
    release_requested_at TIMESTAMPTZ,
    deal_id TEXT,
    diamond_address TEXT,
    transaction_hash TEXT,
    cancel_transaction_hash TEXT,
    failure_code TEXT,
    failure_message TEXT,
    failure_retryable BOOLEAN,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (node_id, external_id)
);
-- Ids are UUID v7: descending id is newest first.
CREATE INDEX payments_node_id ON payments (node_id, id);

CREATE TABLE payment_logs (
    id UUID PRIMARY KEY,
    payment_id UUID NOT NULL REFERENCES payments (id),
    -- Only transitions have one; it rises by one per payment.
    sequence INTEGER,
    event_type TEXT NOT NULL,
    message TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    actor_id TEXT,
    data JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX payment_logs_payment_id ON payment_logs (payment_id, id);
CREATE UNIQUE INDEX payment_logs_sequence ON payment_logs (payment_id, sequence) WHERE sequence IS NOT NULL;

CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    -- Null while the first request is under way.
    response_status INTEGER,
    response_body TEXT,
    locked_until TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
