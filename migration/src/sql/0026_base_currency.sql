-- The currency that tills show prices in; none was chosen where there is no row.
CREATE TABLE base_currency (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    currency_id UUID NOT NULL REFERENCES currencies (id),
    updated_at TIMESTAMPTZ NOT NULL
);
