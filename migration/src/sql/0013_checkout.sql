-- What the checkout contract knows of a payment beside what every payment has.
CREATE TABLE checkouts (
    payment_id UUID PRIMARY KEY REFERENCES payments (id),
    -- `embedded` or `hosted`.
    redirect_mode TEXT NOT NULL,
    locale TEXT,
    channels JSONB,
    terminal_id UUID,
    payer JSONB,
    -- As it was sent: `total` and `items`.
    purchase JSONB NOT NULL,
    -- The shop's own reference, if it gave one; it is then the payment's external id, too.
    client_id TEXT,
    client_note TEXT,
    -- The gateway that was chosen, three letters.
    source TEXT,
    cancel_url TEXT,
    success_url TEXT
);

-- A payment as it was opened, or is to be opened, at a gateway. The id is the gateway's idempotency key and reference.
CREATE TABLE gateway_sessions (
    id UUID PRIMARY KEY,
    payment_id UUID NOT NULL REFERENCES payments (id),
    source TEXT NOT NULL,
    -- `checkout`: the payer is sent to the gateway's page; `intent`: a storefront shows the processor's widget.
    kind TEXT NOT NULL,
    -- asked, sent, ready; captured, failed, closed. See `entities::GatewaySessionStatus`.
    status TEXT NOT NULL,
    gateway_id TEXT,
    -- The id under which the gateway's later events name it, where that is another one.
    charge_id TEXT,
    approve_url TEXT,
    client_secret TEXT,
    -- The seller's account at the processor, and what the platform keeps.
    account TEXT,
    fee {money},
    captured {money} NOT NULL,
    refunded {money} NOT NULL,
    reversed {money} NOT NULL,
    failure_code TEXT,
    failure_message TEXT,
    -- How often it was looked at since the gateway has it.
    looks INTEGER NOT NULL,
    -- The message that comes back until the session is concluded; others look once.
    follower UUID,
    -- One process at a time speaks with the gateway about it.
    leased_until TIMESTAMPTZ,
    approved_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
-- One gateway at a time may be asked for a payment's money.
CREATE UNIQUE INDEX gateway_sessions_live ON gateway_sessions (payment_id)
    WHERE status IN ('asked', 'sent', 'ready');
CREATE INDEX gateway_sessions_payment_id ON gateway_sessions (payment_id, id);
CREATE INDEX gateway_sessions_gateway_id ON gateway_sessions (source, gateway_id);
CREATE INDEX gateway_sessions_charge_id ON gateway_sessions (source, charge_id);
-- Stragglers: live ones that nobody has looked at for long.
CREATE INDEX gateway_sessions_updated_at ON gateway_sessions (updated_at)
    WHERE status IN ('asked', 'sent', 'ready');

-- Callbacks that were heard, so that one that is sent again is heard once.
CREATE TABLE gateway_callbacks (
    source TEXT NOT NULL,
    event_id TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (source, event_id)
);
CREATE INDEX gateway_callbacks_created_at ON gateway_callbacks (created_at);

-- What the built-in sandbox, which plays gateways and a card processor, remembers. It moves no money.
CREATE TABLE sandbox_objects (
    id UUID PRIMARY KEY,
    -- payment, refund, account, payout
    kind TEXT NOT NULL,
    -- The caller's idempotency key.
    reference UUID NOT NULL,
    body JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (kind, reference)
);
