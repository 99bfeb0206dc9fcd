-- Deposits that did not go back to their payer, whose account refused them: the diamond keeps them until the payer calls
-- `withdraw`. In chain's own table for whom, as long as they are kept; in the payment for whom and which token, and when
-- they were taken.
ALTER TABLE chain_deals ADD COLUMN held_for TEXT;
CREATE INDEX chain_deals_held ON chain_deals (network_id, checked_at) WHERE held_for IS NOT NULL;
ALTER TABLE payments ADD COLUMN return_held_for TEXT;
ALTER TABLE payments ADD COLUMN return_held_token TEXT;
ALTER TABLE payments ADD COLUMN return_withdrawn_at TIMESTAMPTZ;
