-- An order is one debt: its row is the lock over all rails by which it may be paid, and names the payment whose money came
-- first. Every payment of an order names the order.
ALTER TABLE payments ADD COLUMN order_id UUID REFERENCES orders (id);
CREATE INDEX payments_order_id ON payments (order_id) WHERE order_id IS NOT NULL;
-- The payment that had settled the debt when this one's money came all the same.
ALTER TABLE payments ADD COLUMN duplicate_of UUID REFERENCES payments (id);
ALTER TABLE orders ADD COLUMN paid_by UUID REFERENCES payments (id);
CREATE UNIQUE INDEX orders_paid_by ON orders (paid_by);

UPDATE payments SET order_id = (SELECT orders.id FROM orders WHERE orders.payment_id = payments.id OR orders.card_payment_id = payments.id)
    WHERE id IN (SELECT payment_id FROM orders WHERE payment_id IS NOT NULL UNION SELECT card_payment_id FROM orders WHERE card_payment_id IS NOT NULL);
UPDATE orders SET paid_by = (SELECT payments.id FROM payments WHERE payments.order_id = orders.id AND payments.status IN ('paid', 'completed', 'refunded') ORDER BY payments.updated_at, payments.id LIMIT 1)
    WHERE payment_id IS NOT NULL OR card_payment_id IS NOT NULL;

-- Numbers are drawn and not counted up, so that nobody finds orders by counting. What is not paid gets a new one; a
-- storefront reads it with the order. A number fits a double: it lies between 2^40 and 2^53.
--postgres:UPDATE orders SET number = 1099511627776 + FLOOR(RANDOM() * 9006099743113216)::BIGINT WHERE paid_by IS NULL;
--sqlite:UPDATE orders SET number = 1099511627776 + ABS(RANDOM() % 9006099743113216) WHERE paid_by IS NULL;
DROP INDEX orders_node_id;
CREATE INDEX orders_node_id ON orders (node_id, id);
