-- What the till calls a payment, where that is not its external id: '' where it has no name, and the whole of a long one,
-- of which the external id holds the start and a hash.
ALTER TABLE till_payments ADD COLUMN transaction_id TEXT;

-- What a till says of a ticket. Ids and the date are its own words, kept as they were sent.
ALTER TABLE tickets ADD COLUMN order_id TEXT;
ALTER TABLE tickets ADD COLUMN user_id TEXT;
ALTER TABLE tickets ADD COLUMN ticket_date TEXT;
-- 1 pending, 2 paid, 3 canceled.
ALTER TABLE tickets ADD COLUMN status INTEGER NOT NULL DEFAULT 1 CHECK (status BETWEEN 1 AND 3);
ALTER TABLE tickets ADD COLUMN total_amount {money};
ALTER TABLE tickets ADD COLUMN notes TEXT;
CREATE INDEX tickets_node_id ON tickets (node_id, id);

-- Reading tickets needed payments.read until now; whoever could, still can. Whoever keeps tickets, users or roles needs to
-- see them.
INSERT INTO role_permissions (role_id, permission)
    SELECT DISTINCT role_id, 'tickets.read' FROM role_permissions WHERE permission IN ('payments.read', 'tickets.create');
INSERT INTO role_permissions (role_id, permission)
    SELECT DISTINCT role_id, 'tickets.update' FROM role_permissions WHERE permission = 'tickets.create';
INSERT INTO role_permissions (role_id, permission)
    SELECT DISTINCT role_id, 'users.read' FROM role_permissions WHERE permission IN ('users.create', 'users.delete');
INSERT INTO role_permissions (role_id, permission)
    SELECT DISTINCT role_id, 'roles.read' FROM role_permissions WHERE permission IN ('roles.create', 'roles.update', 'roles.delete');
--postgres:UPDATE integrations SET permissions = permissions || '["tickets.read"]'::jsonb WHERE permissions @> '["payments.read"]'::jsonb;
--sqlite:UPDATE integrations SET permissions = json_insert(permissions, '$[#]', 'tickets.read') WHERE EXISTS (SELECT 1 FROM json_each(permissions) WHERE value = 'payments.read');
