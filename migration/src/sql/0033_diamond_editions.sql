-- Which edition of the contract stands at an address, as its loupe has answered; null until it was asked. Ids of deals count
-- up per diamond where the caller gives them: the highest that is taken, by us or as the chain has shown by somebody else.
ALTER TABLE chain_diamonds ADD COLUMN edition TEXT;
ALTER TABLE chain_diamonds ADD COLUMN last_deal_id BIGINT NOT NULL DEFAULT 0;
-- The id that a deal was given when its first transaction was signed; null in diamonds that number deals themselves.
ALTER TABLE chain_deals ADD COLUMN allocated_id BIGINT;
CREATE UNIQUE INDEX chain_deals_allocated_id ON chain_deals (network_id, diamond, allocated_id)
    WHERE allocated_id IS NOT NULL;
