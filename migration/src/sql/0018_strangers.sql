-- Files that anybody may send. Each has its row before it has its bytes, so that no file is ever without one.
CREATE TABLE uploads (
    -- The file's name in the store, which cannot be guessed.
    name TEXT PRIMARY KEY,
    -- Whose allowance it is counted with: an address, or a network of addresses.
    address TEXT NOT NULL,
    -- What it is counted as, which is at least some kilobytes: a row and a file cost that, too.
    bytes BIGINT NOT NULL CHECK (bytes > 0),
    -- Whether its address's allowance still counts it; for as long as nobody need name it, named or not.
    counted BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- When a receipt named it: it is kept from then on.
    named_at TIMESTAMPTZ,
    -- When it was given up because no receipt had named it; its file is removed next, and then the row.
    removed_at TIMESTAMPTZ
);
CREATE INDEX uploads_counted ON uploads (created_at) WHERE counted;

-- What files take: for each address what it has sent lately, and as '' what no receipt names, of all addresses. The rows
-- are what the allowances are guarded by, however many send at once.
CREATE TABLE upload_allowances (
    address TEXT PRIMARY KEY,
    bytes BIGINT NOT NULL CHECK (bytes >= 0)
);
INSERT INTO upload_allowances (address, bytes) VALUES ('', 0);

-- Orders that nobody has tried to pay, which are removed after a while.
CREATE INDEX orders_untouched ON orders (created_at) WHERE payment_id IS NULL AND card_payment_id IS NULL;

-- SQLite turns a sum that leaves 64 bits into a floating-point number, in which cents vanish. PostgreSQL refuses it.
--sqlite:CREATE TRIGGER seller_balances_inserted AFTER INSERT ON seller_balances WHEN typeof(NEW.available) <> 'integer' OR typeof(NEW.in_transit) <> 'integer' BEGIN SELECT RAISE(ABORT, 'a balance leaves 64 bits'); END;
--sqlite:CREATE TRIGGER seller_balances_updated AFTER UPDATE ON seller_balances WHEN typeof(NEW.available) <> 'integer' OR typeof(NEW.in_transit) <> 'integer' BEGIN SELECT RAISE(ABORT, 'a balance leaves 64 bits'); END;
--sqlite:CREATE TRIGGER ledger_postings_inserted AFTER INSERT ON ledger_postings WHEN typeof(NEW.amount) <> 'integer' BEGIN SELECT RAISE(ABORT, 'an amount leaves 64 bits'); END;
--sqlite:CREATE TRIGGER captures_inserted AFTER INSERT ON captures WHEN typeof(NEW.captured) <> 'integer' OR typeof(NEW.fee) <> 'integer' OR typeof(NEW.fee_reserved) <> 'integer' OR typeof(NEW.refund_reserved) <> 'integer' OR typeof(NEW.refunded) <> 'integer' OR typeof(NEW.reversed) <> 'integer' BEGIN SELECT RAISE(ABORT, 'an amount leaves 64 bits'); END;
--sqlite:CREATE TRIGGER captures_updated AFTER UPDATE ON captures WHEN typeof(NEW.captured) <> 'integer' OR typeof(NEW.fee) <> 'integer' OR typeof(NEW.fee_reserved) <> 'integer' OR typeof(NEW.refund_reserved) <> 'integer' OR typeof(NEW.refunded) <> 'integer' OR typeof(NEW.reversed) <> 'integer' BEGIN SELECT RAISE(ABORT, 'an amount leaves 64 bits'); END;
--sqlite:CREATE TRIGGER refunds_inserted AFTER INSERT ON refunds WHEN typeof(NEW.amount) <> 'integer' OR typeof(NEW.fee) <> 'integer' BEGIN SELECT RAISE(ABORT, 'an amount leaves 64 bits'); END;
--sqlite:CREATE TRIGGER payouts_inserted AFTER INSERT ON payouts WHEN typeof(NEW.amount) <> 'integer' BEGIN SELECT RAISE(ABORT, 'an amount leaves 64 bits'); END;
--sqlite:CREATE TRIGGER refunds_updated AFTER UPDATE ON refunds WHEN typeof(NEW.amount) <> 'integer' OR typeof(NEW.fee) <> 'integer' BEGIN SELECT RAISE(ABORT, 'an amount leaves 64 bits'); END;
--sqlite:CREATE TRIGGER payouts_updated AFTER UPDATE ON payouts WHEN typeof(NEW.amount) <> 'integer' BEGIN SELECT RAISE(ABORT, 'an amount leaves 64 bits'); END;
