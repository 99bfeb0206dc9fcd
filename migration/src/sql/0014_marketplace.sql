-- What the platform keeps of a node's card sales: starter, business, professional, enterprise. See `entities::Plan`.
ALTER TABLE nodes ADD COLUMN plan TEXT NOT NULL DEFAULT 'starter';

-- The order's card payment, from its first intent on.
ALTER TABLE orders ADD COLUMN card_payment_id UUID REFERENCES payments (id);
CREATE UNIQUE INDEX orders_card_payment_id ON orders (card_payment_id);

-- A seller's account at the card processor, one for each node.
CREATE TABLE connected_accounts (
    node_id UUID PRIMARY KEY REFERENCES nodes (id),
    -- Ours, and the processor's idempotency key.
    reference UUID NOT NULL UNIQUE,
    -- asked, sent, synced, declined. See `entities::ConnectedAccountStatus`.
    status TEXT NOT NULL,
    -- The processor's id.
    account_id TEXT,
    -- What the seller has told, as long as the processor does not have it; afterwards the business' name alone.
    details JSONB NOT NULL,
    -- The seller's bank account, as long as the processor does not have it.
    iban TEXT,
    -- When these details were told: a later time is another version of them.
    told_at TIMESTAMPTZ NOT NULL,
    charges_enabled BOOLEAN NOT NULL,
    payouts_enabled BOOLEAN NOT NULL,
    requirements_due JSONB NOT NULL,
    failure_code TEXT,
    failure_message TEXT,
    -- When it was first asked for.
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE UNIQUE INDEX connected_accounts_account_id ON connected_accounts (account_id);
CREATE INDEX connected_accounts_updated_at ON connected_accounts (updated_at) WHERE status IN ('asked', 'sent');

-- What was captured for a seller by one session at a gateway, and what of it was given back, in the currency's smallest
-- unit. The check is what keeps refunds within the capture, however many are asked for at once.
CREATE TABLE captures (
    session_id UUID PRIMARY KEY REFERENCES gateway_sessions (id),
    payment_id UUID NOT NULL REFERENCES payments (id),
    node_id UUID NOT NULL REFERENCES nodes (id),
    currency TEXT NOT NULL,
    captured BIGINT NOT NULL CHECK (captured > 0),
    -- What the platform keeps of it, and what of that goes back with refunds.
    fee BIGINT NOT NULL CHECK (fee >= 0 AND fee <= captured),
    fee_reserved BIGINT NOT NULL CHECK (fee_reserved >= 0 AND fee_reserved <= fee),
    -- Refunds that are asked for or have succeeded.
    refund_reserved BIGINT NOT NULL CHECK (refund_reserved >= 0 AND refund_reserved <= captured),
    refunded BIGINT NOT NULL CHECK (refunded >= 0 AND refunded <= refund_reserved),
    -- What payers' banks took back, and how often that has changed.
    reversed BIGINT NOT NULL CHECK (reversed >= 0),
    reversals INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX captures_payment_id ON captures (payment_id);

-- The id is the gateway's idempotency key.
CREATE TABLE refunds (
    id UUID PRIMARY KEY,
    payment_id UUID NOT NULL REFERENCES payments (id),
    session_id UUID NOT NULL REFERENCES captures (session_id),
    -- In the currency's smallest unit; the fee is the platform's part of it.
    amount BIGINT NOT NULL CHECK (amount > 0),
    fee BIGINT NOT NULL CHECK (fee >= 0 AND fee <= amount),
    reason TEXT,
    -- asked, sent, succeeded, failed. See `entities::RefundStatus`.
    status TEXT NOT NULL,
    gateway_id TEXT,
    failure_code TEXT,
    failure_message TEXT,
    -- How often it was looked at since the gateway has it.
    looks INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX refunds_session_id ON refunds (session_id, id);
CREATE INDEX refunds_updated_at ON refunds (updated_at) WHERE status IN ('asked', 'sent');

-- The id is the processor's idempotency key.
CREATE TABLE payouts (
    id UUID PRIMARY KEY,
    node_id UUID NOT NULL REFERENCES nodes (id),
    -- The processor's id of the account.
    account_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    decimals INTEGER NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    -- asked, sent, paid, failed. See `entities::PayoutStatus`.
    status TEXT NOT NULL,
    processor_id TEXT,
    arrival_date DATE,
    failure_code TEXT,
    failure_message TEXT,
    -- How often it was looked at since the processor has it.
    looks INTEGER NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX payouts_node_id ON payouts (node_id, id);
CREATE INDEX payouts_processor_id ON payouts (processor_id);
CREATE INDEX payouts_updated_at ON payouts (updated_at) WHERE status IN ('asked', 'sent');

-- What has happened to sellers' money, once for each kind and subject. Nothing in it ever changes.
CREATE TABLE ledger_entries (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL,
    -- The id of what it is about; behind it a number where it can happen more than once.
    subject TEXT NOT NULL,
    node_id UUID NOT NULL REFERENCES nodes (id),
    currency TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (kind, subject)
);
CREATE INDEX ledger_entries_node_id ON ledger_entries (node_id, currency);

-- Where money went, positive, and where it came from, negative, in the currency's smallest unit. An entry's sum is zero.
CREATE TABLE ledger_postings (
    entry_id UUID NOT NULL REFERENCES ledger_entries (id),
    -- See `payments::ledger::Account`.
    account TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (entry_id, account)
);

-- The sums of a seller's postings, as the rows that payouts are guarded by. Refunds and reversals may bring `available`
-- below zero; payouts never do.
CREATE TABLE seller_balances (
    node_id UUID NOT NULL REFERENCES nodes (id),
    currency TEXT NOT NULL,
    available BIGINT NOT NULL,
    in_transit BIGINT NOT NULL CHECK (in_transit >= 0),
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (node_id, currency)
);

--postgres:CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;
--postgres:CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE ON ledger_entries FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
--postgres:CREATE TRIGGER ledger_postings_append_only BEFORE UPDATE OR DELETE ON ledger_postings FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
--postgres:CREATE TRIGGER ledger_entries_not_truncated BEFORE TRUNCATE ON ledger_entries FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
--postgres:CREATE TRIGGER ledger_postings_not_truncated BEFORE TRUNCATE ON ledger_postings FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
--sqlite:CREATE TRIGGER ledger_entries_not_updated BEFORE UPDATE ON ledger_entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
--sqlite:CREATE TRIGGER ledger_entries_not_deleted BEFORE DELETE ON ledger_entries BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
--sqlite:CREATE TRIGGER ledger_postings_not_updated BEFORE UPDATE ON ledger_postings BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
--sqlite:CREATE TRIGGER ledger_postings_not_deleted BEFORE DELETE ON ledger_postings BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

-- Whether an entry balances shows at the commit. SQLite has no triggers that wait for it: there the function that writes
-- entries checks, and `quittance ledger` does.
--postgres:CREATE FUNCTION ledger_entry_is_balanced() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE entry UUID; BEGIN IF TG_TABLE_NAME = 'ledger_entries' THEN entry := NEW.id; ELSE entry := NEW.entry_id; END IF; IF (SELECT SUM(amount) FROM ledger_postings WHERE entry_id = entry) IS DISTINCT FROM 0 THEN RAISE EXCEPTION 'ledger entry % does not balance', entry; END IF; RETURN NULL; END $$;
--postgres:CREATE CONSTRAINT TRIGGER ledger_entries_balance AFTER INSERT ON ledger_entries DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_entry_is_balanced();
--postgres:CREATE CONSTRAINT TRIGGER ledger_postings_balance AFTER INSERT ON ledger_postings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_entry_is_balanced();

-- The shops' ADMIN runs the shop's side of it.
INSERT INTO role_permissions (role_id, permission) SELECT id, 'marketplace.manage' FROM roles WHERE name = 'ADMIN';
