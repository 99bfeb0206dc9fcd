-- What a diamond's owner has announced, as the contract said when it was last asked: payers see it. Who was offered the
-- ownership and the hash of the cut, each with the time from which it may happen.
ALTER TABLE chain_diamonds ADD COLUMN pending_owner TEXT;
ALTER TABLE chain_diamonds ADD COLUMN pending_owner_from TIMESTAMPTZ;
ALTER TABLE chain_diamonds ADD COLUMN pending_cut TEXT;
ALTER TABLE chain_diamonds ADD COLUMN pending_cut_from TIMESTAMPTZ;
