-- Everything that was announced, in the order in which it became visible, for those who read it and go on where they were.
CREATE TABLE events (
    -- Rises with the commits: whoever has seen one has seen all before it.
    position BIGINT PRIMARY KEY,
    id UUID NOT NULL UNIQUE,
    node_id UUID NOT NULL REFERENCES nodes (id),
    event_type TEXT NOT NULL,
    -- Whether only operators may read it.
    operators BOOLEAN NOT NULL,
    payment_id UUID,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX events_node_id ON events (node_id, position);
CREATE INDEX events_created_at ON events (created_at);
-- The last position, in one row whose lock is held until the commit.
CREATE TABLE event_positions (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    last BIGINT NOT NULL
);
INSERT INTO event_positions (id, last) VALUES (1, 0);
