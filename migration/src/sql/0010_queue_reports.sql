-- What a process alone knows of a queue that it works: one row per process and queue, renewed every few seconds. Rows
-- that are not renewed are of processes that are gone; readers pass over them, and whoever reports next deletes them.
CREATE TABLE queue_reports (
    process_id UUID NOT NULL,
    queue TEXT NOT NULL,
    -- Messages that are being worked on.
    in_flight BIGINT NOT NULL,
    -- Jobs that ended well, and that failed, within the window before the report.
    done BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    -- The longest that a message which was delivered in the window had waited at its broker.
    waited_ms BIGINT NOT NULL,
    window_ms BIGINT NOT NULL,
    reported_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (process_id, queue)
);
