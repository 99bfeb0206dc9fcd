-- The bank's number of a transfer as it is compared: without blanks, dashes and leading zeros. Two receipts of a node with the
-- same one may be of one transfer.
ALTER TABLE payment_submissions ADD COLUMN node_id UUID REFERENCES nodes (id);
ALTER TABLE payment_submissions ADD COLUMN reference_key TEXT NOT NULL DEFAULT '';
UPDATE payment_submissions SET
    node_id = (SELECT orders.node_id FROM orders WHERE orders.id = payment_submissions.order_id),
    reference_key = COALESCE(
        NULLIF(ltrim(upper(replace(replace(replace(reference, ' ', ''), '-', ''), '.', '')), '0'), ''), trim(reference)
    );
CREATE INDEX payment_submissions_reference_key ON payment_submissions (node_id, reference_key, status, id);
