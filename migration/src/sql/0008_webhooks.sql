-- Where events are sent, and the lane on which that happens: one process at a time sends to an endpoint.
CREATE TABLE webhook_endpoints (
    id UUID PRIMARY KEY,
    node_id UUID NOT NULL REFERENCES nodes (id),
    url TEXT NOT NULL,
    events JSONB NOT NULL,
    wallet_id UUID REFERENCES wallets (id),
    network_id UUID REFERENCES networks (id),
    description TEXT,
    headers JSONB NOT NULL,
    -- Null: as fast as it takes them.
    rate_per_second INTEGER,
    format TEXT NOT NULL,
    -- Whether it may hear what only operators may know.
    operators BOOLEAN NOT NULL,
    -- Secrets are derived from the installation's own and this number, never stored.
    secret_version INTEGER NOT NULL,
    -- A few digits of the secret's hash: a process with another installation secret notices, and signs nothing.
    secret_check TEXT NOT NULL,
    -- Until then the secret before it signs, too.
    previous_secret_until TIMESTAMPTZ,
    status TEXT NOT NULL,
    disabled_at TIMESTAMPTZ,
    disabled_reason TEXT,
    -- When there is something to send; null when nothing waits.
    due_at TIMESTAMPTZ,
    lane_owner UUID,
    lane_until TIMESTAMPTZ,
    -- While it is open, one attempt at a time finds out whether the endpoint answers again.
    breaker_until TIMESTAMPTZ,
    breaker_step INTEGER NOT NULL,
    failing_since TIMESTAMPTZ,
    failures INTEGER NOT NULL,
    last_success_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
CREATE INDEX webhook_endpoints_node_id ON webhook_endpoints (node_id, id) WHERE deleted_at IS NULL;
-- What every worker asks four times a second; nearly empty.
CREATE INDEX webhook_endpoints_due_at ON webhook_endpoints (due_at) WHERE due_at IS NOT NULL;

-- The bytes of an event in a format, written once and sent unchanged, however often.
CREATE TABLE webhook_bodies (
    event_id UUID NOT NULL,
    format TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (event_id, format)
);
CREATE INDEX webhook_bodies_created_at ON webhook_bodies (created_at);

-- An event that is owed to an endpoint.
CREATE TABLE webhook_deliveries (
    id UUID PRIMARY KEY,
    endpoint_id UUID NOT NULL REFERENCES webhook_endpoints (id),
    event_id UUID NOT NULL,
    format TEXT NOT NULL,
    event_type TEXT NOT NULL,
    payment_id UUID,
    sequence INTEGER,
    occurred_at TIMESTAMPTZ NOT NULL,
    status TEXT NOT NULL,
    -- Attempts in all, and since it was last asked for: the place in the schedule.
    attempts INTEGER NOT NULL,
    round_attempts INTEGER NOT NULL,
    -- Null unless pending.
    next_attempt_at TIMESTAMPTZ,
    delivered_at TIMESTAMPTZ,
    last_status INTEGER,
    last_error TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    -- In this order it also finds whether a body is still needed.
    UNIQUE (event_id, endpoint_id)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_attempt_at, id) WHERE status = 'pending';
-- Lists run newest first by id (version 7, so by time).
CREATE INDEX webhook_deliveries_list ON webhook_deliveries (endpoint_id, id);
CREATE INDEX webhook_deliveries_status ON webhook_deliveries (endpoint_id, status, id);
CREATE INDEX webhook_deliveries_payment_id ON webhook_deliveries (payment_id, id);
CREATE INDEX webhook_deliveries_created_at ON webhook_deliveries (created_at);

-- Each try, with the answer.
CREATE TABLE webhook_attempts (
    id UUID PRIMARY KEY,
    delivery_id UUID NOT NULL REFERENCES webhook_deliveries (id),
    number INTEGER NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    duration_ms INTEGER NOT NULL,
    -- The address that was dialled.
    address TEXT,
    status INTEGER,
    response TEXT,
    error_code TEXT,
    error_message TEXT,
    UNIQUE (delivery_id, number)
);

-- Sending again what an endpoint has missed since a time.
CREATE TABLE webhook_recoveries (
    id UUID PRIMARY KEY,
    endpoint_id UUID NOT NULL REFERENCES webhook_endpoints (id),
    since TIMESTAMPTZ NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    only_failed BOOLEAN NOT NULL,
    status TEXT NOT NULL,
    -- The last row that was looked at.
    cursor UUID,
    examined INTEGER NOT NULL,
    recovered INTEGER NOT NULL,
    error TEXT,
    actor_type TEXT NOT NULL,
    actor_id TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ
);
CREATE INDEX webhook_recoveries_endpoint_id ON webhook_recoveries (endpoint_id, id);
CREATE INDEX webhook_recoveries_running ON webhook_recoveries (updated_at) WHERE status = 'running';

-- What was told to operators already, by what it is about.
CREATE TABLE notices (
    key TEXT PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL
);

-- When a transition was told to whoever subscribed. What happened before anybody could subscribe counts as told.
ALTER TABLE payment_logs ADD COLUMN announced_at TIMESTAMPTZ;
UPDATE payment_logs SET announced_at = created_at WHERE sequence IS NOT NULL;
-- Events in the order of their time, without the traces in between; and the few that are still to be told.
CREATE INDEX payment_logs_events ON payment_logs (id) WHERE sequence IS NOT NULL;
CREATE INDEX payment_logs_to_announce ON payment_logs (id) WHERE sequence IS NOT NULL AND announced_at IS NULL;
