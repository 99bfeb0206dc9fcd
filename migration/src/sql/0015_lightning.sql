-- An invoice of the Lightning network, one for each payment that was asked for as one. The payment's id is our name for it
-- at the node.
CREATE TABLE lightning_invoices (
    payment_id UUID PRIMARY KEY REFERENCES payments (id),
    -- asked, sent, open; settled, expired, refused. See `entities::InvoiceStatus`.
    status TEXT NOT NULL,
    -- Lower-case hex, and the invoice as payers read it; known once the node has made it.
    payment_hash TEXT UNIQUE,
    bolt11 TEXT,
    amount_sat BIGINT NOT NULL CHECK (amount_sat > 0),
    -- What the payer's wallet shows.
    description TEXT NOT NULL,
    -- What a bitcoin was worth in the payment's currency, by whom, and when; none for amounts in bitcoin.
    rate {money},
    rate_source TEXT,
    rate_at TIMESTAMPTZ,
    received_sat BIGINT,
    expires_at TIMESTAMPTZ NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- Raised by each look at the node while it is live.
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK ((payment_hash IS NULL) = (bolt11 IS NULL)),
    CHECK (status NOT IN ('open', 'settled') OR payment_hash IS NOT NULL)
);
-- Stragglers: live ones that nobody has looked at for long.
CREATE INDEX lightning_invoices_updated_at ON lightning_invoices (updated_at) WHERE status IN ('asked', 'sent', 'open');

-- What one unit of `base` is worth in `quote`; the newest word of it.
CREATE TABLE exchange_rates (
    base TEXT NOT NULL,
    quote TEXT NOT NULL,
    rate {money} NOT NULL,
    -- Who says so; `sandbox` for samples, which only the sandbox node's invoices are made by.
    source TEXT NOT NULL,
    at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (base, quote)
);
