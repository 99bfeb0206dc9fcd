-- The few payments that wait for an operator, among all others: newest first, as they are listed.
CREATE INDEX payments_needs_review ON payments (id) WHERE status = 'needs_review';
