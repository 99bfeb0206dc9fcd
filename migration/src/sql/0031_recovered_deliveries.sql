-- What a recovery has released is sent behind what is due now. The order of a lane is the index's.
ALTER TABLE webhook_deliveries ADD COLUMN recovered BOOLEAN NOT NULL DEFAULT false;
DROP INDEX webhook_deliveries_due;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, recovered, next_attempt_at, id)
    WHERE status = 'pending';
