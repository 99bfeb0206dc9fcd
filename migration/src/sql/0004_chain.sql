-- What was asked of the chain, one row for each subject (a payment, a deployment) and kind.
CREATE TABLE chain_operations (
    id UUID PRIMARY KEY,
    subject_id UUID NOT NULL,
    kind TEXT NOT NULL,
    network_id UUID NOT NULL,
    signer TEXT NOT NULL,
    diamond TEXT,
    status TEXT NOT NULL,
    send_id UUID,
    sends INTEGER NOT NULL,
    failure_code TEXT,
    failure_message TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (subject_id, kind)
);
-- The hot queries look at the few rows that are not settled, hence partial indexes; their conditions stand in the
-- queries word by word, or SQLite would not use them.
CREATE INDEX chain_operations_pending ON chain_operations (network_id, signer, id) WHERE status = 'pending';
CREATE INDEX chain_operations_sending ON chain_operations (network_id, updated_at) WHERE status = 'sending';
CREATE INDEX chain_operations_send_id ON chain_operations (send_id);

-- Each subject's deal: its terms, and its state as far as that is final on the chain and recorded.
CREATE TABLE chain_deals (
    subject_id UUID PRIMARY KEY,
    network_id UUID NOT NULL,
    diamond TEXT NOT NULL,
    reference TEXT NOT NULL UNIQUE,
    payee TEXT NOT NULL,
    token TEXT NOT NULL,
    amount TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    deal_id TEXT,
    state TEXT NOT NULL,
    checked_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX chain_deals_unsettled ON chain_deals (network_id, checked_at) WHERE state IN ('open', 'deposited');

-- The diamonds whose logs are read.
CREATE TABLE chain_diamonds (
    network_id UUID NOT NULL,
    diamond TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (network_id, diamond)
);

-- A signer on a network: where its nonces stand and what holds it up.
CREATE TABLE chain_lanes (
    network_id UUID NOT NULL,
    signer TEXT NOT NULL,
    next_nonce BIGINT,
    balance TEXT,
    paused_reason TEXT,
    paused_at TIMESTAMPTZ,
    "window" INTEGER NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (network_id, signer)
);

-- Which process works a network.
CREATE TABLE chain_leases (
    network_id UUID PRIMARY KEY,
    owner UUID,
    lease_until TIMESTAMPTZ NOT NULL
);

-- How far a network's blocks were read.
CREATE TABLE chain_cursors (
    network_id UUID PRIMARY KEY,
    scanned_number BIGINT NOT NULL,
    scanned_hash TEXT NOT NULL,
    scanned_time TIMESTAMPTZ NOT NULL,
    final_number BIGINT NOT NULL,
    final_time TIMESTAMPTZ,
    updated_at TIMESTAMPTZ NOT NULL
);

-- Recently scanned blocks, so that a fork can be found.
CREATE TABLE chain_blocks (
    network_id UUID NOT NULL,
    number BIGINT NOT NULL,
    hash TEXT NOT NULL,
    time TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (network_id, number)
);

-- One nonce of a signer, and the call it was allocated for.
CREATE TABLE chain_sends (
    id UUID PRIMARY KEY,
    network_id UUID NOT NULL,
    signer TEXT NOT NULL,
    nonce BIGINT NOT NULL,
    kind TEXT NOT NULL,
    diamond TEXT,
    operations INTEGER NOT NULL,
    gas_limit BIGINT NOT NULL,
    status TEXT NOT NULL,
    outcome TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (network_id, signer, nonce)
);
CREATE INDEX chain_sends_unsettled ON chain_sends (network_id, signer, nonce) WHERE status <> 'final';

-- Every signed transaction, written before it is sent.
CREATE TABLE chain_attempts (
    id UUID PRIMARY KEY,
    send_id UUID NOT NULL,
    kind TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    raw {bytes} NOT NULL,
    max_fee_per_gas BIGINT NOT NULL,
    max_priority_fee_per_gas BIGINT NOT NULL,
    signed_at TIMESTAMPTZ NOT NULL,
    broadcast_at TIMESTAMPTZ,
    provider TEXT,
    answer TEXT,
    mined_number BIGINT,
    mined_hash TEXT,
    mined_success BOOLEAN
);
CREATE INDEX chain_attempts_send_id ON chain_attempts (send_id);

-- The diamonds' events about our deals.
CREATE TABLE chain_logs (
    id UUID PRIMARY KEY,
    network_id UUID NOT NULL,
    diamond TEXT NOT NULL,
    block_number BIGINT NOT NULL,
    block_hash TEXT NOT NULL,
    block_time TIMESTAMPTZ NOT NULL,
    transaction_hash TEXT NOT NULL,
    log_index INTEGER NOT NULL,
    event TEXT NOT NULL,
    subject_id UUID NOT NULL,
    deal_id TEXT NOT NULL,
    account TEXT,
    amount TEXT NOT NULL,
    held BOOLEAN NOT NULL,
    mismatch TEXT,
    final BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (network_id, block_hash, log_index)
);
CREATE INDEX chain_logs_block_number ON chain_logs (network_id, block_number);
CREATE INDEX chain_logs_subject_id ON chain_logs (subject_id);
