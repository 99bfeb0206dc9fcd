-- Payments on rails that are no chain name this chain and network. Both are out of use from the start, so that nobody
-- lists, changes or works them, and no column of payments has to become optional.
--postgres:INSERT INTO chains (id, name, created_at, updated_at, deleted_at) VALUES ('00000000-0000-7000-8000-00000000000c', 'off-chain', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00') ON CONFLICT (name) DO NOTHING;
--sqlite:INSERT INTO chains (id, name, created_at, updated_at, deleted_at) VALUES (X'0000000000007000800000000000000C', 'off-chain', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00') ON CONFLICT (name) DO NOTHING;
--postgres:INSERT INTO networks (id, chain_id, network_id, name, rpc_urls, confirmations, explorer_url, created_at, updated_at, deleted_at) SELECT '00000000-0000-7000-8000-00000000000e', id, 0, 'off-chain', '[]', 1, NULL, '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00' FROM chains WHERE name = 'off-chain';
--sqlite:INSERT INTO networks (id, chain_id, network_id, name, rpc_urls, confirmations, explorer_url, created_at, updated_at, deleted_at) SELECT X'0000000000007000800000000000000E', id, 0, 'off-chain', '[]', 1, NULL, '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00' FROM chains WHERE name = 'off-chain';

-- The roles that the receipts contract knows; whoever holds its permission is its ADMIN.
--postgres:INSERT INTO roles (id, name, is_admin, created_at) VALUES ('00000000-0000-7000-8000-0000000000a1', 'CLIENTE', FALSE, '2026-01-01T00:00:00+00:00'), ('00000000-0000-7000-8000-0000000000a2', 'TALLER', FALSE, '2026-01-01T00:00:00+00:00'), ('00000000-0000-7000-8000-0000000000a3', 'CREADOR', FALSE, '2026-01-01T00:00:00+00:00'), ('00000000-0000-7000-8000-0000000000a4', 'ADMIN', FALSE, '2026-01-01T00:00:00+00:00') ON CONFLICT (name) DO NOTHING;
--sqlite:INSERT INTO roles (id, name, is_admin, created_at) VALUES (X'000000000000700080000000000000A1', 'CLIENTE', FALSE, '2026-01-01T00:00:00+00:00'), (X'000000000000700080000000000000A2', 'TALLER', FALSE, '2026-01-01T00:00:00+00:00'), (X'000000000000700080000000000000A3', 'CREADOR', FALSE, '2026-01-01T00:00:00+00:00'), (X'000000000000700080000000000000A4', 'ADMIN', FALSE, '2026-01-01T00:00:00+00:00') ON CONFLICT (name) DO NOTHING;
INSERT INTO role_permissions (role_id, permission) SELECT id, 'receipts.manage' FROM roles WHERE name = 'ADMIN';

-- What a shop's customer buys. One of its payments is the bank transfer's, which exists from the first receipt on.
CREATE TABLE orders (
    -- Counted up by the database; gaps are possible.
    number {rising},
    id UUID NOT NULL UNIQUE,
    -- What people call it: KRFT- and six characters.
    order_number TEXT NOT NULL UNIQUE,
    node_id UUID NOT NULL REFERENCES nodes (id),
    -- The customer who was signed in, if one was.
    user_id UUID REFERENCES users (id),
    currency_id UUID NOT NULL REFERENCES currencies (id),
    payment_id UUID UNIQUE REFERENCES payments (id),
    -- The contract's words; it follows the payment, and other systems write how the order is fulfilled.
    status TEXT NOT NULL,
    total {money} NOT NULL,
    total_bs {money},
    exchange_rate {money},
    items JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX orders_node_id ON orders (node_id, number);

CREATE TABLE payment_submissions (
    id UUID PRIMARY KEY,
    order_id UUID NOT NULL REFERENCES orders (id),
    payment_id UUID NOT NULL REFERENCES payments (id),
    method TEXT NOT NULL,
    amount_reported {money} NOT NULL,
    amount_expected {money} NOT NULL,
    reference TEXT NOT NULL,
    origin_bank TEXT,
    payer_name TEXT,
    receipt_url TEXT,
    status TEXT NOT NULL,
    rejection_reason TEXT,
    reported_at TIMESTAMPTZ NOT NULL,
    verified_at TIMESTAMPTZ
);
CREATE INDEX payment_submissions_order_id ON payment_submissions (order_id, id);

-- Where a shop's customers transfer to.
CREATE TABLE bank_accounts (
    id UUID PRIMARY KEY,
    node_id UUID NOT NULL REFERENCES nodes (id),
    kind TEXT NOT NULL,
    bank_name TEXT NOT NULL,
    account_number TEXT,
    phone TEXT,
    holder_name TEXT,
    holder_id TEXT,
    email TEXT,
    active BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX bank_accounts_node_id ON bank_accounts (node_id, id);
