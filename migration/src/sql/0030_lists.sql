-- Lists are read from a node's own stretch of an index, in the order of their ids, for each of their filters.
CREATE INDEX payments_list_status ON payments (node_id, status, id);
CREATE INDEX payments_list_status_of_all ON payments (status, id);
CREATE INDEX payments_list_method ON payments (node_id, payment_method, id);
CREATE INDEX payments_list_wallet ON payments (node_id, wallet_id, id);
CREATE INDEX payments_list_network ON payments (node_id, network_id, id);
CREATE INDEX members_node_id ON members (node_id, id);
CREATE INDEX webhook_deliveries_event_type ON webhook_deliveries (endpoint_id, event_type, id);
