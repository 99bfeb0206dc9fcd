-- Wrong sign-ins, counted against each of: an address (`address:…`, IPv6 by /64), a site (`site:…`, an IPv6 /48), an account
-- (`account:` and a hash of what was typed or of the id, so that a PIN typed as a name is not kept), and one account from
-- one address (`pair:…`). `failures` are those since the last block began; `signed_in_at` is a pair's last good sign-in;
-- `account` and `node_id` are told to operators, and null where nobody has this name.
CREATE TABLE sign_in_counts (
    subject TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,
    blocks INTEGER NOT NULL,
    blocked_until TIMESTAMPTZ,
    signed_in_at TIMESTAMPTZ,
    account TEXT,
    node_id UUID,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX sign_in_counts_blocked_until ON sign_in_counts (blocked_until) WHERE blocked_until IS NOT NULL;
CREATE INDEX sign_in_counts_updated_at ON sign_in_counts (updated_at);
DROP TABLE login_failures;
