-- The till's names for how a payer pays; payments hold the word.
CREATE TABLE payment_methods (
    id UUID PRIMARY KEY,
    -- In this order they are listed.
    number INTEGER NOT NULL,
    name TEXT NOT NULL UNIQUE,
    method TEXT NOT NULL UNIQUE
);
--postgres:INSERT INTO payment_methods (id, number, name, method) VALUES ('00000000-0000-7000-8000-0000000000b1', 1, 'Cash', 'cash'), ('00000000-0000-7000-8000-0000000000b2', 2, 'Credit Card', 'credit_card'), ('00000000-0000-7000-8000-0000000000b3', 3, 'Debit Card', 'debit_card'), ('00000000-0000-7000-8000-0000000000b4', 4, 'Bitcoin Lightning', 'lightning'), ('00000000-0000-7000-8000-0000000000b5', 5, 'Bank Transfer', 'bank_transfer'), ('00000000-0000-7000-8000-0000000000b6', 6, 'Mobile Money', 'mobile_money'), ('00000000-0000-7000-8000-0000000000b7', 7, 'Web3', 'web3');
--sqlite:INSERT INTO payment_methods (id, number, name, method) VALUES (X'000000000000700080000000000000B1', 1, 'Cash', 'cash'), (X'000000000000700080000000000000B2', 2, 'Credit Card', 'credit_card'), (X'000000000000700080000000000000B3', 3, 'Debit Card', 'debit_card'), (X'000000000000700080000000000000B4', 4, 'Bitcoin Lightning', 'lightning'), (X'000000000000700080000000000000B5', 5, 'Bank Transfer', 'bank_transfer'), (X'000000000000700080000000000000B6', 6, 'Mobile Money', 'mobile_money'), (X'000000000000700080000000000000B7', 7, 'Web3', 'web3');

-- Currencies of ISO 4217 and bitcoin, as far as nobody has made them already.
{iso_4217}

-- Which payments were taken at a till: those alone may be changed or deleted there.
CREATE TABLE till_payments (
    payment_id UUID PRIMARY KEY REFERENCES payments (id),
    created_at TIMESTAMPTZ NOT NULL
);

-- What a till sells; payments refer to it.
CREATE TABLE tickets (
    id UUID PRIMARY KEY,
    node_id UUID NOT NULL REFERENCES nodes (id),
    name TEXT,
    created_at TIMESTAMPTZ NOT NULL
);

-- A payment may cover several tickets, and a ticket may have several payments.
CREATE TABLE ticket_payments (
    ticket_id UUID NOT NULL REFERENCES tickets (id),
    payment_id UUID NOT NULL REFERENCES payments (id),
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (ticket_id, payment_id)
);
CREATE INDEX ticket_payments_payment_id ON ticket_payments (payment_id, ticket_id);
