-- Whom a diamond belongs to when it is deployed, decided when that is asked for; null for those from before.
ALTER TABLE diamonds ADD COLUMN owner TEXT;
-- The same for the agent that deploys it; null for other operations, and where the agent's settings decide.
ALTER TABLE chain_operations ADD COLUMN owner TEXT;
